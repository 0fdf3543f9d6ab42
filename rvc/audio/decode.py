"""Sound that needs a codec (MP3, AAC, Opus, WMA ...), read to its end by PyAV, whatever happens.

PyAV brings its own codecs, so no ffmpeg has to be installed. Untrusted files get no protocols
(a playlist cannot make us open other files) and only containers that hold media. A packet that
cannot be decoded, a stretch of bytes that is no packet and a jump of the time stamps become
silence of the same length, and are entered in the account.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from rvc.audio import BROKEN, Account, Decoded, Info, Part, View, flac, no_track, unreadable
from rvc.audio.container import outline
from rvc.audio.packets import PacketReader, claimed_s
from rvc.audio.raw import RawReader
from rvc.errors import BadInput

CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,aac,mp3,ogg,flac,wav,w64,aiff,caf,asf,ac3,eac3,"
    "amr,amrnb,amrwb,avi,flv,mpegts,mpeg,au,dts,ape,wv,tta"
)
LEAST_BYTES_S = 16.0  # digital silence in FLAC takes more


def _open(
    data: BinaryIO, path: Path, form: str | None = None, start: int = 0, stop: int | None = None
) -> Any:
    import av

    options = {"format_whitelist": CONTAINERS, "protocol_whitelist": ""}
    stop = data.seek(0, 2) if stop is None else stop
    file = View(data, Part(start, 0, stop, stop))  # a seek beyond its ends is no error of the disk
    container = av.open(file, format=form, options=options, metadata_errors="ignore")
    if not container.streams.audio or not any(s.codec_context for s in container.streams.audio):
        container.close()
        raise BadInput(f"{path} holds no sound.", "Choose a file with an audio track.")
    return container


def _track(path: Path, container: Any, account: Account, wanted: int | None) -> Any:
    """The audio track of this number, else the one marked as default, else the first that can
    be decoded.

    Raises:
        BadInput: there is no such track, or it cannot be decoded.
    """
    import av

    tracks = list(container.streams.audio)
    known = [track for track in tracks if track.codec_context]
    marked = [track for track in known if track.disposition & av.stream.Disposition.default]
    count, named = len(tracks), "; ".join(map(_named, range(1, 100), tracks))
    if wanted is None:
        chosen, why = (marked or known)[0], "marked as the default" if marked else "the first"
    elif wanted > count:
        raise no_track(path, wanted, count, named)
    else:
        chosen, why = tracks[wanted - 1], "as asked"
        if chosen not in known:
            raise BadInput(f"Track {wanted} of {path} cannot be decoded.", f"It has {named}.")
    if count > 1:
        number = tracks.index(chosen) + 1
        account.note(
            f"it was read from track {number} of {count}, {why} ({named}; --track takes another)"
        )
    return chosen


def _named(number: int, track: Any) -> str:
    """A track in a few words: number, title, language, channels and coding."""
    said = [track.metadata.get("title"), track.metadata.get("language")]
    if track.codec_context:
        said += [track.codec_context.layout.name, track.codec_context.codec.name]
    return f"{number}: {', '.join(text for text in said if text and text != 'und')}"


def describe(path: Path, form: str | None = None, track: int | None = None) -> Info:
    """Header of one of the file's audio streams; `frames` is what it claims or 0.

    Raises:
        BadInput: nothing here can be decoded, or there is no such track.
    """
    import av

    try:
        with path.open("rb") as data, _open(data, path, form) as container:
            stream = _track(path, container, Account(), track)
            context = stream.codec_context
            rate, channels = context.sample_rate, context.layout.nb_channels
            bits = int(context.format.bits) if context.format else 0
            name, exact = container.format.name, False
            if name == "flac":
                frames, exact = _flac(data, rate)
            else:
                starts = outline(data, name).starts
                length_s = claimed_s(container, stream) or 0.0
                if len(starts) > 1:
                    bounds = zip(starts, [*starts[1:], None], strict=True)
                    length_s = sum(_claimed_s(data, path, form, track, *each) for each in bounds)
                frames = round(length_s * rate)
            if frames > path.stat().st_size / LEAST_BYTES_S * rate:
                frames, exact = 0, False  # no sound is that small
            return Info(rate, channels, frames, name, context.codec.name, bits, exact)
    except (av.error.FFmpegError, OverflowError) as error:
        raise unreadable(path, error) from error


def _claimed_s(
    data: BinaryIO, path: Path, form: str | None, track: int | None, start: int, stop: int | None
) -> float:
    """What the container claims that lies there."""
    import av

    try:
        with _open(data, path, form, start, stop) as container:
            return claimed_s(container, _track(path, container, Account(), track)) or 0.0
    except (av.error.FFmpegError, OverflowError, BadInput):
        return 0.0


def _flac(data: BinaryIO, rate: int) -> tuple[int, bool]:
    """(frames at `rate`, whether that is their number beyond doubt)."""
    found = flac.streams(data)
    lengths = [stream.length(data) for stream in found]
    frames = sum(
        round((length or stream.claimed) * rate / stream.rate)
        for stream, length in zip(found, lengths, strict=True)
    )
    return frames, len(found) == 1 and lengths[0] == found[0].claimed


def decoded(
    path: Path,
    account: Account,
    form: str | None = None,
    start_s: float = 0.0,
    track: int | None = None,
) -> Iterator[Decoded]:
    """All of the sound in `path`, in order; rate and channels may change on the way.

    Args:
        start_s: what is before may be left out, as is possible in FLAC: the first piece's `at`
            says where it begins.
        form: PyAV's name of the container; None recognises it.
        track: which audio stream, from 1; None takes the default one.

    Raises:
        BadInput: nothing in it can be decoded.
    """
    import av

    done_s, first_error = 0.0, None
    try:
        files = _files(path, form)
        for start, stop, cut in files:
            with path.open("rb") as data, _open(data, path, form, start, stop) as container:
                reader: PacketReader | RawReader
                if container.format.name in ("mp3", "aac"):
                    reader = RawReader(path, container.format.name, account)
                else:
                    stream = _track(path, container, account, track)
                    reader = PacketReader(container, stream, account, done_s, cut)
                if start_s and container.format.name == "flac" and len(files) == 1:
                    assert isinstance(reader, PacketReader)
                    reader.seek(start_s)
                yield from reader.run()
                done_s, first_error = reader.done_s, first_error or reader.first_error
    except (av.error.FFmpegError, OverflowError) as error:
        if not done_s:
            raise unreadable(path, error) from error
        account.lose(done_s, None, BROKEN)
    if not done_s:
        raise unreadable(path, first_error or ValueError("nothing in it can be decoded"))


def _files(path: Path, form: str | None) -> list[tuple[int, int | None, bool]]:
    """(first byte, past-the-last byte, cut off) of each file joined in this one."""
    with path.open("rb") as data, _open(data, path, form) as container:
        found = outline(data, container.format.name)
    ends = [*found.starts[1:], None]
    cuts = [found.cut and end is None for end in ends]
    return list(zip(found.starts, ends, cuts, strict=True))
