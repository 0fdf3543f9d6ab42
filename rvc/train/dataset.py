"""Batches made of clips, read once and kept in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import soundfile
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from rvc.dataset.clips import Clip
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
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        hop: int,
        segment: int,
        seed: int = 0,
        keep: torch.device | None = None,
    ) -> None:
        self.clips, self.hop, self.segment = list(clips), hop, segment
        self.seed, self.keep = seed, keep
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
        sid = torch.tensor([self.clips[i].speaker for i in indices], device=pitch.device)
        return Batch(phone, pitch, f0, wave, lengths, sid)
