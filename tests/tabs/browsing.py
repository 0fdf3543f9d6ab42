"""What tests of the page share: the program on a free port, a browser, and what people do in it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import wave
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from tests.tts import fake_engines

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = ["background-networking", "component-update", "sync"]
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", *(f"--disable-{q}" for q in QUIET)]
REPOSITORY = Path(__file__).parents[2]

LIMIT_MS = 120_000  # a page needs a second, and half a minute where ten others want the processor
START_LIMIT_S = 180.0
SHAPE: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}, "locale": "en-GB"}
BARE = [
    "-c",
    "from pathlib import Path; from rvc import config; config.SHIPPED = Path('nothing');"
    "import app; app.main()",
]  # the program without the voice that ships
FAKES = ["-m", "tests.tts.fake_engines", "app"]


class Watched(Page):
    """A page about which `open_page` writes down what happens.

    Attributes:
        problems: what the browser complained of. hosts: whom it asked for something.
        foreseen: a pattern for the problems that are part of the test. first: its first address.
    """

    problems: list[str]
    hosts: set[str]
    foreseen: str
    first: str


Visit = Callable[..., Watched]


class Server:
    """The program on a free port, over a folder of its own; with fake engines unless told so."""

    def __init__(
        self, home: Path, *options: str, program: Sequence[str] = FAKES, **environment: str
    ) -> None:
        self.home = home
        self.environment = environment
        self.program = program
        self.options = options
        self.port = 0  # a free one, which the program names; the same one when started again
        self.log = home / "server.log"
        self.start()

    def start(self) -> None:
        command = [sys.executable, *self.program, "--port", str(self.port)]
        environment = {"RVC_HOME": str(self.home), "LC_ALL": "C.UTF-8"} | self.environment
        environment = os.environ | environment
        with self.log.open("ab") as sink:
            self.process = subprocess.Popen(
                [*command, *self.options], cwd=REPOSITORY, env=environment, stdout=sink, stderr=sink
            )
        end = time.monotonic() + START_LIMIT_S
        while not self._answers():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.1)

    def _answers(self) -> bool:
        told = re.search(r"The page is at http://[^/\s]+:(\d+)", self.log.read_text())
        if not told:
            return False
        self.port = int(told[1])
        self.url = f"http://127.0.0.1:{self.port}/"
        try:
            urllib.request.urlopen(self.url, timeout=START_LIMIT_S).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    @contextmanager
    def held(self) -> Iterator[None]:
        """No work of the fake engines that is begun in here ends before this does."""
        hold = self.home / fake_engines.HOLD
        hold.touch()
        try:
            yield
        finally:
            hold.unlink()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(8)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def launched(*flags: str) -> Iterator[Browser]:
    """A Chromium; the test is skipped where there is none, except in continuous integration."""
    if not CHROMIUM and not os.environ.get("CI"):
        pytest.skip("needs Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*FLAGS, *flags], timeout=LIMIT_MS
        )
        yield browser
        browser.close()


def hearing(heard: Path) -> AbstractContextManager[Browser]:
    """A Chromium whose microphone hears a recording."""
    fakes = ("use-fake-device-for-media-stream", "use-fake-ui-for-media-stream")
    file = f"--use-file-for-fake-audio-capture={heard}"
    return launched(*(f"--{name}" for name in fakes), file)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("home")
    running = Server(home)
    yield running
    running.stop()
    assert "Traceback" not in running.log.read_text()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture
def visit(chromium: Browser, server: Server) -> Iterator[Visit]:
    """Open the page as somebody who has never been here; nothing may go wrong unforeseen."""
    pages: list[Watched] = []

    def opened(
        url: str = "",
        prepare: Callable[[BrowserContext], None] = lambda context: None,
        **options: Any,
    ) -> Watched:
        context = chromium.new_context(**SHAPE | options)
        prepare(context)
        pages.append(open_page(context, url or server.url))
        return pages[-1]

    yield opened
    for page in pages:
        problems, hosts = list(page.problems), set(page.hosts)
        page.context.close()
        assert [p for p in problems if not re.search(page.foreseen, p)] == []
        assert hosts == {urlsplit(page.first).netloc}


@pytest.fixture
def page(visit: Visit) -> Watched:
    return visit()


def open_page(context: BrowserContext, url: str) -> Watched:
    """A new page at `url`, ready to be used."""
    opened = cast(Watched, context.new_page())
    opened.set_default_timeout(LIMIT_MS)
    opened.problems, opened.hosts, opened.foreseen, opened.first = [], set(), "(?!)", url
    opened.on("pageerror", lambda error: opened.problems.append(str(error)))
    opened.on(
        "console",
        lambda said: opened.problems.extend(
            [f"{said.text} {said.location['url']}"] * (said.type == "error")
        ),
    )
    opened.on(
        "request",
        lambda sent: opened.hosts.update(re.findall("^(?:http|ws).*?//([^/]*)", sent.url)),
    )
    opened.goto(url)
    ready(opened)
    return opened


def ready(page: Page) -> None:
    """Wait until the page can be used: its lists are filled, and it knows the jobs there are."""
    page.locator("html[data-loaded]").wait_for()
    known = "job-panel[data-state]:not([data-state=unknown])"
    page.locator(known).first.wait_for(state="attached")


def reload(page: Watched) -> None:
    page.foreseen += "|AbortError: signal is aborted"  # Gradio ends its own stream when one leaves
    page.reload()
    ready(page)


def recording(file: Path, seconds: float = 1.0) -> Path:
    with wave.open(str(file), "wb") as out:
        out.setparams((1, 2, 16000, 0, "NONE", ""))
        count = int(16000 * seconds)
        out.writeframes(b"".join((i * 97 % 20000).to_bytes(2, "little") for i in range(count)))
    return file


def give_voice(server: Server, name: str = "anna") -> None:
    folder = server.home / "logs" / name
    folder.mkdir(parents=True, exist_ok=True)
    fake_engines.voice(folder / f"{name}.pth", epoch=7)


def upload(page: Page, file: Path) -> None:
    page.locator("#recording input[type=file]").set_input_files(str(file))
    chosen(page, file.stem)


def chosen(page: Page, name: str, card: str = "#recording") -> None:
    """Wait until a card shows a recording of this name."""
    page.locator(f"{card} .name", has_text=name).wait_for()


def holds(field: Locator, pattern: str) -> None:
    """Wait until the whole value of a field matches."""

    expect(field).to_have_value(re.compile(f"^{pattern}$", re.DOTALL), timeout=LIMIT_MS)


def choose(page: Page, field: Locator, name: str) -> None:
    """Pick from a list, whose options are there once it is open."""
    field.click()
    options = page.locator(f"#{field.get_attribute('aria-controls')}")
    options.get_by_role("option", name=name, exact=True).click()
    holds(field, re.escape(name))


def panel(
    page: Page,
    state: str,
    within: str = "#tab-inference",
    says: str = "",
    limit_ms: float = LIMIT_MS,
) -> Locator:
    """The live element of a tab once it is in a state and says so; else what the page shows."""
    found = page.locator(f"{within} job-panel[data-state={state}]", has_text=says).first
    try:
        found.wait_for(timeout=limit_ms)
    except Exception as late:
        shown = page.locator(f"{within} job-panel, {within} input, .toast-body")
        seen = shown.evaluate_all("all => all.map(e => e.value ?? e.dataset.state + e.innerText)")
        raise AssertionError(f"no job is {state} {says!r}; the page shows {seen}") from late
    return found
