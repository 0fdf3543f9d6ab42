"""Take docs/screenshots anew: `python docs/screenshots.py [TAB …]` (needs Chromium, a few minutes).

The real program over a folder of its own: the shipped voice has converted the shipped recording,
and a voice with the small shipped networks is being trained.
"""

from __future__ import annotations

import io
import json
import shutil
import signal
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from PIL import Image  # noqa: E402

from rvc.config import KIT  # noqa: E402
from tests.tabs import browsing  # noqa: E402

TARGET = ROOT / "docs" / "screenshots"
TABS = (
    "inference",
    "songs",
    "training",
    "tts",
    "voices",
    "extra",
    "settings",
    "tensorboard",
    "report",
)
STEPS = {1: "recordings", 2: "settings", 3: "run", 4: "result"}
SHAPES = {"light": (1280, 900), "dark": (1280, 900), "phone": (390, 844)}
SMALL = {
    "sample_rate": 24000, "vocoder": "lite", "f0_method": "fcpe", "embedder_model": "mini-plus",
    "batch_size": 2, "save_every_epoch": 50, "holdout": 0.0,
}  # fmt: skip
DRAWN = {  # what comes late
    "inference": "() => document.querySelector('ab-player')?.image",
    "training": "() => document.querySelector('.charts svg')",
}
COLOURS = 128
LIMIT_S = 600.0


def main(tabs: list[str]) -> None:
    """Make the state, then one picture per tab (per step of a training), light, dark and narrow."""
    TARGET.mkdir(exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends as ever: all is cleared away
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch) / "home"
        furnish(home)
        server = browsing.Server(home, program=["app.py"])
        training = None
        try:
            made = convert(server)
            training = train(server, home)
            with browsing.launched() as chromium:
                for name, (width, height) in SHAPES.items():
                    context = chromium.new_context(
                        viewport={"width": width, "height": height},
                        color_scheme="dark" if name == "dark" else "light",
                        locale="en-GB",
                    )
                    photograph(context, server.url, name, tabs, made)
                    context.close()
        finally:
            if training:
                ask(server, f"jobs/{training}/cancel?now=true", {})
            server.stop()


def furnish(home: Path) -> None:
    """The shipped recording where those of a training would lie."""
    (home / "assets/datasets/anna").mkdir(parents=True)
    shutil.copy(KIT / "demo" / "sample.flac", home / "assets/datasets/anna")


def convert(server: browsing.Server) -> list[str]:
    """Two results of the shipped recording, the later one with other settings; their jobs."""
    audios, voice = server.home / "assets" / "audios", KIT / "demo"
    made: list[str] = []
    for name, changes in {"sample demo.wav": {}, "sample demo 2.wav": {"pitch": 3}}.items():
        values = {
            "input_path": str(voice / "sample.flac"), "output_path": str(audios / name),
            "pth_path": str(voice / "demo.pth"), "index_path": str(voice / "demo.index"),
            "f0_method": "fcpe",
        }  # fmt: skip
        job = ask(server, "infer?wait_s=600", values | changes)
        assert job["state"] == "done", job
        made.insert(0, job["id"])
    return made


def train(server: browsing.Server, home: Path) -> str:
    """A voice of one epoch, and its training going on; returns the job that runs."""
    values = SMALL | {"model_name": "anna", "dataset_path": str(home / "assets/datasets/anna")}
    first = ask(server, "create-voice?wait_s=600", values | {"total_epoch": 2})
    assert first["state"] == "done", first
    job: str = ask(server, "create-voice", values | {"total_epoch": 300})["id"]
    end = time.monotonic() + LIMIT_S
    while ask(server, f"jobs/{job}")["eta_s"] is None or points(server) < 12:
        assert time.monotonic() < end, ask(server, f"jobs/{job}")
        time.sleep(2)
    return job


def points(server: browsing.Server) -> int:
    return max([len(c) for c in ask(server, "training/anna")["curves"].values()], default=0)


def ask(server: browsing.Server, path: str, values: dict[str, Any] | None = None) -> Any:
    body = None if values is None else json.dumps(values).encode()
    head = {"content-type": "application/json"}
    with urllib.request.urlopen(
        urllib.request.Request(f"{server.url}api/{path}", body, head), timeout=LIMIT_S
    ) as answer:
        return json.load(answer)


def photograph(context: Any, url: str, shape: str, tabs: list[str], made: list[str]) -> None:
    """One picture per tab (per step of a training) of a browser that began the jobs `made`."""
    page = browsing.open_page(context, url)
    page.evaluate(
        """(made) => {
            for (const store of [localStorage, sessionStorage]) {
                store.setItem("voice.jobs", JSON.stringify(made));
            }
            localStorage.setItem("voice.form.training", JSON.stringify({ model_name: "anna" }));
            localStorage.setItem("voice.form.sound", JSON.stringify({ pitch: 3 }));
        }""",
        made,
    )
    browsing.reload(page)
    for tab in tabs:
        page.locator(f"#tab-{tab}-button").click()
        if tab in DRAWN:
            page.wait_for_function(DRAWN[tab])
        page.wait_for_timeout(2000)
        if tab != "training":
            keep(page, f"{tab}_{shape}")
            continue
        for step, name in STEPS.items():
            page.evaluate(f"window.voice.step({step})")
            page.wait_for_timeout(1500)
            keep(page, f"training_{name}_{shape}")


def keep(page: Any, name: str) -> None:
    """A picture of the window in few colours."""
    page.evaluate("window.scrollTo(0, 0)")
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(TARGET / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:] or list(TABS))
