"""The page in a real browser, with engines that do no work: what a person sees and keeps."""

from __future__ import annotations

import re
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Route

from tests.tabs.browsing import (
    LIMIT_MS,
    REPOSITORY,
    Server,
    Visit,
    Watched,
    chosen,
    give_voice,
    holds,
    panel,
    ready,
    recording,
    reload,
    upload,
)

pytest_plugins = ["tests.tabs.browsing"]
pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.fixture(autouse=True)
def _nothing_here(server: Server) -> None:
    """Every test begins on a machine without voices, recordings and jobs."""
    for folder in ("logs", "assets/audios", "assets/datasets", ".cache/jobs"):
        shutil.rmtree(server.home / folder, ignore_errors=True)
        (server.home / folder).mkdir(parents=True, exist_ok=True)


def test_first_visit_says_what_to_do(page: Watched) -> None:
    panel(page, "empty", says="Choose a recording and a voice")
    page.locator("device-chip", has_text="a test").wait_for()
    assert page.title() == "Voice cloning"
    assert page.locator("#convert").is_visible()
    hint = page.locator("#tab-inference .notice", has_text="There is no voice here yet.")
    hint.get_by_role("button", name="Voices").click()
    page.locator("voice-library").get_by_label("Link or folder").wait_for()


def test_converting_without_a_voice_is_explained_not_just_an_error(
    page: Watched, tmp_path: Path
) -> None:
    page.locator("#convert").click()
    toast = page.locator("[data-testid=toast-body]", has_text="No recording is chosen.")
    toast.wait_for()
    assert not re.search(r"\bError\b", toast.inner_text())


def test_upload_convert_listen_and_download(server: Server, visit: Visit, tmp_path: Path) -> None:
    give_voice(server)
    page = visit()
    page.get_by_text("40 kHz · mini · epoch 7").wait_for()
    upload(page, recording(tmp_path / "speech.wav"))
    with server.held():
        page.locator("#convert").click()
        panel(page, "running").locator("[role=progressbar]").wait_for()
    done = panel(page, "done", says="Converted speech.wav.")
    for side in ("Before", "After"):
        done.get_by_role("button", name=side, exact=True).click()
        done.locator(f"button[aria-pressed=true]:text-is('{side}')").wait_for()
        page.wait_for_function(
            "() => Math.abs(document.querySelector('ab-player audio').duration - 1) < 0.01"
        )
    done.get_by_role("button", name="Spectrogram").click()
    page.wait_for_function("() => document.querySelector('ab-player').image?.height === 256")
    with page.expect_download() as download:
        done.get_by_text("Download", exact=True).click()
    assert Path(download.value.path()).read_bytes() == (tmp_path / "speech.wav").read_bytes()


def test_a_corrupt_file_is_refused_at_once_and_leaves_nothing(
    server: Server, page: Watched, tmp_path: Path
) -> None:
    page.foreseen = "status of 400"  # the answer to what is no sound by its name
    for name, said in {"broken.wav": "broken.wav is not", "notes.txt": "notes.txt"}.items():
        (tmp_path / name).write_bytes(b"this is not sound")
        page.locator("#recording input[type=file]").set_input_files(str(tmp_path / name))
        page.locator("#recording .notice.bad", has_text=said).wait_for()
        assert page.locator("#recording .name").count() == 0
    assert not list((server.home / "assets" / "audios").iterdir())
    assert not re.search(r"\bError\b", page.locator("body").inner_text())


def test_a_result_of_other_inputs_says_so_and_belongs_to_its_tab(
    server: Server, visit: Visit, tmp_path: Path
) -> None:
    give_voice(server)
    page = visit()
    upload(page, recording(tmp_path / "first.wav"))
    page.locator("#convert").click()
    panel(page, "done", says="Converted first.wav.")
    second = page.context.new_page()
    second.goto(server.url)
    ready(second)
    panel(second, "empty")
    assert page.locator("job-panel[data-stale]").count() == 0
    upload(page, recording(tmp_path / "second.wav", 2.0))
    page.locator("job-panel[data-stale] .stale").wait_for()
    reload(page)
    chosen(page, "second")
    page.locator("job-panel[data-stale] .stale").wait_for()
    page.locator("#convert").click()
    panel(page, "done", says="Converted second.wav.")
    assert page.locator("job-panel[data-stale]").count() == 0
    reload(page)
    panel(page, "done", says="Converted second.wav.")
    assert page.locator("job-panel[data-stale]").count() == 0


