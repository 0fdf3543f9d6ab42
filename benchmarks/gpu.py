"""What a graphics card makes of the networks: one command, nothing from outside.

    python benchmarks/gpu.py [--device cuda] [--minutes 8] [--json gpu.json]

The networks have their true sizes and random weights, and the sound is noise or buzzes: it costs
the same time as speech. Conversion: seconds per second of sound of the first call (cold) and the
best of those after it (warm), most memory held, and the error against fp32 as RMS of the
difference to RMS. Training: steps per second by precision and batch, and whether every loss and
every gradient's norm was finite. What there is no time or memory for is listed as such.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import material  # noqa: E402
from benchmarks.material import HUBERT_BASE, INDEX_ROWS  # noqa: E402
from benchmarks.train import clips  # noqa: E402
from rvc.device import Device, use_kernels  # noqa: E402
from rvc.embedders.hubert import SpeechEncoder  # noqa: E402
from rvc.embedders.hubert_shape import Shape  # noqa: E402
from rvc.f0.rmvpe import Network  # noqa: E402
from rvc.infer.blocks import Blocks, TorchDecoder  # noqa: E402
from rvc.infer.noise import (  # noqa: E402
    DECODER,
    LATENT,
    LayerNoise,
    PositionalNoise,
    SourceNoise,
)
from rvc.nets import config  # noqa: E402
from rvc.nets.config import VoiceSettings  # noqa: E402
from rvc.nets.synthesizer import Synthesizer  # noqa: E402
from rvc.params import Conversion, Train  # noqa: E402
from rvc.precision import guard  # noqa: E402
from rvc.train import build  # noqa: E402
from rvc.train.distributed import Ranks  # noqa: E402
from rvc.train.material import Material  # noqa: E402
from rvc.train.step import train_step  # noqa: E402

Vocoder = Literal["HiFi-GAN", "MRF HiFi-GAN", "RefineGAN", "lite"]
DTYPES = {
    "fp32": torch.float32,
    "tf32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}
SIXTEEN_K = 16_000
NOISE = PositionalNoise(1)


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
        frames: of 10 ms that are converted; a multiple of 32. rounds: warm calls.
        blocks: frames that the decoder makes at a time.
        steps: of training in each setting, after a first one.
        embedder: sizes of the embedder. shaped: what becomes of a voice's sizes.
        parts: of a training.
        seconds: of sound that a whole conversion gets; 0 leaves it out.
    """

    frames: int = 2048
    rounds: int = 3
    blocks: tuple[int, ...] = (200, 512, 2048)
    batches: tuple[int, ...] = (4, 8, 16, 32)
    steps: int = 20
    vocoders: tuple[Vocoder, ...] = get_args(Vocoder)
    embedder: dict[str, Any] | None = None
    shaped: Callable[[VoiceSettings], VoiceSettings] = lambda settings: settings
    parts: build.Parts = build.STANDARD
    seconds: float = 60.0

    def settings(self, vocoder: Vocoder) -> VoiceSettings:
        return self.shaped(config.load(24_000 if vocoder == "lite" else 40_000, vocoder))


@dataclass(frozen=True)
class Row:
    """One line of the table; None where it was not or cannot be measured."""

    what: str
    precision: str
    cold: float | None = None
    warm: float | None = None
    peak_gb: float | None = None
    error: float | None = None
    finite: bool | None = None
    note: str = ""


