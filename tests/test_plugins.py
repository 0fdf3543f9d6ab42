"""Packages add to the program by entry points; one that is broken is a sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import soundfile

from rvc import embedders, f0, nets, params, plugins
from rvc.audio import effects
from rvc.config import KIT
from rvc.errors import BadInput
from rvc.params import convert
from rvc.tts import ENGINES, speak
from tests.test_install import build

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "docs" / "example_plugin"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package with entry points in every group, good ones and broken ones."""
    folder = tmp_path / "site"
    info = folder / "stranger-2.5.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 2.5\n")
    (info / "entry_points.txt").write_text(
        "[rvc_voice.f0]\nlevel = stranger_good:level\nrmvpe = stranger_good:level\n"
        "lost = stranger_gone:x\nfalls = stranger_good:falls\n"
        "[rvc_voice.embedders]\nmine = stranger_good:EMBEDDER\nwrong = stranger_good:level\n"
        "[rvc_voice.vocoders]\nown-vocoder = stranger_good:VOCODER\n"
        "[rvc_voice.effects]\nhalf = stranger_good:half\nshort = stranger_good:short\n"
        "[rvc_voice.tts]\nhum = stranger_good:hum\n"
        "[rvc_voice.tabs]\nmore = stranger_good:EXTRA\nbad = stranger_good:BAD\n"
        "gone = stranger_gone:TAB\n"
        "[rvc_voice.unknown]\nx = stranger_good:level\n[console_scripts]\ny = stranger_good:hum\n"
    )
    (folder / "stranger_good.py").write_text(
        "import numpy as np\n"
        "from rvc.embedders import EmbedderInfo\n"
        "from rvc.nets import VocoderInfo\n"
        "level = lambda device: lambda wave: np.full(len(wave) // 160 + 1, 110, np.float32)\n"
        "def falls(device): raise OSError('no such chip')\n"
        "EMBEDDER = EmbedderInfo('/somewhere/mine', 'Mine.')\n"
        "VOCODER = VocoderInfo('stranger_gone:Net', (40000,), 'v2', 'Own.')\n"
        "half = lambda rate, by=0.5: lambda block: block * by\n"
        "short = lambda rate: lambda block: block[1:]\n"
        "hum = lambda text, voice, percent, report: (np.ones(10 * len(text)), 8000)\n"
        "from tabs.layout import Tab\n"
        "import gradio as gr\n"
        "EXTRA = Tab('extra-tab', 'Extra tab', lambda page: gr.Markdown('hello from outside'))\n"
        "BAD = Tab('bad-tab', 'Bad tab', lambda page: 1 / 0)\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "stranger_good", raising=False)
    return folder


def test_without_packages_the_program_has_its_own_only() -> None:
    assert get_args(f0.Method) == tuple(f0.METHODS.own)
    assert get_args(convert.Engine) == ("auto", *ENGINES)
    assert not effects.ADDED


def test_names_come_after_the_programs_own_and_replace_none(package: Path) -> None:
    assert list(f0.METHODS) == [*f0.METHODS.own, "falls", "level", "lost"]
    assert f0.METHODS["rmvpe"] == "rvc.f0.rmvpe:RMVPE"
    assert "stranger_good" not in sys.modules
    assert list(f0.load("level")(np.zeros(1600, np.float32))) == [110] * 11
    assert embedders.EMBEDDERS["mine"].folder == "/somewhere/mine"
    assert nets.VOCODERS["own-vocoder"].rates == (40000,)
    assert "nobody" not in f0.METHODS
    with pytest.raises(KeyError):
        f0.METHODS["nobody"]


def test_a_broken_package_is_named_and_stops_nothing_else(package: Path) -> None:
    for name, cause in (("lost", "stranger_gone"), ("falls", "no such chip")):
        with pytest.raises(plugins.BrokenPlugin, match=cause) as failure:
            f0.load(name)
        assert "stranger 2.5" in failure.value.message
        assert failure.value.hint.endswith("pip uninstall stranger")
    with pytest.raises(plugins.BrokenPlugin, match="EmbedderInfo"):
        embedders.EMBEDDERS["wrong"]
    assert f0.load("swift-f0") is not None


def test_the_list_says_what_from_where_and_what_is_wrong(package: Path) -> None:
    found = {(p.group, p.name): p for p in plugins.installed()}
    assert len(found) == 13
    assert all(Path(p.place) == package for p in found.values())
    said = {name: plugins.check(p) for (_, name), p in found.items()}
    assert said["level"] == said["mine"] == said["half"] == ""
    assert "stranger_gone" in said["lost"]
    assert "itself" in said["rmvpe"]


def test_effects_run_block_by_block_with_their_settings(package: Path) -> None:
    p = params.Infer(
        input_path=Path("a.wav"), output_path=Path("b.wav"), pth_path=Path("v.pth"),
        post_process=True, plugin_effects="half:by=0.25; half",
    )  # fmt: skip
    sound = np.ones(100, np.float32)
    for effect in effects.of_plugins(p, 16000):
        sound = effect(sound)
    assert np.allclose(sound, 0.125)
    with pytest.raises(plugins.BrokenPlugin, match="99"):
        effects.PluginEffect("short", 16000)(sound)
    for words in ("half:by", "half:by=x", "nothing"):
        with pytest.raises(BadInput, match=words.split(":")[0]):
            effects.PluginEffect(words, 16000)
    assert effects.of_plugins(p.model_copy(update={"post_process": False}), 16000) == []


def test_speech_engines_speak(package: Path) -> None:
    wave, rate = speak.speak("hello", "hum", "any")
    assert (len(wave), rate) == (50, 8000)
    assert wave.dtype == np.float32


def test_tabs_join_the_page_and_a_broken_one_says_so(package: Path, home: Path) -> None:
    from rvc.server.fence import Fence
    from tabs import i18n, layout
    from tabs.page import Page

    assert [tab.id for tab in layout.tabs()][-2:] == ["bad", "more"]
    page = str(layout.build(Page(i18n.translator("en"), Fence())).get_config_file())
    assert "hello from outside" in page
    assert "ZeroDivisionError" in page


def test_the_example_package_adds_what_it_says(tmp_path: Path) -> None:
    """Installed the ordinary way, its names are options, and a conversion uses them."""
    (tmp_path / "source").mkdir()
    for name in ("pyproject.toml", "example_plugin.py"):
        (tmp_path / "source" / name).write_bytes((EXAMPLE / name).read_bytes())
    assert len((EXAMPLE / "example_plugin.py").read_text().splitlines()) <= 40
    wheel = build(tmp_path / "source", tmp_path / "wheels")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index",
         "--target", str(tmp_path / "site"), str(wheel)],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    rate = 24000
    hum = sum(np.sin(2 * np.pi * 150 * n * np.arange(rate) / rate) / n for n in range(1, 9))
    soundfile.write(tmp_path / "in.wav", 0.1 * hum, rate)
    code = (
        f"import sys; sys.path.append({str(tmp_path / 'site')!r}); import core;"
        "core.main(sys.argv[1:])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "infer", "--input-path", str(tmp_path / "in.wav"),
         "--pth-path", str(KIT / "demo" / "demo.pth"), "--f0-method", "autocorrelation",
         "--output-path", str(tmp_path / "out.wav"), "--f0-export", str(tmp_path / "pitch.csv"),
         "--post-process", "--plugin-effects", "tremolo:depth=1,speed=2"],
        cwd=ROOT, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    hz = np.loadtxt(tmp_path / "pitch.csv", delimiter=",", skiprows=1)[:, 1]
    assert abs(np.median(hz[hz > 0]) - 150) < 3
    wave, out_rate = soundfile.read(tmp_path / "out.wav")
    quarter = out_rate // 4  # half a period of 2 Hz: silent and loud in turn
    soft, loud, *_ = np.sqrt((wave[: 2 * quarter].reshape(2, quarter) ** 2).mean(1))
    assert loud > 2 * soft
