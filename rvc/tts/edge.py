"""Microsoft Edge's speech service: many voices, but the text leaves this machine."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from pathlib import Path

import numpy as np

from rvc import Report, silent
from rvc.audio import io
from rvc.config import paths
from rvc.errors import BadInput, DownloadFailed, MissingModel
from rvc.hub import fetch
from rvc.tts import sentences

LOG = logging.getLogger(__name__)
TIMEOUT_S = 60.0
LONGEST_BYTES = 3000  # sent at once; the service itself takes 4096 with their markup


def speak(
    text: str, voice: str, percent: int = 0, report: Report = silent
) -> tuple[np.ndarray, int]:
    """Speech of a text, made by Microsoft's servers.

    Returns:
        (float32 (T,), rate in Hz).

    Raises:
        MissingModel: offline. BadInput: no such voice. DownloadFailed: the service failed.
    """
    if fetch.offline():
        raise MissingModel(
            "The voices of edge need a connection (offline).", "Use --tts-engine espeak or piper."
        )
    _tell_once()
    pieces, waves, rate = sentences.pieces(text, LONGEST_BYTES), [], 0
    for number, piece in enumerate(pieces):
        report(number, len(pieces), "Speaking (edge)")
        wave, rate = _decoded(_ask(piece, voice, percent))
        waves.append(wave)
    if not waves:
        raise BadInput("There is nothing in the text to speak.", "Give words.")
    return np.concatenate(waves), rate


def _decoded(sound: bytes) -> tuple[np.ndarray, int]:
    if not sound:
        raise DownloadFailed("Edge's speech service sent no sound.", "Try again, or another voice.")
    with tempfile.TemporaryDirectory(prefix="rvc-edge-") as folder:
        file = Path(folder) / "speech.mp3"
        file.write_bytes(sound)
        return io.load(file)


def _tell_once() -> None:
    """Say on the first use here that the text is sent away."""
    mark = paths().cache / "edge-told"
    if not mark.is_file():
        LOG.warning("With edge, the text is sent to Microsoft's servers. This is said only once.")
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()


def _ask(text: str, voice: str, percent: int) -> bytes:
    """The service's answer: MP3.

    Raises:
        BadInput: no such voice. DownloadFailed: no connection, or it ended before the speech did.
    """
    try:
        import aiohttp
        from edge_tts import Communicate, exceptions
    except ImportError as error:
        raise MissingModel(
            "The package edge-tts is not installed.", "pip install edge-tts"
        ) from error

    async def collect() -> bytes:
        asked = Communicate(text, voice, rate=f"{percent:+d}%")
        sound = b"".join([p["data"] async for p in asked.stream() if p["type"] == "audio"])
        if asked.state["chunk_audio_bytes"]:  # set back once the service has said that it is done
            raise ConnectionError("cut off")
        return sound

    try:
        return asyncio.run(asyncio.wait_for(collect(), TIMEOUT_S + len(text) / 20))
    except (ValueError, exceptions.NoAudioReceived) as error:
        raise BadInput(
            f"Edge's speech service cannot speak this with the voice {voice!r}.",
            "Voices are called like en-GB-SoniaNeural.",
        ) from error
    except (
        exceptions.EdgeTTSException,
        aiohttp.ClientError,
        asyncio.TimeoutError,
        OSError,
    ) as error:
        raise DownloadFailed(
            f"Edge's speech service could not be reached ({type(error).__name__}).",
            "Check the connection, or use --tts-engine espeak or piper.",
        ) from error
