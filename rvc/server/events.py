"""Changes of jobs as they happen: for who waits for one to end, and as a stream for the page.

The stream is `text/event-stream`. Its first event, `jobs`, holds the newest jobs as `/api/jobs`
lists them; each `job` after it holds one that is new or has changed; `gone` holds the id of one
that is no longer kept. A line that begins with `:` only keeps the connection open.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from rvc import jobs
from rvc.jobs import changes

LOOK_S = 0.5  # how often jobs that tell nobody are looked at
REST_S = 3.0  # the same while none is under way
LISTED = 60
ALIVE_S = 15.0  # between signs of life where nothing happens
HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


async def ended(job: str, wait_s: float) -> dict[str, Any]:
    """What there is to say about a job, at once or when it ends within `wait_s`."""
    end = time.monotonic() + wait_s
    with _heard() as news:
        while True:
            news.clear()
            now: dict[str, Any] = await run_in_threadpool(jobs.read, job)
            left_s = end - time.monotonic()
            if now["state"] in jobs.FINISHED or left_s <= 0:
                return now
            await _until(news, min(LOOK_S, left_s))


def stream() -> StreamingResponse:
    """The changes of all jobs, until the browser leaves."""
    return StreamingResponse(messages(), media_type="text/event-stream", headers=HEADERS)


async def messages() -> AsyncIterator[str]:
    """The lines of the stream."""
    known: dict[str, str] | None = None
    said_s = time.monotonic()
    with _heard() as news:
        while True:
            news.clear()
            listed = await run_in_threadpool(jobs.listing, LISTED)
            found = {job["id"]: json.dumps(job) for job in listed}
            if known is None:
                yield _message("jobs", f"[{', '.join(found.values())}]")
            else:
                for text in _changed(known, found):
                    said_s = time.monotonic()
                    yield text
            known = found
            if time.monotonic() - said_s >= ALIVE_S:
                said_s = time.monotonic()
                yield ":\n\n"
            busy = any(job["state"] not in jobs.FINISHED for job in listed)
            await _until(news, LOOK_S if busy else REST_S)


def _changed(before: dict[str, str], now: dict[str, str]) -> Iterator[str]:
    for job in reversed(now):  # oldest first
        if before.get(job) != now[job]:
            yield _message("job", now[job])
    for job in before.keys() - now.keys():
        yield _message("gone", json.dumps(job))


def _message(event: str, data: str) -> str:
    return f"event: {event}\ndata: {data}\n\n"


@contextmanager
def _heard() -> Iterator[asyncio.Event]:
    """An event that is set whenever something may be new."""
    loop, news = asyncio.get_running_loop(), asyncio.Event()
    with changes.heard_by(lambda: _tell(loop, news)):
        yield news


def _tell(loop: asyncio.AbstractEventLoop, news: asyncio.Event) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(news.set)


async def _until(news: asyncio.Event, limit_s: float) -> None:
    try:
        await asyncio.wait_for(news.wait(), limit_s)
    except asyncio.TimeoutError:
        return
