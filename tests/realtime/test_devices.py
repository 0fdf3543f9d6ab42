"""Devices by number or name, and never another one; recordings that outlive a crash."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from rvc.errors import BadInput, Busy, MissingModel, NotFound
from rvc.realtime import devices, lease, probe
from rvc.realtime.devices import SoundDevice
from rvc.realtime.recorder import Recorder
from tests.conftest import Finished

FOUND = [
    SoundDevice(0, "Microphone (USB Audio)", "MME", 1, 0, 44100),
    SoundDevice(1, "Speakers (Realtek)", "MME", 0, 2, 44100),
    SoundDevice(2, "CABLE Input (VB-Audio Virtual Cable)", "WASAPI", 0, 2, 48000),
    SoundDevice(3, "Microphone (USB Audio)", "WASAPI", 1, 0, 48000),
    SoundDevice(4, "Microphone Array", "WASAPI", 2, 0, 48000),
]


@pytest.mark.parametrize(
    ("wanted", "kind", "number"),
    [("4", "input", 4), ("array", "input", 4), ("microphone (usb audio)", "input", 0)]
    + [("cable", "output", 2), (None, "output", 1)],
)
def test_a_device_is_found(wanted: str | None, kind: devices.Kind, number: int) -> None:
    assert devices.chosen(FOUND, wanted, kind, 1).number == number


@pytest.mark.parametrize(
    ("wanted", "kind", "error", "word"),
    [
        ("micro", "input", BadInput, "4: Microphone Array"),
        ("headset", "output", NotFound, "There is no output 'headset'"),
        ("1", "input", NotFound, "no microphone '1'"),
        (None, "input", NotFound, "chosen no microphone"),
    ],
)
def test_no_other_device_is_taken(
    wanted: str | None, kind: devices.Kind, error: type[Exception], word: str
) -> None:
    with pytest.raises(error, match=word):
        devices.chosen(FOUND, wanted, kind, None)


def test_a_microphone_that_hears_the_output_is_refused() -> None:
    heard = SoundDevice(5, "Monitor of Speakers (Realtek)", "PulseAudio", 2, 0, 48000)
    with pytest.raises(BadInput, match="would hear itself"):
        devices.refuse_feedback(heard, FOUND[1])
    devices.refuse_feedback(heard, FOUND[2])
    devices.refuse_feedback(FOUND[0], FOUND[1])


@pytest.mark.parametrize(
    ("error", "sentence"),
    [(ImportError("no"), "needs the package sounddevice"), (OSError("no"), "PortAudio, the")],
)
def test_without_portaudio_a_sentence_says_what_is_missing(
    error: Exception, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *given: Any, **more: Any) -> Any:
        if name == "sounddevice":
            raise error
        return real(name, *given, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingModel, match=sentence):
        devices.listing()


def test_a_second_session_is_told_who_is_live(home: Path, cli: Callable[..., Finished]) -> None:
    assert not lease.is_held()
    with lease.held("demo.pth"):
        assert lease.is_held()
        with pytest.raises(Busy, match=r"is live since .* with the voice demo.pth"), lease.held(""):
            pass
        done = cli("realtime", "run", "--pth-path", "other.pth")
        assert done.code == Busy.exit_code
        assert "demo.pth" in done.err
    assert not lease.is_held()


@pytest.mark.parametrize("rates", [(48000, 48000), (44100, 48000)])
def test_the_probe_finds_a_known_delay_and_says_where_there_is_none(rates: tuple[int, int]) -> None:
    into, out = rates
    sound = probe.played(out)
    at = np.arange(len(sound) * into // out) / into
    heard = np.interp(at - 0.1234, np.arange(len(sound)) / out, sound).astype(np.float32)
    rng = np.random.default_rng(0)
    found = probe.find(0.1 * heard + 0.01 * rng.standard_normal(len(heard)), into)
    assert found.delay_s == pytest.approx(0.1234, abs=2e-4)
    assert probe.find(0.01 * rng.standard_normal(len(heard)), into).delay_s is None


@pytest.mark.parametrize(("what", "channels"), [("converted", 1), ("input", 1), ("both", 2)])
def test_a_recording_is_exact_and_can_be_played_at_any_moment(
    tmp_path: Path, what: Any, channels: int
) -> None:
    rng = np.random.default_rng(0)
    heard, played = (0.5 * rng.uniform(-1, 1, (2, 3 * 8000))).astype(np.float32)
    recorder = Recorder(tmp_path / "live.wav", 8000, what)
    for at in range(0, 20_000, 640):
        recorder(heard[at : at + 640], played[at : at + 640])
    while recorder.frames < 16_000:
        pass
    wave, rate = soundfile.read(tmp_path / "live.wav", always_2d=True)  # as after a kill
    assert rate == 8000
    assert len(wave) >= 8000
    recorder.close()
    wave, _ = soundfile.read(tmp_path / "live.wav", always_2d=True)
    assert wave.shape == (recorder.frames, channels)
    wanted = np.stack([heard, played], axis=1)[: len(wave)]
    columns = {"converted": [1], "input": [0]}.get(what, [0, 1])
    assert np.abs(wave - wanted[:, columns]).max() < 1e-4


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full disk at hand")
def test_a_full_disk_ends_the_recording_alone(tmp_path: Path) -> None:
    (tmp_path / "full.wav").symlink_to("/dev/full")
    with pytest.raises(OSError, match="space"):
        Recorder(tmp_path / "full.wav", 8000, "converted")
