"""Turn base.py's states into the kit's files: base model, demo voice, its index, the sample.

Development-time only. Several states of the voice are averaged, weight by weight.
Use: python recipes/pack.py CACHE MINI_FOLDER KIT BASE_STATE VOICE_STATE [VOICE_STATE ...]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from recipes.base import SPEAKERS, Data
from recipes.corpus import HUMANS
from rvc.features import index
from rvc.features.manager import EmbedderManager
from rvc.nets import settings as net_settings
from rvc.nets.checkpoint import public_names, voice_of, write_voice

DEMO = "slt-hts"
ROWS = 2000  # of the index: k-means centres, 1.6 MB


def main(cache: Path, mini: Path, kit: Path, base: Path, *voices: Path) -> None:
    """Write lite/f0G24k.pth, lite/f0D24k.pth, demo/demo.pth and demo/demo.index."""
    state = torch.load(base, weights_only=True)
    (kit / "lite").mkdir(parents=True, exist_ok=True)
    free = [i for i, name in enumerate(SPEAKERS) if name not in HUMANS]  # nobody's own voice
    state["average"]["emb_g.weight"] = state["average"]["emb_g.weight"][free]
    for part, name in (("average", "f0G24k.pth"), ("d", "f0D24k.pth")):
        half = {k: v.half() for k, v in public_names(state[part]).items()}
        torch.save({"model": half, "iteration": 0, "learning_rate": 2e-4}, kit / "lite" / name)
    taught = [torch.load(voice, weights_only=True) for voice in voices]
    weights = {k: sum(t["average"][k] for t in taught) / len(taught) for k in taught[0]["average"]}
    sid = SPEAKERS.index(DEMO)
    weights["emb_g.weight"] = weights["emb_g.weight"][sid : sid + 1].clone()
    spec = EmbedderManager().load("mini").spec
    data = Data(cache, mini, 240)
    clips = data.clips[sid]
    hz = torch.cat([c["hz"] for c in clips])
    meta = {
        "model_name": "demo",
        "epoch": 1,
        "step": int(state["step"]) + int(taught[-1]["step"]),
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
    main(*map(Path, sys.argv[1:]))
