"""HTTP routes of the voices' cards: what the Voices page shows, and what people add to a voice."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request
from fastapi.responses import FileResponse
from starlette.concurrency import run_in_threadpool

from rvc.errors import BadInput, NotFound
from rvc.voices import cards, library, sample, trash

KINDS = {".png": "image/png", ".jpg": "image/jpeg", ".webp": "image/webp", ".flac": "audio/flac"}
HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, max-age=31536000"}


def router() -> APIRouter:
    """Routes below /api/voices, without their prefix."""
    made = APIRouter(tags=["voices"])
    made.get("/voices", summary="Voices that can be used.")(voice_list)
    made.get("/voices/cards", summary="One card per voice, with versions, tags, scores.")(card_list)
    made.get("/voices/trash", summary="Deleted voices that can be restored.")(trash_list)
    made.get("/voices/sample", summary="A voice's sample; the verb voice-sample makes it.")(heard)
    made.put("/voices/{name}/tags", summary="Replace the tags of a voice.")(set_tags)
    made.get("/voices/{name}/picture", summary="The picture of a voice.")(picture)
    made.put("/voices/{name}/picture", summary="Set it (raw body), or remove it (empty body).")(
        set_picture
    )
    return made


async def voice_list() -> list[dict[str, Any]]:
    return [v.as_dict() for v in await run_in_threadpool(library.voices)]


async def card_list() -> list[dict[str, Any]]:
    return await run_in_threadpool(cards.cards)


async def trash_list() -> list[dict[str, Any]]:
    return [entry.as_dict() for entry in await run_in_threadpool(trash.entries)]


async def heard(pth_path: str) -> FileResponse:
    """Only of voices in the list: the answer tells nothing about other files."""
    known = await run_in_threadpool(library.voices)
    if pth_path not in {str(voice.pth) for voice in known}:
        raise NotFound(f"{pth_path} is not one of the voices here.", "Refresh the list of voices.")
    return _sent(sample.file_of(Path(pth_path)), "It has no sample yet: ask for voice-sample.")


async def set_tags(name: str, tags: Annotated[list[str], Body(embed=True)]) -> dict[str, Any]:
    return {"tags": await run_in_threadpool(cards.set_tags, name, tags)}


async def picture(name: str) -> FileResponse:
    return _sent(await run_in_threadpool(cards.picture, name), "Drop one on its card.")


async def set_picture(name: str, request: Request) -> dict[str, Any]:
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > cards.PICTURE_LIMIT_BYTES:
            raise BadInput(f"The picture for {name} is too large.", "Use one of at most 2 MB.")
    await run_in_threadpool(cards.set_picture, name, data)
    return {"picture": bool(data)}


def _sent(file: Path, hint: str) -> FileResponse:
    if not file.is_file():
        raise NotFound(f"{file.name} is not here.", hint)
    return FileResponse(file, media_type=KINDS[file.suffix], headers=HEADERS)
