"""A song taken apart in steps: voice and accompaniment, lead and backing voices, voice and room."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rvc import Report, silent
from rvc.device import choose
from rvc.params.songs import SeparationOptions
from rvc.separation import models, stems

Step = tuple[str, Path | None, tuple[str, str]]  # model, or a file of it; names of its stems


@dataclass(frozen=True)
class Apart:
    """A song in two: what is sung, in a file of the cache, and the rest.

    Attributes:
        names: of the two stems. known: the file was there already.
    """

    names: tuple[str, str]
    song: stems.Song
    kept: Path
    known: bool

    def pairs(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Blocks (T, channels) of both stems, which add up to the song."""
        return stems.both(self.song, self.kept)


def apart(song: stems.Song, wanted: SeparationOptions, report: Report = silent) -> list[Apart]:
    """A song, taken apart as far as is wanted: each step begins with the voice of the one before.

    Raises:
        MissingModel, DownloadFailed: a model is not to be had. Mismatch: it is another network.
    """
    device = str(choose(wanted.gpu, part="convert").device)
    steps = [(wanted.model, wanted.model_file, ("vocals", "accompaniment"))]
    return _steps(song, steps + refinements(wanted), device, report)


def refined(voice: stems.Song, wanted: SeparationOptions, report: Report = silent) -> list[Apart]:
    """A voice, taken apart as far as is wanted: as `apart` does it behind its first step."""
    device = str(choose(wanted.gpu, part="convert").device)
    return _steps(voice, refinements(wanted), device, report)


def refinements(wanted: SeparationOptions) -> list[Step]:
    """(model, file of it, names of the two stems) of what comes behind the first separation."""
    steps: list[Step] = []
    if wanted.lead or wanted.lead_file:
        steps.append((models.LEAD, wanted.lead_file, ("lead", "backing")))
    if wanted.dereverb or wanted.dereverb_file:
        steps.append((models.DRY, wanted.dereverb_file, ("dry", "room")))
    return steps


def _steps(song: stems.Song, steps: list[Step], device: str, report: Report) -> list[Apart]:
    networks = [models.load(name, file, device, report) for name, file, _ in steps]
    done: list[Apart] = []
    for (_, _, names), model in zip(steps, networks, strict=True):
        if done:
            song = stems.scan(done[-1].kept)
        kept, known = stems.voice_of(song, model, report)
        done.append(Apart(names, song, kept, known))
    return done
