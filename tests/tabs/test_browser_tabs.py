"""Every tab but Training in a real browser, with the real engines and the voice that ships."""

from __future__ import annotations

import json
import os
import shutil
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Browser, Locator, Page

from rvc.config import KIT
from tests import tiny
from tests.hub.hosts import Host
from tests.songs import band
from tests.tabs.browsing import (
    Server,
    Visit,
    Watched,
    choose,
    chosen,
    hearing,
    holds,
    panel,
    reload,
    upload,
)

pytest_plugins = ["tests.tabs.browsing"]
pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

LIMIT_MS = 240_000  # of work that takes seconds on a quiet machine
RATE = 24000


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of a person speaking."""
    file = tmp_path_factory.mktemp("speech") / "speech.wav"
    wave, rate = soundfile.read(KIT / "demo" / "sample.flac")
    soundfile.write(file, wave[: 2 * rate], rate)
    return file


@pytest.fixture(scope="module")
def chromium(speech: Path) -> Iterator[Browser]:
    """A browser whose microphone hears the speech."""
    with hearing(speech) as browser:
        yield browser


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """What the model hub is to the program."""
    file = tmp_path_factory.mktemp("hub") / "zoe.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.write(tiny.voice(file.with_name("zoe.pth")), "zoe.pth")
    served = Host({"zoe.zip": file.read_bytes()})
    yield served
    served.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, host: Host) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("home")
    running = Server(home, program=["app.py"], HF_ENDPOINT=host.url, RVC_OFFLINE="", NO_PROXY="*")
    yield running
    running.stop()
    assert "Traceback" not in running.log.read_text()


def tab(page: Page, name: str) -> Locator:
    page.locator(f"#tab-{name}-button").click()
    found = page.locator(f"#tab-{name}")
    page.locator(f"#tab-{name}-button[aria-selected=true]").wait_for()
    return found


def use_demo(page: Watched, field: str = "#voice") -> None:
    choose(page, page.locator(f"{field} input"), "demo")
    page.locator(".facts:visible", has_text="24 kHz · lite · mini-plus").first.wait_for()


def test_what_the_microphone_heard_is_converted(page: Watched, server: Server) -> None:
    spoken = page.locator("#recording")
    spoken.get_by_role("button", name="Record").click()
    spoken.locator(".clock", has_text="2 s").wait_for()
    spoken.get_by_role("button", name="Stop recording").click()
    chosen(page, "recording")
    (kept,) = (server.home / "assets" / "audios").glob("recording *.wav")
    wave, rate = soundfile.read(kept)
    assert 0.5 < len(wave) / rate < 10
    assert np.abs(wave).max() > 0.01
    use_demo(page)
    page.locator("#convert").click()
    done = panel(page, "done", says="demo.wav", limit_ms=LIMIT_MS)
    used = "Voice: demo · Index file: demo.index · Pitch extractor: swift-f0"
    done.locator(".used", has_text=used).wait_for()
    (result,) = (server.home / "assets" / "audios").glob("recording * demo.wav")
    made, rate = soundfile.read(result)
    assert rate == RATE
    assert abs(len(made) / rate - len(wave) / soundfile.info(kept).samplerate) < 0.001
    done.get_by_role("button", name="Play").click()
    page.wait_for_function("() => document.querySelector('ab-player audio').currentTime > 0.1")


def test_a_folder_with_a_broken_file_is_a_table(
    page: Watched, server: Server, speech: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_text("this is not sound")
    page.get_by_role("tab", name="Many recordings").click()
    files = page.locator("#tab-inference input[type=file][multiple]")
    files.set_input_files([str(speech), str(broken)])
    page.locator("#tab-inference").get_by_text("broken").first.wait_for()
    holds(page.get_by_role("textbox", name="Folder Or the path"), r".*batch \d{4}.*")
    use_demo(page)
    page.locator("#convert-all").click()
    failed = panel(page, "failed", says="1 of 2 recordings", limit_ms=LIMIT_MS)
    said = failed.locator(".notice > p").first.inner_text()
    assert said == "1 of 2 recordings could not be converted, 1 is done."
    rows = failed.locator("table.files tr")
    good, bad = sorted((row.inner_text(), row) for row in rows.all())
    assert good[0].startswith("✓ speech.wav")
    assert (good[1].locator("audio").get_attribute("src") or "").endswith("speech_output.wav")
    assert bad[0].startswith("✕ broken.wav")
    assert "broken.wav is not audio" in bad[0]
    assert str(server.home) not in failed.inner_text()


def test_a_conversion_is_stopped(page: Watched, speech: Path, tmp_path: Path) -> None:
    wave, rate = soundfile.read(speech)
    long = tmp_path / "long.wav"
    soundfile.write(long, np.tile(wave, 300), rate)
    upload(page, long)
    use_demo(page)
    page.locator("#convert").click()
    panel(page, "running").get_by_role("button", name="Stop").click()
    stopped = panel(page, "cancelled", says="Stopped")
    assert stopped.get_by_role("button", name="Try again").is_visible()


def test_what_is_no_sound_is_said(page: Watched, tmp_path: Path) -> None:
    corrupt = tmp_path / "corrupt.mp3"
    corrupt.write_bytes(os.urandom(4000))
    page.locator("#recording input[type=file]").set_input_files(str(corrupt))
    page.locator("#recording .notice.bad", has_text="corrupt.mp3 is not audio").wait_for()


def test_a_text_is_spoken(page: Watched, server: Server) -> None:
    words = tab(page, "tts")
    words.locator("#text textarea").fill("Good morning.")
    use_demo(page, "#tts-voice")
    page.locator("#speak").click()
    done = panel(page, "done", "#tab-tts", "Spoke", LIMIT_MS)
    assert "with espeak" in done.inner_text()
    for side in ("Before", "After"):
        done.get_by_role("button", name=side, exact=True).click()
        done.locator(f"button[aria-pressed=true]:text-is('{side}')").wait_for()
        page.wait_for_function(
            "() => document.querySelector('#tab-tts ab-player audio').duration > 0.4"
        )


def test_a_song_becomes_a_cover_whose_stems_are_mixed_again(
    page: Watched, server: Server, tmp_path: Path
) -> None:
    tab(page, "songs")
    song = band.write(tmp_path / "my song.wav", band.mixed(2.0))
    page.locator("#song input[type=file]").set_input_files(song)
    chosen(page, "my song", "#song")
    use_demo(page, "#song-voice")
    page.locator("#make-cover").click()
    done = panel(page, "done", "#tab-songs", "Made a cover")
    mixer = done.locator("stem-mixer[data-ready]")
    mixer.wait_for(timeout=LIMIT_MS)
    names = mixer.locator(".stem-name").all_inner_texts()
    assert names == ["Original", "Voice in the song", "Converted voice", "Accompaniment"]
    left = page.evaluate("document.querySelector('#tab-songs job-panel').job.params.index_rate")
    assert left is None  # what nobody gave is not sent as 0
    mixer.get_by_role("button", name="Mute: Accompaniment").click()
    mixer.get_by_role("button", name="Mix again with these gains").click()
    page.wait_for_function(
        """() => {
            const job = document.querySelector("#tab-songs job-panel").job;
            return job.params.acapella_path && job.state === "done";
        }""",
        timeout=LIMIT_MS,
    )
    folder = server.home / "assets" / "audios"
    mixed, alone = (
        soundfile.read(folder / f"my song (demo{part}).wav")[0] for part in ("", ") (acapella")
    )
    assert np.abs(mixed - alone).max() < 0.02


def unfold(page: Watched, tab: Locator, title: str) -> Locator:
    """The card of a small tool, opened."""
    card = tab.locator(".fold-card", has_text=title).first
    card.locator("button.label-wrap").first.click()
    return card


def test_two_voices_are_blended(page: Watched, server: Server) -> None:
    blender = unfold(page, tab(page, "voices"), "Voice Blender")
    blender.get_by_label("Model name").fill("halfway")
    for label in ("First voice", "Second voice"):
        choose(page, blender.get_by_label(label, exact=True).first, "demo")
    page.locator("#do-model-blender").click()
    done = blender.locator("job-panel[data-state=done]", has_text="into halfway.pth.")
    done.wait_for(timeout=LIMIT_MS)
    assert "Blended 50% of demo.pth and 50% of demo.pth" in done.inner_text()
    link = done.locator("a.download").first.get_attribute("href")
    file = urllib.request.urlopen(urljoin(server.url, link)).read()
    assert file == (server.home / "logs" / "halfway" / "halfway.pth").read_bytes()


def test_voices_come_in_by_link_and_by_hand(
    page: Watched, server: Server, host: Host, tmp_path: Path
) -> None:
    voices = tab(page, "voices")
    incoming = unfold(page, voices, "Voice from a link")
    link = incoming.get_by_label("Model link")
    link.fill("http://127.0.0.1:9/voice.zip")
    page.locator("#do-download").click()
    refused = incoming.locator("job-panel[data-state=failed]", has_text="is refused")
    refused.wait_for(timeout=LIMIT_MS)
    link.fill("https://huggingface.co/a/b/resolve/main/zoe.zip")
    page.locator("#do-download").click()
    incoming.locator("job-panel[data-state=done]", has_text="zoe").wait_for(timeout=LIMIT_MS)
    assert (server.home / "logs" / "zoe" / "zoe.pth").is_file()
    assert len(host.asked) == 1
    voices.locator(".voice-card", has_text="zoe").wait_for()
    incoming = unfold(page, voices, "Voice from a file or folder")
    drop = incoming.locator(".drop-voice input[type=file]")
    files = {end: tmp_path / f"nina.{end}" for end in ("pth", "index")}
    for end, file in files.items():
        shutil.copy(KIT / "demo" / f"demo.{end}", file)
    drop.set_input_files(list(files.values()))
    holds(incoming.get_by_label("Source"), ".*dropped.*")
    page.locator("#do-import-voice").click()
    incoming.locator("job-panel[data-state=done]", has_text="nina").wait_for(timeout=LIMIT_MS)


def test_small_tools_show_what_they_found(page: Watched, server: Server, speech: Path) -> None:
    shutil.copy(speech, server.home / "assets" / "audios" / "look.wav")
    reload(page)
    page.locator("device-chip", has_text="CPU").wait_for()
    tools = (
        ("voices", "model-information", "Model information", "Voice file", "demo"),
        ("extra", "f0-curve", "Pitch curve", "Recording", "look.wav"),
        ("extra", "audio-analyzer", "Audio analyser", "Recording", "look.wav"),
    )
    seen = {}
    for room, verb, title, label, name in tools:
        card = unfold(page, tab(page, room), title)
        choose(page, card.get_by_label(label, exact=True).first, name)
        page.locator(f"#do-{verb}").click()
        done = card.locator("job-panel[data-state=done]")
        done.wait_for(timeout=LIMIT_MS)
        seen[verb] = done.inner_text()
        if verb != "model-information":
            picture = done.locator("img").element_handle()
            page.wait_for_function("image => image.naturalWidth > 300", arg=picture)
        card.locator("button.label-wrap").first.click()
    assert "sample rate\n24000" in seen["model-information"]
    assert "voiced" in seen["f0-curve"]
    assert "f0_curve.csv" in seen["f0-curve"]
    assert "dBFS" in seen["audio-analyzer"]
    assert str(server.home) not in "".join(seen.values())


def test_a_complaint_names_the_control_of_the_page(page: Watched) -> None:
    card = tab(page, "extra").locator(".fold-card", has_text="Audio analyser").first
    card.locator("button.label-wrap").first.click()
    page.locator("#do-audio-analyzer").click()
    page.get_by_test_id("toast-text").filter(has_text="Recording: a path is needed").wait_for()
    assert "--" not in page.get_by_test_id("toast-text").inner_text()


def test_presets_come_and_go(page: Watched, server: Server, tmp_path: Path) -> None:
    fold = page.locator("#tab-inference .fold", has_text="Presets").last
    fold.locator("button.label-wrap").first.click()
    older = tmp_path / "warm.json"
    older.write_text(json.dumps({"pitch": 5, "rms_mix_rate": 0.4, "protect": 0.2}))
    fold.locator("input[accept='.json']").set_input_files(str(older))
    pitch = page.locator("#tab-inference").get_by_label("Pitch", exact=False).first
    holds(pitch, "5")
    page.locator("#tab-inference .fold", has_text="Formant").locator("button.label-wrap").click()
    page.get_by_label("Change the formants").check()
    fold.get_by_label("Name").fill("mine")
    with page.expect_download() as download:
        fold.get_by_role("button", name="Export preset").click()
    assert download.value.suggested_filename == "mine.json"
    told = json.loads(Path(download.value.path()).read_text())
    assert told.items() >= {"pitch": 5, "volume_envelope": 0.4, "formant_shifting": True}.items()
    fold.get_by_role("button", name="Save preset").click()
    preset = page.locator("#tab-inference").get_by_label("Preset", exact=True).first
    holds(preset, "mine")
    assert (server.home / "assets" / "presets" / "mine.json").is_file()
    page.locator("#reset-sound").click()
    holds(pitch, "0")
    expect_unchecked(page.get_by_label("Change the formants"))
    choose(page, preset, "mine")
    holds(pitch, "5")
    assert page.get_by_label("Change the formants").is_checked()


def expect_unchecked(box: Locator) -> None:
    expect = pytest.importorskip("playwright.sync_api").expect
    expect(box).not_to_be_checked(timeout=LIMIT_MS)


def test_one_press_asks_for_the_missing_models_and_the_report_names_its_failure(
    page: Watched, host: Host
) -> None:
    asked = len(host.asked)
    page.locator("model-status").get_by_role("button", name="Better models").click()
    card = page.locator("model-status missing-models")
    card.get_by_text("Pitch (rmvpe) · 181 MB").wait_for()
    card.get_by_role("button", name="Download").click()
    failed = panel(page, "failed", "model-status missing-models", "rmvpe", LIMIT_MS)
    assert "404" in failed.inner_text()
    assert len(host.asked) > asked
    card.locator("button:enabled", has_text="Download").wait_for()
    page.locator("model-status").get_by_role("button", name="Close").click()
    report = tab(page, "report")
    report.get_by_label("What happened?").fill("It went wrong.")
    page.locator("#make-report").click()
    text = report.locator("textarea").last
    holds(text, ".*torch .*")
    said = text.input_value()
    assert said.startswith("It went wrong.")
    assert "Newest failed job" in said


def test_settings_are_kept(page: Watched, server: Server) -> None:
    settings = tab(page, "settings")
    holds(settings.get_by_label("Minutes until memory is freed"), "10")
    settings.get_by_label("Author").fill("Ada")
    settings.get_by_label("Minutes until memory is freed").fill("2.5")
    settings.get_by_label("Memory for conversions in MB").fill("3000")
    settings.get_by_label("Ready from the start").check()
    page.locator("#save-settings").click()
    settings.get_by_text("Saved.").wait_for()
    kept = json.loads((server.home / "assets" / "config.json").read_text())
    assert kept["model_author"] == "Ada"
    assert (kept["worker_idle_min"], kept["worker_memory_mb"]) == (2.5, 3000)
    assert kept["worker_warm"] is True
    reload(page)
    settings = tab(page, "settings")
    holds(settings.get_by_label("Author"), "Ada")
    holds(settings.get_by_label("Minutes until memory is freed"), "2.5")
    holds(settings.get_by_label("Memory for conversions in MB"), "3000")
    assert settings.get_by_label("Ready from the start").is_checked()


def test_tensorboard_runs_until_it_is_stopped(page: Watched) -> None:
    board = tab(page, "tensorboard")
    page.locator("#do-tensorboard").click()
    running = board.locator("job-panel[data-state=running]")
    link = running.get_by_role("link")
    link.wait_for(timeout=LIMIT_MS)
    url = str(link.get_attribute("href"))
    assert b"TensorBoard" in urllib.request.urlopen(url).read()
    running.get_by_role("button", name="Stop").click()
    panel(page, "cancelled", "#tab-tensorboard")
    with pytest.raises(OSError, match="refused|reset"):
        urllib.request.urlopen(url)


def test_without_the_token_a_browser_sees_nothing(
    chromium: Browser, visit: Visit, tmp_path: Path
) -> None:
    running = Server(tmp_path, "--server-name", "0.0.0.0", "--token", "open sesame")
    try:
        stranger = chromium.new_context().new_page()
        for address in (running.url, f"{running.url}?token=wrong"):
            with pytest.raises(Exception, match="ERR_INVALID_AUTH_CREDENTIALS"):  # it asks for them
                stranger.goto(address)
            assert stranger.locator("#convert").count() == 0
        stranger.context.close()
        secret = {"username": "me", "password": "open sesame"}
        friend = visit(running.url, http_credentials=secret)
        assert friend.locator("#convert").is_visible()
        friend.context.close()
    finally:
        running.stop()