def test_results_are_kept_compared_and_used_again(
    server: Server, visit: Visit, tmp_path: Path
) -> None:
    give_voice(server)
    page = visit()
    upload(page, recording(tmp_path / "first.wav"))
    page.locator("run-state", has_text="Ready").first.wait_for()
    with server.held():
        page.keyboard.press("Control+Enter")
        panel(page, "running")
        page.wait_for_function("() => document.title.startsWith('50 % · ')")
        assert "50 %" in page.locator("#tab-inference run-state").inner_text()
    panel(page, "done", says="Converted first.wav.")
    assert page.title() == "Voice cloning"
    pitch = page.locator("#tab-inference").get_by_label("Pitch", exact=False).first
    pitch.fill("5")
    pitch.press("Tab")
    page.locator("job-panel[data-stale]").wait_for()
    page.locator("#preview").click()
    takes = page.locator("#takes .result-row")
    takes.nth(1).wait_for()
    assert "+5 st" in takes.nth(0).inner_text()
    assert "+5 st" not in takes.nth(1).locator(".chips").inner_text()
    for take in takes.all():
        take.get_by_role("button", name="Compare").click()
    page.locator("#takes ab-player").get_by_role("button", name="first anna.wav").click()
    takes.nth(1).get_by_role("button", name="Use these settings").click()
    holds(pitch, "0")


def test_the_address_says_where_one_is_and_back_goes_back(page: Watched) -> None:
    page.locator("#tab-settings-button").click()
    page.locator("#tab-training-button").click()
    page.locator("step-bar button", has_text="Run").click()
    assert page.url.endswith("#/training/-/run")
    for tab in ("training", "settings", "inference"):
        page.go_back()
        page.locator(f"#tab-{tab}-button[aria-selected=true]").wait_for()
    page.go_forward()
    page.locator("#tab-settings-button[aria-selected=true]").wait_for()
    reload(page)
    page.locator("#tab-settings-button[aria-selected=true]").wait_for()


def test_a_bookmark_opens_the_voice_it_names(server: Server, visit: Visit) -> None:
    page = visit(f"{server.url}#/training/anna/settings")
    page.locator("step-bar [aria-current]", has_text="Settings").wait_for()
    page.locator("#back").click()
    holds(page.locator("#voice-name input"), "anna")


def test_a_broken_recording_is_named_taken_away_and_brought_back(
    server: Server, page: Watched, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"this is not sound")
    page.locator("#tab-training-button").click()
    files = [str(recording(tmp_path / "good.wav")), str(broken)]
    page.locator("#drop-recordings input[type=file]").first.set_input_files(files)
    row = page.locator("#drop-recordings .file-row", has_text="broken.wav")
    row.get_by_text("cannot be read").wait_for()
    folder = server.home / "assets" / "datasets" / "new voice"
    row.get_by_role("button", name="Remove").click()
    page.get_by_text("1 recordings,").wait_for()
    assert [f.name for f in folder.iterdir()] == ["good.wav"]
    row.get_by_role("button", name="Undo").click()
    page.get_by_text("2 recordings,").wait_for()
    page.locator("#voice-name input").fill("carla")
    page.locator("#voice-name input").press("Enter")
    holds(page.locator("#dataset input"), "carla")
    assert not folder.exists()
    assert len(list(folder.with_name("carla").iterdir())) == 2


STAGES = {"preprocess": "Cut recordings", "extract": "Pitch and features", "train": "Training",
          "index": "Index"}  # fmt: skip


def name_and_recordings(page: Watched, tmp_path: Path, name: str) -> None:
    page.locator("#tab-training-button").click()
    page.locator("#voice-name input").fill(name)
    page.locator("#voice-name input").press("Enter")
    page.locator("#drop-recordings input[type=file]").first.set_input_files(
        [str(recording(tmp_path / f"{n}.wav")) for n in ("one", "two")]
    )
    page.get_by_text("2 recordings,").wait_for()
    page.locator("#next").click()


def train(page: Watched, tmp_path: Path, name: str, epochs: int) -> None:
    name_and_recordings(page, tmp_path, name)
    page.get_by_label("Epochs", exact=True).fill(str(epochs))
    page.locator("#create").click()
    page.locator("#tab-training job-panel:is([data-state=running], [data-state=done])").wait_for()


