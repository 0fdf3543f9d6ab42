"""Weight files of embedders: read as data only, names and weight-norm spellings made equal."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import torch
from torch import Tensor, nn

from rvc.errors import BadInput
from rvc.hub import safe

log = logging.getLogger(__name__)

SPELLINGS = {  # public spellings of weight norm: (magnitude, direction)
    "weight_g": ("weight_g", "weight_v"),
    "parametrizations.weight.original0": (
        "parametrizations.weight.original0",
        "parametrizations.weight.original1",
    ),
}
PREFIX = re.compile(r"^(hubert|wavlm|wav2vec2|data2vec_audio|model)\.")
DAMAGE = (RuntimeError, ValueError, EOFError, KeyError, IndexError, TypeError, AttributeError)
FILES = ("model.safetensors", "pytorch_model.safetensors", "pytorch_model.bin")


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a `.safetensors` or `.bin` file; nothing in the file is executed.

    Raises:
        BadInput: damaged, or holding something else than tensors.
    """
    loaded = safe.load(path)
    if path.suffix == ".safetensors":
        loaded = loaded["weight"]
    if isinstance(loaded, dict) and isinstance(loaded.get("state_dict"), dict):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, dict):
        raise BadInput(f"{path} holds no weights.", "It needs a dictionary of tensors.")
    return {k: v for k, v in loaded.items() if isinstance(k, str) and isinstance(v, Tensor)}


def prepare(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Float32 weights without a task prefix, weight norm folded into plain weights."""
    out = {PREFIX.sub("", k): v.float() for k, v in weights.items() if v.is_floating_point()}
    for name in list(out):
        for end, (magnitude, direction) in SPELLINGS.items():
            if name.endswith("." + end):
                stem = name.removesuffix(end)
                out[stem + "weight"] = _folded(out.pop(stem + magnitude), out.pop(stem + direction))
    return out


def _folded(magnitude: Tensor, direction: Tensor) -> Tensor:
    """g · v / |v|, the norm taken over the axes where the magnitude has size 1."""
    axes = [i for i, n in enumerate(magnitude.shape) if n == 1]
    length: Tensor = torch.linalg.vector_norm(direction, dim=axes, keepdim=True)
    return direction * (magnitude / length)


def fill(network: nn.Module, weights: dict[str, Tensor]) -> None:
    """Load weights, refusing what is missing or misshapen; what the network lacks is left out.

    Raises:
        BadInput: the first missing or misshapen weight is named; nothing is left random.
    """
    own = network.state_dict()
    for name, tensor in own.items():
        if name.endswith("num_batches_tracked"):
            continue
        if name not in weights:
            raise BadInput(
                f"The embedder's weights lack {name}.",
                "The file is of another model than its config.json says, or incomplete.",
            )
        if weights[name].shape != tensor.shape:
            raise BadInput(
                f"The embedder's {name} has shape {tuple(weights[name].shape)}, "
                f"its config.json says {tuple(tensor.shape)}.",
                "The weights and the config.json do not belong together.",
            )
    chosen = {
        k: weights[k] if k in weights else torch.zeros(v.shape, dtype=v.dtype)
        for k, v in own.items()
    }
    network.load_state_dict(chosen, assign=True)
    network.requires_grad_(False)
