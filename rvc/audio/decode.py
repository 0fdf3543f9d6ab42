"""Sound that needs a codec (MP3, AAC, Opus, WMA ...), read to its end by PyAV, whatever happens.

PyAV brings its own codecs, so no ffmpeg has to be installed. Untrusted files get no protocols
(a playlist cannot make us open other files) and only containers that hold media. A packet that
cannot be decoded, a stretch of bytes that is no packet and a jump of the time stamps become
silence of the same length, and are entered in the account.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from rvc.audio import pieces
from rvc.audio.account import BROKEN, CUT, DAMAGED, HOLE, JUMP, PLAYED, UNUSED, Account
from rvc.audio.container import outline
from rvc.audio.header import Part, View
from rvc.audio.pieces import Decoded
from rvc.audio.raw import RawReader
from rvc.errors import BadInput

CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,aac,mp3,ogg,flac,wav,w64,aiff,caf,asf,ac3,eac3,"
    "amr,amrnb,amrwb,avi,flv,mpegts,mpeg,au,dts,ape,wv,tta"
)
UNTIMED = {"ac3", "eac3", "dts", "amr", "amrnb", "amrwb"}  # counted times
GUESSED = {"ac3", "eac3", "dts", "amr", "amrnb", "amrwb"}  # no length in a header
STEP_S = 0.012  # a jump of the time stamps below this is rounding
FARTHEST_S = 600.0  # a longer jump is no hole in the sound
EXACT = {"flac", "alac", "wavpack", "tta", "ape", "opus", "libopus", "vorbis"}  # to the sample
FRAMES = 1.1  # that other codecs may hold back
SHORT_S = 0.015  # a claim that is missed by less is rounding
AMR_ZERO = 0x83  # bits of the first byte of an AMR frame that are 0
LEAST_BYTES_S = 16.0  # digital silence in FLAC takes more
BEFORE_S = 0.5  # from so long before a place it is decoded
TRIES = 200  # errors in a row after which nothing more is expected


@dataclass(frozen=True)
class Stream:
    """What the container says about the audio stream that would be read."""

    rate: int
    channels: int
    frames: int
    format: str
    codec: str
    bits: int


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


def _track(container: Any, account: Account) -> Any:
    """The audio track marked as default, else the first that can be decoded."""
    import av

    tracks = [s for s in container.streams.audio if s.codec_context]
    marked = [s for s in tracks if s.disposition & av.stream.Disposition.default]
    chosen = (marked or tracks)[0]
    count = len(container.streams.audio)
    if count > 1:
        number = list(container.streams.audio).index(chosen) + 1
        why = "marked as the default" if marked else "the first"
        account.note(f"it was read from track {number} of {count}, {why}")
    return chosen


def describe(path: Path, form: str | None = None) -> Stream:
    """Header of the file's audio stream; `frames` is the container's claim or 0.

    Raises:
        BadInput: nothing here can be decoded.
    """
    import av

    try:
        with path.open("rb") as data, _open(data, path, form) as container:
            stream = _track(container, Account())
            context = stream.codec_context
            claimed_s = _claimed_s(container, stream) or 0.0
            if claimed_s * LEAST_BYTES_S > path.stat().st_size:
                claimed_s = 0.0  # no sound is that small
            frames = round(claimed_s * context.sample_rate)
            bits = int(context.format.bits) if context.format else 0
            return Stream(
                context.sample_rate,
                context.layout.nb_channels,
                frames,
                container.format.name,
                context.codec.name,
                bits,
            )
    except (av.error.FFmpegError, OverflowError) as error:
        raise unreadable(path, error) from error


def _claimed_s(container: Any, stream: Any) -> float | None:
    """Length by the header in seconds; None where it holds none."""
    import av

    if stream.duration and stream.time_base:
        return max(0.0, float(stream.duration * stream.time_base))
    if container.duration:
        return max(0.0, float(container.duration / av.time_base))
    return None


def decoded(
    path: Path, account: Account, form: str | None = None, start_s: float = 0.0
) -> Iterator[Decoded]:
    """All of the sound in `path`, in order; rate and channels may change on the way.

    Args:
        start_s: what is before may be left out, as is possible in FLAC: the first piece's `at`
            says where it begins.
        form: PyAV's name of the container; None recognises it.

    Raises:
        BadInput: nothing in it can be decoded.
    """
    import av

    done_s, first_error = 0.0, None
    try:
        for start, stop, cut in _files(path, form):
            with path.open("rb") as data, _open(data, path, form, start, stop) as container:
                reader: _Reader | RawReader
                if container.format.name in ("mp3", "aac"):
                    reader = RawReader(path, container.format.name, account)
                else:
                    reader = _Reader(container, _track(container, account), account, done_s, cut)
                if start_s and container.format.name == "flac":
                    assert isinstance(reader, _Reader)
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


class _Reader:
    """One pass over one stream: what is there, and silence for what is known to be missing."""

    def __init__(
        self, container: Any, stream: Any, account: Account, begun_s: float, cut: bool
    ) -> None:
        self.container, self.stream, self.account = container, stream, account
        names = set(container.format.name.split(","))
        self.timed = not names & UNTIMED
        self.guessed = bool(names & GUESSED)
        self.claimed_s = _claimed_s(container, stream)
        self.begun_s, self.done_s = begun_s, begun_s  # of what was given out
        self.cut = cut
        self.clock_s: float | None = None  # the next time stamp if nothing is missing
        self.failed_s = 0.0  # packets since the last frame that could not be decoded
        self.sought = False
        self.waiting: list[Any] = []  # a frame behind a jump, until the next one confirms it
        self.last: Decoded | None = None
        self.first_error: Exception | None = None
        self.bytes, self.amr = 0, "amr" in names
        self.boxed = "mp4" in names and len(container.streams) == 1

    def run(self) -> Iterator[Decoded]:
        import av

        if self.stream.codec_context.codec.name == "flac":
            self.stream.codec_context.options = {"err_detect": "crccheck"}
        self.stream.thread_type = "AUTO"
        for packet in self._packets():
            self._look(packet)
            try:
                frames = packet.decode()
            except (av.error.FFmpegError, ValueError, OverflowError) as error:
                self.first_error = self.first_error or error
                self.failed_s += self._length_s(packet)
                continue
            for frame in frames:
                yield from self._place(frame)
        yield from self._release(False)
        yield from self._end()

    def seek(self, start_s: float) -> None:
        """Begin a little before this place, told by the time stamp that is met there."""
        place_s = max(0.0, start_s - BEFORE_S)
        self.container.seek(int(place_s / self.stream.time_base), stream=self.stream)
        self.sought = True

    def _packets(self) -> Iterator[Any]:
        """Every packet, past errors of the container."""
        import av

        tries = 0
        while tries < TRIES:
            try:
                for packet in self.container.demux(self.stream):
                    tries = 0
                    yield packet
                return
            except (av.error.FFmpegError, OverflowError, IndexError) as error:
                # IndexError: a packet of a stream that was not there when the file was opened
                self.first_error = self.first_error or error
                self.account.lose(self.done_s, None, BROKEN)
                tries += 1

    def _look(self, packet: Any) -> None:
        """Faults that the container knows of, and bytes no AMR frame begins with."""
        self.bytes += packet.size
        odd = self.amr and packet.size and bytes(packet)[0] & AMR_ZERO
        if packet.is_corrupt or odd:
            self.account.lose(self.done_s, None, BROKEN)

    def _length_s(self, packet: Any) -> float:
        if not packet.size:
            return 0.0
        if packet.duration and packet.time_base:
            return min(1.0, max(0.0, float(packet.duration * packet.time_base)))
        rate = self.stream.codec_context.sample_rate
        return float((self.stream.codec_context.frame_size or 0) / rate) if rate else 0.0

    def _place(self, frame: Any) -> Iterator[Decoded]:
        """A frame, after silence for what is missing before it."""
        if not frame.samples or not frame.sample_rate:
            return
        if self.waiting:
            yield from self._release(_follows(self.waiting[0], frame))
        if not self.timed or frame.pts is None or frame.time_base is None:
            if self.failed_s > 0:
                yield from self._silence(self.failed_s, DAMAGED)
        else:
            at_s = float(frame.pts * frame.time_base)
            jump_s = 0.0 if self.clock_s is None else at_s - self.clock_s
            if jump_s > STEP_S + 2 * float(frame.time_base):
                self.waiting = [frame]
                return
            if self.failed_s > 0:
                self.account.lose(self.done_s, self.failed_s, PLAYED)
        yield from self._give(frame)

    def _release(self, confirmed: bool) -> Iterator[Decoded]:
        """The frame that waited; with the silence before it if its time stamp is believed."""
        if not self.waiting:
            return
        frame, self.waiting = self.waiting[0], []
        jump_s = float(frame.pts * frame.time_base) - (self.clock_s or 0.0)
        within = jump_s <= FARTHEST_S
        if self.claimed_s:
            within &= self.done_s - self.begun_s + jump_s <= self.claimed_s + SHORT_S
        if within and (confirmed or self.failed_s > 0):
            yield from self._silence(jump_s, DAMAGED if self.failed_s > 0 else HOLE)
        else:
            self.account.lose(self.done_s, None, JUMP)
        yield from self._give(frame)

    def _silence(self, seconds: float, why: str) -> Iterator[Decoded]:
        """So much silence, entered as lost; nothing before the first frame."""
        self.failed_s = 0.0
        self.account.lose(self.done_s, seconds, why)
        for piece in self.last.silence(seconds) if self.last else ():
            self.done_s += piece.seconds
            yield piece

    def _give(self, frame: Any) -> Iterator[Decoded]:
        self.failed_s = 0.0
        if frame.is_corrupt:
            self.account.lose(self.done_s, frame.samples / frame.sample_rate, PLAYED)
        if frame.pts is not None and frame.time_base is not None:
            self.clock_s = float(frame.pts * frame.time_base) + frame.samples / frame.sample_rate
        self.last = pieces.decoded(frame)
        if self.sought and frame.pts is not None:
            self.done_s, self.sought = float(frame.pts * frame.time_base), False
            self.last = replace(self.last, at=round(self.done_s * self.last.rate))
        self.done_s += self.last.seconds
        yield self.last

    def _end(self) -> Iterator[Decoded]:
        """What the header promised and did not come, as far as it can be known."""
        if self.failed_s > 0 and self.last is not None:
            yield from self._silence(self.failed_s, DAMAGED)
        own_s = self.done_s - self.begun_s
        missing_s = 0.0
        if self.claimed_s is not None and not self.guessed and own_s:
            exact = self.stream.codec_context.codec.name in EXACT
            rounding_s = 0.0 if exact or self.last is None else FRAMES * self.last.seconds
            missing_s = self.claimed_s - own_s - SHORT_S - rounding_s
        if missing_s > 0:
            self.account.lose(self.done_s, (self.claimed_s or 0.0) - own_s, CUT)
        elif self.cut and own_s:
            self.account.lose(self.done_s, None, CUT)
        elif self.boxed and 2 * self.bytes < self.container.size:
            self.account.lose(self.done_s, None, UNUSED)


def _follows(frame: Any, after: Any) -> bool:
    """Whether the time stamp of the frame after agrees with this one's."""
    if after.pts is None or after.time_base is None:
        return True
    expected = float(frame.pts * frame.time_base) + frame.samples / frame.sample_rate
    return bool(
        abs(float(after.pts * after.time_base) - expected) <= STEP_S + float(after.time_base)
    )


def unreadable(path: Path, error: Exception) -> BadInput:
    """The sentence for a file that no decoder knows."""
    cause = getattr(error, "strerror", None) or getattr(error, "error_string", None) or error
    return BadInput(
        f"{path} is not audio that can be read ({str(cause).strip('. ')}).",
        "Use WAV, FLAC, MP3, OGG, OPUS, M4A, AAC, MP4 or WebM.",
    )
