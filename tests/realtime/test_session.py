"""The session: as late as it says, never stale, never growing, whatever happens to its time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rvc.errors import BadInput
from rvc.params import Live
from rvc.realtime.ports import FilePort, Passive
from rvc.realtime.session import Session
from tests.realtime.conftest import decibels, sung
from tests.realtime.echo import Echo

HZ = 48_000


def session_on(port: Passive, clock: Any = None, **live: Any) -> Session:
    """Started, without a thread; whoever pushes calls `work`."""
    given: dict[str, Any] = {"head_room_ms": 40} | live
    made = Session(Live(**given), port, Echo, clock=clock or (lambda: 0.0), threaded=False)  # type: ignore[arg-type]
    made.start()
    return made


def noise(seconds: float, rate: int = HZ, seed: int = 0) -> np.ndarray:
    """Noise that 16 kHz can hold."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.standard_normal(round(seconds * rate)))
    hz = np.fft.rfftfreq(round(seconds * rate), 1 / rate)
    spectrum[(hz < 300) | (hz > 5000)] = 0
    wave = np.fft.irfft(spectrum, round(seconds * rate))
    out: np.ndarray = (0.2 * wave / wave.std()).astype(np.float32)
    return out


def lag_ms(heard: np.ndarray, said: np.ndarray, rate: int) -> float:
    size = len(heard) + len(said)
    product = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(said, size))
    return 1000 * float(np.argmax(np.fft.irfft(product, size))) / rate


