"""The verbs `prerequisites` and `assets`: what is there, what is missing, fetch, verify, adopt."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rvc.hub import catalog, fetch
from rvc.hub.adopt import adopt
from rvc.hub.catalog import Asset
from rvc.hub.digest import sha256
from rvc.params import Assets, Prerequisites
from rvc.progress import Report, silent

log = logging.getLogger(__name__)


def prerequisites(p: Prerequisites, report: Report = silent) -> dict[str, Any]:
    """Fetch what Applio calls prerequisites, as far as it is absent.

    Raises:
        MissingModel: offline. DownloadFailed: a file could not be had.
    """
    wanted: list[Asset] = []
    if p.models:
        wanted += [*catalog.under("predictors"), *catalog.embedder("contentvec")]
    if p.pretraineds_hifigan:
        wanted += catalog.under("pretraineds/hifi-gan")
    if p.pretraineds_refinegan:
        wanted += catalog.under("pretraineds/refinegan")
    return _download(wanted, report)


def run(p: Assets, report: Report = silent) -> dict[str, Any]:
    """Do what `assets` was asked for.

    Raises:
        BadInput: a name or folder that does not exist.
    """
    if p.action == "adopt":
        return adopt([Path(folder) for folder in p.what], report)
    if p.action == "download" and not p.what:
        catalog.find("")
    wanted = _wanted(p.what or ("all",))
    if p.action == "download":
        return _download(wanted, report)
    if p.action == "verify":
        return _verify(wanted, report)
    return _list(wanted)


def _wanted(names: Iterable[str]) -> list[Asset]:
    found = (asset for name in names for asset in catalog.find(name))
    return list(dict.fromkeys(found))


def _download(wanted: list[Asset], report: Report) -> dict[str, Any]:
    absent = [a for a in wanted if not a.file.is_file()]
    fetch.ensure(wanted, report)
    fetched = [a.name for a in absent]
    there = len(wanted) - len(fetched)
    return {
        "message": f"{len(fetched)} model files downloaded, {there} were there already.",
        "downloaded": fetched,
        "present": there,
    }


def _list(wanted: list[Asset]) -> dict[str, Any]:
    rows = [
        {
            "name": a.name,
            "present": a.file.is_file(),
            "size": a.size,
            "sha256": a.sha256,
            "file": str(a.file),
        }
        for a in wanted
    ]
    lines = [
        f"{'present' if row['present'] else 'absent ':8}{(a.size or 0) / 1e6:8.1f} MB  {a.name}"
        for row, a in zip(rows, wanted, strict=True)
    ]
    return {"message": "\n".join(lines), "assets": rows}


def _verify(wanted: list[Asset], report: Report) -> dict[str, Any]:
    """Read every file that is there again and compare; nothing is changed."""
    there = [a for a in wanted if a.file.is_file()]
    total, done = sum(a.file.stat().st_size for a in there), 0
    states: dict[str, list[str]] = {"good": [], "other": [], "unknown": []}
    for asset in there:
        report(done, total, "Verifying")
        states[_state(asset)].append(asset.name)
        done += asset.file.stat().st_size
    report(total, total, "Verifying")
    absent = [a.name for a in wanted if not a.file.is_file()]
    parts = [
        f"{len(states['good'])} good",
        f"{len(states['other'])} other than published",
        f"{len(states['unknown'])} without a published digest",
        f"{len(absent)} absent",
    ]
    named = "".join(f"\nNot the published file: {name}" for name in states["other"])
    return {"message": ", ".join(parts) + "." + named, **states, "absent": absent}


def _state(asset: Asset) -> str:
    if asset.sha256 is None:
        return "unknown"
    return "good" if sha256(asset.file, again=True) == asset.sha256 else "other"
