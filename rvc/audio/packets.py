"""One pass over the packets of a stream: what is there, and silence for what is missing.

A packet that cannot be decoded and a jump of the time stamps become silence of the same length,
and are entered in the account.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from rvc.audio import BROKEN, CUT, DAMAGED, HOLE, JUMP, PLAYED, UNUSED, Account, Decoded, uniform

UNTIMED = {"ac3", "eac3", "dts", "amr", "amrnb", "amrwb"}  # counted times
GUESSED = {"ac3", "eac3", "dts", "amr", "amrnb", "amrwb"}  # no length in a header
STEP_S = 0.012  # a jump of the time stamps below this is rounding
FARTHEST_S = 600.0  # a longer jump is no hole in the sound
EXACT = {"flac", "alac", "wavpack", "tta", "ape", "opus", "libopus", "vorbis"}  # to the sample
FRAMES = 1.1  # that other codecs may hold back
SHORT_S = 0.015  # a claim that is missed by less is rounding
AMR_ZERO = 0x83  # bits of the first byte of an AMR frame that are 0
BEFORE_S = 0.5  # from so long before a place it is decoded
TRIES = 200  # errors in a row after which nothing more is expected


def claimed_s(container: Any, stream: Any) -> float | None:
    """Length by the header in seconds; None where it holds none."""
    import av

    if stream.duration and stream.time_base:
        return max(0.0, float(stream.duration * stream.time_base))
    if container.duration:
        return max(0.0, float(container.duration / av.time_base))
    return None


class PacketReader:
    """One pass over one stream: what is there, and silence for what is known to be missing."""

    def __init__(
        self, container: Any, stream: Any, account: Account, begun_s: float, cut: bool
    ) -> None:
        self.container, self.stream, self.account = container, stream, account
        names = set(container.format.name.split(","))
        self.timed = not names & UNTIMED
        self.guessed = bool(names & GUESSED)
        self.claimed_s = claimed_s(container, stream)
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
            self.stream.codec_context.options = {"err_detect": "crccheck+explode"}
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
        if self.last is None and self.failed_s > 0 and not self.sought:
            self.last = uniform.decoded(frame)
            yield from self._silence(self._lead_s(frame), DAMAGED)
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

    def _lead_s(self, frame: Any) -> float:
        """How much is missing before the first frame that could be decoded."""
        begin, place = self.stream.start_time, frame.pts
        if not self.timed or begin is None or place is None:
            return self.failed_s
        lead_s = float(place * frame.time_base - begin * self.stream.time_base)
        believed = 0 < lead_s <= min(FARTHEST_S, self.claimed_s or 0.0)
        return lead_s if believed else self.failed_s

    def _silence(self, seconds: float, why: str) -> Iterator[Decoded]:
        """So much silence, entered as lost."""
        self.failed_s = 0.0
        self.account.lose(self.done_s, seconds, why)
        assert self.last is not None
        for piece in self.last.silence(seconds):
            self.done_s += piece.seconds
            yield piece

    def _give(self, frame: Any) -> Iterator[Decoded]:
        self.failed_s = 0.0
        if frame.is_corrupt:
            self.account.lose(self.done_s, frame.samples / frame.sample_rate, PLAYED)
        if frame.pts is not None and frame.time_base is not None:
            self.clock_s = float(frame.pts * frame.time_base) + frame.samples / frame.sample_rate
        elif self.clock_s is not None:  # of several in one packet, damaged ones among them
            self.clock_s += frame.samples / frame.sample_rate
        self.last = uniform.decoded(frame)
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
