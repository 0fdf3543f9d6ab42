"""What a training is put together from, so that a trial of it can be made with other parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn
from torch.optim import AdamW

from rvc import f0
from rvc.nets.config import VoiceSettings
from rvc.nets.discriminators import Discriminators
from rvc.progress import Report
from rvc.train import batch_size, index, metrics, preflight, report
from rvc.train.eta import ShortestStep
from rvc.train.plausibility import shortest_step_s
from rvc.train.state import optimiser
from rvc.train.step import train_step
from rvc.train.trainer import TrainStep


@dataclass(frozen=True)
class Parts:
    """Functions and classes that a training calls by these names; tests put in small ones.

    Attributes:
        discriminators: builds them by name. optimiser: of one network.
        step: one update of both networks.
        largest_batch: the clips per step that fit into memory.
        judge_slices: writes the dataset report. build_index: of the voice, at the end.
        write_report: the page at the end. summary_writer: for TensorBoard, or None.
        load_pitch: the extractor that measures renderings, by name and device.
    """

    discriminators: Callable[[str], Discriminators] = Discriminators
    optimiser: Callable[[nn.Module, VoiceSettings, Any], AdamW] = optimiser
    step: TrainStep = train_step
    largest_batch: Callable[..., int] = batch_size.largest
    shortest_step_s: ShortestStep = shortest_step_s
    judge_slices: Callable[[Path, Report], None] = preflight.judge_slices
    build_index: Callable[[Path, Any, Report], Mapping[str, Any]] = index.build
    write_report: Callable[[Path, str, Sequence[Mapping[str, Any]]], object] = report.write
    summary_writer: Callable[[Path, int], Any] = metrics.summary_writer
    load_pitch: Callable[[str, str], f0.Extractor] = f0.load


STANDARD = Parts()
