"""Sound in the containers libsndfile does not know (m4a, mp4, aac, webm, wma ...), through PyAV.

PyAV brings its own codecs, so no ffmpeg has to be installed. Untrusted files get no protocols
(a playlist cannot make us open other files) and only containers that hold media.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from rvc.errors import BadInput

CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,aac,mp3,ogg,flac,wav,w64,aiff,caf,asf,ac3,eac3,"
    "amr,avi,flv,mpegts,mpeg,au,dts,ape,wv,tta"
)


@dataclass(frozen=True)
class Stream:
    """What the container says about its first audio stream."""

    rate: int
    channels: int
    frames: int
    format: str
    codec: str
    bits: int


def _open(data: BinaryIO, path: Path) -> Any:
    import av

    options = {"format_whitelist": CONTAINERS, "protocol_whitelist": ""}
    container = av.open(data, options=options, metadata_errors="ignore")
    if not container.streams.audio or not container.streams.audio[0].codec_context:
        container.close()
        raise BadInput(f"{path} holds no sound.", "Choose a file with an audio track.")
    return container


def describe(path: Path) -> Stream:
    """Header of the file's first audio stream; `frames` is the container's claim.

    Raises:
        BadInput: nothing here can be decoded.
    """
    import av

    try:
        with path.open("rb") as data, _open(data, path) as container:
            stream = container.streams.audio[0]
            context = stream.codec_context
            span = stream.duration * stream.time_base if stream.duration else None
            span = (
                container.duration / av.time_base if span is None and container.duration else span
            )
            frames = round(float(span or 0) * context.sample_rate)
            bits = int(context.format.bits) if context.format else 0
            return Stream(
                context.sample_rate,
                context.layout.nb_channels,
                frames,
                container.format.name,
                context.codec.name,
                bits,
            )
    except av.error.FFmpegError as error:
        raise unreadable(path, error) from error


def frames(path: Path) -> Iterator[np.ndarray]:
    """Decoded pieces (T, C) float32, in order, at the stream's own rate.

    Raises:
        BadInput: not audio, or damaged on the way.
    """
    import av

    seen = 0
    try:
        with path.open("rb") as data, _open(data, path) as container:
            stream = container.streams.audio[0]
            stream.thread_type = "AUTO"
            context = stream.codec_context
            to_float = av.AudioResampler("fltp", context.layout, context.sample_rate)
            for frame in container.decode(stream):
                for piece in to_float.resample(frame):
                    seen += piece.samples
                    yield np.ascontiguousarray(piece.to_ndarray().T, np.float32)
            for piece in to_float.resample(None):
                yield np.ascontiguousarray(piece.to_ndarray().T, np.float32)
    except av.error.FFmpegError as error:
        if not seen:
            raise unreadable(path, error) from error
        raise BadInput(
            f"{path} is damaged after {seen / context.sample_rate:.1f} s.",
            "Convert it again from its source, or cut it there.",
        ) from error


def unreadable(path: Path, error: Exception) -> BadInput:
    """The sentence for a file that no decoder knows."""
    cause = getattr(error, "strerror", None) or getattr(error, "error_string", None) or error
    return BadInput(
        f"{path} is not audio that can be read ({str(cause).strip('. ')}).",
        "Use WAV, FLAC, MP3, OGG, OPUS, M4A, AAC, MP4 or WebM.",
    )
