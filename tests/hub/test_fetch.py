"""Downloads: once, resumed, verified, atomic; against a server that does everything wrong."""

from __future__ import annotations

import collections
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import Popen
from typing import Any

import numpy as np
import pytest

from rvc import hub
from rvc.config import REPOSITORY, Settings, paths, save_settings
from rvc.errors import Cancelled, DownloadFailed, MissingModel, StorageFailed
from rvc.hub import catalog, fetch, links, speed, transfer
from rvc.hub.catalog import Asset
from tests.hub import hosts
from tests.hub.hosts import Host

DATA = np.random.default_rng(0).integers(0, 256, 300_000, dtype=np.uint8).tobytes()
SHA = hashlib.sha256(DATA).hexdigest()
NAME = "predictors/thing.bin"
ASSET = Asset(NAME, "some/repo", "thing.bin", len(DATA), SHA)
VAGUE = Asset(NAME, "some/repo", "thing.bin")  # neither size nor digest published


@pytest.fixture
def host() -> Iterator[Host]:
    made = hosts.Host({"thing.bin": DATA})
    yield made
    made.close()


@pytest.fixture(autouse=True)
def network(home: Path, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RVC_OFFLINE")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", host.url)
    monkeypatch.setattr(fetch, "MIRRORS", ())
    monkeypatch.setattr(fetch, "PAUSES_S", (0.01,))
    monkeypatch.setattr(links, "TIMEOUTS_S", (2.0, 0.3))
    monkeypatch.setattr(catalog, "everything", lambda: (ASSET,))


def get(asset: Asset = ASSET, **more: Any) -> Path:
    return fetch.ensure([asset], **more)[0]


def leftovers() -> list[str]:
    folder = paths().predictors
    return sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []


