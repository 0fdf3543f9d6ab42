"""Turn base.py's states into the kit's files: the base model; the demo voice with its index.

Development-time only. A voice may be the mean, weight by weight, of several states and of the voice
that is in the kit already, if all of them began at the same base model. A state may be named twice.
Use: python recipes/pack.py base KIT STATE
     python recipes/pack.py voice KIT CACHE SPEAKER STATE [STATE ...]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from recipes.base import Data
from rvc.embedders.manager import EmbedderManager
from rvc.nets import config as net_settings
from rvc.nets.voice_file import Weights, public_names, read_voice, voice_of, write_voice
from rvc.retrieval import index

RECORDED = "prompts-"  # how the names of real people begin
EMBEDDER = "mini-plus"
ROWS = 2000  # of the index: k-means centres, 1.6 MB


def base(kit: Path, state_file: Path) -> None:
    """Write lite/f0G24k.pth and lite/f0D24k.pth."""
    state = torch.load(state_file, weights_only=True)
    (kit / "lite").mkdir(parents=True, exist_ok=True)
    names = state["names"]
    free = [i for i, name in enumerate(names) if not name.startswith(RECORDED)]  # nobody's voice
    state["average"]["emb_g.weight"] = state["average"]["emb_g.weight"][free]
    for part, name in (("average", "f0G24k.pth"), ("d", "f0D24k.pth")):
        half = {k: v.half() for k, v in public_names(state[part]).items()}
        torch.save({"model": half, "iteration": 0, "learning_rate": 2e-4}, kit / "lite" / name)


def taught(file: Path, speaker: str) -> tuple[Weights, int]:
    """The weights of a state or of a voice file, for one speaker alone, and its steps."""
    if file.suffix == ".pth":
        voice = read_voice(file)
        return {k: v.float() for k, v in voice.weights.items()}, int(voice.meta["step"])
    state = torch.load(file, weights_only=True)
    weights = public_names(state["average"])
    sid = state["names"].index(speaker)
    weights["emb_g.weight"] = weights["emb_g.weight"][sid : sid + 1].clone()
    return weights, int(state["step"])


def voice(kit: Path, cache: Path, speaker: str, *files: Path) -> None:
    """Write demo/demo.pth and demo/demo.index."""
    parts = [taught(file, speaker) for file in files]
    weights = {k: torch.stack([w[k] for w, _ in parts]).mean(0) for k in parts[0][0]}
    spec = EmbedderManager().load(EMBEDDER).spec
    data = Data(cache, 240)
    clips = data.clips[data.names.index(speaker)]
    hz = torch.cat([c["hz"] for c in clips])
    meta = {
        "model_name": "demo",
        "epoch": 1,
        "step": max(steps for _, steps in parts),
        "embedder_model": EMBEDDER,
        "embedder": {"name": EMBEDDER, "width": spec.width, "layer": spec.layer},
        "median_f0_hz": float(hz[hz > 0].median()),
        "speakers": [f"{speaker}, a blend of Kokoro-82M's voices: nobody"],
    }
    settings = net_settings.load(24000, "lite")
    (kit / "demo").mkdir(parents=True, exist_ok=True)
    write_voice(kit / "demo" / "demo.pth", voice_of(weights, settings, "lite", meta))
    features = np.concatenate([c["phones"][0].numpy() for c in clips]).astype(np.float32)
    rows = index.condense(features, ROWS, 0)
    index.write(index.build(rows, "Faiss", 1, 0), kit / "demo" / "demo.index")


if __name__ == "__main__":
    if sys.argv[1] == "base":
        base(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        kit, cache, speaker, *files = sys.argv[2:]
        voice(Path(kit), Path(cache), speaker, *map(Path, files))
