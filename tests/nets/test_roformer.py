"""Both kinds of RoFormer give what the published programs gave with the same random weights."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
import torch

from rvc.errors import Mismatch
from rvc.nets import roformer
from tests.nets.golden import FOLDER

SMALL = {"dim": 16, "depth": 2, "heads": 2, "dim_head": 8, "time_depth": 1, "band_depth": 1}


def weight(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """Random numbers that depend on the name alone, as they were given to the published ones."""
    drawn = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    values = drawn.astype(np.float32)
    if name.endswith("gamma"):
        return torch.from_numpy(1 + np.float32(0.1) * values)
    return torch.from_numpy(values / np.float32(shape[-1] ** 0.5 if len(shape) > 1 else 10))


def weights(kind: str) -> dict[str, torch.Tensor]:
    """A small network's tensors under the names of checkpoints in circulation."""
    mel = kind == "mel"
    bands = roformer.mel_bands(60) if mel else roformer.split_bands()
    inner = 2 if mel else 1
    net = roformer.RoFormer(bands, mel, **SMALL, stems=1, inner=inner, hidden=64)
    return {
        name: value if name.endswith("freqs") else weight(name, tuple(value.shape))
        for name, value in net.state_dict().items()
    }


@pytest.mark.parametrize("kind", ["mel", "split"])
def test_the_sound_is_that_of_the_published_program(kind: str) -> None:
    wanted = np.load(FOLDER / "roformer.npz")[kind]
    wave = (0.1 * np.random.default_rng(7).standard_normal((1, 2, 9000))).astype(np.float32)
    net = roformer.build(weights(kind), "these weights")
    with torch.inference_mode():
        found = net(torch.from_numpy(wave))[0, 0].numpy()
    assert found.shape == (2, 9000)
    same = found[:, : wanted.shape[1]]  # one of them drops the last, incomplete hop
    assert np.abs(same - wanted).max() <= 1e-5 * np.abs(wanted).max()


def test_a_checkpoint_of_another_kind_is_refused_by_name() -> None:
    with pytest.raises(Mismatch, match=r"not the weights of a .* RoFormer"):
        roformer.build({"conv.weight": torch.zeros(3)}, "v.ckpt")
    changed = weights("mel")
    changed["layers.0.0.layers.0.0.to_out.0.weight"] = torch.zeros(3, 3)
    with pytest.raises(Mismatch, match=r"v\.ckpt.*to_out"):
        roformer.build(changed, "v.ckpt")
