"""Batches made of clips, read once and kept in memory."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Generic, TypeVar

import numpy as np
import soundfile
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from rvc.dataset.filelist import Clip
from rvc.errors import StageFailed

MAX_FRAMES = 900  # longest stretch of one clip in a batch (9 s at 100 frames/s), as in Applio


@dataclass
class Batch:
    """Clips padded to the longest: phone (B, T, E), pitch and f0 (B, T), wave (B, T * hop)."""

    phone: Tensor
    pitch: Tensor
    f0: Tensor
    wave: Tensor
    lengths: Tensor
    sid: Tensor

    def to(self, device: torch.device) -> Batch:
        moved = (getattr(self, f.name).to(device, non_blocking=True) for f in fields(self))
        return Batch(*moved)


Arrays = tuple[Tensor, Tensor, Tensor, Tensor]  # phone (F, E), pitch (T,), f0 (T,), wave (N,)


class Dataset:
    """Makes batches; keeps the clips in the memory of `keep` once they have been read.

    Args:
        hop: samples per frame. segment: frames of a training segment; a shorter clip is repeated
            until it is that long, one longer than MAX_FRAMES gives another stretch every epoch.
        keep: device that caches the clips, or None to read them anew each time.
        multiple: frames of which a batch's length is a multiple, so that a GPU meets few lengths.
        pinned: batches lie in memory from which a CUDA device takes them while it works on.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        hop: int,
        segment: int,
        seed: int = 0,
        keep: torch.device | None = None,
        multiple: int = 1,
        pinned: bool = False,
    ) -> None:
        self.clips, self.hop, self.segment = list(clips), hop, segment
        self.seed, self.keep, self.multiple, self.pinned = seed, keep, multiple, pinned
        self.cache: dict[int, Arrays] = {}

    def length(self, index: int) -> int:
        """Frames that clip fills in a batch."""
        return min(MAX_FRAMES, max(self.segment, self.clips[index].frames))

    def arrays(self, index: int) -> Arrays:
        """Everything of one clip, checked.

        Raises:
            StageFailed: a value is not a finite number.
        """
        if index in self.cache:
            return self.cache[index]
        clip = self.clips[index]
        wave, _ = soundfile.read(clip.wave, clip.frames * self.hop, dtype="float32", always_2d=True)
        loaded = (
            np.load(clip.features)[: (clip.frames + 1) // 2].astype(np.float32, copy=False),
            np.load(clip.coarse)[: clip.frames].astype(np.int64, copy=False),
            np.load(clip.voiced)[: clip.frames].astype(np.float32, copy=False),
            wave[:, 0],
        )
        files = (clip.features, clip.coarse, clip.voiced, clip.wave)
        for values, path in zip(loaded, files, strict=True):
            if not np.isfinite(values).all():
                raise StageFailed(f"{path} holds NaN or infinite values.", "Run extract again.")
        phone, pitch, f0, sound = (torch.from_numpy(np.ascontiguousarray(a)) for a in loaded)
        out = phone, pitch, f0, sound
        if self.keep is not None:
            out = tuple(t.to(self.keep) for t in out)  # type: ignore[assignment]
            self.cache[index] = out
        return out

    def item(self, index: int, epoch: int) -> Arrays:
        """One clip as it enters a batch: phone (T, E), pitch (T,), f0 (T,), wave (T * hop,)."""
        phone, pitch, f0, wave = self.arrays(index)
        frames, wanted = len(pitch), self.length(index)
        first = self._first(index, epoch, frames - wanted) if frames > wanted else 0
        take = (torch.arange(wanted, device=pitch.device) + first) % frames
        sound = wave.view(frames, self.hop)[take].reshape(-1)
        return phone[take // 2], pitch[take], f0[take], sound

    def _first(self, index: int, epoch: int, spare: int) -> int:
        draw = np.random.default_rng((self.seed, epoch, index)).integers(0, spare // 2 + 1)
        return int(draw) * 2  # features come in pairs of frames

    def batch(self, indices: Sequence[int], epoch: int) -> Batch:
        """The clips as one batch, padded with zeros."""
        items = [self.item(index, epoch) for index in indices]
        phone, pitch, f0, wave = (
            pad_sequence(list(rows), batch_first=True) for rows in zip(*items, strict=True)
        )
        lengths = torch.tensor([len(item[1]) for item in items], device=pitch.device)
        missing = -pitch.shape[1] % self.multiple
        phone, wave = F.pad(phone, (0, 0, 0, missing)), F.pad(wave, (0, missing * self.hop))
        pitch, f0 = F.pad(pitch, (0, missing)), F.pad(f0, (0, missing))
        sid = torch.tensor([self.clips[i].speaker for i in indices], device=pitch.device)
        made = phone, pitch, f0, wave, lengths, sid
        return Batch(*(x.pin_memory() for x in made) if self.pinned else made)


BUCKET_FRAMES = 100


class Sampler:
    """Batches of an epoch, a pure function of (seed, epoch), so a position is a plain number.

    Clips of alike length share a batch; the last batch is filled up with clips of the same
    epoch, so that all batches, on all ranks, are equally large and none is left out.

    Args:
        lengths: frames per clip. speakers: speaker of each clip.
        batch: clips per step over all ranks.
        balance: how often a clip may be repeated at most, so that speakers who have fewer are
            heard as often as the others; 1 repeats none.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        speakers: Sequence[int],
        batch: int,
        seed: int,
        balance: int = 10,
    ) -> None:
        self.lengths = np.asarray(lengths)
        self.speakers = np.asarray(speakers)
        self.batch, self.seed, self.balance = batch, seed, balance

    @property
    def drawn(self) -> int:
        """Clips drawn per epoch, repetitions for balance counted, filling not."""
        counts = np.unique(self.speakers, return_counts=True)[1]
        return int(np.minimum(counts * self.balance, counts.max()).sum())

    def __len__(self) -> int:
        """Steps per epoch."""
        return -(-self.drawn // self.batch)

    def batches(self, epoch: int) -> list[list[int]]:
        """The steps of an epoch: indices of the clips of each."""
        rng = np.random.default_rng((self.seed, epoch))
        order = self._draw(rng)
        missing = len(self) * self.batch - len(order)
        if missing:
            order = np.concatenate([order, np.resize(rng.permutation(order), missing)])
        order = order[np.argsort(self.lengths[order] // BUCKET_FRAMES, kind="stable")]
        rows = order.reshape(-1, self.batch)
        return [row.tolist() for row in rows[rng.permutation(len(rows))]]

    def _draw(self, rng: np.random.Generator) -> np.ndarray:
        everything = rng.permutation(len(self.lengths))
        groups = [everything[self.speakers[everything] == s] for s in np.unique(self.speakers)]
        most = max(len(group) for group in groups)
        sizes = [min(most, self.balance * len(group)) for group in groups]
        repeated = [np.resize(g, size) for g, size in zip(groups, sizes, strict=True)]
        return rng.permutation(np.concatenate(repeated))


T = TypeVar("T")
J = TypeVar("J")


class _End:
    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class Prefetch(Generic[T]):
    """Runs `make` over `jobs` in a thread, at most `ahead` results in advance.

    An error in the thread is raised where the result would have come. Close it, or use it in a
    `with` block, to end the thread early.
    """

    def __init__(self, make: Callable[[J], T], jobs: Iterable[J], ahead: int = 2) -> None:
        self.ready: queue.Queue[T | _End] = queue.Queue(ahead)
        self.stop = threading.Event()
        self.thread = threading.Thread(
            target=self._work, args=(make, list(jobs)), daemon=True, name="prefetch"
        )
        self.thread.start()

    def _work(self, make: Callable[[J], T], jobs: list[J]) -> None:
        end = _End()
        try:
            for job in jobs:
                if self.stop.is_set():
                    return
                self._put(make(job))
        except BaseException as error:  # noqa: BLE001 (handed over to the consumer)
            end = _End(error)
        self._put(end)

    def _put(self, result: T | _End) -> None:
        while not self.stop.is_set():
            try:
                return self.ready.put(result, timeout=0.1)
            except queue.Full:
                continue
        return None

    def __iter__(self) -> Iterator[T]:
        while True:
            result = self.ready.get()
            if isinstance(result, _End):
                if result.error is not None:
                    raise result.error
                return
            yield result

    def __enter__(self) -> Prefetch[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the thread."""
        self.stop.set()
        self.thread.join()
