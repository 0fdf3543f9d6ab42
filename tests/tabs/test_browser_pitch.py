"""The pitch editor in a real browser: what its tools do to a curve, and what is heard of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from rvc.audio import io
from rvc.config import KIT
from rvc.f0 import curve_file, load
from tests.tabs.browsing import Server, Visit, Watched, panel, upload

pytest_plugins = ["tests.tabs.browsing"]
pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

LIMIT_MS = 240_000  # of work that takes seconds on a quiet machine
SECONDS = 3.3  # there the speaker pauses


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("home")
    running = Server(home, program=["app.py"])
    yield running
    running.stop()
    assert "Traceback" not in running.log.read_text()


TOOLS = """async () => {
  const p = await import(new URL("ui/pitch-curve.js", document.baseURI).href);
  const trill = (note) => (_, i) => p.hertz(note + 0.3 * Math.sin(i / 3));
  const sing = (note) => Array.from({ length: 60 }, trill(note));
  const gap = Array(20).fill(0);
  const curve = Float32Array.from([...sing(60.4), ...gap, ...sing(63.6), ...sing(67.7)]);
  const found = p.notes(curve);
  const list = (c) => Array.from(c);
  const history = new p.History(curve);
  history.put(p.erase(curve, 0, 10));
  history.undo();
  const undone = history.now === curve;
  history.redo();
  return {
    curve: list(curve), undone, redone: list(history.now),
    notes: found.map((n) => [n.from, n.to, n.note]),
    up: list(p.shift(curve, 80, 140, 12)),
    smooth: list(p.smooth(curve, 0, 200)),
    snapped: p.notes(p.snap(curve, 0, 200, "major", 0)).map((n) => n.note),
    snappedCurve: list(p.snap(curve, 0, 200, "major", 0)),
    drawn: list(p.stroke(curve, [70, p.hertz(60)], [60, p.hertz(70)])),
    names: [p.noteName(69), p.noteName(60), p.noteName(61)],
  };
}"""


def notes_of(hz: Any) -> np.ndarray:
    notes: np.ndarray = 69 + 12 * np.log2(np.asarray(hz) / 440)
    return notes


def test_every_tool_does_what_its_name_says_and_nothing_beside_it(page: Watched) -> None:
    made = page.evaluate(TOOLS)
    curve = np.array(made["curve"])
    assert [n[:2] for n in made["notes"]] == [[0, 60], [80, 140], [140, 200]]
    assert np.allclose([n[2] for n in made["notes"]], [60.4, 63.6, 67.7], atol=0.25)
    up = np.array(made["up"])
    assert np.allclose(up[80:140], 2 * curve[80:140], rtol=1e-5)
    assert (up[:80] == curve[:80]).all()
    assert (up[140:] == curve[140:]).all()
    smooth = np.array(made["smooth"])
    assert ((smooth > 0) == (curve > 0)).all()
    assert np.std(notes_of(smooth[10:50])) < 0.6 * np.std(notes_of(curve[10:50]))
    assert np.allclose([n % 12 for n in made["snapped"]], [0, 4, 7], atol=0.05)
    snapped = np.array(made["snappedCurve"])
    moved = notes_of(snapped[:60]) - notes_of(curve[:60])
    assert np.ptp(moved) < 1e-3  # vibrato stays
    drawn = np.array(made["drawn"])
    assert np.allclose(notes_of(drawn[60:71]), np.linspace(70, 60, 11), atol=1e-3)
    assert (drawn[71:] == curve[71:]).all()
    assert made["undone"]
    assert not any(made["redone"][:10])
    assert made["redone"][10:] == made["curve"][10:]
    assert made["names"] == ["A4", "C4", "C♯4"]


def test_an_octave_on_a_selection_is_heard_in_the_result(
    visit: Visit, server: Server, tmp_path: Path
) -> None:
    spoken = tmp_path / "say.wav"
    wave, rate = soundfile.read(KIT / "demo" / "sample.flac")
    soundfile.write(spoken, wave[: int(SECONDS * rate)], rate)
    page = visit()
    upload(page, spoken)
    page.get_by_role("button", name="Edit the pitch").click()
    editor = page.locator("dialog.pitch-dialog[open]")
    page.wait_for_function(
        "() => document.querySelector('pitch-editor')?.view.picture", timeout=LIMIT_MS
    )
    canvas = editor.locator("canvas")
    box = canvas.bounding_box()
    assert box
    first, last = (
        box["x"] + page.evaluate(f"document.querySelector('pitch-editor').view.x({frame})")
        for frame in (130, 320)
    )
    page.mouse.move(first, box["y"] + 40)
    page.mouse.down()
    page.mouse.move((first + last) / 2, box["y"] + 50)
    page.mouse.move(last, box["y"] + 60)
    page.mouse.up()
    editor.get_by_role("button", name="Octave up").click()
    canvas.press("ArrowUp")
    canvas.press("Control+z")
    editor.get_by_role("button", name="Use this pitch").click()
    page.locator("pitch-choice", has_text="say.csv").wait_for()
    file = server.home / "assets" / "audios" / "pitch" / "say.csv"

    page.locator("#convert").click()
    panel(page, "done", says="say demo", limit_ms=LIMIT_MS)
    measure = load("swift-f0")
    heard = measure(io.load(server.home / "assets" / "audios" / "say demo.wav", 16000)[0])
    said = measure(io.load(spoken, 16000)[0])
    count = min(len(heard), len(said))
    edited = curve_file.read(file, count)
    both = (heard[:count] > 0) & (said[:count] > 0)
    frames = np.arange(count)
    steps = 12 * np.log2(np.maximum(heard[:count], 1) / np.maximum(said[:count], 1))
    inside, outside = both & (frames > 135) & (frames < 315), both & (frames < 125)
    assert inside.sum() > 40
    assert outside.sum() > 40
    assert abs(np.median(steps[inside]) - 12) < 0.5
    assert abs(np.median(steps[outside])) < 0.5
    assert np.allclose(edited[inside], 2 * said[:count][inside], rtol=0.02)

    page.locator("#recording").get_by_role("button", name="Choose none").click()
    page.locator("pitch-choice", has_text="say.csv").wait_for(state="detached")
