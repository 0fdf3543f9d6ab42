"""The whole way through PortAudio and PulseAudio's null sinks: no sound card is needed."""

from __future__ import annotations

import ctypes.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rvc.config import REPOSITORY

NEEDED = "pulseaudio, pulseaudio-utils, libportaudio2, libasound2-plugins"
HERE = bool(
    shutil.which("pulseaudio")
    and shutil.which("pactl")
    and ctypes.util.find_library("portaudio")
    and list(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so"))
)
pytestmark = pytest.mark.skipif(not HERE, reason=f"needs {NEEDED}")
SERVER = """
load-module module-null-sink sink_name=vmic_feed rate=48000 channels=2
load-module module-null-sink sink_name=vspk rate=44100 channels=2
load-module module-remap-source master=vmic_feed.monitor source_name=vmic
load-module module-native-protocol-unix
set-default-sink vmic_feed
set-default-source vmic
"""
ALSA = "pcm.{0} {{ type pulse device {1} hint {{ show on description {0} }} }}\n"
LIVE = """
import json, sys, time
from rvc.params import Live
from rvc.realtime import devices
from rvc.realtime.portaudio import DevicePort
from rvc.realtime.session import Session
from tests.realtime.echo import Echo
found = devices.present()
pick = lambda name, kind: devices.chosen(found, name, kind, None)
port = DevicePort(pick("vmic", "input"), pick("vspk", "output"))
session = Session(Live(head_room_ms=80, constant_delay=True), port, Echo)
session.start()
print(json.dumps(session.figures()), flush=True)
for line in sys.stdin:
    time.sleep(float(line))
    print(json.dumps(session.figures()), flush=True)
session.stop()
"""


@pytest.fixture
def sound(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Variables of processes that hear and play through a server of their own."""
    run = tmp_path / "run"
    run.mkdir(mode=0o700)
    (tmp_path / "live.pa").write_text(SERVER)
    named = {"vmic": "vmic", "feed": "vmic_feed", "vspk": "vspk", "loop": "vspk.monitor"}
    (tmp_path / ".asoundrc").write_text("".join(ALSA.format(*pair) for pair in named.items()))
    env = os.environ | {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(run)}
    env |= {"PULSE_RUNTIME_PATH": str(run / "pulse"), "PYTHONPATH": str(REPOSITORY)}
    line = ["pulseaudio", "-n", "-F", str(tmp_path / "live.pa"), "--daemonize=no"]
    line += ["--exit-idle-time=-1", "--use-pid-file=no", "--realtime=no", "--high-priority=no"]
    with subprocess.Popen(line, env=env, stderr=subprocess.DEVNULL) as server:
        try:
            deadline = time.monotonic() + 20
            while subprocess.run(["pactl", "info"], env=env, capture_output=True).returncode:
                assert time.monotonic() < deadline, "the sound server does not start"
                time.sleep(0.1)
            yield env
        finally:
            server.kill()


def core(env: dict[str, str], *arguments: str) -> dict[str, object]:
    line = [sys.executable, "core.py", "realtime", *arguments, "--json"]
    done = subprocess.run(line, cwd=REPOSITORY, env=env, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_devices_are_listed_and_the_delay_of_a_cable_is_measured(sound: dict[str, str]) -> None:
    found = core(sound, "devices")["devices"]
    assert isinstance(found, list)
    assert {"vmic", "vspk", "loop", "pulse"} <= {device["name"] for device in found}
    line = ["--input-device", "loop", "--output-device", "vspk", "--head-room-ms", "50"]
    said = core(sound, "probe", *line)
    assert said["measured"], said
    assert said["session_ms"] == 80 + 80 + 50
    assert isinstance(said["round_trip_ms"], float)
    assert 20 < said["round_trip_ms"] < 500


class Live:
    """A session in a process of its own, whose voice is what it hears."""

    def __init__(self, env: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", LIVE],
            cwd=REPOSITORY,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.figures = self._read()

    def _read(self) -> dict[str, object]:
        assert self.process.stdout is not None
        found: dict[str, object] = json.loads(self.process.stdout.readline())
        return found

    def after(self, seconds: float) -> dict[str, object]:
        """The figures, so much later."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        return self._read()

    def until(self, state: str, limit_s: float) -> dict[str, object]:
        deadline = time.monotonic() + limit_s
        while (figures := self.after(0.1))["state"] != state:
            assert time.monotonic() < deadline, figures
        return figures

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(20)


def record(env: dict[str, str], seconds: float) -> np.ndarray:
    """What the speaker plays, at 44.1 kHz."""
    line = ["parec", "--device=vspk.monitor", "--rate=44100", "--channels=1", "--format=float32le"]
    with subprocess.Popen(line, env=env, stdout=subprocess.PIPE) as recorder:
        assert recorder.stdout is not None
        data = recorder.stdout.read(round(44100 * seconds) * 4)
        recorder.kill()
    return np.frombuffer(data, np.float32)


def until_loud(env: dict[str, str], limit_s: float = 30.0) -> np.ndarray:
    """A second of what the speaker plays, once it is loud throughout; a busy machine takes time."""
    deadline = time.monotonic() + limit_s
    while True:
        heard = record(env, 1.0)
        parts = np.abs(heard[: len(heard) // 10 * 10].reshape(10, -1)).max(axis=1)
        if parts.min() > 0.1:
            return heard
        assert time.monotonic() < deadline, parts


def test_what_is_spoken_is_heard_and_a_loss_is_told_and_made_good(
    sound: dict[str, str], tmp_path: Path
) -> None:
    tone = (0.5 * np.sin(2 * np.pi * 440 * np.arange(48000 * 120) / 48000)).astype("<f4")
    (tmp_path / "tone.raw").write_bytes(tone.tobytes())
    line = ["pacat", "--device=vmic_feed", "--rate=48000", "--channels=1", "--format=float32le"]
    with (tmp_path / "tone.raw").open("rb") as file:
        player = subprocess.Popen(line, env=sound, stdin=file)
    live = Live(sound)
    try:
        assert live.figures["state"] == "running"
        assert live.figures["delay_ms"] == 240
        heard = until_loud(sound)
        hz = np.fft.rfftfreq(len(heard), 1 / 44100)
        assert abs(hz[np.argmax(np.abs(np.fft.rfft(heard)))] - 440) <= 1.0
        subprocess.run(["pactl", "suspend-sink", "vspk", "1"], env=sound, check=True)
        said = live.until("reconnecting", 4.0)
        assert "The output vspk" in str(said["message"])
        subprocess.run(["pactl", "suspend-sink", "vspk", "0"], env=sound, check=True)
        live.until("running", 20.0)
        until_loud(sound)
    finally:
        live.close()
        player.kill()
        player.wait()


def test_an_output_that_is_moved_is_not_used(sound: dict[str, str]) -> None:
    live = Live(sound)
    try:
        live.after(1.0)
        line = ["pactl", "-f", "json", "list", "sinks"]
        listed = subprocess.run(line, env=sound, capture_output=True, check=True).stdout
        module = next(s["owner_module"] for s in json.loads(listed) if s["name"] == "vspk")
        subprocess.run(["pactl", "unload-module", str(module)], env=sound, check=True)
        said = live.until("reconnecting", 5.0)  # the server goes on with its default sink
        assert "The output vspk is gone" in str(said["message"])
    finally:
        live.close()