def test_a_voice_trained_here_converts(page: Watched, server: Server, tmp_path: Path) -> None:
    train(page, tmp_path, "clara", 3)
    panel(page, "done", "#tab-training")
    page.locator("#create").wait_for(state="hidden")
    page.get_by_role("button", name="Convert with this voice").click()
    holds(page.locator("#voice input"), "clara")
    upload(page, recording(tmp_path / "words.wav"))
    page.locator("#tab-inference .facts", has_text="epoch 3").wait_for()
    page.locator("#convert").click()
    panel(page, "done", says="Converted words")
    made = [f.name for f in (server.home / "assets" / "audios").iterdir()]
    assert "words clara.wav" in made


def test_a_training_names_its_samples_and_marks_its_best_save(
    page: Watched, tmp_path: Path
) -> None:
    train(page, tmp_path, "bella", 6)
    panel(page, "done", "#tab-training")
    run = page.locator("#tab-training")
    run.locator("figcaption", has_text="Latest sample · one 2 / 3 · epoch 2").wait_for()
    run.get_by_role("button", name="Play: one 2 / 3").first.wait_for()
    curve = run.locator("figure", has_text="Best so far: epoch 2 · Score 1.500")
    line = curve.locator("path.best").get_attribute("d") or ""
    assert line.startswith("M60.0 "), "a fifth of the way from step 1 to step 6"
    assert "0_0_1" not in run.inner_text()


def test_a_choice_says_how_long_it_takes_once_that_was_measured(
    page: Watched, server: Server, tmp_path: Path
) -> None:
    train(page, tmp_path, "cora", 3)
    panel(page, "done", "#tab-training")
    page.locator("#back").click()
    known = page.locator("training-time", has_text="Quick try 2 min (as measured for cora)")
    known.wait_for()  # 60 epochs of two seconds
    assert "Balanced" not in known.inner_text(), "of that nothing is known"


def test_a_voice_that_came_meanwhile_is_listed_when_asked_for(
    page: Watched, server: Server
) -> None:
    give_voice(server, "dora")
    page.get_by_role("button", name="All voices").first.click()
    page.locator("dialog.voice-picker").get_by_role("button", name="dora").first.click()
    holds(page.locator("#voice input"), "dora")
    page.locator("#tab-inference .facts", has_text="epoch 7").wait_for()


def test_training_on_begins_without_the_ticks_of_the_run_before(
    page: Watched, tmp_path: Path
) -> None:
    train(page, tmp_path, "emil", 3)
    panel(page, "done", "#tab-training")
    page.locator("#tab-training .stages li.finished", has_text="Training").wait_for()
    page.locator("#back").click()
    page.get_by_label("Epochs", exact=True).fill("10000")
    page.get_by_role("button", name="Train on").click()
    running = panel(page, "running", "#tab-training", "Epoch")
    assert "mel" not in running.locator(".job-note").inner_text()
    page.locator(".stages li.now", has_text="Training").wait_for()
    assert page.locator(".stages li.finished").all_inner_texts()[0].startswith("Cut recordings")
    assert page.locator(".stages li.finished").count() == 1
    running.get_by_role("button", name="Stop").click()
    panel(page, "cancelled", "#tab-training")


def test_what_the_training_found_is_said_once_with_a_hint(page: Watched, tmp_path: Path) -> None:
    train(page, tmp_path, "fred", 2)
    panel(page, "done", "#tab-training")
    page.locator("#back").click()
    page.get_by_label("Epochs", exact=True).fill("4")
    page.get_by_role("button", name="Train on").click()
    panel(page, "done", "#tab-training", "up to epoch 4")
    found = page.locator("#tab-training voice-progress .notice", has_text="Two recordings are few.")
    found.filter(has_text="Ten minutes are better.").wait_for()
    assert found.count() == 1


def test_one_stage_after_the_other_by_hand(page: Watched, server: Server, tmp_path: Path) -> None:
    name_and_recordings(page, tmp_path, "gina")
    page.locator("#next").click()
    page.get_by_role("button", name="Run one stage").click()
    for stage, title in STAGES.items():
        page.locator(f"#stage-{stage}").click()
        panel(page, "done", "#tab-training", f"Finished {stage} of gina.")
        page.locator(".stages li.finished", has_text=title).wait_for()
    kept = (server.home / "logs" / "gina" / "manifest.json").read_text()
    assert all(f'"{stage}"' in kept for stage in STAGES)


