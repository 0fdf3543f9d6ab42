"""One function chooses the device and says why; half never reaches what cannot take it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from rvc import device, precision
from rvc.config import Settings, save_settings
from rvc.embedders.manager import EmbedderManager
from rvc.errors import BadInput, Mismatch
from tests.embedders import tiny_embedders as tiny


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RVC_HOME", str(tmp_path / "home"))


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_accelerator", lambda: ("cpu", 0, "torch is a CPU build"))


def test_cpu_is_chosen_with_the_reason(no_gpu: Any) -> None:
    chosen = device.choose()
    assert (chosen.name, chosen.dtype) == ("cpu", torch.float32)
    assert "torch is a CPU build" in chosen.why
    assert "as asked" in device.choose("-").why


def test_a_gpu_asked_for_and_absent_is_an_error(no_gpu: Any) -> None:
    with pytest.raises(Mismatch, match="GPU 0 was asked for.*CPU build"):
        device.choose("0")


def test_gpu_numbers_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_accelerator", lambda: ("cuda", 2, "Some GPU"))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (8, 6))
    assert device.choose("0-1", part="train").numbers == (0, 1)
    assert device.choose("1").name == "cuda:1"
    assert device.choose(part="train").dtype == torch.bfloat16
    chosen = device.choose(part="convert")
    assert chosen.dtype == torch.float32
    assert chosen.tf32
    assert "TF32, as nobody asked for exactness" in chosen.why
    assert not device.choose(precision="fp32", part="convert").tf32, "exactness was asked for"
    assert not device.choose(part="features").tf32
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (7, 5))
    assert not device.choose(part="convert").tf32, "before Ampere there is none"
    with pytest.raises(Mismatch, match="has 2"):
        device.choose("2")
    with pytest.raises(BadInput, match="not a GPU choice"):
        device.choose("first")


def test_fp16_on_cpu_becomes_fp32_with_one_line(
    no_gpu: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert device.choose(precision="fp16").dtype == torch.float32
    assert len(caplog.records) == 1
    caplog.clear()
    save_settings(Settings(precision="fp16"))
    with caplog.at_level(logging.WARNING):
        assert device.choose().dtype == torch.float32
    assert len(caplog.records) == 1


@pytest.mark.parametrize("faster", [True, False])
def test_bf16_on_cpu_only_where_it_is_faster(
    faster: bool, no_gpu: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "bf16_is_faster_on_cpu", lambda: faster)
    want = torch.bfloat16 if faster else torch.float32
    assert device.choose(precision="bf16").dtype == want
    assert device.choose(precision="auto").dtype == torch.float32


def test_old_gpus_that_the_build_cannot_drive_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Old One")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (12, 0))
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_80", "sm_90"])
    assert "no code for Old One (sm_120)" in device.choose().why
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_80", "sm_120"])
    assert device._accelerator()[0] == "cuda"


class Mixed(nn.Module):
    """A bit of everything: convolution, every norm, attention by hand, a phase accumulator."""

    class Phase(nn.Module):
        keep_fp32 = True

        def forward(self, x: Any) -> Any:
            assert x.dtype == torch.float32
            return torch.cumsum(x.abs(), -1).sin()

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.utils.parametrizations.weight_norm(nn.Conv1d(4, 8, 3, padding=1))
        self.batch, self.group = nn.BatchNorm1d(8), nn.GroupNorm(2, 8)
        self.layer, self.linear = nn.LayerNorm(8), nn.Linear(8, 8)
        self.mix = nn.Parameter(torch.randn(8, 8) * 0.3)
        self.phase = self.Phase()

    def forward(self, x: Any, count: Any) -> Any:
        assert count.dtype == torch.int64
        y = self.group(self.batch(self.conv(x))).mT
        y = self.linear(self.layer(y))
        y = y @ self.mix.to(y.dtype)
        return y + self.phase(y)


def test_guard_keeps_norms_and_phase_exact_and_returns_fp32() -> None:
    torch.manual_seed(0)
    net: Any = Mixed().eval()
    x = torch.randn(2, 4, 50)
    want = net(x, torch.tensor(3))
    net = precision.guard(net, torch.bfloat16, "cpu")
    assert net.conv.parametrizations.weight.original1.dtype == torch.bfloat16
    assert net.linear.weight.dtype == torch.bfloat16
    assert {net.layer.weight.dtype, net.group.weight.dtype, net.batch.running_var.dtype} == {
        torch.float32
    }
    got = net(x, torch.tensor(3))
    assert got.dtype == torch.float32
    assert (got - want).abs().max() < 0.1 * want.abs().max()


@pytest.mark.parametrize(
    ("channels", "groups", "kernel", "kept"),
    [(64, 16, 128, True), (48, 4, 16, True), (768, 16, 128, False), (64, 16, 41, False)],
)
def test_convolutions_that_amx_gets_wrong_stay_in_fp32_on_a_cpu(
    channels: int, groups: int, kernel: int, kept: bool
) -> None:
    torch.manual_seed(0)
    net: Any = nn.Sequential(
        nn.Conv1d(channels, channels, kernel, padding=kernel // 2, groups=groups)
    )
    x = torch.randn(1, channels, 50)
    want = net(x)
    net = precision.guard(net, torch.bfloat16, "cpu")
    assert net[0].weight.dtype == (torch.float32 if kept else torch.bfloat16)
    got = net(x)
    assert (got - want).square().mean() < 1e-4 * want.square().mean()


def test_guard_makes_fp16_on_cpu_impossible(caplog: pytest.LogCaptureFixture) -> None:
    net = precision.guard(Mixed(), torch.float16, "cpu")
    assert {p.dtype for p in net.parameters()} == {torch.float32}
    assert [r for r in caplog.records if "fp16" in r.message]


def test_operators_without_a_half_kernel_run_in_fp32() -> None:
    x = torch.randn(2, 5, 5, dtype=torch.bfloat16)
    with pytest.raises(RuntimeError):
        torch.linalg.inv(x)
    with precision.HalfSafe():
        got = torch.linalg.inv(x)
        with pytest.raises(RuntimeError, match="size|shape"):
            torch.matmul(x, torch.zeros(3, 3, dtype=torch.bfloat16))
    assert got.dtype == torch.bfloat16
    torch.testing.assert_close(got, torch.linalg.inv(x.float()).bfloat16())


def test_operators_without_a_half_kernel_never_write_into_a_copy() -> None:
    x = torch.randn(2, 5, 5, dtype=torch.bfloat16)
    with precision.HalfSafe():
        with pytest.raises(RuntimeError, match="inv has no half-precision kernel here and writes"):
            torch.linalg.inv(x, out=torch.empty_like(x))
        with pytest.raises(RuntimeError, match="gcd_ has no half-precision kernel here and writes"):
            x.gcd_(x)
        x.mul_(0)  # has one
        x += 1
        x[0] = 2
    assert x.unique().tolist() == [1.0, 2.0]


@pytest.mark.parametrize("name", tiny.SHAPES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_embedders_stay_close_to_fp32_in_half_precision(
    name: Any, dtype: Any, tmp_path: Path
) -> None:
    """Bound: 3 % of the spread of the features, for 8 mantissa bits through three blocks."""
    folder = tiny.write(tmp_path, tiny.SHAPES[name], normalize=True)
    wave = np.random.default_rng(0).standard_normal(16000).astype("f4") * 0.1
    want = EmbedderManager().load("custom", folder)(wave)
    got = EmbedderManager().load("custom", folder, dtype=dtype)(wave)
    assert np.isfinite(got).all()
    assert np.abs(got - want).mean() < 0.03 * want.std()


def test_the_founding_bug_input_norm_in_half_precision_on_cpu(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """HuBERT-large's kind: input normalisation, half asked for, CPU: every file must come out."""
    folder = tiny.write(tmp_path, tiny.SHAPES["hubert-large"], normalize=True)
    embedder = EmbedderManager().load("custom", folder, dtype=torch.float16)
    waves = np.random.default_rng(1).standard_normal((20, 8000)).astype("f4") * 0.1
    out = [embedder(w) for w in waves]
    assert all(o.shape == (24, 32) and np.isfinite(o).all() for o in out)
    assert len([r for r in caplog.records if "fp16" in r.message]) == 1
