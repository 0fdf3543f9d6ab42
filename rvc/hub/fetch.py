"""Model files on demand: a local file first, else one verified download for all processes."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from rvc import Report, silent
from rvc.config import load_settings
from rvc.errors import DownloadFailed, MissingModel
from rvc.hub import catalog, sha256
from rvc.hub.catalog import Asset

if TYPE_CHECKING:
    from rvc.hub.links import Host
    from rvc.hub.transfer import Transfer

log = logging.getLogger(__name__)

MIRRORS = ("https://huggingface.co", "https://hf-mirror.com")
ATTEMPTS = 5  # in a row without a single byte
MOST_ATTEMPTS = 60
PAUSES_S = (1.0, 2.0, 4.0, 8.0)
_noted: set[Path] = set()


def offline() -> bool:
    """Whether no connection may be opened: --offline, the setting, or the environment."""
    given = os.environ.get("RVC_OFFLINE") or os.environ.get("HF_HUB_OFFLINE") or ""
    return given.lower() in ("1", "true", "yes", "on") or load_settings().offline


def endpoints() -> list[str]:
    """Where files are looked for, in order: HF_ENDPOINT, the public hosts, the user's mirrors."""
    first = os.environ.get("HF_ENDPOINT", "")
    found = [e.rstrip("/") for e in (first, *MIRRORS, *load_settings().mirrors) if e]
    return list(dict.fromkeys(found))


def trusted() -> frozenset[Host]:
    """Hosts that the user has named, and that may therefore be private ones."""
    from rvc.hub import links

    own = [os.environ.get("HF_ENDPOINT", ""), *load_settings().mirrors]
    return frozenset(links.place(e) for e in own if e)


def ensure(assets: Iterable[Asset], report: Report = silent) -> list[Path]:
    """Make sure that files are there; those that are, whatever they hold, are not asked for again.

    Raises:
        MissingModel: offline and absent. DownloadFailed: no mirror gave the file.
        StorageFailed: no room for it.
    """
    return [_one(asset, report) for asset in assets]


def supply(*files: Path, report: Report = silent) -> None:
    """Fetch those of some files that are absent and known; offline, callers say what is missing.

    Raises:
        DownloadFailed, StorageFailed: a file could not be had.
    """
    absent = {file for file in files if not file.is_file()}
    if absent and not offline():
        ensure([a for a in catalog.everything() if a.file in absent], report)


def _one(asset: Asset, report: Report) -> Path:
    if asset.file.is_file():
        _note_foreign(asset)
        return asset.file
    if offline():
        raise MissingModel(
            f"{asset.name} is missing and nothing may be downloaded (offline).",
            f"Put it at {asset.file}, or run once without --offline.",
        )
    asset.file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(str(asset.file) + ".lock")
    while True:
        try:
            with lock.acquire(timeout=1.0):
                if not asset.file.is_file():
                    download(asset, report)
            break
        except Timeout:
            report(0, 1, f"Downloading {asset.name} | another process is at it")
    with contextlib.suppress(OSError):  # Windows, while another process still looks at it
        Path(lock.lock_file).unlink()
    return asset.file


def _note_foreign(asset: Asset) -> None:
    """Say once that a file is not the published one; it is the user's own and is used."""
    if asset.file in _noted or asset.sha256 is None:
        return
    _noted.add(asset.file)
    if asset.file.stat().st_size != asset.size or sha256(asset.file) != asset.sha256:
        log.info("%s is not the published file; it is used as it is.", asset.file)


def download(asset: Asset, report: Report = silent) -> Path:
    """Fetch a file from the first mirror that has it, into its place.

    Raises:
        DownloadFailed: none has; every mirror's answer is named.
    """
    from rvc.hub import links
    from rvc.hub.transfer import Transfer, Unusable

    transfer = Transfer(asset, asset.file, trusted(), report)
    causes = []
    for endpoint in endpoints():
        try:
            with_retries(transfer, asset.url(endpoint))
        except (Unusable, DownloadFailed) as error:
            causes.append(f"{links.place(endpoint)[0]}: {error}")
            log.warning("%s from %s: %s", asset.name, endpoint, error)
        else:
            return asset.file
    raise DownloadFailed(
        f"{asset.name} could not be downloaded. " + "; ".join(causes) + ".",
        f"Check the connection, set HF_ENDPOINT to a mirror, or put the file at {asset.file}.",
    )


def with_retries(transfer: Transfer, url: str) -> None:
    """Try again after a pause that doubles; coming further than ever starts the count anew."""
    from rvc.hub.transfer import Temporary, Unusable

    idle = 0
    for _ in range(MOST_ATTEMPTS):
        before = transfer.furthest
        try:
            return transfer.attempt(url)
        except Temporary as error:
            idle = 0 if transfer.furthest > before else idle + 1
            if idle >= ATTEMPTS:
                raise Unusable(f"{error} ({idle} times)") from error
            pause = max(error.wait_s, PAUSES_S[min(idle, len(PAUSES_S)) - 1] if idle else 0.2)
            log.info("%s: %s; again in %.0f s.", transfer.asset.name, error, pause)
            _sleep(pause, transfer)
    raise Unusable(f"{MOST_ATTEMPTS} attempts were not enough")


def _sleep(seconds: float, transfer: Transfer) -> None:
    """Wait, still listening for a wish to stop."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        done = transfer.part.stat().st_size if transfer.part.is_file() else 0
        total = transfer.asset.size or max(done, 1)
        transfer.report(done, total, f"Downloading {transfer.asset.name} | waiting to try again")
        time.sleep(min(0.25, left))