def test_training_survives_reload_and_restart_stops_and_resumes(
    page: Watched, visit: Visit, server: Server, tmp_path: Path
) -> None:
    train(page, tmp_path, "berta", 10000)
    reload(page)
    left = page.locator("#tab-training job-panel .job-left", has_text="left")
    left.wait_for()
    page.locator("#back").click()
    holds(page.locator("#voice-name input"), "berta")
    holds(page.get_by_label("Epochs", exact=True), "10000")
    page.locator("#next").click()
    left.wait_for()
    page.foreseen += (
        "|ERR_CONNECTION|ERR_INCOMPLETE"  # every request that a stopped server does not answer
    )
    server.stop()
    panel(page, "lost", "#tab-training")
    server.start()
    panel(page, "running", "#tab-training")
    second = visit()  # a browser that knows nothing yet
    second.locator("#tab-training-button").click()
    panel(second, "running", "#tab-training")
    second.locator("step-bar [aria-current]", has_text=re.compile(r"3\s*Run")).wait_for()
    second.locator("voice-progress h3", has_text="berta").wait_for()
    panel(page, "running", "#tab-training").get_by_role("button", name="Stop").click()
    panel(page, "cancelled", "#tab-training")
    state = server.home / "logs" / "berta" / "state.pt"
    stopped_at = int(state.read_text())
    assert 0 < stopped_at < 10000
    reload(page)
    panel(page, "cancelled", "#tab-training")
    page.get_by_role("button", name="Recordings").click()
    page.get_by_text("2 recordings,").wait_for()
    page.locator("#next").click()
    page.get_by_label("Epochs", exact=True).fill(str(stopped_at + 5))
    page.locator("#create").click()
    panel(page, "done", "#tab-training", f"up to epoch {stopped_at + 5}")
    page.locator(".stages", has_text="2 clips · 1 min").wait_for()
    page.locator(".charts svg").first.wait_for()


def reach(page: Watched, wanted: str, key: str = "Tab") -> None:
    """Go on with the keyboard until the focus is on what a selector names."""
    seen = []
    for _ in range(80):
        page.keyboard.press(key)
        seen.append(page.evaluate("document.activeElement.outerHTML.slice(0, 80)"))
        if page.evaluate("wanted => document.activeElement.matches(wanted)", wanted):
            return
    raise AssertionError(seen)


def test_keyboard_alone_reaches_the_main_action(page: Watched) -> None:
    reach(page, "#convert")


def test_keyboard_alone_trains_and_stops(page: Watched, tmp_path: Path) -> None:
    folder = tmp_path / "speech"
    folder.mkdir()
    recording(folder / "one.wav")
    reach(page, "#tab-training-button")
    page.keyboard.press("Enter")
    for field, value in {"#voice-name input": "hugo", "#dataset input": str(folder)}.items():
        reach(page, field)
        page.keyboard.type(value)
        page.keyboard.press("Enter")
    page.get_by_text("1 recordings,").wait_for()
    reach(page, "#next")
    page.keyboard.press("Enter")
    reach(page, "input[aria-label*=Epochs]")
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.type("10000")
    reach(page, "#create")
    page.keyboard.press("Enter")
    panel(page, "running", "#tab-training", "Epoch")
    reach(page, ".job-stop", "Shift+Tab")
    page.keyboard.press("Enter")
    panel(page, "cancelled", "#tab-training")
    assert page.evaluate("document.activeElement.matches('#tab-training job-panel')")


def test_a_page_in_view_hears_of_jobs_by_one_stream(
    server: Server, visit: Visit, tmp_path: Path
) -> None:
    give_voice(server)
    asked: list[str] = []

    def listen(context: BrowserContext) -> None:
        context.on("request", lambda request: asked.append(urlsplit(request.url).path))

    page = visit(prepare=listen)
    upload(page, recording(tmp_path / "one.wav"))
    with server.held():
        page.locator("#convert").click()
        panel(page, "running")
    panel(page, "done", says="Converted one.wav.")
    assert asked.count("/api/events") == 1
    assert "/api/jobs" not in asked


def test_who_waits_sees_how_many_are_before_and_can_leave(
    server: Server, visit: Visit, tmp_path: Path
) -> None:
    give_voice(server)
    page = visit()
    listed = page.locator(".jobs-dialog .job-row")
    with server.held():
        for count, name in (("1", "one"), ("2", "two")):
            upload(page, recording(tmp_path / f"{name}.wav"))
            page.locator("#convert").click()
            page.locator(".jobs-count", has_text=count).wait_for()
        page.get_by_role("button", name="Jobs").click()
        waiting = listed.filter(has_text="1 before this one")
        waiting.get_by_role("button", name="Stop").click()
        page.locator(".jobs-dialog .job-row.cancelled").wait_for()
    page.locator(".jobs-dialog .job-row.done").wait_for()
    assert listed.count() == 2


