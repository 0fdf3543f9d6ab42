"""filelist.txt: the clips that training reads, the silent one among them."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from rvc import config, files
from rvc.dataset import slice_features
from rvc.errors import BadInput, Mismatch, StageFailed

PROBE, PROBE_ROWS = 4096, 8  # samples and rows looked at in three places
MUTE_S = 3.0


@dataclass(frozen=True)
class Clip:
    """One line of the file list.

    Attributes:
        name: stem of the slice, `<speaker>_<file>_<slice>`.
        wave: mono WAV at the voice's rate. features: (F, E) float32, 50 per second.
        coarse, voiced: pitch as 1..255 and in Hz, 100 per second.
        speaker: row of the speaker table.
        frames: frames of 10 ms that all four files cover.
    """

    name: str
    wave: Path
    features: Path
    coarse: Path
    voiced: Path
    speaker: int
    frames: int


def read_filelist(folder: Path, hop: int, rate: int) -> list[Clip]:
    """Read `filelist.txt` and measure every clip.

    Raises:
        BadInput: no list, or a line that is not five fields. Mismatch: another sample rate.
        StageFailed: a file is missing, damaged or empty.
    """
    file = folder / "filelist.txt"
    if not file.is_file():
        raise BadInput(f"{file} does not exist.", "Run preprocess and extract first.")
    lines = file.read_text(encoding="utf-8").splitlines()
    clips = [_clip(folder, line, hop, rate) for line in lines if line.strip()]
    if not clips:
        raise StageFailed(f"{file} lists no clip.", "Run preprocess and extract again.")
    widths = {clip.features: _shape(clip.features)[1] for clip in clips}
    if len(set(widths.values())) > 1:
        odd = min(widths, key=lambda path: list(widths.values()).count(widths[path]))
        raise Mismatch(
            f"{odd} has features of another width than the rest.",
            "Run extract again with one embedder for all clips.",
        )
    return clips


def width(clips: Sequence[Clip]) -> int:
    """Width E of the features."""
    return _shape(clips[0].features)[1]


def _shape(path: Path) -> tuple[int, ...]:
    try:
        out: tuple[int, ...] = np.load(path, mmap_mode="r", allow_pickle=False).shape
        return out
    except (OSError, ValueError, EOFError) as error:
        raise StageFailed(f"{path} cannot be read: {error}.", "Run extract again.") from error


def _clip(folder: Path, line: str, hop: int, rate: int) -> Clip:
    parts = line.split("|")
    if len(parts) != 5 or not parts[4].strip().isdigit():
        raise BadInput(f"{folder / 'filelist.txt'} holds a line it should not: {line[:80]!r}.")
    wave, features, coarse, voiced = (_locate(folder, part) for part in parts[:4])
    try:
        info = soundfile.info(wave)
    except (OSError, soundfile.SoundFileError) as error:
        raise StageFailed(f"{wave} cannot be read: {error}.", "Run preprocess again.") from error
    if info.samplerate != rate:
        raise Mismatch(
            f"{wave} has {info.samplerate} Hz, the training wants {rate} Hz.",
            f"Run preprocess with --sample-rate {rate}, or train with --sample-rate "
            f"{info.samplerate}.",
        )
    shape = _shape(features)
    if len(shape) != 2:
        raise StageFailed(f"{features} is not a table of features.", "Run extract again.")
    frames = min(2 * shape[0], _shape(coarse)[0], _shape(voiced)[0], info.frames // hop)
    return Clip(wave.stem, wave, features, coarse, voiced, int(parts[4]), frames)


def _locate(folder: Path, text: str) -> Path:
    """A path of the list: relative to the experiment, or as other programs write it.

    Those are absolute or relative to an installation; where the folder was moved or renamed since,
    the file lies in it under the last parts of its path.
    """
    path = Path(text.strip().replace("\\", "/"))
    own = (folder.joinpath(*path.parts[-count:]) for count in (2, 3))
    for file in (folder / path, *own, config.paths().root / path):
        if file.is_file():
            return file
    raise StageFailed(f"{path} of filelist.txt does not exist.", "Run extract again.")


def digests(clips: Sequence[Clip]) -> dict[str, str]:
    """A short digest of each clip's data by name, to tell later what has changed.

    Pitch is read whole; of waves and features the length and three stretches.
    """
    out: dict[str, str] = {}
    for clip in clips:
        h = hashlib.blake2b(digest_size=8)
        h.update(str(clip.speaker).encode())
        h.update(clip.coarse.read_bytes())
        h.update(clip.voiced.read_bytes())
        for part in (*_probe_wave(clip.wave), *_probe_rows(clip.features)):
            h.update(part)
        name = clip.name
        while name in out:  # silent clips are listed several times
            name += "+"
        out[name] = h.hexdigest()
    return out


def _probe_wave(path: Path) -> Iterator[bytes]:
    """Samples, not bytes: the header of a WAV may hold the time it was written."""
    with soundfile.SoundFile(path) as file:
        yield str(file.frames).encode()
        for start in _places(file.frames):
            file.seek(start)
            yield file.read(PROBE, dtype="float32").tobytes()


def _probe_rows(path: Path) -> Iterator[bytes]:
    rows = np.load(path, mmap_mode="r", allow_pickle=False)
    yield str(rows.shape).encode()
    for start in _places(len(rows)):
        yield np.ascontiguousarray(rows[start : start + PROBE_ROWS]).tobytes()


def _places(length: int) -> tuple[int, int, int]:
    return 0, length // 2, max(0, length - PROBE_ROWS)


def speaker(name: str) -> int:
    """Speaker id of a slice called `<speaker>_<file>_<slice>`.

    Raises:
        BadInput: another kind of name.
    """
    head = name.split("_", 1)[0]
    if not head.isdigit():
        raise BadInput(
            f"The slice {name} does not start with a speaker number.", "Preprocess again."
        )
    return int(head)


def mutes(
    folder: Path, rate: int, embed: Callable[[Sequence[np.ndarray]], list[np.ndarray]], exact: bool
) -> None:
    """Make the silent clip of an experiment, with the features its own embedder gives for silence.

    It lies in `<experiment>/mute`, in folders like those of the slices.

    Raises:
        StageFailed: the embedder cannot cope with silence.
    """
    silence = np.zeros(int(MUTE_S * 16000), np.float32)
    features = embed([silence])[0]
    if not features.size or not np.isfinite(features).all():
        raise StageFailed("The embedder gives no numbers for silence.", "Use another embedder.")
    home = folder / "mute"
    for name in ("sliced_audios", "sliced_audios_16k", *slice_features.FOLDERS):
        (home / name).mkdir(parents=True, exist_ok=True)
    frames = len(silence) // 160 + 1
    slice_features.save(home / "extracted" / "mute.npy", features.astype(np.float32))
    slice_features.save(home / "f0" / "mute.wav.npy", np.ones(frames, np.int64))
    voiced = np.zeros(frames, np.float64 if exact else np.float32)
    slice_features.save(home / "f0_voiced" / "mute.wav.npy", voiced)
    for file, hz in (
        (f"sliced_audios/mute{rate}.wav", rate),
        ("sliced_audios_16k/mute.wav", 16000),
    ):
        with files.replacing(home / file) as part:
            zeros = np.zeros(int(MUTE_S * hz), np.float32)
            soundfile.write(part, zeros, hz, "PCM_16", format="WAV")


def lines(names: Sequence[str], rate: int, include_mutes: int) -> list[str]:
    """The lines of filelist.txt: wav|features|coarse|voiced|speaker, in a fixed shuffled order.

    Paths are relative to the experiment, with forward slashes, so that it can be moved.
    """
    out = [
        f"sliced_audios/{n}.wav|extracted/{n}.npy|f0/{n}.wav.npy|f0_voiced/{n}.wav.npy|{speaker(n)}"
        for n in names
    ]
    silent = (
        f"mute/sliced_audios/mute{rate}.wav|mute/extracted/mute.npy|mute/f0/mute.wav.npy|"
        "mute/f0_voiced/mute.wav.npy|"
    )
    for number in sorted({speaker(n) for n in names}):
        out += [f"{silent}{number}"] * include_mutes
    random.Random(0).shuffle(out)
    return out


def write_filelist(folder: Path, names: Sequence[str], rate: int, include_mutes: int) -> None:
    """Write filelist.txt atomically, without a newline at its end."""
    text = "\n".join(lines(names, rate, include_mutes))
    files.write_text(folder / "filelist.txt", text)
