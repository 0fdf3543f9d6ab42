"""Pitch and features of one slice: read, computed, checked and saved, or left alone if in order."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile

from rvc import config, files
from rvc.errors import BadInput, StageFailed
from rvc.f0 import Extractor, contour

FOLDERS = ("extracted", "f0", "f0_voiced")
JOURNAL = ".extracted.jsonl"


@dataclass(frozen=True)
class SliceRecord:
    """What one slice's outputs were made of; equal entries need no new work."""

    name: str
    wave: str
    pitch: str
    features: str


class Journal:
    """One line per finished slice, appended at once, so that an interrupted run can go on.

    A line is written after its files are in place: existence alone proves nothing.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / JOURNAL
        self.lock = threading.Lock()
        self.entries: dict[str, SliceRecord] = {}
        if self.file.is_file():
            for line in self.file.read_text(encoding="utf-8").splitlines():
                if (entry := _entry(line)) is not None:
                    self.entries[entry.name] = entry

    def add(self, entry: SliceRecord) -> None:
        with self.lock:
            self.entries[entry.name] = entry
            with self.file.open("a", encoding="utf-8", newline="\n") as out:
                out.write(json.dumps(asdict(entry), ensure_ascii=False) + "\n")

    def keep(self, names: Sequence[str]) -> None:
        """Rewrite the file with the entries of `names` only."""
        self.entries = {name: self.entries[name] for name in names}
        lines = (json.dumps(asdict(e), ensure_ascii=False) for e in self.entries.values())
        files.write_text(self.file, "\n".join(lines) + "\n")


def _entry(line: str) -> SliceRecord | None:
    try:
        return SliceRecord(**json.loads(line))
    except (ValueError, TypeError):  # cut off by a crash, or of another version
        return None


def paths(folder: Path, name: str) -> tuple[Path, Path, Path]:
    """(features, coarse pitch, pitch in Hz) of the slice `name`."""
    return (
        folder / "extracted" / f"{name}.npy",
        folder / "f0" / f"{name}.wav.npy",
        folder / "f0_voiced" / f"{name}.wav.npy",
    )


def save(file: Path, values: np.ndarray) -> None:
    """np.save in one atomic step."""
    with files.replacing(file, durable=False) as part, part.open("wb") as out:
        np.save(out, values)


def load_slice(file: Path) -> tuple[np.ndarray, str]:
    """A 16 kHz slice (T,) float32 and the digest of its samples.

    Raises:
        BadInput: unreadable, empty, not mono at 16 kHz, or not finite.
    """
    try:
        wave, rate = soundfile.read(file, dtype="float32", always_2d=True)
    except (OSError, soundfile.SoundFileError) as error:
        raise BadInput(f"{file} cannot be read: {error}.", "Run preprocess again.") from error
    if rate != 16000 or wave.shape[1] != 1:
        raise BadInput(f"{file} is not mono at 16000 Hz.", "Run preprocess again.")
    wave = np.ascontiguousarray(wave[:, 0])
    if len(wave) < 400:
        raise BadInput(f"{file} is shorter than one frame.", "Run preprocess again.")
    if not np.isfinite(wave).all():
        raise BadInput(f"{file} holds values that are not numbers.", "Run preprocess again.")
    return wave, hashlib.blake2b(wave.tobytes(), digest_size=16).hexdigest()


@dataclass
class Measure:
    """Computes and saves what a slice lacks.

    Attributes:
        folder: the experiment. pitch, embed: the models (embed takes several waves).
        pitch_key, features_key: what the results depend on besides the sound.
        exact: save the pitch as float64, as Applio does for rmvpe.
    """

    folder: Path
    journal: Journal
    pitch: Extractor
    embed: Callable[[Sequence[np.ndarray]], list[np.ndarray]]
    pitch_key: str
    features_key: str
    exact: bool = False

    def __call__(self, names: Sequence[str]) -> list[bool]:
        """Bring the slices `names` up to date together; True for each that was redone.

        Raises:
            Whatever went wrong with any of them; those saved before stay saved.
        """
        waves = [load_slice(self.folder / "sliced_audios_16k" / f"{n}.wav") for n in names]
        wanted = [
            SliceRecord(n, digest, self.pitch_key, self.features_key)
            for n, (_, digest) in zip(names, waves, strict=True)
        ]
        known = [self.journal.entries.get(n) for n in names]
        pitched = [self._has_pitch(w, k) for w, k in zip(wanted, known, strict=True)]
        embedded = [self._has_features(w, k) for w, k in zip(wanted, known, strict=True)]
        for entry, (wave, _), done in zip(wanted, waves, pitched, strict=True):
            if not done:
                self._save_pitch(entry.name, wave)
        todo = [i for i, done in enumerate(embedded) if not done]
        if todo:
            results = self.embed([waves[i][0] for i in todo])
            for i, features in zip(todo, results, strict=True):
                self._save_features(names[i], features)
        redone = [not (a and b) for a, b in zip(pitched, embedded, strict=True)]
        for entry, changed in zip(wanted, redone, strict=True):
            if changed:
                self.journal.add(entry)
        return redone

    def _has_pitch(self, wanted: SliceRecord, known: SliceRecord | None) -> bool:
        _, coarse, voiced = paths(self.folder, wanted.name)
        return (
            known is not None
            and (known.wave, known.pitch) == (wanted.wave, wanted.pitch)
            and intact(coarse)
            and intact(voiced)
        )

    def _has_features(self, wanted: SliceRecord, known: SliceRecord | None) -> bool:
        features = paths(self.folder, wanted.name)[0]
        same = known is not None and (known.wave, known.features) == (wanted.wave, wanted.features)
        return same and intact(features)

    def _save_pitch(self, name: str, wave: np.ndarray) -> None:
        _, coarse, voiced = paths(self.folder, name)
        f0_hz = self.pitch(wave)
        if len(f0_hz) != len(wave) // 160 + 1 or not np.isfinite(f0_hz).all():
            raise StageFailed(f"{name}: the pitch has {len(f0_hz)} frames or is not finite.")
        save(coarse, contour.coarse(f0_hz))
        save(voiced, f0_hz.astype(np.float64 if self.exact else np.float32))

    def _save_features(self, name: str, features: np.ndarray) -> None:
        if features.ndim != 2 or not features.size:
            raise StageFailed(f"{name}: the embedder gave no features.")
        if not np.isfinite(features).all():
            raise StageFailed(f"{name}: the embedder gave values that are not numbers.")
        save(paths(self.folder, name)[0], features.astype(np.float32))


def intact(file: Path) -> bool:
    """Whether an .npy file is there, whole and not empty."""
    try:
        out: bool = np.load(file, mmap_mode="r", allow_pickle=False).size > 0
        return out
    except (OSError, ValueError, EOFError):
        return False


def predictors(method: str) -> str:
    """Size and time of the weights files in the installation that a method may read."""
    found = []
    for name in ("rmvpe", "fcpe"):
        file = config.paths().predictors / f"{name}.pt"
        if name in method and file.is_file():
            stat = file.stat()
            found.append(f"{name}:{stat.st_size}:{stat.st_mtime_ns}")
    return " ".join(found)
