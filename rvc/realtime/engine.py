"""The engine of live conversion: sound in, sound of the voice out. No clock, no device, no thread.

Everything is addressed by its position since the stream began, in frames of 10 ms. A hop makes one
block: the embedder hears the block with what lies before and, a little, after it; noise is drawn
by position and the sine source goes on in phase (`rvc.infer.pipeline`), so neighbouring blocks are
parts of one sound and 10 ms of fading join them: no search for a fitting place (SOLA) is needed.
What was played is never revised: features, pitch and phase of it stay, only those of the
look-ahead are made anew.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from rvc.f0 import contour
from rvc.f0.contour import Phase, PitchControl, RunningMedian
from rvc.infer import FRAME, RATE, matching
from rvc.infer.convert import pitch_control
from rvc.infer.noise import PositionalNoise
from rvc.infer.pipeline import EMBEDDER_EXTRA, Pipeline, Window
from rvc.realtime.finish import Effected, Follower, refuse_late
from rvc.realtime.gate import Gate
from rvc.realtime.rings import Ring

if TYPE_CHECKING:
    from rvc.infer.voice import Voice
    from rvc.params import Live

HEARD_S = 15
BEFORE = 20  # frames that the voice's networks hear before a block
PITCH_BEFORE = 64  # frames that the pitch extractor hears; begins where its steps and ours meet
PITCH_GRID = 8
MEDIAN_S = 10.0
SEMITONES_PER_S = 1.0  # that a proposed pitch moves


class FrameHistory:
    """Values of the newest frames, by position; those that were never set are zero."""

    def __init__(self, width: int = 0) -> None:
        self.first = 0
        self.values = np.zeros((0, width) if width else 0, np.float32)

    def put(self, first: int, values: np.ndarray, keep_from: int) -> None:
        """Replace everything from position `first` on; what lies before `keep_from` is dropped."""
        kept = self.get(keep_from, first)
        self.first, self.values = keep_from, np.concatenate([kept, values])

    def get(self, first: int, last: int) -> np.ndarray:
        """Values of [first, last)."""
        out = np.zeros((max(0, last - first), *self.values.shape[1:]), np.float32)
        a, b = max(first, self.first), min(last, self.first + len(self.values))
        if b > a:
            out[a - first : b - first] = self.values[a - self.first : b - self.first]
        return out


class Engine:
    """Turns a stream into a voice; the same bytes come out however the stream is cut.

    Args:
        start: position of the first sample fed, a multiple of 320.
        heard: what was heard before that.

    Attributes:
        at: frame that the next hop begins with.

    Raises:
        BadInput: something was asked for that cannot be done live; there is no such speaker.
        Mismatch: the voice's own median pitch is asked for, and it is not known.
    """

    def __init__(self, voice: Voice, live: Live, start: int = 0, heard: Ring | None = None) -> None:
        self.voice, self.at = voice, start // FRAME
        self.noise = PositionalNoise(live.seed)
        self.heard = heard or Ring(HEARD_S * RATE, start)
        self.opened, self.features = FrameHistory(), FrameHistory(voice.file.embed_width)
        self.pitch_hz, self.wanted_hz = FrameHistory(), FrameHistory()
        self.judged, self.played = self.at, self.at - BEFORE  # frames the gate, the networks knew
        self.phase, self.tail = Phase(0.0, self.at), np.zeros(0, np.float32)
        self.median, self.glide = RunningMedian(MEDIAN_S), 0.0
        self.follower, self.effected = Follower(), Effected(voice.rate)
        self.gate = Gate(None)
        self.beside = ThreadPoolExecutor(1, "pitch")
        self.made = 0  # hops that the networks worked for
        self.set(live)

    def set(self, live: Live) -> None:
        """Use other settings from the next hop on; raises as the class does, changing nothing."""
        refuse_late(live)
        rate = matching.index_rate(self.voice.file, live.index_rate)
        pipeline = Pipeline(self.voice, self.noise, live.sid, rate, live.protect)
        control = pitch_control(self.voice, live)
        extract = self.voice.extractor(live.f0_method)
        self.live, self.pipeline, self.extract = live, pipeline, extract
        self.control, self.timing = control, live.timing
        self.gate.threshold_db = None if live.gate_auto else live.gate_db

    def pace(self, block_ms: int) -> None:
        """Make blocks of another length, a multiple of 20 ms, from the next hop on."""
        if block_ms != self.timing.block:
            self.timing = replace(self.timing, block=block_ms)

    def follow(self, other: Engine) -> None:
        """Go on where another engine stopped: what the gate knows, and how far pitch was moved."""
        self.gate, self.opened, self.judged = other.gate, other.opened, other.judged
        self.median, self.glide = other.median, other.glide
        self.phase = Phase(other.phase.turns, other.at)
        self.pace(other.timing.block)

    @property
    def block(self) -> int:
        """Frames of a hop."""
        return self.timing.block // 10

    @property
    def due(self) -> int:
        """Position at 16 kHz up to which sound is needed for the next hop."""
        return (self.at + self.block + self.timing.look_ahead // 10) * FRAME

    def feed(self, wave_16k: np.ndarray) -> np.ndarray:
        """The next samples (T,), any number -> the sound that is ready, at the voice's rate."""
        self.heard.write(np.asarray(wave_16k, np.float32))
        made = []
        while self.heard.end >= self.due:
            made.append(self.hop())
        return np.concatenate(made) if made else np.zeros(0, np.float32)

    def skip(self) -> np.ndarray:
        """Let a hop pass in silence; what was heard of it remains context for the next ones."""
        self._judge()
        self.gate.level, self.tail = 0.0, self.tail[:0]
        self.at += self.block
        return np.zeros(self.block * self.voice.hop, np.float32)

    def hop(self) -> np.ndarray:
        """Sound of the next block, (block * hop,) float32."""
        begin, end, hop = self.at, self.at + self.block, self.voice.hop
        self._judge()
        wanted = self._sounding(begin, end)
        if self.gate.level or wanted.any():
            sound = self._joined(self._rendered(begin, end)) * self.gate.gain(wanted, hop)
        else:
            sound, self.tail = np.zeros(self.block * hop, np.float32), self.tail[:0]
        self.at = end
        wave = self.heard.read(begin * FRAME, end * FRAME)
        sound = self.follower(sound, wave, self.live.volume_envelope)
        return self.effected(sound, self.live)

    def _judge(self) -> None:
        """Let the gate hear what is new."""
        ahead = self.due // FRAME
        if ahead > self.judged:
            wave = self.heard.read(self.judged * FRAME, ahead * FRAME)
            self.opened.put(self.judged, self.gate.open(wave).astype(np.float32), self.at)
            self.judged = ahead

    def _sounding(self, begin: int, end: int) -> np.ndarray:
        """(T,) bool: frames that sound, or before which one sounds within the look-ahead."""
        look = self.timing.look_ahead // 10
        around = self.opened.get(begin, end + look)
        near = np.lib.stride_tricks.sliding_window_view(around, look + 1)
        heard: np.ndarray = near.max(axis=1)[: end - begin] > 0
        return heard

    def _rendered(self, begin: int, end: int) -> np.ndarray:
        """The voice's sound of frames [begin, end + 1)."""
        ahead, first = self.due // FRAME, begin - BEFORE
        pitch = self.beside.submit(self._pitch, begin, ahead)
        known = self.played if self.played > first else first  # after a pause all is new
        rows = self._rows(begin, ahead)
        count = (ahead - known) // 2
        self.features.put(known // 2, rows[len(rows) - count :], first // 2)
        self.pitch_hz.put(known, pitch.result()[known - ahead :], first)
        wanted = self._controlled(self.pitch_hz.get(known, ahead), begin - known, end - known)
        self.wanted_hz.put(known, wanted, first)
        hz = self.wanted_hz.get(first, ahead)
        if self.phase.frame < begin:  # in silence nobody hears it stand still
            self.phase = Phase(self.phase.turns, begin)
        content = torch.from_numpy(self.features.get(first // 2, ahead // 2))
        content = content.to(self.pipeline.device)
        window = Window(content, hz, first, (begin, end + 1), self.phase)
        sound = np.concatenate(list(self.pipeline.render(window)))
        self.phase = self.phase.advanced(hz, end, self.voice.glides, first)
        self.played, self.made = end, self.made + 1
        return sound

    def _rows(self, begin: int, ahead: int) -> np.ndarray:
        """Features up to frame `ahead`; the 5 ms that the last row lacks are mirrored."""
        first = begin * FRAME - self.timing.context * FRAME // 10
        wave = self.heard.read(min(first, (begin - BEFORE) * FRAME), ahead * FRAME)
        wave = np.pad(wave, (0, EMBEDDER_EXTRA), mode="reflect")
        return self.pipeline.features([wave])[0].cpu().numpy()

    def _pitch(self, begin: int, ahead: int) -> np.ndarray:
        """Pitch up to frame `ahead` in Hz."""
        if not self.voice.use_f0:
            return np.zeros(PITCH_BEFORE + ahead - begin, np.float32)
        first = (begin - PITCH_BEFORE) // PITCH_GRID * PITCH_GRID
        wave = self.heard.read(first * FRAME, ahead * FRAME)
        return self.pipeline.pitch([wave], self.extract)[0]

    def _controlled(self, f0_hz: np.ndarray, begin: int, end: int) -> np.ndarray:
        """The pitch asked for; frames [begin, end) are those that will be played."""
        control, semitones = self.control, self.control.semitones
        if control.target_hz is not None:
            median = self.median.add(f0_hz[begin:end])
            goal = contour.semitones_to(median, control.target_hz)
            most = SEMITONES_PER_S * (end - begin) / 100
            self.glide += float(np.clip(goal - self.glide, -most, most))
            semitones += self.glide
        return PitchControl(semitones, control.autotune)(f0_hz)

    def _joined(self, sound: np.ndarray) -> np.ndarray:
        """Fade from what the last hop made of the first 10 ms; keep the same for the next hop."""
        hop = self.voice.hop
        out, tail = sound[:-hop].copy(), self.tail
        if len(tail):
            share = (0.5 - 0.5 * np.cos(np.pi * (np.arange(hop) + 0.5) / hop)).astype(np.float32)
            out[:hop] = tail + share * (out[:hop] - tail)
        self.tail = sound[-hop:]
        return out

    def close(self) -> None:
        """Let the thread beside go."""
        self.beside.shutdown(wait=False)