class Networks(nn.Module):
    """A voice's networks on a random input, by stages."""

    def __init__(self, plan: Plan, vocoder: Vocoder, block: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = Synthesizer(plan.settings(vocoder), vocoder=vocoder, with_posterior=False).eval()
        self.frames, self.block = plan.frames, block
        self.phone = torch.randn(1, plan.frames, self.net.embed_width)

    def forward(self) -> Tensor:
        """Sound (N,), on the CPU, as the program makes it: features in, blocks of samples out."""
        device = next(self.parameters()).device
        g = self.net.speaker(torch.zeros(1, dtype=torch.long, device=device))
        pitch = torch.full((1, self.frames), 90, device=device)
        lengths = torch.tensor([self.frames], device=device)
        z, _ = self.net.latent(
            self.phone.to(device), pitch, lengths, g, LayerNoise(NOISE, 0, self.frames, LATENT)
        )
        hz = torch.full((1, self.frames), 150.0, device=device)
        source = self.net.dec.source(hz, SourceNoise(NOISE, 0))
        hop, decoder = self.net.settings.hop_length, TorchDecoder(self.net.dec)

        def decode(a: int, b: int, keep: tuple[int, int]) -> Any:
            noise = LayerNoise(NOISE, a, b - a, DECODER)
            return decoder(z[:, :, a:b], source[:, :, a * hop : b * hop], g, noise, keep)

        made = Blocks(self.block, decoder.context).run(decode, 0, self.frames, 0, self.frames)
        return torch.cat([torch.from_numpy(np.asarray(sound)) for sound in made])


class Listening(nn.Module):
    """A network that looks at sound, with a random input."""

    def __init__(self, network: nn.Module, inputs: Any) -> None:
        super().__init__()
        self.network, self.inputs = network, inputs

    def forward(self) -> Tensor:
        device = next(self.parameters()).device
        several = isinstance(self.inputs, list)
        found = self.network(
            [x.to(device) for x in self.inputs] if several else self.inputs.to(device)
        )
        return torch.as_tensor(found[0] if several else found).float().cpu()


def conversions(plan: Plan) -> Iterator[tuple[str, Callable[[], nn.Module]]]:
    """(name, maker) of everything that a conversion computes."""
    torch.manual_seed(0)
    wave = 0.1 * torch.randn(plan.frames * SIXTEEN_K // 100)
    shape = Shape.read(plan.embedder or HUBERT_BASE)
    spectrum = torch.randn(1, 128, plan.frames)
    yield (
        "embedder",
        lambda: Listening(SpeechEncoder(shape, shape.num_hidden_layers, False), [wave]),
    )
    yield "rmvpe", lambda: Listening(Network(), spectrum)
    for vocoder in plan.vocoders:
        for block in plan.blocks:
            made = (plan, vocoder, block)
            yield f"{vocoder}, blocks of {block}", lambda made=made: Networks(*made)  # type: ignore[misc]


def finish(device: torch.device) -> None:
    """Wait until the device has done all it was given."""
    if device.type != "cpu":
        getattr(torch, device.type).synchronize()


def peak_gb(device: torch.device, afresh: bool = False) -> float | None:
    """Most memory held since it was last counted `afresh`; None where nobody counts."""
    if device.type not in ("cuda", "xpu"):
        return None
    counter = getattr(torch, device.type)
    if afresh:
        counter.reset_peak_memory_stats()
    return float(counter.max_memory_allocated()) / 1e9


def seconds(work: Callable[[], Any], device: torch.device) -> tuple[float, Any]:
    finish(device)
    began = time.perf_counter()
    out = work()
    finish(device)
    return time.perf_counter() - began, out


def set_tf32(allowed: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed


def conversion_rows(
    plan: Plan, device: torch.device, precision: str, exact: dict[str, Tensor]
) -> Iterator[Callable[[], Row]]:
    """Measurements that are still to be done.

    Args:
        exact: what came out in fp32, by name; filled by the measurements in fp32.
    """

    def measure(name: str, make: Callable[[], nn.Module]) -> Row:
        set_tf32(precision == "tf32")
        torch.manual_seed(0)
        peak_gb(device, afresh=True)
        with torch.inference_mode():
            work = guard(make(), DTYPES[precision], device)
            cold, out = seconds(work, device)
            warm = min(seconds(work, device)[0] for _ in range(plan.rounds))
        if precision == "fp32":
            exact[name] = out
        error = None
        if name in exact:
            error = float((out - exact[name]).norm() / exact[name].norm())
        sound_s = plan.frames / 100
        finite = bool(torch.isfinite(out).all())
        return Row(name, precision, cold / sound_s, warm / sound_s, peak_gb(device), error, finite)

    for name, make in conversions(plan):
        yield lambda name=name, make=make: measure(name, make)  # type: ignore[misc]


def whole_rows(
    plan: Plan, device: torch.device, precisions: tuple[str, ...], home: Path
) -> Iterator[tuple[str, str, Callable[[], Row]]]:
    """Conversions from samples to samples: embedder, RMVPE, retrieval, HiFi-GAN, levels.

    Args:
        home: where voice and models lie; their sound is that of random weights.
    """
    exact: list[np.ndarray] = []
    rng = np.random.default_rng(0)
    at = np.arange(round(plan.seconds * 44_100)) / 44_100
    steps = np.repeat(rng.uniform(100, 300, len(at) // 22_050 + 1), 22_050)[: len(at)]
    loud = 0.5 + 0.5 * np.sin(2 * np.pi * 0.7 * at)
    wave = (0.2 * loud * np.sign(np.sin(2 * np.pi * np.cumsum(steps) / 44_100))).astype(np.float32)

    def convert(precision: str) -> Row:
        from rvc.config import Settings, save_settings
        from rvc.infer.convert import convert as converted
        from rvc.infer.voice import Voice

        asked = {"tf32": "auto"}.get(precision, precision)
        save_settings(Settings(precision=asked))  # type: ignore[arg-type]
        peak_gb(device, afresh=True)
        voice = Voice(home / "voice.pth", gpu="-" if device.type == "cpu" else "auto")
        voice.index = index_of(voice, device)

        def work() -> np.ndarray:
            p = Conversion(seed=1, index_rate=0.5, f0_method="rmvpe")
            return converted(voice, wave, 44_100, p)[0]

        cold, out = seconds(work, device)
        warm = min(seconds(work, device)[0] for _ in range(plan.rounds))
        if precision == "fp32":
            exact.append(out)
        error = float(np.linalg.norm(out - exact[0]) / np.linalg.norm(exact[0])) if exact else None
        speed = cold / plan.seconds, warm / plan.seconds
        finite = bool(np.isfinite(out).all())
        return Row("whole conversion", precision, *speed, peak_gb(device), error, finite)

    for precision in precisions if plan.seconds else ():
        yield "whole conversion", precision, lambda precision=precision: convert(precision)  # type: ignore[misc]


def index_of(voice: Any, device: torch.device) -> Any:
    """A random index of a usual size for a voice, where a conversion has it."""
    from rvc.retrieval.index import Retriever
    from rvc.retrieval.on_device import on_device
    from rvc.retrieval.table import Table

    rng, width = np.random.default_rng(0), voice.file.embed_width
    rows, cells = INDEX_ROWS, INDEX_ROWS // 39
    vectors, centres = (rng.standard_normal((n, width), np.float32) for n in (rows, cells))
    bounds = np.linspace(0, rows, cells + 1).round().astype(np.int64)
    retriever = Retriever(Table(centres, bounds, vectors))
    return retriever if device.type == "cpu" else on_device(retriever, device)


def training_row(
    plan: Plan, device: torch.device, precision: str, vocoder: Vocoder, batch: int
) -> Row:
    """Steps of a training: cold is seconds of the first, warm of a mean one after it."""
    use_kernels(device, precision == "tf32", tuned=True)
    settings = plan.settings(vocoder)
    rate: Any = settings.sample_rate
    p = Train(
        model_name="x", sample_rate=rate, save_every_epoch=1, vocoder=vocoder, batch_size=batch
    )
    m = Material([], [], settings, 768, {}, {}, {})
    chosen = Device(device, DTYPES[precision], "as asked")
    peak_gb(device, afresh=True)
    s, recipe = build.networks(p, m, chosen, 1, plan.parts), build.recipe(p, m, chosen, Ranks())

    def steps(first: int, last: int) -> list[Tensor]:
        found: list[Tensor] = []
        for s.step in range(first, last):
            found += train_step(s, clips(settings, batch, s.step).to(device), recipe).values()
        return found

    cold, found = seconds(lambda: steps(0, 1), device)
    warm, more = seconds(lambda: steps(1, 1 + plan.steps), device)
    finite = bool(torch.isfinite(torch.stack([v.float() for v in found + more])).all())
    name = f"training {vocoder}, batch {batch}"
    return Row(name, precision, cold, warm / plan.steps, peak_gb(device), None, finite)


def measure(plan: Plan, device: torch.device, minutes: float, home: Path = Path()) -> list[Row]:
    """All rows; those begun after so many minutes are left out and say so.

    Args:
        home: with a voice and its models (`benchmarks.material`), as RVC_HOME says.
    """
    began, rows, exact = time.monotonic(), [], dict[str, Tensor]()
    # a processor has no fp16 to speak of and no tf32
    precisions = ("fp32", "bf16") if device.type == "cpu" else tuple(DTYPES)
    if device.type != "cuda":
        precisions = tuple(name for name in precisions if name != "tf32")
    jobs: list[tuple[str, str, Callable[[], Row]]] = []
    jobs += whole_rows(plan, device, precisions, home)
    for precision in precisions:
        names = [name for name, _ in conversions(plan)]
        work = conversion_rows(plan, device, precision, exact)
        jobs += [(name, precision, job) for name, job in zip(names, work, strict=True)]
    for batch in plan.batches:
        for precision in reversed(precisions):  # the usual one first
            args = (plan, device, precision, plan.vocoders[0], batch)
            jobs.append((f"training, batch {batch}", precision, lambda a=args: training_row(*a)))  # type: ignore[misc]
    for name, precision, job in jobs:
        if time.monotonic() - began > 60 * minutes:
            rows.append(Row(name, precision, note="no time was left"))
            continue
        try:
            rows.append(job())
        except torch.OutOfMemoryError:
            rows.append(Row(name, precision, note="too little memory"))
    return rows


def table(rows: list[Row]) -> str:
    def cell(value: object) -> str:
        return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)

    heads = list(asdict(rows[0]))
    lines = [heads, ["---"] * len(heads), *([cell(v) for v in asdict(r).values()] for r in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine(device: torch.device) -> dict[str, str]:
    named = device.type in ("cuda", "xpu")
    card = getattr(torch, device.type).get_device_name() if named else device.type
    return {"device": card, "torch": torch.__version__, "cuda": str(torch.version.cuda)}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    gpu = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", default=gpu)
    parser.add_argument("--minutes", type=float, default=8.0, help="no row begins after so many")
    parser.add_argument("--steps", type=int, default=Plan.steps, help="of training; 200 for NaN")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    device = torch.device(args.device)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["RVC_HOME"] = folder
        material.make(Path(folder), indexed=False)
        rows = measure(replace(Plan(), steps=args.steps), device, args.minutes, Path(folder))
    about = machine(device)
    print(", ".join(f"{name} {value}" for name, value in about.items()))
    print(table(rows))
    if args.json:
        found = about | {"rows": [asdict(row) for row in rows]}
        args.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
