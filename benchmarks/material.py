"""What a conversion needs, of true size and random weights, for machines without the downloads.

    python benchmarks/material.py FOLDER

Makes FOLDER/rvc/models (an embedder of HuBERT-base's size under contentvec's name, RMVPE),
FOLDER/voice.pth (a 40k HiFi-GAN voice) and FOLDER/voice.index (31,476 rows). Use it with
RVC_HOME=FOLDER. Random weights cost the same time and memory as real ones; only the sound differs.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HUBERT_BASE = {
    "model_type": "hubert",
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "conv_dim": [512] * 7,
    "conv_kernel": [10, 3, 3, 3, 3, 2, 2],
    "conv_stride": [5, 2, 2, 2, 2, 2, 2],
    "num_conv_pos_embeddings": 128,
    "num_conv_pos_embedding_groups": 16,
    "conv_bias": False,
    "feat_extract_norm": "group",
    "feat_proj_layer_norm": True,
    "do_stable_layer_norm": False,
    "classifier_proj_size": 256,
}
INDEX_ROWS = 31_476


def embedder(folder: Path) -> None:
    import torch

    from rvc.embedders.hubert import SpeechEncoder
    from rvc.embedders.hubert_shape import Shape

    folder.mkdir(parents=True, exist_ok=True)
    network = SpeechEncoder(Shape.read(HUBERT_BASE), 12, False)
    torch.save(network.state_dict(), folder / "pytorch_model.bin")
    (folder / "config.json").write_text(json.dumps(HUBERT_BASE), encoding="utf-8")


def pitch(file: Path) -> None:
    """RMVPE; with random weights it calls nearly everything voiced."""
    import torch

    from rvc.f0.rmvpe import Network

    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save(Network().state_dict(), file)


def voice(file: Path) -> None:
    import torch

    from rvc.nets import config
    from rvc.nets.synthesizer import Synthesizer
    from rvc.nets.voice_file import voice_of, write_voice

    sizes = config.load(40_000, "HiFi-GAN", "v2")
    net = Synthesizer(sizes, n_speakers=109, with_posterior=False)
    with torch.no_grad():
        for name, value in net.dec.named_parameters():  # fresh decoders pass hardly any sound
            if name.endswith("original0"):
                loud = 2.0 if name.startswith("ups.") else 1.0 if "conv_post" in name else 0.5
                value.fill_(loud)
    meta = {"model_name": "voice", "embedder_model": "contentvec", "epoch": 1, "step": 1}
    write_voice(file, voice_of(net.state_dict(), sizes, "HiFi-GAN", meta))


def index(file: Path) -> None:
    import numpy as np

    from rvc.retrieval import index

    rows = np.random.default_rng(0).standard_normal((INDEX_ROWS, 768), np.float32)
    index.write(index.build(rows, cores=2), file)


def make(folder: Path, indexed: bool = True) -> None:
    """Everything that is not there yet; `indexed`: the index, too, which needs faiss."""
    import torch

    torch.manual_seed(0)
    models = folder / "rvc" / "models"
    for path, maker in (
        (models / "embedders" / "contentvec", embedder),
        (models / "predictors" / "rmvpe.pt", pitch),
        (folder / "voice.pth", voice),
        (folder / "voice.index", index),
    ):
        if not path.exists() and (indexed or maker is not index):
            maker(path)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    make(Path(sys.argv[1]))
