"""MP3 and ADTS files decoded frame by frame: joined, damaged, cut off or without any header.

What an encoder padded is taken off, in every part of a file that was joined from several.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rvc.audio import BEGINNING, BROKEN, CUT, DAMAGED, DAMAGED_END, Account, Decoded
from rvc.audio.frames import Head, Kind, Stretch, Xing, walk, xing
from rvc.audio.uniform import decoded

CODECS = {"mp3": "mp3float", "aac": "aac"}
HELD = 3  # frames
TEXT = 0.9  # share of readable bytes in what a server put in front
JUNK_S = 0.004  # bytes that would last less are padding
RESTS = b"\0"  # what a file may be filled up with


class RawReader:
    """One pass over a file of frames."""

    def __init__(self, path: Path, kind: Kind, account: Account) -> None:
        self.path, self.kind, self.account = path, kind, account
        self.good_bytes, self.good_s, self.done_s, self.lost_s = 0, 0.0, 0.0, 0.0
        self.before = 0  # bytes that are no frame before the first one
        self.part: Xing | None = None
        self.part_samples = 0  # of this part, silence included
        self.skip = 0
        self.held: deque[Decoded] = deque()  # the last frames, whose end may be padding
        self.codec: Any = None
        self.first_error: Exception | None = None
        self.head: Head | None = None

    def run(self) -> Iterator[Decoded]:
        """Decoded pieces in order."""
        with self.path.open("rb") as file:
            for span in walk(file, self.kind):
                if span.head is None:
                    self._junk(span)
                    continue
                found = xing(span.raw, span.head) if self.kind == "mp3" else None
                if found is not None:
                    yield from self._end_part()
                    self.part, self.part_samples, self.skip = found, 0, found.skip
                    continue
                yield from self._frame(span, span.head)
            yield from self._end_part()

    def _junk(self, span: Stretch) -> None:
        """Bytes that are no frame last as long as as many bytes of frames before them."""
        if span.tag or not span.raw.strip(RESTS):
            return
        if not self.good_s:
            readable = sum(32 <= byte < 127 or byte in b"\r\n\t" for byte in span.raw)
            self.before += len(span.raw) if readable < TEXT * len(span.raw) else 0
            return
        seconds = len(span.raw) * self.good_s / self.good_bytes
        if seconds > JUNK_S:
            self.lost_s += seconds

    def _frame(self, span: Stretch, head: Head) -> Iterator[Decoded]:
        pieces = self._decode(span.raw, head)
        if not pieces:
            if self.good_s:
                self.lost_s += head.seconds
            else:
                self.before += head.size
            return
        yield from self._silence()
        if not self.good_s and self.before:
            self.account.lose(0.0, self.before * head.seconds / head.size, BEGINNING)
        if not span.whole:
            held_s = sum(piece.seconds for piece in self.held)
            self.account.lose(self.done_s + held_s, None, BROKEN)
        self.good_bytes += len(span.raw)
        self.good_s += head.seconds
        for piece in pieces:
            self.part_samples += len(piece.wave)
            cut = min(self.skip, len(piece.wave))
            self.skip -= cut
            self.held.append(Decoded(piece.wave[cut:], piece.rate, piece.layout))
            while len(self.held) > HELD:
                yield self._given(self.held.popleft())

    def _decode(self, raw: bytes, head: Head) -> list[Decoded]:
        """The frame's sound; nothing where it is damaged."""
        import av

        if self.codec is None or self.head is None or head.coding != self.head.coding:
            self.codec = av.CodecContext.create(CODECS[self.kind], "r")
        self.head = head
        short = head.size - len(raw)
        try:
            found = self.codec.decode(av.Packet(raw if short <= 0 else raw + bytes(short)))
        except (av.error.FFmpegError, ValueError, OverflowError) as error:
            self.first_error = self.first_error or error
            return []
        return [decoded(frame) for frame in found if frame.samples]

    def _given(self, piece: Decoded) -> Decoded:
        self.done_s += len(piece.wave) / piece.rate
        return piece

    def _silence(self) -> Iterator[Decoded]:
        """Silence in place of what was damaged since the last good frame."""
        seconds, self.lost_s = self.lost_s, 0.0
        if not seconds or not self.held:
            return
        last = self.held[-1]
        yield from self._release()
        self.account.lose(self.done_s, seconds, DAMAGED)
        for piece in last.silence(seconds):
            self.part_samples += len(piece.wave)
            yield self._given(piece)

    def _release(self, pad: int = 0) -> Iterator[Decoded]:
        """All held frames but for `pad` samples at their end."""
        while self.held:
            piece = self.held.popleft()
            after = sum(len(other.wave) for other in self.held)
            keep = max(0, len(piece.wave) - max(0, pad - after))
            if keep:
                yield self._given(Decoded(piece.wave[:keep], piece.rate, piece.layout))

    def _end_part(self) -> Iterator[Decoded]:
        """The last frames without their padding, or a word on what the part's header promised."""
        if not self.held or self.head is None:
            return
        rate, pad, missing = self.held[-1].rate, 0, 0
        if self.part is not None and self.part.frames:
            missing = self.part.frames * self.head.samples - self.part_samples
            pad = self.part.pad if abs(missing) < self.head.samples else 0
        if self.lost_s and missing > 0:
            yield from self._silence()
            missing = self.part.frames * self.head.samples - self.part_samples if self.part else 0
        elif self.lost_s:
            self.account.lose(self.done_s, self.lost_s, DAMAGED_END)
        yield from self._release(pad)
        self.lost_s = 0.0
        if missing >= self.head.samples:
            self.account.lose(self.done_s, missing / rate, CUT)
