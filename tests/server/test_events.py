"""The stream of what happens to jobs, and those who wait for the end of one."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rvc import jobs, server, tasks
from rvc.server import events
from tests.jobs.fake_jobs import VERBS, Fake


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("RVC_HOME", str(tmp_path))
    monkeypatch.setattr(tasks, "VERBS", tasks.VERBS | VERBS)
    monkeypatch.setattr(jobs, "RUNNER", ["-m", "tests.jobs.fake_jobs"])
    yield tmp_path
    for job in jobs.listing():
        jobs.cancel(job["id"], grace_s=0)


def read(text: str) -> tuple[str, Any]:
    """(kind, content) of one message."""
    kind, data = text.strip().split("\n")
    return kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))


async def followed(verb: str, home: Path) -> list[tuple[str, Any]]:
    """What the stream says from before a job is started until it has ended."""
    stream = events.messages()
    said = [read(await anext(stream))]
    job = jobs.start(verb, Fake(steps=40, step_s=0.02, folder=home))
    while said[-1][0] == "jobs" or said[-1][1]["state"] not in jobs.FINISHED:
        said.append(read(await asyncio.wait_for(anext(stream), 30)))
    assert {one["id"] for kind, one in said[1:]} == {job}
    await stream.aclose()  # type: ignore[attr-defined]
    return said


@pytest.mark.parametrize("verb", ["count", "convert"])
def test_the_stream_tells_what_happens_to_a_job(home: Path, verb: str) -> None:
    old = jobs.start("count", Fake(steps=1))
    while jobs.read(old)["state"] not in jobs.FINISHED:
        time.sleep(0.02)
    with jobs.serving():
        said = asyncio.run(followed(verb, home))
    assert said[0][0] == "jobs"
    assert [job["id"] for job in said[0][1]] == [old]
    states = [job["state"] for _, job in said[1:]]
    assert states[-1] == "done"
    assert "running" in states
    assert len({job["done"] for _, job in said[1:]}) > 2


def test_a_job_that_is_forgotten_is_gone(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"a": "{}", "b": "{}"}
    assert [read(text) for text in events._changed(known, {"b": "{}"})] == [("gone", "a")]


def test_it_shows_signs_of_life(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "LOOK_S", 0.01)
    monkeypatch.setattr(events, "ALIVE_S", 0.02)

    async def two() -> list[str]:
        stream = events.messages()
        return [await anext(stream), await asyncio.wait_for(anext(stream), 10)]

    assert asyncio.run(two())[1] == ":\n\n"


def test_who_waits_is_told_at_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "LOOK_S", 30.0)  # nobody looks: a change must be told

    async def wait() -> dict[str, Any]:
        job = jobs.start("convert", Fake(steps=20, step_s=0.02, folder=home))
        return await events.ended(job, 20)

    with jobs.serving():
        assert asyncio.run(wait())["state"] == "done"


def test_the_stream_is_behind_the_gate(home: Path) -> None:
    from starlette.testclient import TestClient

    beyond = TestClient(server.create(server.Access("0.0.0.0")), base_url="http://192.168.1.5")
    assert beyond.get("/api/events").status_code == 401
    here = TestClient(server.create(), base_url="http://127.0.0.1:6969")
    strange = {"origin": "http://evil.example"}
    assert here.get("/api/events", headers=strange).status_code == 403
