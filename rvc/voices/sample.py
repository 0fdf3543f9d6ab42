"""The verb `voice-sample`: what a voice sounds like, rendered once and then only played.

Every voice says the same sentence, the beginning of the recording that ships, at its own pitch.
The sample lies in the cache, named by a digest of the voice file's head and tail: a renamed voice
keeps it, a retrained one gets a new one.
"""

from __future__ import annotations

import functools
import hashlib
import tempfile
from pathlib import Path
from typing import Any

from rvc import Report, files, params, silent
from rvc.config import KIT, paths
from rvc.errors import BadInput, MissingModel

SENTENCE = KIT / "demo" / "sample.flac"
SECONDS = 3.3  # there the speaker pauses
MOST = 500  # samples kept, the newest
HEAD_BYTES, TAIL_BYTES = 4096, 1 << 16


def run(p: params.VoiceSample, report: Report = silent) -> dict[str, Any]:
    """Render the sentence, unless that was done already.

    Raises:
        MissingModel: the sentence, or the embedder that the voice was made with, is not here.
        BadInput: no voice.
    """
    import soundfile

    from rvc.infer import infer  # the list of voices looks for samples without torch

    if not SENTENCE.is_file():
        raise MissingModel(f"{SENTENCE} is missing.", "It belongs to the program: restore it.")
    target = file_of(p.pth_path)
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as room, files.replacing(target, ".flac") as part:
            spoken = Path(room) / "sentence.wav"
            wave, rate = soundfile.read(SENTENCE, dtype="float32")
            soundfile.write(spoken, wave[: int(SECONDS * rate)], rate)
            infer.infer(_conversion(p, spoken, part), report)
        _forget(target.parent)
    return {"message": f"{p.pth_path.stem} can be heard.", "output_path": str(target)}


def file_of(pth: Path) -> Path:
    """Where the sample of a voice file lies, or will.

    Raises:
        BadInput: there is no such file.
    """
    try:
        stat = pth.stat()
    except (OSError, ValueError) as error:
        raise BadInput(f"{pth} does not exist.", "Refresh the list of voices.") from error
    return place() / f"{_key(pth, stat.st_mtime_ns, stat.st_size)}.flac"


@functools.lru_cache(maxsize=2048)
def _key(pth: Path, changed_ns: int, size: int) -> str:
    """Voices of one kind have one size, and what was unpacked together one time. But the end of a
    .pth has the checksums of all its weights, and that of the other formats weights."""
    h = hashlib.blake2b(str(size).encode(), digest_size=12)
    with pth.open("rb") as stream:
        h.update(stream.read(HEAD_BYTES))
        stream.seek(max(0, size - TAIL_BYTES))
        h.update(stream.read(TAIL_BYTES))
    return h.hexdigest()


def place() -> Path:
    return paths().cache / "samples"


def _conversion(p: params.VoiceSample, source: Path, target: Path) -> params.Infer:
    return params.Infer(
        input_path=source,
        output_path=target,
        pth_path=p.pth_path,
        index_path=p.index_path,
        gpu=p.gpu,
        f0_method="swift-f0",  # ships with the program
        proposed_pitch_auto=True,
        export_format="FLAC",
        seed=0,
    )


def _forget(folder: Path) -> None:
    """Delete the oldest samples beyond those that are kept."""
    known = sorted(folder.glob("[!.]*.flac"), key=lambda f: -f.stat().st_mtime)
    for file in known[MOST:]:
        files.discard(file)