def through(session: Session, port: Passive, wave: np.ndarray, chunk: int = 960) -> np.ndarray:
    """Push a sound at the port's rate in chunks, pull as much."""
    out = []
    for at in range(0, len(wave), chunk):
        session.push(wave[at : at + chunk])
        session.work()
        done = (at + chunk) * port.rate_out // port.rate_in
        out.append(session.pull(done - at * port.rate_out // port.rate_in))
    return np.concatenate(out)


@pytest.mark.parametrize(("rate", "chunk"), [(48000, 960), (44100, 311), (16000, 7), (96000, 4096)])
def test_the_delay_is_what_the_figures_say(rate: int, chunk: int) -> None:
    port = Passive(rate)
    session = session_on(port)
    said = noise(1.5, rate)
    heard = through(session, port, said, chunk)
    figures = session.figures()
    assert figures["delay_ms"] == 80 + 80 + 40
    assert lag_ms(heard, said, rate) == pytest.approx(figures["delay_ms"], abs=0.1)
    assert figures["gaps"] == 0


@pytest.mark.parametrize(("into", "out"), [(48000, 44100), (44100, 96000), (8000, 48000)])
def test_rates_change_neither_pitch_nor_level_nor_length(into: int, out: int) -> None:
    port = Passive(into, out)
    session = session_on(port)
    t = np.arange(2 * into) / into
    tone = (0.3 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)
    heard = through(session, port, tone, into // 50)
    assert len(heard) == 2 * out
    steady = heard[out // 2 :]
    crossings = np.flatnonzero((steady[1:] >= 0) & (steady[:-1] < 0))
    hz = (len(crossings) - 1) / (crossings[-1] - crossings[0]) * out
    assert abs(1200 * np.log2(hz / 440)) < 5
    assert decibels(steady) == pytest.approx(decibels(tone), abs=0.2)


def test_a_minimum_delay_is_kept() -> None:
    port = Passive(HZ)
    session = session_on(port, minimum_delay_ms=500)
    said = noise(1.5)
    assert lag_ms(through(session, port, said), said, HZ) == pytest.approx(500, abs=0.1)


def test_after_a_stall_nothing_stale_is_heard_and_the_delay_is_the_same() -> None:
    port = Passive(HZ)
    session = session_on(port, constant_delay=True)
    said = noise(6)
    before = through(session, port, said[: 2 * HZ])
    stalled = []
    for at in range(2 * HZ, 4 * HZ, 960):  # nobody works for two seconds
        session.push(said[at : at + 960])
        stalled.append(session.pull(960))
    after = through(session, port, said[4 * HZ :])
    heard = np.concatenate([before, *stalled, after])
    delay = HZ * 200 // 1000
    expected = np.concatenate([np.zeros(delay, np.float32), said])[: len(heard)]
    gap = slice(2 * HZ + delay + 960, 4 * HZ - 960)
    assert not heard[gap].any(), "silence, not old sound"
    same = slice(4 * HZ + delay, 6 * HZ)  # two hops after it goes on
    assert np.corrcoef(heard[same], expected[same])[0, 1] > 0.99
    figures = session.figures()
    assert figures["skipped_ms"] > 1500
    assert figures["late"] >= 1


def test_a_gap_begins_and_ends_without_a_click() -> None:
    port = Passive(HZ)
    session = session_on(port, constant_delay=True)
    t = np.arange(4 * HZ) / HZ
    tone = (0.3 * np.sin(2 * np.pi * 100 * t)).astype(np.float32)
    out = []
    for number, at in enumerate(range(0, len(tone), 960)):
        session.push(tone[at : at + 960])
        if number % 40 < 25:
            session.work()
        out.append(session.pull(960))
    heard = np.concatenate(out)
    assert session.figures()["gaps"] >= 3
    assert np.abs(np.diff(heard)).max() < 3 * np.abs(np.diff(tone)).max()


def test_the_ladder_lengthens_the_delay_and_comes_back() -> None:
    now = [0.0]
    session = session_on(Passive(8000), clock=lambda: now[0])

    def pass_time(steps: int, works_every: int) -> None:
        for number in range(steps):
            now[0] += 0.02
            session.push(np.zeros(160, np.float32))
            if number % works_every == works_every - 1:
                session.work()
            session.pull(160)

    pass_time(300, 10)
    worst = session.figures()
    assert worst["delay_ms"] > 200
    assert worst["steps"][0].startswith("Delay 200 -> 210 ms")
    assert worst["skipped_ms"]
    pass_time(70 * 50, 2)
    assert session.figures()["delay_ms"] < worst["delay_ms"]


def test_bypass_plays_what_is_heard_at_the_same_delay_without_a_click() -> None:
    port = Passive(HZ)
    session = session_on(port)
    said = sung(3, HZ, hz=150)
    first = through(session, port, said[: HZ + 960 * 2])
    session.bypass(True)
    heard = np.concatenate([first, through(session, port, said[HZ + 960 * 2 :])])
    assert lag_ms(heard, said, HZ) == pytest.approx(200, abs=0.1)
    assert np.abs(np.diff(heard)).max() < 1.3 * np.abs(np.diff(said)).max()


def test_mute_is_silent_within_a_hop_and_its_fade() -> None:
    port = Passive(HZ)
    session = session_on(port)
    through(session, port, noise(1))
    session.mute(True)
    heard = through(session, port, noise(1))
    assert not heard[HZ * (80 + 40 + 20 + 20) // 1000 :].any()
    assert session.figures()["mute"]


@pytest.mark.parametrize(
    ("asked", "sounds"),
    [({"monitor": "both", "monitor_gain": 50}, True), ({}, True), ({"monitor": "off"}, False)],
    ids=["twice half the sound", "the voice, where nothing is said", "nothing"],
)
def test_a_second_output_plays_what_is_asked_for(asked: dict[str, Any], sounds: bool) -> None:
    port = Passive(HZ)
    port.rate_monitor = 44100
    session = session_on(port, **asked)
    said = sung(2, HZ)
    out = []
    for at in range(0, len(said), 4800):
        session.push(said[at : at + 4800])
        session.work()
        session.pull(4800)
        out.append(session.pull_monitor(4410))
    heard = np.concatenate(out)[44100 * 300 // 1000 :]
    if sounds:
        assert decibels(heard) == pytest.approx(decibels(said), abs=1)
    else:
        assert not heard.any()


def test_settings_out_of_range_change_nothing() -> None:
    session = session_on(Passive(HZ))
    with pytest.raises(BadInput, match="--pitch"):
        session.set(pitch=99)
    with pytest.raises(BadInput, match="--seed"):
        session.set(seed=4)
    session.set(pitch=3, gate_db=-40)
    assert session.live.pitch == 3
    assert session.live.head_room_ms == 40, "what was given before stays"


def test_another_block_is_taken_while_it_runs() -> None:
    port = Passive(HZ)
    session = session_on(port)
    said = noise(4)
    through(session, port, said[:HZ])
    session.set(block_ms=160)
    heard = through(session, port, said[HZ:])
    assert session.figures()["delay_ms"] == 280
    assert lag_ms(heard[HZ:], said[2 * HZ :], HZ) == pytest.approx(280, abs=0.1)


def test_a_voice_is_changed_without_a_gap() -> None:
    port = Passive(HZ)
    session = session_on(port)
    said = sung(3, HZ, hz=150)
    first = through(session, port, said[: HZ + 480])
    session.voice(Path("other.pth"))
    heard = np.concatenate([first, through(session, port, said[HZ + 480 :])])
    assert lag_ms(heard, said, HZ) == pytest.approx(200, abs=0.1)
    assert np.abs(np.diff(heard)).max() < 1.3 * np.abs(np.diff(said)).max()
    assert session.figures()["voice"] == "other.pth"


def test_a_voice_that_cannot_be_used_changes_nothing() -> None:
    def make(live: Live, start: int = 0, heard: Any = None) -> Echo:
        if str(live.pth_path) == "broken.pth":
            raise BadInput("broken.pth is damaged.")
        return Echo(live, start, heard)

    port = Passive(HZ)
    session = Session(Live(head_room_ms=40), port, make, lambda: 0.0, threaded=False)  # type: ignore[arg-type]
    session.start()
    said = noise(2)
    first = through(session, port, said[:HZ])
    with pytest.raises(BadInput, match="broken"):
        session.voice(Path("broken.pth"))
    heard = np.concatenate([first, through(session, port, said[HZ:])])
    assert lag_ms(heard, said, HZ) == pytest.approx(200, abs=0.1)
    assert session.figures()["gaps"] == 0
    assert session.live.pth_path is None


def test_an_engine_that_fails_ends_in_silence_and_says_so() -> None:
    class Failing(Echo):
        def hop(self) -> np.ndarray:
            if self.at > 150:
                raise ValueError("made up")
            return super().hop()

    port = Passive(HZ)
    session = Session(Live(head_room_ms=40), port, Failing)  # type: ignore[arg-type]
    session.start()
    for _ in range(200):
        session.push(np.ones(960, np.float32))
        if session.thread is not None:
            session.thread.join(0.01)
    assert session.figures()["state"] == "error"
    assert "made up" in session.figures()["message"]
    session.pull(4 * HZ)
    assert not session.pull(960).any()
    session.stop()


def test_a_file_comes_out_as_late_as_it_says_at_both_ends() -> None:
    said = noise(5, 44100)
    port = FilePort(said, 44100, 309, paced=False)
    session = session_on(port)
    port.play(len(said) + 44100, session.work)
    heard = np.concatenate(port.heard)
    for at in (0, 4):
        part = noise(5, HZ)[0:0]
        said_there = np.interp(np.arange(HZ) / HZ + at, np.arange(len(said)) / 44100, said).astype(
            np.float32
        )
        part = heard[at * HZ : (at + 2) * HZ]
        assert lag_ms(part, said_there, HZ) == pytest.approx(200, abs=1)
