"""Devices of this machine as a port: streams of PortAudio, watched, and opened again when lost.

Input and output are streams of their own, so any two devices and rates go together; their clocks
may disagree. A loss has three faces: callbacks stop though the stream says it is active, the stream
ends, or the sound server moves it to another device without a word. All are told within 2 s, then
there is silence until the same device is back; another one is never taken.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from rvc.errors import VoiceError
from rvc.realtime import devices, pulse
from rvc.realtime.devices import SERVED, TRIED_HZ, SoundDevice
from rvc.realtime.ports import PortCalls
from rvc.realtime.stream import PERIOD_S, Stream

LOG = logging.getLogger(__name__)
FIRST_S = 4.0  # until the first one
LOOK_S, RETRY_S = 0.1, 2.0
MOVED_S = 1.0  # between looks at where the sound server has put a stream


class DevicePort:
    """A microphone, an output, and perhaps a second output.

    Args:
        channel: of the microphone, from 1.
        exclusive: take the devices alone (WASAPI).
    """

    one_clock, live = False, True

    def __init__(
        self,
        source: SoundDevice,
        sink: SoundDevice,
        monitor: SoundDevice | None = None,
        channel: int = 1,
        exclusive: bool = False,
    ) -> None:
        self.package: Any = devices.portaudio()
        if channel > source.inputs:
            raise VoiceError(
                f"{source.name} has {source.inputs} channels, not {channel}.",
                "Choose a smaller --input-channel.",
            )
        self.channel, self.exclusive = channel, exclusive
        self.streams = [Stream(source, "input", self._rate(source, "input"))]
        for device in (sink, monitor):
            if device is not None:
                self.streams.append(Stream(device, "output", self._rate(device, "output")))
        words = ("The microphone", "The output", "The second output")
        for stream, word in zip(self.streams, words, strict=False):
            stream.label = f"{word} {stream.device.name}"
        self.rate_in, self.rate_out = self.streams[0].rate, self.streams[1].rate
        self.rate_monitor = self.streams[2].rate if monitor is not None else 0
        self.link: PortCalls | None = None
        self.ending = threading.Event()
        self.watch: threading.Thread | None = None
        self.losses: list[str] = []

    def start(self, link: PortCalls) -> None:
        self.link = link
        self._open()
        self.ending.clear()
        self.watch = threading.Thread(target=self._watch, name="devices", daemon=True)
        self.watch.start()

    def stop(self) -> None:
        self.ending.set()
        if self.watch is not None:
            self.watch.join()
        self._close()

    def figures(self) -> dict[str, Any]:
        return {
            "port": "devices",
            "period_ms": round(1000 * PERIOD_S),
            "losses": self.losses[-8:],
            "streams": [
                {
                    "device": s.device.name,
                    "interface": s.device.interface,
                    "rate": s.rate,
                    "latency_ms": s.latency_ms,
                    "flags": s.flags,
                }
                for s in self.streams
            ],
        }

    def _rate(self, device: SoundDevice, kind: devices.Kind) -> int:
        """The device's own rate, or the first usual one that it takes."""
        check = getattr(self.package, f"check_{kind}_settings")
        for rate in (device.rate, *TRIED_HZ):
            try:
                check(device=device.number, channels=1, samplerate=rate)
            except (self.package.PortAudioError, ValueError) as error:
                LOG.debug("%s at %d Hz: %s", device.name, rate, error)
                continue
            return rate
        raise VoiceError(
            f"{device.name} takes none of the usual rates.",
            "Another program may hold it; close that, or choose another device.",
        )

    def _open(self) -> None:
        """Open all streams, outputs first: they must run when the first sound is heard."""
        try:
            for stream in (*self.streams[1:], self.streams[0]):
                self._open_one(stream)
        except BaseException:
            self._close()
            raise
        for stream in self.streams:
            if not stream.place and stream.device.name not in SERVED:
                stream.place = pulse.place(stream.kind)

    def _open_one(self, stream: Stream) -> None:
        kind = self.package.InputStream if stream.kind == "input" else self.package.OutputStream
        most = stream.device.channels(stream.kind)
        stream.ended, stream.calls = False, 0
        settings = None
        if self.exclusive and "WASAPI" in stream.device.interface:
            settings = self.package.WasapiSettings(exclusive=True)
        try:
            stream.opened = kind(
                samplerate=stream.rate,
                blocksize=round(PERIOD_S * stream.rate),
                device=stream.device.number,
                channels=self.channel if stream.kind == "input" else min(2, most),
                dtype="float32",
                latency=PERIOD_S,
                callback=self._callback(stream),
                finished_callback=lambda: setattr(stream, "ended", True),
                extra_settings=settings,
            )
            stream.opened.start()
            stream.latency_ms = round(1000 * float(stream.opened.latency), 1)
        except (self.package.PortAudioError, ValueError) as error:
            raise VoiceError(
                f"{stream.label} does not open: {str(error)[:120]}",
                "Another program may hold it; close that, or choose another device.",
            ) from error
        deadline = time.monotonic() + FIRST_S
        while not stream.calls and time.monotonic() < deadline and not stream.ended:
            time.sleep(0.005)
        if not stream.calls:
            raise VoiceError(f"{stream.label} opens, but gives no sound.", "Choose another device.")

    def _callback(self, stream: Stream) -> Callable[..., None]:
        link = self.link
        assert link is not None, "start the port first"
        channel = self.channel - 1

        def note(status: Any) -> None:
            stream.called_s = time.monotonic()
            stream.calls += 1
            stream.flags += bool(status)

        def heard(data: np.ndarray, _frames: int, _time: Any, status: Any) -> None:
            note(status)
            link.push(data[:, channel].copy())

        pull = link.pull if stream is self.streams[1] else link.pull_monitor

        def played(data: np.ndarray, frames: int, _time: Any, status: Any) -> None:
            note(status)
            data[:] = pull(frames)[:, None]

        return heard if stream.kind == "input" else played

    def _close(self) -> None:
        for stream in self.streams:
            opened, stream.opened = stream.opened, None
            if opened is not None:
                try:
                    opened.abort(ignore_errors=True)
                    opened.close(ignore_errors=True)
                except self.package.PortAudioError as error:
                    LOG.debug("%s: %s", stream.label, error)

    def _watch(self) -> None:
        """Look whether all streams live; open them again when one was lost."""
        looked_s = time.monotonic()
        while not self.ending.wait(LOOK_S):
            now = time.monotonic()
            said = next((text for s in self.streams if (text := s.gone(now))), "")
            if not said and now - looked_s > MOVED_S:
                looked_s = now
                said = self._moved()
            if said:
                self._recover(said)
                looked_s = time.monotonic()

    def _moved(self) -> str:
        for stream in self.streams:
            place = pulse.place(stream.kind) if stream.place else ""
            if place != stream.place:
                return f"{stream.label} is gone: the system moved the sound to {place}."
        return ""

    def _recover(self, said: str) -> None:
        assert self.link is not None, "start the port first"
        LOG.warning("%s", said)
        self.losses.append(said)
        self.link.lost(said)
        self._close()
        while not self.ending.wait(RETRY_S):
            try:
                found = devices.present(renew=True)
                for stream in self.streams:
                    stream.device = _same(found, stream.device, stream.kind)
                self._open()
            except VoiceError as error:
                LOG.info("%s", error)
                continue
            if self._moved():
                self._close()
                continue
            self.link.lost("")
            return


def _same(found: list[SoundDevice], device: SoundDevice, kind: devices.Kind) -> SoundDevice:
    """The device of that name and driver.

    Raises:
        VoiceError: it is not there.
    """
    for other in found:
        if (other.name, other.interface) == (device.name, device.interface):
            return other
    raise VoiceError(f"{device.name} is not there.", "Plug it in again.")