@pytest.mark.parametrize("tab", ["inference", "training", "settings", "report"])
def test_a_phone_shows_everything_within_its_width(visit: Visit, tab: str) -> None:
    page = visit(viewport={"width": 390, "height": 844}, has_touch=True)
    page.locator(f"#tab-{tab}-button").click()
    page.locator(f"#tab-{tab} h2:visible").first.wait_for()
    page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)))")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    menu = page.locator("#tab-inference-button").bounding_box()
    assert menu is not None
    assert menu["height"] < 60  # in one line


def test_light_and_dark_stay_as_chosen(page: Watched) -> None:
    assert not page.evaluate("document.body.classList.contains('dark')")
    page.locator(".theme-toggle").click()
    assert page.evaluate("document.body.classList.contains('dark')")
    reload(page)
    page.wait_for_function("() => document.body.classList.contains('dark')")


def test_a_script_that_comes_late_does_not_keep_the_page_from_choosing_a_voice(
    server: Server, visit: Visit
) -> None:
    give_voice(server)

    def late(route: Route) -> None:
        time.sleep(3)
        route.continue_()

    page = visit(prepare=lambda context: context.route("**/ui/forms.js", late))
    holds(page.locator("#voice input"), "anna")


def test_what_is_dropped_before_the_page_has_its_lists_is_kept(
    chromium: Browser, server: Server, tmp_path: Path
) -> None:
    give_voice(server)
    context = chromium.new_context()
    held: list[Route] = []
    free: list[bool] = []

    def hold(route: Route) -> None:
        if free:
            route.continue_()
        else:
            held.append(route)

    context.route("**/api/ready", hold)
    page = context.new_page()
    page.set_default_timeout(LIMIT_MS)
    page.goto(server.url)
    page.locator("#convert").wait_for()
    page.wait_for_function("() => document.querySelector('gradio-app').inert")
    page.get_by_role("status").filter(has_text="Loading…").wait_for()
    assert page.locator("gradio-app").get_attribute("aria-busy") == "true"
    upload(page, recording(tmp_path / "early.wav"))
    free.append(True)
    for route in held:
        route.continue_()
    ready(page)
    assert page.locator("gradio-app").get_attribute("aria-busy") == "false"
    page.locator("p.loading").wait_for(state="hidden")
    page.locator("#convert").click()
    panel(page, "done", says="Converted early.wav.")
    chosen(page, "early")
    context.close()


def test_gradio_serves_nothing_but_results(server: Server) -> None:
    secret = server.home / "secret.wav"
    secret.write_text("hush")
    for path in (secret, REPOSITORY / "core.py", "/etc/passwd", server.home / "assets/config.json"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{server.url}gradio_api/file={path}")
        assert refused.value.code in (403, 404)


def test_the_network_needs_the_token(visit: Visit, tmp_path: Path) -> None:
    running = Server(tmp_path, "--server-name", "0.0.0.0")
    try:
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(running.url)
        assert refused.value.code == 401
        (link,) = re.findall(r"http://\S+\?token=\S+", running.log.read_text())
        page = visit(link)
        assert "token" not in page.url
        page.context.close()
    finally:
        running.stop()


def test_two_choices_of_a_folder_in_quick_succession_come_to_rest(
    page: Watched, server: Server
) -> None:
    folders = [server.home / "assets" / "datasets" / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
    page.locator("#tab-training-button").click()
    page.locator("recordings-box .drop-text").wait_for()
    asked: list[str] = []
    page.on("request", lambda sent: asked.extend([sent.url] * ("recordings?folder" in sent.url)))
    page.evaluate(
        """async (folders) => {
            const box = document.querySelector("recordings-box");
            for (let i = 0; i < 10; i++) {
                box.value = folders[i % 2];
                box.dispatchEvent(new Event("value-changed"));
                await new Promise((go) => setTimeout(go, 30 + 15 * i));
            }
        }""",
        [str(folder) for folder in folders],
    )
    end, before = time.monotonic() + 60, -1
    while len(asked) != before:
        assert time.monotonic() < end, f"{len(asked)} requests, and no end"
        before = len(asked)
        page.wait_for_timeout(1500)
    assert asked
