"""What tests of the page share: the program on a free port, a browser, and what people do in it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import wave
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import fake_engines

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = ["background-networking", "component-update", "sync"]
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", *(f"--disable-{q}" for q in QUIET)]
REPOSITORY = Path(__file__).parents[1]

LIMIT_MS = 60_000  # a page needs a second, and half a minute where ten others want the processor
FAKES = ["-m", "tests.fake_engines", "app"]


class Server:
    """The program on a free port, over a folder of its own; with fake engines unless told so."""

    def __init__(self, home, *options, program=FAKES, **environment):
        self.home = home
        self.environment = environment
        self.program = program
        self.options = options
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self.log = home / "server.log"
        self.start()

    def start(self):
        command = [sys.executable, *self.program, "--port", str(self.port)]
        environment = {"RVC_HOME": str(self.home), "LC_ALL": "C.UTF-8"} | self.environment
        environment = os.environ | environment
        with self.log.open("ab") as sink:
            self.process = subprocess.Popen(
                [*command, *self.options], cwd=REPOSITORY, env=environment, stdout=sink, stderr=sink
            )
        end = time.monotonic() + 60
        while time.monotonic() < end:
            assert self.process.poll() is None, self.log.read_text()
            try:
                urllib.request.urlopen(self.url)
                return
            except urllib.error.HTTPError:
                return
            except OSError:
                time.sleep(0.1)
        raise AssertionError(self.log.read_text())

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(8)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def launched(*flags):
    """A Chromium; the test is skipped where there is none, except in continuous integration."""
    if not CHROMIUM and not os.environ.get("CI"):
        pytest.skip("needs Chromium: apt-get install chromium")
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs requirements-dev.txt")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    running = Server(home)
    yield running
    running.stop()
    assert "Traceback" not in running.log.read_text()


@pytest.fixture(scope="module")
def chromium():
    with launched() as browser:
        yield browser


@pytest.fixture
def page(chromium, server):
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB")
    opened = open_page(context, server.url)
    yield opened
    problems, hosts = opened.problems, opened.hosts
    context.close()
    assert problems == []
    assert hosts == {f"127.0.0.1:{server.port}"}


def open_page(context, url):
    opened = context.new_page()
    opened.set_default_timeout(LIMIT_MS)
    opened.problems, opened.hosts = [], set()
    opened.on("pageerror", lambda error: opened.problems.append(str(error)))
    opened.on("console", lambda said: said.type == "error" and opened.problems.append(said.text))
    opened.on(
        "request",
        lambda sent: (
            sent.url.startswith(("http", "ws")) and opened.hosts.add(sent.url.split("/")[2])
        ),
    )
    opened.goto(url)
    opened.locator("#convert").wait_for()
    loaded(opened)
    opened.wait_for_function("() => document.querySelector('job-panel')?.shown")
    return opened


def loaded(page):
    """Wait until the page's lists are filled."""
    page.locator("html[data-loaded]").wait_for()


def reload(page):
    page.reload()
    loaded(page)


def recording(file, seconds=1.0):
    with wave.open(str(file), "wb") as out:
        out.setparams((1, 2, 16000, 0, "NONE", ""))
        count = int(16000 * seconds)
        out.writeframes(b"".join((i * 97 % 20000).to_bytes(2, "little") for i in range(count)))
    return file


def give_voice(server, name="anna"):
    folder = server.home / "logs" / name
    folder.mkdir(parents=True, exist_ok=True)
    fake_engines.voice(folder / f"{name}.pth", epoch=7)


def upload(page, file):
    page.locator("#recording input[type=file]").set_input_files(str(file))
    stem = file.stem
    page.wait_for_function(
        "stem => document.querySelector('#chosen-recording input').value.startsWith(stem)", arg=stem
    )


def panel(page, state, within="#tab-inference", limit_ms=LIMIT_MS):
    """The live element of a tab once it is in a state; else what the page shows instead."""
    found = page.locator(f"{within} job-panel[data-state={state}]").first
    try:
        found.wait_for(timeout=limit_ms)
    except Exception as late:
        shown = page.locator(f"{within} job-panel, {within} input, .toast-body")
        seen = shown.evaluate_all("all => all.map(e => e.value ?? e.dataset.state + e.innerText)")
        raise AssertionError(f"no job is {state}; the page shows {seen}") from late
    return found
