"""What each stage did to a voice in the making, so that no later stage works on make-believe.

`logs/<model>/manifest.json` holds one record per stage: how many inputs there were, the names of
all outputs, every failure with its cause, and a fingerprint of all that decided the outputs.
A file that is not named in a record's outputs does not belong to the voice, whatever lies in
the folder. Writing is atomic; a stage that is not in the manifest has not finished.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rvc import files
from rvc.errors import BadInput, Mismatch, StageFailed

FILE = "manifest.json"
FAILURE_LIMIT = 0.05
ORDER = ("preprocess", "extract", "train", "index")
EMBEDDER = {  # key in a voice file: key in the record of extract
    "name": "embedder",
    "digest": "embedder_digest",
    "layer": "layer",
    "normalize": "normalize",
}


@dataclass(frozen=True)
class Failure:
    """One input that gave nothing, and why."""

    file: str
    cause: str

    def __str__(self) -> str:
        return f"{self.file}: {self.cause}"


@dataclass
class Stage:
    """The record of one finished stage.

    Attributes:
        name: the verb: "preprocess", "extract", "train", "index".
        fingerprint: flat, JSON-ready: every setting and digest that decided the outputs.
        inputs: how many things were attempted.
        outputs: names (relative, forward slashes) of everything valid that came out.
        failures: inputs that gave nothing. Their share of `inputs` decides over failure.
        warnings: what went in with a flaw (clipped, shortened ...), as sentences.
        details: whatever else the stage needs to remember, JSON-ready.
        seconds: time the stage took.
        finished: time of the end in UTC, ISO 8601; for people, nothing is decided by it.
    """

    name: str
    fingerprint: dict[str, Any] = field(default_factory=dict)
    inputs: int = 0
    outputs: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    finished: str = ""

    def fail(self, file: str | os.PathLike[str], cause: str | BaseException) -> None:
        """Note that `file` gave nothing because of `cause`."""
        text = str(cause) or type(cause).__name__
        self.failures.append(Failure(str(file), text))


def read(folder: Path) -> dict[str, Stage]:
    """All records of an experiment; empty where no stage has finished yet.

    Raises:
        BadInput: the manifest is there and damaged.
    """
    file = folder / FILE
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
        return {name: _stage(name, record) for name, record in raw.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadInput(f"{file} is damaged.", "Delete it and preprocess again.") from error


def _stage(name: str, record: dict[str, Any]) -> Stage:
    known = {key: record[key] for key in Stage.__dataclass_fields__ if key in record}
    known["failures"] = [Failure(**f) for f in record.get("failures", [])]
    return Stage(**{**known, "name": name})


def stage(folder: Path, name: str) -> Stage | None:
    """The record of one stage, or None when it has not finished."""
    return read(folder).get(name)


def record(folder: Path, done: Stage) -> None:
    """Put a stage's record into the manifest, replacing its older one, in one atomic step."""
    done.finished = done.finished or time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    records = {**read(folder), done.name: done}
    files.write_json(folder / FILE, {k: asdict(v) for k, v in records.items()}, indent=1)


def forget(folder: Path, name: str) -> None:
    """Take a stage's record away, so that nothing builds on it while it is being redone."""
    records = read(folder)
    if records.pop(name, None):
        files.write_json(folder / FILE, {k: asdict(v) for k, v in records.items()}, indent=1)


def judge(done: Stage, limit: float = FAILURE_LIMIT) -> None:
    """Refuse to call a stage done that gave nothing or lost too much.

    Raises:
        StageFailed: no valid output, or more than `limit` (0..1) of the inputs failed; the
            message names the first cause.
    """
    failed, first = len(done.failures), next(iter(done.failures), None)
    hint = "Correct or remove what is named, then run it again."
    cause = f" First: {first}" if first else ""
    if not done.outputs:
        what = f"all {failed} failed." if failed else "there was nothing to work on."
        raise StageFailed(f"{done.name} produced nothing: {what}{cause}", hint)
    if failed > limit * max(done.inputs, failed):
        raise StageFailed(
            f"{done.name}: {failed} of {done.inputs} failed (more than {limit:.0%}).{cause}", hint
        )


def require(folder: Path, name: str) -> Stage:
    """The record of a stage that must have gone before.

    Raises:
        StageFailed: it has not finished, or left nothing.
    """
    done = stage(folder, name)
    if done is None or not done.outputs:
        raise StageFailed(
            f"{folder.name}: the {name} stage has not been done.", f"Run {name} for it first."
        )
    return done


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Readable differences between two fingerprints, over the keys present in `now`."""
    return [
        f"{key} was {before.get(key)!r} and is now {value!r}"
        for key, value in now.items()
        if before.get(key) != value
    ]


def check(done: Stage, expected: Mapping[str, Any]) -> None:
    """Make sure that an earlier stage was made with what this one expects.

    Raises:
        Mismatch: a value in `expected` differs from the record's fingerprint.
    """
    if wrong := differences(done.fingerprint, expected):
        raise Mismatch(
            f"The {done.name} stage does not fit: " + "; ".join(wrong) + ".",
            f"Run {done.name} again, or use its settings.",
        )


def digest(value: Any) -> str:
    """Short stable digest of any JSON-ready value, for fingerprints."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def file_digest(path: Path) -> str:
    """Digest of a file's content (16 bytes, hexadecimal)."""
    sum_ = hashlib.blake2b(digest_size=16)
    with path.open("rb") as data:
        while block := data.read(1 << 20):
            sum_.update(block)
    return sum_.hexdigest()


def extracted(folder: Path) -> Stage:
    """The record of the extract stage, which must belong to the slices that are there now.

    Raises:
        StageFailed: extract has not been done.
        Mismatch: the recordings were preprocessed anew since.
    """
    done, slices = require(folder, "extract"), stage(folder, "preprocess")
    made_of = done.fingerprint.get("preprocess")
    if slices and made_of and made_of != digest(slices.fingerprint):
        raise Mismatch(
            f"{folder.name}: the recordings were preprocessed anew after the last extract.",
            "Run extract again; it redoes only what changed.",
        )
    return done
