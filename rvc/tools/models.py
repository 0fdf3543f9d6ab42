"""The verbs `prerequisites` and `assets`: what is there, what is missing, fetch, verify, adopt."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rvc import Report, params, silent
from rvc.errors import BadInput, DownloadFailed, Mismatch, MissingModel
from rvc.files import write_json
from rvc.hub import catalog, fetch, sha256
from rvc.hub.adopt import adopt
from rvc.hub.catalog import Asset
from rvc.nets.checkpoint import read_checkpoint
from rvc.params import Assets, Prerequisites

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


def assets(p: Assets, report: Report = silent) -> dict[str, Any]:
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


LOG = logging.getLogger(__name__)
CATALOGUE = Asset("pretraineds/custom/pretrains.json", "IAHispano/Applio", "pretrains.json")
FRESH_S = 24 * 3600.0
FILE = re.compile(r"^/?([\w.-]+/[\w.-]+)/(?:resolve|blob)/main/([\w./ +%()-]+\.pth)$")
PARTS = {"G": "dec.conv_pre.bias", "D": "discriminators.0.conv_post.bias"}
Models = dict[str, dict[str, dict[str, Asset]]]


def base_models(p: params.BaseModels, report: Report = silent) -> dict[str, Any]:
    """List the catalogue, or fetch one model.

    Raises:
        BadInput: no such model or rate. MissingModel: offline. DownloadFailed: not to be had.
        Mismatch: the file is not what it was when it was first fetched here.
    """
    models = catalogue(report)
    if not p.name:
        rows = {name: sorted(rates) for name, rates in models.items()}
        lines = [f"{name:<32} {', '.join(rates)}" for name, rates in rows.items()]
        return {"message": "\n".join(lines) or "The catalogue is empty.", "models": rows}
    rates = models.get(p.name)
    if rates is None:
        raise BadInput(f"No base model is called {p.name!r}.", "List them without --name.")
    rate = p.rate or (next(iter(rates)) if len(rates) == 1 else "")
    if rate not in rates:
        raise BadInput(
            f"{p.name} has no files for {rate or 'that rate'}.", f"It has {', '.join(rates)}."
        )
    files = {kind: _get(kind, asset, report) for kind, asset in rates[rate].items()}
    return {
        "message": f"{p.name} {rate} is ready. Train with --custom-pretrained "
        f"--g-pretrained-path {files['G']} --d-pretrained-path {files['D']}",
        "g_pretrained_path": str(files["G"]),
        "d_pretrained_path": str(files["D"]),
    }


def catalogue(report: Report = silent) -> Models:
    """Name -> rate -> G and D; from the copy here when it is fresh or nothing else can be had."""
    file = CATALOGUE.file
    fresh = file.is_file() and time.time() - file.stat().st_mtime < FRESH_S
    if not fresh and not (fetch.offline() and file.is_file()):
        try:
            if fetch.offline():
                raise MissingModel(
                    "The catalogue of base models is not here (offline).", "Go online once."
                )
            file.parent.mkdir(parents=True, exist_ok=True)
            fetch.download(CATALOGUE, report)
        except DownloadFailed as error:
            if not file.is_file():
                raise
            LOG.warning("%s The copy here is used.", error.message)
    try:
        return parse(json.loads(file.read_text(encoding="utf-8")))
    except ValueError as error:
        raise BadInput(f"{file} is damaged.", "Delete it.") from error


def parse(found: Any) -> Models:
    """The entries that are complete and lead to files of the model host; others are left out."""
    out: Models = {}
    for name, rates in (found if isinstance(found, dict) else {}).items():
        for rate, pair in (rates if isinstance(rates, dict) else {}).items():
            assets = {kind: _asset(name, rate, kind, pair) for kind in PARTS}
            whole = {kind: asset for kind, asset in assets.items() if asset is not None}
            if len(whole) == len(PARTS):
                out.setdefault(str(name), {})[str(rate)] = whole
    return out


def _asset(name: str, rate: str, kind: str, pair: Any) -> Asset | None:
    path = pair.get(kind) if isinstance(pair, dict) else None
    matched = FILE.match(path) if isinstance(path, str) else None
    if not matched or ".." in matched[2] or not re.fullmatch(r"\d+k", str(rate)):
        return None
    folder = re.sub(r"[^\w.-]+", "_", str(name)).strip(".") or "model"
    return Asset(f"pretraineds/custom/{folder}/{kind}_{rate}.pth", matched[1], matched[2])


def _get(kind: str, asset: Asset, report: Report) -> Path:
    """Fetch, look inside, and hold it to what it was the first time."""
    file = fetch.ensure([asset], report)[0]
    try:
        weights = read_checkpoint(file).model
        if not any(key.startswith(PARTS[kind].split(".")[0] + ".") for key in weights):
            raise BadInput(f"{file} is no {kind} base model.", "Tell its author.")
    except BadInput:
        file.unlink(missing_ok=True)
        raise
    pins = CATALOGUE.file.with_name("pins.json")
    known = json.loads(pins.read_text(encoding="utf-8")) if pins.is_file() else {}
    digest = sha256(file)
    if known.setdefault(asset.name, digest) != digest:
        raise Mismatch(
            f"{file} is not the file that was first fetched as {asset.name}.",
            f"If its author changed it, delete its line in {pins}.",
        )
    write_json(pins, known, indent=2)
    return file
