"""The verb separate: a song, or a folder of songs, into voice and accompaniment."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rvc import Report, silent
from rvc.audio import encode
from rvc.audio.formats import is_sound_name
from rvc.config import paths
from rvc.errors import BadInput, Cancelled, StageFailed, VoiceError
from rvc.params import Separate
from rvc.params.songs import SeparationOptions
from rvc.separation import apart, stems
from rvc.separation.apart import Apart

LOG = logging.getLogger(__name__)
Result = dict[str, Any]
STEMS = ("vocals", "accompaniment")


def run(p: Separate, report: Report = silent) -> Result:
    """Separate one song or all songs of a folder; what is there already is left alone.

    Raises:
        BadInput: no song. StageFailed: some songs failed; all others are done.
    """
    songs = songs_of(p.input_path)
    folder = p.output_folder or paths().audios

    def make(number: int, path: Path) -> Result:
        return _one(path, folder, p, part(report, number, len(songs), "Separating"))

    done = for_each(songs, make, "separated")
    return done | {"message": _sentence(done["separated"], folder)}


def for_each(songs: list[Path], make: Callable[[int, Path], Result], key: str) -> Result:
    """Do something with every song, past those that fail; the results lie under `key`.

    The result of a single song lies at the top, too.

    Raises:
        StageFailed: some songs failed, and all others are done. Cancelled: with what was done.
        VoiceError: the only song failed.
    """
    done: list[Result] = []
    failed: list[dict[str, str]] = []
    for number, path in enumerate(songs):
        try:
            done.append(make(number, path))
        except Cancelled as error:
            error.result = {key: done, "failed": failed}
            raise
        except VoiceError as error:
            if len(songs) == 1:
                raise
            LOG.error("%s: %s", path, error)
            failed.append({"file": str(path), "cause": error.message})
    result = {key: done, "failed": failed} | (done[0] if len(songs) == 1 else {})
    if failed:
        problem = StageFailed(
            f"{len(failed)} of {len(songs)} songs failed, the others are done. "
            f"{failed[0]['file']}: {failed[0]['cause']}",
            "Repair or remove them and run it again: what is done is not done twice.",
        )
        problem.result = result
        raise problem
    return result


def songs_of(path: Path) -> list[Path]:
    """The song itself, or those of a folder in order of their names.

    Raises:
        BadInput: nothing there.
    """
    if not path.is_dir():
        return [path]
    found = sorted(f for f in path.iterdir() if f.is_file() and is_sound_name(f))
    found = [f for f in found if not f.name.startswith(".")]
    if not found:
        raise BadInput(f"{path} holds no song.", "Give a sound file, or a folder with some.")
    return found


def names_of(p: SeparationOptions) -> list[str]:
    """The stems that a song is taken apart into; the first two add up to it."""
    steps = apart.refinements(p)
    return [*STEMS, *(name for _, _, names in steps for name in names)]


def _one(path: Path, folder: Path, p: Separate, report: Report) -> Result:
    wanted = [s for s in names_of(p) if s not in STEMS or p.stems in ("both", s)]
    ending = p.export_format.lower()
    targets = {stem: folder / f"{path.stem} ({stem}).{ending}" for stem in wanted}
    result: Result = {"file": str(path)} | {s: str(t) for s, t in targets.items()}
    if all(target.exists() for target in targets.values()) and not p.overwrite:
        return result | {"skipped": True}
    song = stems.scan(path, report, p.track)
    format = encode.format_of(next(iter(targets.values())))
    for target in targets.values():
        encode.check(target, format, song.channels)
    if encode.file_rate(format, song.rate) != song.rate:
        raise BadInput(f"{format} cannot hold {song.rate} Hz.", "Use FLAC or WAV.")
    steps = apart.apart(song, p, report)
    folder.mkdir(parents=True, exist_ok=True)
    for step in steps:
        _write(step, targets, format, p, report)
    known = all(step.known for step in steps)
    return result | {"skipped": False, "seconds": round(song.seconds, 3), "from_cache": known}


def _write(
    step: Apart, targets: dict[str, Path], format: encode.Format, p: Separate, report: Report
) -> None:
    """Write those of a step's two stems that are wanted."""
    song, bits = step.song, 32 if format == "WAV" else 24
    with ExitStack() as open_files:
        files: list[encode.Writer | None] = [None, None]
        for place, name in enumerate(step.names):
            if name in targets:
                files[place] = open_files.enter_context(
                    encode.Writer(
                        targets[name], song.rate, song.channels, format, bits, p.bitrate,
                        song.frames,
                    )
                )  # fmt: skip
        written = 0
        for pair in step.pairs():
            for file, wave in zip(files, pair, strict=True):
                if file is not None:
                    file.write(wave)
            written += len(pair[0])
            report(written / song.rate, song.seconds, "Writing")


def part(report: Report, number: int, songs: int, longest: str) -> Report:
    """Progress of one song as it is, or as a part of several: its longest phase counts."""
    if songs == 1:
        return report

    def within(done: float, total: float, note: str = "") -> None:
        share = done / total if total and note == longest else 0.0
        report(number + 0.99 * share, songs, note)

    return within


def _sentence(done: list[Result], folder: Path) -> str:
    skipped = sum(bool(each["skipped"]) for each in done)
    already = f" {skipped} were already there (--overwrite makes them again)." if skipped else ""
    if len(done) == 1 and not skipped:
        return f"Separated {done[0]['seconds']:.1f} s into {folder}."
    return f"Separated {len(done) - skipped} songs into {folder}.{already}"
