"""Turn base.py's states into the kit's files: the base model; the demo voice with its index.

Development-time only. A voice may be the mean, weight by weight, of several states and of the voice
that is in the kit already, if all of them began at the same base model. A state may be named twice.
Use: python recipes/pack.py base KIT STATE
     python recipes/pack.py voice KIT CACHE MINI_FOLDER VOICE [VOICE ...]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from recipes.base import SPEAKERS, Data
from recipes.debian_corpus import HUMANS
from rvc.embedders.manager import EmbedderManager
from rvc.nets import config as net_settings
from rvc.nets.state_dict import Weights, public_names
from rvc.nets.voice_file import read_voice, voice_of, write_voice
from rvc.retrieval import index

DEMO = "slt-hts"
ROWS = 2000  # of the index: k-means centres, 1.6 MB


def base(kit: Path, state_file: Path) -> None:
    """Write lite/f0G24k.pth and lite/f0D24k.pth."""
    state = torch.load(state_file, weights_only=True)
    (kit / "lite").mkdir(parents=True, exist_ok=True)
    free = [i for i, name in enumerate(SPEAKERS) if name not in HUMANS]  # nobody's own voice
    state["average"]["emb_g.weight"] = state["average"]["emb_g.weight"][free]
    for part, name in (("average", "f0G24k.pth"), ("d", "f0D24k.pth")):
        half = {k: v.half() for k, v in public_names(state[part]).items()}
        torch.save({"model": half, "iteration": 0, "learning_rate": 2e-4}, kit / "lite" / name)


def taught(file: Path) -> tuple[Weights, int]:
    """The weights of a state or of a voice file, for the demo speaker alone, and its steps."""
    if file.suffix == ".pth":
        voice = read_voice(file)
        return {k: v.float() for k, v in voice.weights.items()}, int(voice.meta["step"])
    state = torch.load(file, weights_only=True)
    weights = public_names(state["average"])
    sid = SPEAKERS.index(DEMO)
    weights["emb_g.weight"] = weights["emb_g.weight"][sid : sid + 1].clone()
    return weights, int(state["step"])


def voice(kit: Path, cache: Path, mini: Path, *files: Path) -> None:
    """Write demo/demo.pth and demo/demo.index."""
    parts = [taught(file) for file in files]
    weights = {k: sum(w[k] for w, _ in parts) / len(parts) for k in parts[0][0]}
    spec = EmbedderManager().load("mini").spec
    clips = Data(cache, mini, 240).clips[SPEAKERS.index(DEMO)]
    hz = torch.cat([c["hz"] for c in clips])
    meta = {
        "model_name": "demo",
        "epoch": 1,
        "step": max(steps for _, steps in parts),
        "embedder_model": "mini",
        "embedder": {"name": "mini", "width": spec.width, "layer": spec.layer},
        "median_f0_hz": float(hz[hz > 0].median()),
        "speakers": ["CMU ARCTIC slt (festvox-us-slt-hts)"],
    }
    settings = net_settings.load(24000, "lite")
    (kit / "demo").mkdir(parents=True, exist_ok=True)
    write_voice(kit / "demo" / "demo.pth", voice_of(weights, settings, "lite", meta))
    features = np.concatenate([c["phones"][0].numpy() for c in clips]).astype(np.float32)
    rows = index.condense(features, ROWS, 0)
    index.write(index.build(rows, "Faiss", 1, 0), kit / "demo" / "demo.index")


if __name__ == "__main__":
    {"base": base, "voice": voice}[sys.argv[1]](*map(Path, sys.argv[2:]))
