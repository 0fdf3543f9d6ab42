"""HTTP routes made from the table of verbs: what the command line can do, a program can ask for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    StreamingResponse,
)
from fastapi.staticfiles import StaticFiles
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from rvc import jobs, tasks
from rvc.config import ASSETS
from rvc.errors import (
    BadInput,
    DownloadFailed,
    Mismatch,
    MissingModel,
    NotFound,
    StageFailed,
    StorageFailed,
    VoiceError,
)
from rvc.hub import catalog
from rvc.params.base import complaint
from rvc.server import events, machine, openapi_page, pace, pitch, progress, uploads, voices
from rvc.server.fence import Fence
from rvc.server.gate import TooLarge
from rvc.server.recordings import Recordings

log = logging.getLogger(__name__)

STATUS: dict[type[VoiceError], int] = {  # the nearest class counts
    VoiceError: 409,
    BadInput: 400,
    NotFound: 404,
    Mismatch: 422,
    MissingModel: 424,
    StageFailed: 424,
    DownloadFailed: 502,
    StorageFailed: 507,
}


def add(app: FastAPI, fence: Fence) -> None:
    """Put every route and error answer on `app`."""
    router = APIRouter(prefix="/api")
    for name, verb in tasks.VERBS.items():
        router.post(f"/{name}", status_code=202, tags=["verbs"], summary=verb.params.__doc__)(
            _starter(name, fence)
        )
    router.get("/jobs", tags=["jobs"], summary="The newest jobs first.")(job_list)
    router.get(
        "/events",
        tags=["jobs"],
        summary="Changes of jobs as they happen, as a stream.",
        response_class=StreamingResponse,
    )(job_events)
    router.get("/jobs/{job}", tags=["jobs"], summary="State, progress, result.")(job_status)
    router.get("/jobs/{job}/log", tags=["jobs"], summary="End of the log.")(job_log)
    router.post(
        "/jobs/{job}/cancel", tags=["jobs"], summary="Save and stop; now=true kills at once."
    )(job_cancel)
    router.include_router(voices.router())
    router.include_router(pitch.router(fence))
    router.get("/training", tags=["voices"], summary="Voices in the making.")(training_list)
    router.get("/training/{name}", tags=["voices"], summary="Stages, curves, files.")(
        training_progress
    )
    router.get("/paces", tags=["machine"], summary="Seconds of an epoch, as measured here.")(paces)
    router.get("/models", tags=["machine"], summary="Model files: what is here, what is not.")(
        model_files
    )
    router.get("/ready", tags=["machine"], summary="Settings that need no download.")(machine.ready)
    router.get("/device", tags=["machine"], summary="Where the work is done, and why.")(
        machine.device
    )
    router.get("/doctor", tags=["machine"], summary="Whether everything is in order, as text.")(
        machine.doctor
    )
    router.post("/files", tags=["files"], summary="Upload a recording (raw body).")(uploads.upload)
    router.post("/voices/files", tags=["voices"], summary="Upload a file for import-voice.")(
        uploads.upload_voice
    )
    router.get("/files/{name:path}", tags=["files"], summary="Download a result.")(
        _server_of(fence)
    )
    _add_recordings(router, Recordings(fence))
    router.get("/docs", include_in_schema=False)(documentation)
    app.include_router(router)
    app.mount("/ui", StaticFiles(directory=ASSETS / "ui"))
    app.add_exception_handler(VoiceError, _explain)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(TooLarge, _too_large)


def _add_recordings(router: APIRouter, recordings: Recordings) -> None:
    """Routes of what was dropped, recorded and made; each is a method that a thread runs."""
    here = "/recordings"
    for path, act, text in (
        (here, recordings.listing, "Recordings of a folder, newest first."),
        (f"{here}/length", recordings.length, "Seconds of sound in a folder."),
        (f"{here}/facts", recordings.facts, "Length, level and verdict of a recording."),
    ):
        router.get(path, tags=["recordings"], summary=text)(act)
    router.post(f"{here}/remove", tags=["recordings"], summary="Take away; restore brings back.")(
        recordings.remove
    )
    router.post(f"{here}/restore", tags=["recordings"], summary="Bring back what was removed.")(
        recordings.restore
    )


def _starter(name: str, fence: Fence) -> Callable[..., Any]:
    async def endpoint(p: Any, wait_s: float = 0.0) -> dict[str, Any]:
        allowed = await run_in_threadpool(fence.check, p)
        job = await run_in_threadpool(jobs.start, name, allowed)
        return await events.ended(job, wait_s)

    wait = Query(ge=0, le=3600, description="Seconds to wait for the end before answering.")
    endpoint.__name__ = name.replace("-", "_")
    endpoint.__annotations__ = {
        "p": tasks.VERBS[name].params,
        "wait_s": Annotated[float, wait],
        "return": dict[str, Any],
    }
    return endpoint


async def job_list(limit: Annotated[int, Query(ge=1, le=200)] = 50) -> list[dict[str, Any]]:
    return await run_in_threadpool(jobs.listing, limit)


async def job_events() -> StreamingResponse:
    """Server-sent events: `jobs` holds the newest jobs, `job` one that is new or has changed,
    `gone` the id of one that is no longer kept."""
    return events.stream()


async def job_status(job: str) -> dict[str, Any]:
    return await run_in_threadpool(jobs.read, job)


async def job_log(job: str, lines: Annotated[int, Query(ge=1, le=5000)] = 200) -> Any:
    await run_in_threadpool(jobs.read, job)
    return PlainTextResponse(await run_in_threadpool(jobs.tail, job, lines))


async def job_cancel(job: str, now: bool = False) -> dict[str, Any]:
    return await run_in_threadpool(jobs.cancel, job, 0.0 if now else jobs.GRACE_S)


async def paces() -> list[dict[str, Any]]:
    where = await machine.device()
    return await run_in_threadpool(pace.paces, where["device"])


async def training_list() -> list[str]:
    return await run_in_threadpool(progress.names)


async def model_files() -> list[dict[str, Any]]:
    return [
        {"name": a.name, "size": a.size, "present": a.file.is_file()} for a in catalog.everything()
    ]


async def training_progress(name: str) -> dict[str, Any]:
    return await run_in_threadpool(progress.progress, name)


class Download(FileResponse):
    """A file of ours; where it is taken away meanwhile, the answer ends short."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except (FileNotFoundError, RuntimeError):  # the latter before anything was sent
            if Path(self.path).exists():
                raise
            log.info("%s was taken away while it was being sent.", self.path)


def _server_of(fence: Fence) -> Callable[..., Any]:
    async def download(name: str) -> Download:
        file = fence.served(name)
        return Download(file, filename=file.name)

    download.__annotations__ = {"name": str}
    return download


async def documentation(request: Request) -> HTMLResponse:
    return HTMLResponse(openapi_page.page(request.app.openapi()))


async def _explain(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, VoiceError)
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    return JSONResponse(error.as_dict(), status)


async def _too_large(request: Request, error: Exception) -> JSONResponse:
    told = {"error": "too_large", "message": TooLarge.message, "hint": TooLarge.hint}
    return JSONResponse(told, 413)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    message = complaint([{**e, "loc": e["loc"][1:]} for e in error.errors()])
    hint = "See /api/docs for the accepted values."
    return JSONResponse({"error": "bad_input", "message": message, "hint": hint}, 422)
