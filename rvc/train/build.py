"""The parts of a training, made from its parameters and its clips."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import nn
from torch.amp.grad_scaler import GradScaler
from torch.optim import AdamW

from rvc import Report, f0
from rvc.device import Device
from rvc.nets import VOCODERS
from rvc.nets.checkpoint import Checkpoint, read_checkpoint
from rvc.nets.config import VoiceSettings
from rvc.nets.discriminators import Discriminators
from rvc.nets.synthesizer import Synthesizer
from rvc.params.train import Train
from rvc.train import index, metrics, preflight, report
from rvc.train.dataset import Dataset, Sampler
from rvc.train.distributed import Ranks
from rvc.train.eta import ShortestStep
from rvc.train.material import Material
from rvc.train.plausibility import shortest_step_s
from rvc.train.state import LATEST, SPEAKERS, State, optimiser
from rvc.train.step import Recipe, train_step
from rvc.train.trainer import TrainStep

log = logging.getLogger(__name__)

CACHE_SHARE = 0.3  # of the free memory
LENGTHS = 64  # a batch has a multiple of so many frames on a GPU, which tunes itself to each length


def _largest_batch(*given: Any) -> int:
    from rvc.train import batch_size  # only where none is given

    return batch_size.largest(*given)


def _settle_index_rate(p: Train, *given: Any) -> float | None:
    if not p.holdout:  # nothing of this training is to be judged
        return None
    from rvc.train import index_rate  # brings conversion with it, when the training is over

    return index_rate.after(p, *given)


@dataclass(frozen=True)
class Parts:
    """Functions and classes that a training calls by these names; tests put in small ones.

    Attributes:
        discriminators: builds them by name. optimiser: of one network.
        step: one update of both networks.
        largest_batch: the clips per step that fit into memory.
        judge_slices: writes the dataset report. build_index: of the voice, at the end.
        settle_index_rate: measures how much of it suits the voice.
        write_report: the page at the end. summary_writer: for TensorBoard, or None.
        load_pitch: the extractor that measures renderings, by name and device.
    """

    discriminators: Callable[[str], Discriminators] = Discriminators
    optimiser: Callable[[nn.Module, VoiceSettings, Any], AdamW] = optimiser
    step: TrainStep = train_step
    largest_batch: Callable[..., int] = _largest_batch
    shortest_step_s: ShortestStep = shortest_step_s
    judge_slices: Callable[[Path, Report], None] = preflight.judge_slices
    build_index: Callable[[Path, Any, Report], Mapping[str, Any]] = index.build
    settle_index_rate: Callable[..., float | None] = _settle_index_rate
    write_report: Callable[[Path, str, Sequence[Mapping[str, Any]]], object] = report.write
    summary_writer: Callable[[Path, int], Any] = metrics.summary_writer
    load_pitch: Callable[[str, str], f0.Extractor] = f0.load


STANDARD = Parts()


def networks(p: Train, m: Material, chosen: Device, rows: int, parts: Parts = STANDARD) -> State:
    """Fresh networks with a table of `rows` speakers, and their optimisers."""
    torch.manual_seed(p.seed)
    g = Synthesizer(m.settings, m.embed_width, True, rows, p.vocoder)
    d = parts.discriminators(VOCODERS[p.vocoder].discriminator)
    g.dec.checkpointing = p.checkpointing
    d.set_checkpointing(p.checkpointing)
    g.to(chosen.device).train()
    d.to(chosen.device).train()
    return State(
        g,
        d,
        parts.optimiser(g, m.settings, chosen.device),
        parts.optimiser(d, m.settings, chosen.device),
        GradScaler(chosen.device.type, enabled=chosen.dtype == torch.float16),
    )


def begin(p: Train, m: Material, chosen: Device, folder: Path, parts: Parts = STANDARD) -> State:
    """The state of a training that begins now; the log says with what."""
    first = None
    if p.pretrained or p.custom_pretrained or any(folder.glob("G_*.pth")):
        from rvc.train import pretrained

        first = pretrained.choose(p, folder)
    if first is None:
        log.info("Training starts from nothing.")
        return networks(p, m, chosen, m.n_speakers, parts)
    files = [read_checkpoint(file) for file in (first.g, first.d)]
    table = files[0].model.get(SPEAKERS)
    s = networks(p, m, chosen, max(m.n_speakers, 0 if table is None else len(table)), parts)
    for net, file, path in zip((s.g, s.d), files, (first.g, first.d), strict=True):
        wrong = pretrained.adapt(net, file.model, path)
        log.info("Training starts from %s.", path)
        for phrase in wrong:
            log.warning("  not taken over as it is: %s", phrase)
    if first.own:
        _go_on(s, files, first.g)
    return s


def _go_on(s: State, files: list[Checkpoint], path: Path) -> None:
    """Take over epoch and optimisers of an unfinished training of another program."""
    from rvc.train import pretrained

    taken = [
        pretrained.adopt_optimiser(optim, net, file.optimizer)
        for optim, net, file in zip((s.optim_g, s.optim_d), (s.g, s.d), files, strict=True)
    ]
    s.epoch = files[0].iteration + 1
    number = pretrained.PAIR.match(path.name)
    s.step = int(number[1]) if number and int(number[1]) != LATEST else 0
    word = "with" if all(taken) else "without"
    log.info("It goes on after epoch %d %s the optimisers' memory.", s.epoch - 1, word)


def recipe(p: Train, m: Material, chosen: Device, ranks: Ranks) -> Recipe:
    return Recipe(
        m.settings,
        chosen.device,
        chosen.dtype,
        p.clip_gradients,
        p.seed,
        VOCODERS[p.vocoder].mel == "multi",
        ranks,
    )


def dataset(p: Train, m: Material, device: torch.device) -> Dataset:
    """The clips to learn from, kept in GPU memory if asked, else in RAM if they fit."""
    needed = sum(c.frames for c in m.learn) * (m.settings.hop_length + m.embed_width // 2 + 3) * 4
    fits = needed < CACHE_SHARE * psutil.virtual_memory().available
    keep = device if p.cache_data_in_gpu else torch.device("cpu") if fits else None
    s = m.settings
    cuda = device.type == "cuda"
    multiple, pinned = LENGTHS if cuda else 1, cuda and not p.cache_data_in_gpu
    return Dataset(m.learn, s.hop_length, s.segment_frames, p.seed, keep, multiple, pinned)


def sampler(p: Train, data: Dataset, ranks: Ranks) -> Sampler:
    lengths = [data.length(i) for i in range(len(data.clips))]
    speakers = [clip.speaker for clip in data.clips]
    return Sampler(lengths, speakers, p.batch_size * ranks.world, p.seed, p.balance)
