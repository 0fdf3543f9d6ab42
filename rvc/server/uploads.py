"""Files that are sent to the server: recordings, and voices to bring in, each in its folder."""

from __future__ import annotations

import filecmp
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from rvc import files
from rvc.config import named, paths
from rvc.errors import BadInput
from rvc.server.fence import MAX_UPLOAD_BYTES, VOICE, drop_room, dropped, fresh, upload_name
from rvc.server.gate import TooLarge

NEW_SET = "new voice"  # of recordings whose voice has no name yet


async def upload(request: Request, name: str, dataset: str | None = None) -> dict[str, str]:
    """Store the body as a recording: `name` is its file name; with `dataset` it joins that set,
    with an empty one a new set."""
    kept = upload_name(name)
    if dataset is None:
        folder = paths().audios
    elif dataset.strip():
        folder = named(paths().datasets, dataset)
    else:
        folder = fresh(paths().datasets, NEW_SET)
    return await _upload(request, folder, kept)


async def upload_voice(request: Request, name: str, drop: str) -> dict[str, str]:
    """Store the body where import-voice may read it; files of one `drop` lie in one folder."""
    kept, folder = upload_name(name, VOICE), named(dropped(), drop)
    return await _upload(request, folder if folder.is_dir() else drop_room(drop), kept)


async def _upload(request: Request, folder: Path, kept: str) -> dict[str, str]:
    """Store the body in a folder; the same name and content is not kept twice."""
    file = fresh(folder, kept)
    length = request.headers.get("content-length", "0")
    if not length.isdigit() or int(length) > MAX_UPLOAD_BYTES:
        raise _too_large_a_file(file)
    await _store(file, request.stream())
    same = folder / kept
    if file != same and await run_in_threadpool(filecmp.cmp, file, same, False):
        file.unlink()
        file = same
    return {"path": str(file), "folder": str(folder)}


async def _store(file: Path, chunks: AsyncIterator[bytes]) -> None:
    size = 0
    with files.replacing(file) as part:
        with part.open("wb") as sink:
            async for chunk in chunks:
                size += len(chunk)
                if size > MAX_UPLOAD_BYTES:
                    raise _too_large_a_file(file)
                sink.write(chunk)
        if not size:
            raise BadInput(f"{file.name} is empty.", "Send the file as the body of the request.")


def _too_large_a_file(file: Path) -> BadInput:
    return BadInput(f"{file.name} is too large.", TooLarge.hint)
