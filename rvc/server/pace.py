"""How long trainings take on this machine, by the steps that earlier ones measured on it."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rvc.config import paths
from rvc.device import machine

LEAST_MINUTES = 0.05  # of clips; of less, a rounded figure says nothing
KIND = ("vocoder", "sample_rate")


def paces(device: str) -> list[dict[str, Any]]:
    """What the newest training of each kind of voice took on this machine, one device at work.

    Args:
        device: where a training would run now, such as "cpu" or "cuda:0".

    Returns:
        "vocoder", "sample_rate", "name" of the voice, and "epoch_s", the seconds of an epoch per
        minute of recordings.
    """
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for metrics in sorted(paths().logs.glob("*/metrics.jsonl"), key=_changed_ns):
        for plan in _plans(metrics, _changed_ns(metrics)):
            if (plan["machine"], plan["device"], plan["devices"]) == (machine(), device, 1):
                kind = tuple(plan[key] for key in KIND)
                epoch_s = plan["expected_epoch_s"] / plan["minutes"]
                found[kind] = dict(zip(KIND, kind, strict=True)) | {
                    "name": metrics.parent.name,
                    "epoch_s": round(epoch_s, 3),
                }
    return list(found.values())


def _changed_ns(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError:  # taken away meanwhile
        return 0


@functools.lru_cache(maxsize=1024)
def _plans(metrics: Path, changed_ns: int) -> tuple[dict[str, Any], ...]:
    try:
        return tuple(_read(metrics))
    except OSError:
        return ()


def _read(metrics: Path) -> Iterator[dict[str, Any]]:
    """The plans of one training that say where their time was measured."""
    needed = {"machine", "device", "devices", "minutes", "expected_epoch_s", *KIND}
    with metrics.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if '"plan"' not in line:
                continue
            try:
                record = json.loads(line)
            except ValueError:  # half written
                continue
            if needed <= record.keys() and record["minutes"] >= LEAST_MINUTES:
                yield record
