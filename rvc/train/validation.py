"""Scores a voice at every save: renders what it has never seen, and measures the result."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rvc import f0
from rvc.audio import io
from rvc.audio.stream import resample
from rvc.dataset.filelist import Clip
from rvc.errors import MissingModel
from rvc.nets.layers import Noise
from rvc.train import scores
from rvc.train.dataset import Dataset
from rvc.train.metrics import MetricsWriter
from rvc.train.scores import ClipScore, Score
from rvc.train.state import State
from rvc.train.step import Recipe

log = logging.getLogger(__name__)

LEAST_PEAK = 1e-4  # below this there is nothing to hear
MOST_CLIPS = 6  # scoring must stay cheap beside an epoch
MOST_FRAMES = 500
SEED = 0
WORST_SEMITONES = 12.0

Measure = Callable[[np.ndarray], np.ndarray]


def _likeness() -> Measure:
    from rvc.evaluate import judges

    return judges.Likeness()


def _quality() -> Callable[[np.ndarray], float]:
    from rvc.evaluate import judges

    return judges.Quality()


class SpeakerJudges:
    """Compares renderings with the speaker's own held-out clips. Loads its models when first used.

    Without the packages every answer is None.
    """

    def __init__(
        self,
        make_likeness: Callable[[], Measure] = _likeness,
        make_quality: Callable[[], Callable[[np.ndarray], float]] = _quality,
    ) -> None:
        self.make_likeness, self.make_quality = make_likeness, make_quality
        self.likeness: Measure | None = None
        self.quality: Callable[[np.ndarray], float] | None = None
        self.voices: dict[int, np.ndarray] = {}

    def learn(self, real: Sequence[tuple[int, np.ndarray]]) -> None:
        """Remember how the speakers sound, from (speaker, wave (T,) at 16 kHz); once is enough."""
        if self.voices or not real:
            return
        try:
            self.likeness = self.make_likeness()
        except MissingModel as error:
            log.info("Similarity is not measured: %s %s", error.message, error.hint)
            self.voices = dict.fromkeys((speaker for speaker, _ in real), np.zeros(0))
        else:
            for speaker in {speaker for speaker, _ in real}:
                own = [self.likeness(wave) for number, wave in real if number == speaker]
                mean = np.mean(own, axis=0)
                self.voices[speaker] = mean / max(float(np.linalg.norm(mean)), 1e-9)
        try:
            self.quality = self.make_quality()
        except MissingModel as error:
            log.info("DNSMOS is not measured: %s %s", error.message, error.hint)

    def __call__(self, speaker: int, wave_16k: np.ndarray) -> tuple[float | None, float | None]:
        """(cosine with the speaker's voice, DNSMOS 1..5) of a rendering (T,)."""
        if float(np.abs(wave_16k).max(initial=0)) < LEAST_PEAK:
            return None, None
        return (
            float(self.likeness(wave_16k) @ self.voices[speaker]) if self.likeness else None,
            self.quality(wave_16k) if self.quality else None,
        )


def chosen(held: Sequence[Clip]) -> list[Clip]:
    """The same few clips every time, speakers taking turns."""
    order: dict[int, list[Clip]] = {}
    for clip in sorted(held, key=lambda c: c.name):
        order.setdefault(clip.speaker, []).append(clip)
    turns = [own[i] for i in range(len(held)) for own in order.values() if i < len(own)]
    return turns[: max(MOST_CLIPS, len(order))]


class Validation:
    """Scores of a training, one per save.

    Args:
        held: clips that training does not see.
        unseen: (phone, pitch, f0) of a recording of somebody else, rendered only; or None.
        scores: of earlier saves, when a training goes on.
        write_best: writes the voice of a state as the best one.
        names: the speakers' by number.
        load_pitch: the extractor that measures renderings, by name and device.
    """

    def __init__(
        self,
        folder: Path,
        recipe: Recipe,
        held: Sequence[Clip],
        metrics: MetricsWriter | None,
        write_best: Callable[[State], None],
        unseen: tuple[Tensor, Tensor, Tensor] | None = None,
        scores: Sequence[Mapping[str, Any]] = (),
        names: Mapping[str, str] | None = None,
        load_pitch: Callable[[str, str], f0.Extractor] = f0.load,
    ) -> None:
        self.folder, self.recipe, self.metrics = folder, recipe, metrics
        self.write_best, self.unseen, self.names = write_best, unseen, names
        self.load_pitch = load_pitch
        self.clips = chosen(held)
        settings = recipe.settings
        self.data = Dataset(self.clips, settings.hop_length, 1, keep=torch.device("cpu"))
        self.scores = [Score(**score) for score in scores]
        self.extractor: f0.Extractor | None = None
        self.judges = SpeakerJudges()

    def state(self) -> dict[str, Any]:
        """For the saved state."""
        return {"scores": [score.as_dict() for score in self.scores]}

    def __call__(self, s: State) -> None:
        """Render, measure, note, and keep the voice if it is the best so far."""
        if not self.clips:
            return
        epoch = s.epoch - 1
        self.scores = [score for score in self.scores if score.step < s.step]
        s.g.eval()
        try:
            with torch.no_grad():
                score = self._score(s, epoch)
        finally:
            s.g.train()
        self.scores.append(score)
        if self.metrics:
            self.metrics.record("validation", s.step, epoch, score=score.value, **_measured(score))
        if scores.best(self.scores) is score:
            self.write_best(s)
        first = scores.best(self.scores)
        assert first is not None
        log.info("Epoch %d scores %s; best is epoch %d.", epoch, _sentence(score), first.epoch)
        if scores.advise_to_stop(self.scores):
            log.warning(
                "Nothing got better since epoch %d: more training is unlikely to help.",
                first.epoch,
            )

    def _score(self, s: State, epoch: int) -> Score:
        items = [self.data.item(i, 0) for i in range(len(self.clips))]
        real = [target[: MOST_FRAMES * self.data.hop] for *_, target in items]
        self.judges.learn(
            [(c.speaker, self._at_16k(w)) for c, w in zip(self.clips, real, strict=True)]
        )
        found = []
        for clip, (phone, pitch, hz, _), target in zip(self.clips, items, real, strict=True):
            hz = hz[:MOST_FRAMES]
            wave = self._render(s, phone[:MOST_FRAMES], pitch[:MOST_FRAMES], hz, clip.speaker)
            self._save(wave, s, epoch, clip.name)
            same = target[None, None, : len(hz) * self.data.hop].to(wave.device)
            mel = float((self.recipe.log_mel(wave) - self.recipe.log_mel(same)).abs().mean())
            wave_16k = self._at_16k(wave[0, 0])
            error = self._pitch_error(wave_16k, hz)
            found.append(ClipScore(clip.speaker, mel, error, *self.judges(clip.speaker, wave_16k)))
        if self.unseen is not None:
            self._save(self._render(s, *self.unseen, 0), s, epoch, "unseen")
        return scores.score_of(epoch, s.step, found, self.names)

    def _at_16k(self, wave: Tensor) -> np.ndarray:
        """(T,) at the voice's rate -> at 16 kHz."""
        rate = self.recipe.settings.sample_rate
        return resample(wave.cpu().numpy(), rate, 16000).astype(np.float32)

    def _render(self, s: State, phone: Tensor, pitch: Tensor, hz: Tensor, speaker: int) -> Tensor:
        """One clip through the voice as in conversion, always with the same noise; (1, 1, N)."""
        device = self.recipe.device
        noise = Noise(torch.Generator(device).manual_seed(SEED))
        lengths = torch.tensor([len(pitch)], device=device)
        sid = torch.tensor([speaker], device=device)
        batch = (part[None].to(device) for part in (phone, pitch, hz))
        content, coarse, f0_hz = batch
        return s.g.infer(content, lengths, coarse, f0_hz, sid, noise).float()

    def _save(self, wave: Tensor, s: State, epoch: int, name: str) -> None:
        rate = self.recipe.settings.sample_rate
        sound = wave[0, 0].clamp(-1, 1).cpu()
        home = self.folder / "eval" / scores.FOLDER / f"{epoch}e"
        home.mkdir(parents=True, exist_ok=True)
        io.save(home / f"{name}.wav", sound.numpy(), rate)
        if self.metrics:
            self.metrics.sound(f"gen/audio_{name}", sound, s.step, rate)
            if name == self.clips[0].name:
                self.metrics.image("all/mel", self.recipe.log_mel(wave)[0].cpu(), s.step)

    def _pitch_error(self, wave_16k: np.ndarray, hz: Tensor) -> float | None:
        """Mean error in semitones over voiced frames; None where nothing should be voiced."""
        if self.extractor is None:
            self.extractor = self.load_pitch("fcpe", str(self.recipe.device))
        return pitch_error(self.extractor(wave_16k), hz.cpu().numpy())


def pitch_error(found_hz: np.ndarray, wanted_hz: np.ndarray) -> float | None:
    """Mean |semitones| over the frames that should be voiced; a voiceless one counts as 12."""
    length = min(len(found_hz), len(wanted_hz))
    found, wanted = found_hz[:length], wanted_hz[:length]
    voiced = wanted > 0
    if not voiced.any():
        return None
    ratio = np.where(found > 0, found, wanted * 2)[voiced] / wanted[voiced]
    return float(np.minimum(np.abs(12 * np.log2(ratio)), WORST_SEMITONES).mean())


def _measured(score: Score) -> dict[str, Any]:
    left_out = ("epoch", "step")
    return {k: v for k, v in score.as_dict().items() if k not in left_out and v is not None}


def _sentence(score: Score) -> str:
    """A score in words, by speaker where there are several."""
    words = f"{score.value:.3f} (mel {score.mel:.3f}, pitch {score.f0_semitones:.2f} semitones off"
    words += f", similarity {score.similarity:.2f}" if score.similarity is not None else ""
    words += f", DNSMOS {score.dnsmos:.2f}" if score.dnsmos is not None else ""
    own = [f"{name}: mel {v['mel']:.3f}" for name, v in (score.speakers or {}).items()]
    return words + ")" + "".join(f", {each}" for each in own)
