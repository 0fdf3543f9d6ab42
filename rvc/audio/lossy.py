"""Lossy sound: the bit rate that is asked for, in each encoder's own terms, and AAC by PyAV."""

from __future__ import annotations

from typing import Any

import numpy as np

AAC_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1"}
KBITS = {1: 160, 2: 224}  # of MP3, OGG and OPUS by channels, unless asked otherwise
KBITS_EACH = 96  # of a channel beyond two
MP3_KBITS = ((32000, 32, 320), (16000, 8, 160), (0, 8, 64))  # from this rate on: least, most
VORBIS_KBITS = (240, 121, 99, 80, 70, 61)  # of a channel at 44.1 kHz, noise, by ...
VORBIS_LEVELS = (0.0, 0.2, 0.4, 0.6, 0.8, 0.95)  # ... libsndfile's degree of compression
M4A_BITS_PER_SAMPLE = 4


def kbits_of(channels: int) -> int:
    """Bit rate in kbit/s that is worth having: flat to 18 kHz at 44.1 kHz."""
    return KBITS.get(channels) or KBITS_EACH * channels


def compression(format: str, rate: int, channels: int, kbits: int | None) -> dict[str, Any]:
    """libsndfile's settings for a bit rate, the nearest that the format has at this rate."""
    kbits = kbits or kbits_of(channels)
    if format == "MP3":
        least, most = next((low, high) for hz, low, high in MP3_KBITS if rate >= hz)
        level = (most - kbits) / (most - least)
    elif format == "OPUS":
        level = (256 - kbits / channels) / 250
    else:
        each = kbits / channels * 44100 / rate
        level = float(np.interp(-each, [-k for k in VORBIS_KBITS], VORBIS_LEVELS))
    settings: dict[str, Any] = {"compression_level": min(max(level, 0.0), 0.99)}
    return settings | ({"bitrate_mode": "CONSTANT"} if format == "MP3" else {})


class Aac:
    """AAC in an MP4 container through PyAV, with the interface of `soundfile.SoundFile`."""

    def __init__(self, sink: Any, rate: int, channels: int, kbits: int | None) -> None:
        import av

        self.container = av.open(sink, "w", format="ipod")
        layout = AAC_LAYOUTS[channels]
        self.stream: Any = self.container.add_stream("aac", rate=rate, layout=layout)
        usual = min(rate * channels * M4A_BITS_PER_SAMPLE, 160_000 * channels)
        self.stream.bit_rate = min(1000 * kbits, 6 * rate * channels) if kbits else usual
        self.layout, self.rate, self.position = layout, rate, 0

    def write(self, wave: np.ndarray) -> None:
        import av

        planar = np.ascontiguousarray(wave.reshape(len(wave), -1).T)
        frame = av.AudioFrame.from_ndarray(planar, format="fltp", layout=self.layout)
        frame.sample_rate, frame.pts = self.rate, self.position
        self.position += len(wave)
        for packet in self.stream.encode(frame):
            self.container.mux(packet)

    def close(self) -> None:
        if self.position:
            for packet in self.stream.encode(None):
                self.container.mux(packet)
        self.container.close()
