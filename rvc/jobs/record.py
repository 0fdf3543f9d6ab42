"""The files of a job, and what of them can be believed after a power cut or a full disk."""

from __future__ import annotations

import logging
import re
import secrets
import time
from pathlib import Path
from typing import Any

from rvc import files
from rvc.errors import VoiceError

JOB, STATUS, PROCESS, CANCEL, LOG, QUEUED = (
    "job.json", "status.json", "pid.json", "cancel.json", "log.txt", "queued.json",
)  # fmt: skip
ACTIVE = ("starting", "queued", "running", "stopping")
FINISHED = ("done", "failed", "cancelled")
SECOND, FRACTION = len("20260101-000000"), 6  # characters of an id that say when
ID = re.compile(r"\d{8}-\d{6}-(?P<verb>.+)-[0-9a-f]{6}")
NUMBER = (int, float)
NONE = type(None)
KINDS: dict[str, tuple[type, ...]] = {  # of values; what is of another kind counts as missing
    "id": (str,), "verb": (str,), "params": (dict,), "created_s": NUMBER,
    "state": (str,), "done": NUMBER, "total": NUMBER, "note": (str,), "eta_s": (*NUMBER, NONE),
    "started_s": (*NUMBER, NONE), "ended_s": (*NUMBER, NONE), "result": (dict, NONE),
    "error": (dict, NONE),
}  # fmt: skip
TRIES, RETRY_S = 3, 0.02  # Windows refuses to open a file in the moment of its replacement

log = logging.getLogger(__name__)


def load(file: Path) -> dict[str, Any]:
    """The object in a file of a job; empty where it is missing, damaged or cannot be read."""
    for _ in range(TRIES):
        try:
            return files.read_json(file)
        except FileNotFoundError:
            return {}
        except PermissionError:
            time.sleep(RETRY_S)
        except (OSError, ValueError) as error:
            log.debug("%s: %s", file, error)
            return {}
    return {}


def new_id(verb: str) -> str:
    """The id of a job that is asked for now."""
    now_s = time.time()
    second = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now_s))
    return f"{second}-{verb}-{int(now_s % 1 * 1e6):05x}{secrets.randbelow(16):x}"


def age(job: str) -> tuple[str, str]:
    """By this, ids stand in the order in which their jobs were asked for."""
    return job[:SECOND], job[-FRACTION:]


def write(file: Path, value: dict[str, Any]) -> None:
    """Write a file of a job; the next one is due soon, so the disk is not waited for."""
    files.write_json(file, value, durable=False)


def facts(folder: Path) -> dict[str, Any]:
    """All that the files of a job say; what they do not say is told from its folder's name.

    A job whose description is lost counts as failed, unless its own last word is better.
    """
    asked, said = believed(load(folder / JOB)), believed(load(folder / STATUS))
    found: dict[str, Any] = {
        "id": folder.name, "verb": "", "params": {}, "created_s": 0.0,
        "state": "starting", "done": 0.0, "total": 0.0, "note": "", "eta_s": None,
        "started_s": None, "ended_s": None, "result": None, "error": None, "before": None,
    }  # fmt: skip
    if not {"verb", "params", "created_s"} <= asked.keys():
        asked |= told_by_name(folder)
        said = said if "state" in said else {"state": "failed", "error": lost(folder)}
    return found | asked | said | {"id": folder.name}


def believed(values: dict[str, Any]) -> dict[str, Any]:
    """Those values of a file that are of their kind."""
    found = {k: v for k, v in values.items() if k in KINDS and isinstance(v, KINDS[k])}
    if found.get("state") not in (None, *ACTIVE, *FINISHED):
        del found["state"]
    return found


def told_by_name(folder: Path) -> dict[str, Any]:
    """The verb of a job and when it was asked for, where nothing else is left to tell."""
    known = ID.fullmatch(folder.name)
    try:
        created_s = folder.stat().st_mtime
    except OSError:
        created_s = 0.0
    return {"verb": known["verb"] if known else "", "created_s": created_s}


def lost(folder: Path) -> dict[str, str]:
    """The error of a job whose description is damaged."""
    return VoiceError(
        f"The description of this job, {folder / JOB}, is damaged.",
        "A power cut or a full disk does that; start the job again.",
    ).as_dict()


def tail(folder: Path, lines: int = 200) -> str:
    """The last lines of a job's log."""
    file = folder / LOG
    if not file.is_file():
        return ""
    with file.open("rb") as stream:
        stream.seek(max(0, file.stat().st_size - 400 * lines))
        return "\n".join(stream.read().decode("utf-8", "replace").splitlines()[-lines:])
