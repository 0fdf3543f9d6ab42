"""Every network in every precision on every device of this machine: finite, and close to fp32.

Bounds are stated as a share of the fp32 output's own level (RMS of the difference to RMS),
so 0.01 is 40 dB and 0.1 is 20 dB below the signal.
"""

from __future__ import annotations

import ast
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rvc.device import choose
from rvc.embedders import whisper
from rvc.embedders.hubert import SpeechEncoder
from rvc.embedders.hubert_shape import Shape
from rvc.f0 import fcpe, rmvpe
from rvc.nets.discriminators import Discriminators
from rvc.precision import autocast, guard
from tests import tiny
from tests.embedders import tiny_embedders as embedders
from tests.train.tiny import TinyDiscriminators

ROOT = Path(__file__).parents[1]
DEVICES = ["cpu"]
DEVICES += ["cuda"] * torch.cuda.is_available() + ["mps"] * torch.backends.mps.is_available()
DTYPES = [torch.float16, torch.bfloat16]  # float16 on a CPU is the float32 path


def normal(*shape: Any, seed: int = 0) -> Any:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def embedder(name: Any) -> Any:
    shape = Shape.read(embedders.config(**embedders.SHAPES[name]))
    return SpeechEncoder(shape, shape.num_hidden_layers, False), lambda net, d: net(
        [normal(8000).to(d) * 0.1, normal(5000, seed=1).to(d) * 0.1]
    )


def whisper_encoder() -> Any:
    shape = whisper.WhisperShape.read(
        {"d_model": 16, "encoder_layers": 2, "encoder_attention_heads": 2}
    )
    net = whisper.WhisperEncoder(shape, 2)
    return net, lambda net, d: net([normal(8000).to(d) * 0.1])


def pitch_rmvpe() -> Any:
    return rmvpe.Network(), lambda net, d: net(normal(1, 128, 32).to(d))


def voice(vocoder: Any) -> Any:
    net = tiny.net(24000 if vocoder == "RefineGAN" else 40000, vocoder)

    def run(net: Any, d: Any) -> Any:
        given = {k: v.to(d) for k, v in tiny.inputs(20).items()}
        torch.manual_seed(0)
        return net.infer(**given)

    return net, run


def discriminators(version: Any) -> Any:
    return Discriminators(version), lambda net, d: net(normal(1, 1, 3200).to(d) * 0.1)


NETWORKS = {  # name: (maker, bound in half precision)
    **{f"embedder {name}": (partial(embedder, name), 0.03) for name in embedders.SHAPES},
    "embedder whisper": (whisper_encoder, 0.03),
    "pitch rmvpe": (pitch_rmvpe, 0.05),
    "voice HiFi-GAN": (lambda: voice("HiFi-GAN"), 0.1),
    "voice MRF HiFi-GAN": (lambda: voice("MRF HiFi-GAN"), 0.1),
    "voice RefineGAN": (lambda: voice("RefineGAN"), 0.1),
    "discriminators v2": (lambda: discriminators("v2"), 0.05),
    "discriminators v3": (lambda: discriminators("v3"), 0.05),
}


def tensors(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return [value.float().cpu()] if value.is_floating_point() else []
    if isinstance(value, (tuple, list)):
        return [t for v in value for t in tensors(v)]
    return []


def rms(x: Any) -> Any:
    return x.square().mean().sqrt()


def made(maker: Any) -> Any:
    torch.manual_seed(0)
    net, run = maker()
    return net.eval(), run


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@torch.no_grad()
def test_finite_and_close_to_fp32(name: Any, device: Any, dtype: Any) -> None:
    maker, bound = NETWORKS[name]
    net, run = made(maker)
    entries = ("infer",) if name.startswith("voice") else ("forward",)
    want = tensors(run(net, "cpu"))
    net = guard(net, dtype, device, entries)
    found = run(net, device)
    got = tensors(found)
    assert len(want) == len(got) > 0
    if device == "cpu" and dtype == torch.float16:
        assert {p.dtype for p in net.parameters()} == {torch.float32}
    exact = (device, dtype) == ("cpu", torch.float16)
    for w, g in zip(want, got, strict=True):
        assert torch.isfinite(g).all()
        assert rms(g - w) <= (1e-3 if exact else bound) * rms(w) + 1e-6


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_training_in_mixed_precision_gives_finite_gradients(device: Any, dtype: Any) -> None:
    """One forward and backward pass of voice and discriminators under `autocast`."""
    net = tiny.net(40000).to(device).train()
    judges = TinyDiscriminators().to(device)
    given = {k: v.to(device) for k, v in tiny.inputs(40).items()}
    spec = normal(1, net.settings.spec_channels, 40).abs().to(device)
    if device == "cpu" and dtype == torch.float16:
        with autocast(device, dtype):  # becomes fp32: nothing is cast at all
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
    with autocast(device, dtype):
        out = net(
            given["phone"],
            given["lengths"],
            given["pitch"],
            given["f0"],
            spec,
            given["lengths"],
            given["sid"],
        )
        verdicts, _ = judges(out.audio)
    sum(v.float().square().mean() for v in verdicts).backward()
    grads = [p.grad for p in net.parameters() if p.grad is not None]
    assert grads
    assert all(torch.isfinite(g).all() for g in grads)


def test_pitch_by_fcpe_survives_half_precision() -> None:
    """The bundled weights on a vowel-like sound: within 10 cents of fp32 where both are voiced."""
    wave = np.sum(
        [np.sin(2 * np.pi * 180 * k * np.arange(16000) / 16000) / k for k in range(1, 9)], axis=0
    )
    extractor = fcpe.FCPE("cpu")
    want = extractor((0.1 * wave).astype(np.float32))
    guard(extractor.net, torch.bfloat16, "cpu")
    got = extractor((0.1 * wave).astype(np.float32))
    both = (want > 0) & (got > 0)
    assert both.mean() > 0.9
    assert np.abs(1200 * np.log2(got[both] / want[both])).max() < 10


def test_no_text_is_ever_taken_for_a_truth_value() -> None:
    """bool("False") is True; half the founding bug was that. No bool() of anything textual."""
    wrong = []
    for file in [ROOT / "core.py", *(ROOT / "rvc").rglob("*.py"), *(ROOT / "tabs").rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "type":
                named = isinstance(node.value, ast.Name) and node.value.id == "bool"
                wrong += [f"{file.name}:{node.value.lineno}: type=bool"] if named else []
            if not (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "bool"):
                continue
            inside = {getattr(n, "attr", getattr(n, "id", "")) for n in ast.walk(node.args[0])}
            if {"argv", "environ", "getenv", "input"} & inside:
                wrong.append(f"{file.name}:{node.lineno}: {ast.unparse(node)}")
    assert not wrong


@pytest.mark.parametrize("word", ["false", "False", "FALSE"])
def test_false_is_false_on_the_command_line(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import core
    from rvc import tasks

    seen: list[Any] = []

    def keep(name: str, p: Any, report: Any) -> dict[str, str]:
        seen.append(p)
        return {"message": ""}

    monkeypatch.setattr(tasks, "run", keep)
    given = ["prerequisites", "--models", word, "--pretraineds-hifigan", "True"]
    with pytest.raises(SystemExit):
        core.main(given)
    assert (seen[0].models, seen[0].pretraineds_hifigan) == (False, True)


def test_every_part_is_told_why() -> None:
    for part in ("convert", "features", "train"):
        assert choose("-", part=part).why.startswith("CPU: as asked; fp32")
