"""The verb cover: a song in another voice, from one file."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from pathlib import Path

from rvc import Report, silent
from rvc.audio import encode
from rvc.config import paths
from rvc.errors import BadInput
from rvc.infer import voice as voices
from rvc.params import Cover, Separate
from rvc.params.songs import SeparationOptions
from rvc.separation import stems
from rvc.songs import separate
from rvc.songs.parts import MixParts
from rvc.songs.separate import Result

LOG = logging.getLogger(__name__)
OCTAVE = 12


def run(p: Cover, report: Report = silent) -> Result:
    """Make the cover of one song or of all songs of a folder; what is there is left alone.

    Raises:
        BadInput: no song, or stems that do not belong to it. StageFailed: some songs failed.
    """
    songs = separate.songs_of(p.input_path)
    own = [path for path in (p.vocals_path, p.accompaniment_path) if path is not None]
    if own and len(songs) > 1:
        raise BadInput(f"{own[0]} cannot belong to {len(songs)} songs.", "Give one song.")
    if p.pitch % OCTAVE and not p.key:
        LOG.warning(
            "The voice alone moves by %g semitones and leaves the song's key; --key moves the "
            "accompaniment, too.",
            p.pitch,
        )

    def make(number: int, path: Path) -> Result:
        return _one(path, p, separate.part(report, number, len(songs), "Voice"))

    done = separate.for_each(songs, make, "covers")
    return done | {"message": _sentence(done["covers"])}


def _sentence(done: list[Result]) -> str:
    fresh = [each for each in done if not each["skipped"]]
    if len(fresh) == 1:
        return f"Made a cover of {fresh[0]['seconds']:.1f} s: {fresh[0]['output_path']}."
    already = len(done) - len(fresh)
    more = f" {already} were already there (--overwrite makes them again)." if already else ""
    return f"Made {len(fresh)} covers.{more}"


def _one(path: Path, p: Cover, report: Report) -> Result:
    folder = p.output_folder or paths().audios
    target = folder / f"{path.stem} ({p.pth_path.stem}).{p.export_format.lower()}"
    if target.exists() and not p.overwrite:
        return {"file": str(path), "output_path": str(target), "skipped": True}
    loaded = None
    if p.acapella_path is None:  # a bad voice is told before the work
        loaded = voices.load(p.pth_path, p.index_path, p, report)
    with ExitStack() as open_files:
        work = MixParts(stems.scan(path, report, p.track), p, report, open_files)
        encode.check(target, encode.format_of(target), work.song.channels)
        result: Result = {
            "file": str(path),
            "output_path": str(target),
            "seconds": round(work.song.seconds, 3),
            "channels": work.song.channels,
            "skipped": False,
            "from_cache": work.take_apart(),
            "sung_share": work.give_back(),
            "voice_gain_db": round(work.sing(loaded), 2),
        }
        folder.mkdir(parents=True, exist_ok=True)
        result["rate"] = work.write(target)
        if p.acapella_path is not None:
            result["acapella"] = str(p.acapella_path)
        elif p.acapella:
            alone = target.with_stem(f"{target.stem} (acapella)")
            work.write(alone, alone=True)
            result["acapella"] = str(alone)
    if p.keep_stems and p.vocals_path is None and p.accompaniment_path is None:
        result |= _keep_stems(path, folder, p)
    return result


def _keep_stems(path: Path, folder: Path, p: Cover) -> Result:
    """Write the song's own stems, which lie in the cache."""
    how = {name: getattr(p, name) for name in SeparationOptions.model_fields}
    asked = Separate(input_path=path, output_folder=folder, overwrite=p.overwrite, **how)
    made = separate.run(asked)
    return {stem: made[stem] for stem in separate.names_of(p)}
