"""The verb `index`: the retrieval index of a voice, made from its own features."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from rvc import Report, config, params, silent
from rvc.dataset import lock, manifest, slice_features
from rvc.errors import Mismatch, StageFailed
from rvc.retrieval import index

log = logging.getLogger(__name__)


def run(p: params.Index, report: Report = silent) -> dict[str, Any]:
    """Build `<model>.index`, or leave it when it already holds these features.

    Raises:
        StageFailed: extract has not been done or left nothing usable.
        Mismatch: features of different widths. Busy: another process works on the voice.
    """
    folder = config.experiment(p.model_name)
    with lock.hold(folder):
        if not (folder / manifest.FILE).exists():  # another program's
            from rvc.dataset import adopt

            adopt.adopt(folder)
        return build(folder, p.index_algorithm, report)


def build(folder: Path, algorithm: index.Algorithm, report: Report = silent) -> dict[str, Any]:
    """As `run`, for a caller that already holds the lock of the experiment."""
    started = time.monotonic()
    extracted = manifest.extracted(folder)
    file = folder / f"{folder.name}.index"
    wanted = {**extracted.fingerprint, "algorithm": algorithm}
    before = manifest.stage(folder, "index")
    if before is not None and before.fingerprint == wanted and _untouched(file, before):
        return _result(folder, file, before, "is up to date")
    done = manifest.Stage("index", wanted, inputs=len(extracted.outputs))
    features = load(folder, extracted.outputs, done, report)
    report(0, 1, f"Building the index of {len(features)} rows")
    built = index.build(features, algorithm, os.cpu_count() or 1)
    manifest.forget(folder, "index")
    index.write(built, file)
    report(1, 1, "Built the index")
    done.outputs = [file.name]
    done.details = {
        "rows": len(features),
        "kept": int(built.ntotal),
        "width": features.shape[1],
        "bytes": file.stat().st_size,
        "digest": manifest.file_digest(file),
    }
    done.seconds = round(time.monotonic() - started, 3)
    manifest.record(folder, done)
    return _result(folder, file, done, "is built")


def load(
    folder: Path, names: list[str], done: manifest.Stage, report: Report = silent
) -> np.ndarray:
    """The features of the slices `names` in order, (N, W) float32; rows with NaN are dropped.

    Raises:
        StageFailed: no row is left, or too many slices are unreadable.
        Mismatch: widths differ.
    """
    parts: list[np.ndarray] = []
    for count, name in enumerate(sorted(names)):
        try:
            part = np.load(slice_features.paths(folder, name)[0], allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            done.fail(f"extracted/{name}.npy", error)
            continue
        if parts and part.shape[1:] != parts[0].shape[1:]:
            raise Mismatch(
                f"extracted/{name}.npy is {part.shape[1:]} wide, the rest {parts[0].shape[1:]}.",
                "Run extract again with one embedder for all slices.",
            )
        parts.append(part[np.isfinite(part).all(axis=1)].astype(np.float32, copy=False))
        report(count + 1, len(names), "Reading features")
    features = np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)
    if not len(features):
        first = f" First: {done.failures[0]}" if done.failures else ""
        raise StageFailed(
            f"{folder.name}: the extract stage left no features to index.{first}",
            "Run extract again.",
        )
    if len(done.failures) > manifest.FAILURE_LIMIT * len(names):
        done.outputs = ["features"]
        manifest.judge(done)
    return features


def _untouched(file: Path, before: manifest.Stage) -> bool:
    size = file.stat().st_size if file.is_file() else -1
    return size == before.details.get("bytes") and (
        manifest.file_digest(file) == before.details.get("digest")
    )


def _result(folder: Path, file: Path, done: manifest.Stage, what: str) -> dict[str, Any]:
    details = done.details
    return {
        "message": f"{file} {what}: {details['kept']} vectors of width {details['width']} from "
        f"{details['rows']} rows.",
        "index": str(file),
        "rows": details["rows"],
        "vectors": details["kept"],
        "width": details["width"],
        "failures": [str(f) for f in done.failures],
        "seconds": done.seconds,
    }
