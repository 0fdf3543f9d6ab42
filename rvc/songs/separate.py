"""The verb separate: a song, or a folder of songs, into voice and accompaniment."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rvc.audio import encode
from rvc.audio.formats import is_sound_name
from rvc.config import paths
from rvc.device import choose
from rvc.errors import BadInput, Cancelled, StageFailed, VoiceError
from rvc.params import Separate
from rvc.progress import Report, silent
from rvc.separation import models, stems

LOG = logging.getLogger(__name__)
Result = dict[str, Any]
STEMS = ("vocals", "accompaniment")


def run(p: Separate, report: Report = silent) -> Result:
    """Separate one song or all songs of a folder; what is there already is left alone.

    Raises:
        BadInput: no song. StageFailed: some songs failed; all others are done.
    """
    songs = songs_of(p.input_path)
    model = models.load(p.model, p.model_file, str(choose(p.gpu, part="convert").device), report)
    folder = p.output_folder or paths().audios

    def make(number: int, path: Path) -> Result:
        return _one(path, folder, model, p, part(report, number, len(songs), "Separating"))

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


def _one(path: Path, folder: Path, model: models.StemModel, p: Separate, report: Report) -> Result:
    wanted = [stem for stem in STEMS if p.stems in ("both", stem)]
    ending = p.export_format.lower()
    targets = {stem: folder / f"{path.stem} ({stem}).{ending}" for stem in wanted}
    result: Result = {"file": str(path)} | {s: str(t) for s, t in targets.items()}
    if all(target.exists() for target in targets.values()) and not p.overwrite:
        return result | {"skipped": True}
    song = stems.scan(path, report)
    format = encode.format_of(next(iter(targets.values())))
    for target in targets.values():
        encode.check(target, format, song.channels)
    kept, known = stems.voice_of(song, model, report)
    rate = encode.file_rate(format, song.rate)
    if rate != song.rate:
        raise BadInput(f"{format} cannot hold {song.rate} Hz.", "Use FLAC or WAV.")
    folder.mkdir(parents=True, exist_ok=True)
    bits = 32 if format == "WAV" else 24
    with ExitStack() as open_files:
        files = {
            stem: open_files.enter_context(
                encode.Writer(target, song.rate, song.channels, format, bits, frames=song.frames)
            )
            for stem, target in targets.items()
        }
        written = 0
        for voice, accompaniment in stems.both(song, kept):
            for stem, wave in (("vocals", voice), ("accompaniment", accompaniment)):
                if stem in files:
                    files[stem].write(wave)
            written += len(voice)
            report(written / song.rate, song.seconds, "Writing")
    return result | {"skipped": False, "seconds": round(song.seconds, 3), "from_cache": known}


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