def test_a_file_is_fetched_verified_and_never_asked_for_again(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert get().read_bytes() == DATA
    assert host.asked[0][0] == "/some/repo/resolve/main/thing.bin"
    assert leftovers() == ["thing.bin"]
    monkeypatch.setattr(hub, "_compute", None)  # nothing is read a second time either
    get()
    get()
    assert hub.sha256(ASSET.file) == SHA
    assert len(host.asked) == 1


@pytest.mark.parametrize("asset", [ASSET, VAGUE])
def test_a_dropped_connection_is_resumed_where_it_ended(asset: Asset, host: Host) -> None:
    host.faults = [hosts.drop(100_000), hosts.drop(50_000)]
    assert get(asset).read_bytes() == DATA
    asked = [headers.get("Range") for _, headers in host.asked]
    assert asked == [None, "bytes=100000-", "bytes=150000-"]


def test_a_stalled_connection_is_given_up_and_resumed(host: Host) -> None:
    host.faults = [hosts.stall(80_000, 1.5)]
    start = time.monotonic()
    assert get().read_bytes() == DATA
    assert time.monotonic() - start < 1.4
    assert host.asked[1][1]["Range"] == "bytes=80000-"


def test_a_server_that_cannot_resume_sends_everything_again(host: Host) -> None:
    host.ranges = False
    host.faults = [hosts.drop(100_000)]
    assert get().read_bytes() == DATA
    assert len(host.asked) == 2


def test_a_server_that_resumes_at_the_wrong_place_is_not_believed(host: Host) -> None:
    host.faults = [hosts.drop(100_000), lambda h, c: h.answer(c, start=90_000)]
    assert get().read_bytes() == DATA


def test_what_was_resumed_and_is_wrong_is_fetched_anew(host: Host) -> None:
    part = paths().predictors / "thing.bin.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 1000)
    assert get().read_bytes() == DATA
    part.write_bytes(b"x" * (len(DATA) + 5))
    (paths().predictors / "thing.bin").unlink()
    assert get().read_bytes() == DATA
    part.write_bytes(DATA)  # all there, only the name was missing
    (paths().predictors / "thing.bin").unlink()
    count = len(host.asked)
    assert get().read_bytes() == DATA
    assert len(host.asked) == count


@pytest.mark.parametrize("length", [len(DATA) + 999, len(DATA) - 999])
def test_a_length_that_is_a_lie_gives_no_file(length: int, host: Host) -> None:
    host.faults = [lambda h, c: h.answer(c, length=length)] * 10
    with pytest.raises(DownloadFailed, match=f"{length} bytes instead of {len(DATA)}"):
        get()
    assert leftovers() in ([], ["thing.bin.lock"])
    host.faults = [lambda h, c: h.answer(c, length=length)] * 100
    with pytest.raises(DownloadFailed):
        get(Asset(NAME, "some/repo", "thing.bin", None, SHA))
    assert not ASSET.file.exists()


@pytest.mark.parametrize("code", [500, 503, 429])
def test_trouble_is_waited_out_with_growing_pauses(
    code: int, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses = []
    monkeypatch.setattr(fetch, "_sleep", lambda seconds, _t: pauses.append(seconds))
    monkeypatch.setattr(fetch, "PAUSES_S", (1.0, 2.0, 4.0, 8.0))
    host.faults = [hosts.status(code)] * 3
    assert get().read_bytes() == DATA
    assert pauses == [1.0, 2.0, 4.0]


def test_the_servers_own_wish_to_wait_is_respected(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses = []
    monkeypatch.setattr(fetch, "_sleep", lambda seconds, _t: pauses.append(seconds))
    host.faults = [hosts.status(429, Retry_After="7"), hosts.status(429, Retry_After="9999")]
    get()
    assert pauses == [7.0, 60.0]


def test_trouble_without_end_is_an_error_that_names_it(host: Host) -> None:
    host.faults = [hosts.status(500)] * 99
    with pytest.raises(DownloadFailed, match=r"127\.0\.0\.1: the server answered 500 \(5 times\)"):
        get()
    assert len(host.asked) == 5


def test_a_missing_file_is_not_asked_for_twice_and_the_next_mirror_is(host: Host) -> None:
    other = hosts.Host({"thing.bin": DATA})
    try:
        save_settings(Settings(mirrors=[other.url]))
        host.faults = [hosts.status(404)]
        assert get().read_bytes() == DATA
        assert (len(host.asked), len(other.asked)) == (1, 1)
    finally:
        other.close()


def test_mirrors_are_tried_in_order_and_all_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "MIRRORS", ("https://huggingface.co", "https://hf-mirror.com"))
    save_settings(Settings(mirrors=["https://mirror.example/"]))
    mine = os.environ["HF_ENDPOINT"]
    rest = ["https://huggingface.co", "https://hf-mirror.com", "https://mirror.example"]
    assert fetch.endpoints() == [mine, *rest]
    monkeypatch.delenv("HF_ENDPOINT")
    assert fetch.endpoints() == rest
    tried = []

    def fail(_transfer: object, url: str) -> None:
        tried.append(url)
        raise transfer.Unusable("no")

    monkeypatch.setattr(fetch, "with_retries", fail)
    with pytest.raises(DownloadFailed, match=r"huggingface.*hf-mirror.*mirror\.example") as failure:
        get()
    assert str(ASSET.file) in failure.value.hint
    assert [u.split("/some")[0] for u in tried] == rest


@pytest.mark.parametrize("asset", [ASSET, VAGUE])
@pytest.mark.parametrize("kind", ["text/html", "application/octet-stream"])
def test_a_captive_portals_page_is_named_and_not_kept(asset: Asset, kind: str, host: Host) -> None:
    host.faults = [hosts.page(kind)] * 3
    with pytest.raises(DownloadFailed, match="web page"):
        get(asset)
    assert not [n for n in leftovers() if "lock" not in n]


def test_a_pointer_instead_of_the_file_is_named(host: Host) -> None:
    host.files["thing.bin"] = b"version https://git-lfs.github.com/spec/v1\noid sha256:0"
    with pytest.raises(DownloadFailed, match="pointer"):
        get(VAGUE)


def test_wrong_content_of_the_right_length_is_refused(host: Host) -> None:
    host.files["thing.bin"] = b"?" + DATA[1:]
    with pytest.raises(DownloadFailed, match="SHA-256 differs"):
        get()
    assert not [n for n in leftovers() if "lock" not in n]


def test_where_no_digest_is_published_the_servers_own_is_checked(host: Host) -> None:
    host.headers = {"X-Linked-Etag": f'"{"0" * 64}"'}
    with pytest.raises(DownloadFailed, match="SHA-256 differs"):
        get(VAGUE)
    host.headers = {"X-Linked-Etag": f'"{SHA}"'}
    assert get(VAGUE).read_bytes() == DATA


def test_no_room_is_said_before_anything_is_written(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = collections.namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1, 1, 1 << 20))
    with pytest.raises(StorageFailed, match="left"):
        get()
    assert "thing.bin.part" not in leftovers()


def test_stopping_leaves_a_part_that_the_next_run_resumes(host: Host) -> None:
    class Stopper:
        def __call__(self, done: int, total: int, note: str = "") -> None:
            if done > 100_000:
                raise Cancelled("Stopped.")

    monkey = transfer.BLOCK
    transfer.BLOCK = 20_000
    try:
        with pytest.raises(Cancelled):
            get(report=Stopper())
    finally:
        transfer.BLOCK = monkey
    kept = (paths().predictors / "thing.bin.part").stat().st_size
    assert 100_000 < kept < len(DATA)
    assert get().read_bytes() == DATA
    assert host.asked[1][1]["Range"] == f"bytes={kept}-"


def test_progress_tells_speed_and_time_left(host: Host) -> None:
    heard = []
    get(report=lambda done, total, note="": heard.append((done, total, note)))
    assert heard[-1][:2] == (len(DATA), len(DATA))
    assert "MB/s" in heard[-1][2]
    now = iter([0.0, 1.0, 2.0])
    told = speed.Speed(0, lambda: next(now))
    assert told.words(4_000_000, 20_000_000) == "4.0 MB/s, 4 s left"
    assert told.words(8_000_000, 20_000_000) == "4.0 MB/s, 3 s left"


def test_offline_opens_no_socket_and_says_what_to_put_where(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def guard(*_: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr("socket.socket.connect", guard)
    monkeypatch.setattr("socket.getaddrinfo", guard)
    for way in ("setting", "switch"):
        if way == "setting":
            save_settings(Settings(offline=True))
        else:
            save_settings(Settings())
            monkeypatch.setenv("RVC_OFFLINE", "1")
        with pytest.raises(MissingModel, match=NAME) as failure:
            get()
        assert str(ASSET.file) in failure.value.hint
    ASSET.file.parent.mkdir(parents=True)
    ASSET.file.write_bytes(DATA)
    assert get() == ASSET.file


def test_the_users_own_file_is_used_with_a_note_and_never_deleted(
    host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    ASSET.file.parent.mkdir(parents=True)
    ASSET.file.write_bytes(b"my own model")
    get()
    assert get().read_bytes() == b"my own model"
    assert caplog.text.count("is not the published file") == 1
    assert host.asked == []


FETCH = """
from rvc.hub import catalog, fetch, links
links.TIMEOUTS_S = (5.0, 5.0)
fetch.MIRRORS = ()
asset = catalog.Asset({name!r}, "some/repo", "thing.bin", {size}, {sha!r})
fetch.ensure([asset])
"""


def fetcher() -> Popen[bytes]:
    code = FETCH.format(name=NAME, size=len(DATA), sha=SHA)
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], cwd=REPOSITORY)


def test_two_processes_and_three_threads_download_once(host: Host) -> None:
    host.faults = [lambda h, c: h.answer(c, pause_s=0.08)]
    others = [fetcher() for _ in range(2)]
    threads = [threading.Thread(target=get) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [o.wait() for o in others] == [0, 0]
    assert len(host.asked) == 1
    assert leftovers() == ["thing.bin"]


def test_a_killed_process_leaves_a_part_and_no_lock(host: Host) -> None:
    host.faults = [lambda h, c: h.answer(c, pause_s=0.5)]
    process = fetcher()
    part = paths().predictors / "thing.bin.part"
    deadline = time.monotonic() + 20
    while not host.asked and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.8)
    process.send_signal(signal.SIGINT)
    process.wait()
    assert not ASSET.file.exists()
    assert part.is_file()
    assert get().read_bytes() == DATA


def redirect(url: str) -> hosts.Fault:
    return hosts.status(302, Location=url)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/x",
        "ftp://example.com/x",
        "file:///etc/passwd",
        "https://127.0.0.1/x",
        "https://10.0.0.1/x",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/x",
        "https://[::ffff:192.168.0.1]/x",
        "https://localhost/x",
        "https://printer.local/x",
        "https://user:secret@example.com/x",
        "https://0x7f000001/x",
        "gopher://x",
        "https:///x",
        "https://exa mple/[",
    ],
)
def test_redirects_to_elsewhere_are_refused(
    url: str, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:

    def no_connection(*_args: Any, **_more: Any) -> None:
        raise AssertionError(f"connected on the way to {url}")

    host.faults = [redirect(url)]
    own = host.server.server_port
    monkeypatch.setattr(
        "urllib3.util.connection.create_connection",
        lambda address, *a, **k: (
            socket.create_connection(address) if address[1] == own else no_connection()
        ),
    )
    with pytest.raises(DownloadFailed, match=r"is refused|not a link"):
        get()


def once_blind(check: Callable[..., None]) -> Callable[..., None]:
    calls = []

    def blind(*args: Any) -> None:
        calls.append(args)
        if len(calls) > 1:
            check(*args)

    return blind


@pytest.mark.parametrize("late", [False, True])
def test_a_public_name_that_leads_home_is_refused_before_anything_is_sent(
    late: bool, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: the text of the link is innocent, the address connected to is not."""
    inner = hosts.Host({"x": b"secret"})
    port = inner.server.server_port
    real = socket.getaddrinfo

    def lie(name: str, *args: Any, **more: Any) -> list[Any]:
        return real("127.0.0.1" if name == "innocent.example" else name, *args, **more)

    monkeypatch.setattr("socket.getaddrinfo", lie)
    if late:  # the first look-up is still innocent, the second is not
        monkeypatch.setattr(links, "_refuse_private", once_blind(links._refuse_private))
    try:
        host.faults = [redirect(f"https://innocent.example:{port}/x")]
        with pytest.raises(DownloadFailed, match=r"leads to the private address 127\.0\.0\.1"):
            get()
        time.sleep(0.05)
        assert inner.asked == []
    finally:
        inner.close()


def test_good_redirects_are_followed_and_circles_are_not(host: Host) -> None:
    port = host.server.server_port
    host.faults = [redirect(f"http://127.0.0.1:{port}/elsewhere/thing.bin")]
    assert get().read_bytes() == DATA
    ASSET.file.unlink()
    host.faults = [redirect("/thing.bin")] * 50
    with pytest.raises(DownloadFailed, match="circles"):
        get()


def test_an_unknown_host_is_named_without_waiting(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(*_args: Any, **_more: Any) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setenv("HF_ENDPOINT", "https://hub.example")
    monkeypatch.setattr("socket.getaddrinfo", nobody)
    start = time.monotonic()
    with pytest.raises(DownloadFailed, match="could not be found"):
        get()
    assert time.monotonic() - start < 0.5


def test_a_proxy_from_the_environment_is_used(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = hosts.Host({})
    try:
        monkeypatch.setenv("HF_ENDPOINT", "https://hub.example")
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(DownloadFailed):
            get()
        asked = []

        def connect(handler: hosts.Handler) -> None:
            asked.append(handler.path)
            handler.send_error(403)

        monkeypatch.setattr(proxy.handler, "do_CONNECT", connect, raising=False)
        with pytest.raises(DownloadFailed):
            get()
        assert asked[0] == "hub.example:443"
    finally:
        proxy.close()
