"""The padding of the U-Net is that of the published graph; its small weights are true to it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from recipes import stems
from rvc.config import KIT
from rvc.nets import unet


def test_the_way_up_is_the_adjoint_of_the_way_down() -> None:
    """TensorFlow's transposed convolution is the gradient of its padded one: <Dx, y> = <x, Uy>."""
    torch.manual_seed(1)
    down, up = unet.Down(3, 5).double(), unet.Up(5, 3).double()
    with torch.no_grad():
        up.conv.weight.copy_(down.conv.weight)
        down.conv.bias.zero_()  # type: ignore[union-attr]
    x, y = torch.randn(1, 3, 64, 64).double(), torch.randn(1, 5, 32, 32).double()
    lifted = F.conv_transpose2d(y, up.conv.weight, stride=2)[..., 1:-2, 1:-2]
    assert lifted.shape == x.shape
    assert torch.allclose((down(x) * y).sum(), (x * lifted).sum(), atol=1e-9)
    torch.testing.assert_close(up(y), up.norm(F.relu(lifted + up.conv.bias[:, None, None])))  # type: ignore[index]


def test_a_kernel_of_int8_is_off_by_half_a_step(tmp_path: Path) -> None:
    torch.manual_seed(2)
    full = {k: v for k, v in unet.UNet().state_dict().items() if "num_batches" not in k}
    save_file(stems.narrowed(full), tmp_path / "w.safetensors")
    found = unet.load(tmp_path / "w.safetensors").state_dict()
    for name, value in full.items():
        step = value.abs().max() / 127
        assert (found[name] - value).abs().max() <= 0.51 * step + 1e-3 * value.abs().max()


def test_the_kit_is_what_the_recipe_writes() -> None:
    files = {name: KIT / "stems" / f"{name}.safetensors" for name in stems.MADE}
    assert {n: hashlib.sha256(f.read_bytes()).hexdigest() for n, f in files.items()} == stems.MADE
    assert sum(file.stat().st_size for file in files.values()) <= 20e6
