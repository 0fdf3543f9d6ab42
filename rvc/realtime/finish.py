"""What follows the voice: the speaker's envelope, then effects that keep their state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rvc.audio.levels import LOUDEST_GAIN
from rvc.errors import BadInput
from rvc.infer import FRAME

if TYPE_CHECKING:
    from rvc.audio.effects import Chain, PluginEffect
    from rvc.params import Live

SMOOTHING = 0.1  # share of a frame of 10 ms in the running power
FADE_S = 0.02  # from old to new effects


def refuse_late(live: Live) -> None:
    """Only what answers at once can be done live.

    Raises:
        BadInput: something was asked for that holds sound back.
    """
    if live.formant_shifting or live.clean_audio:
        name = "--formant-shifting" if live.formant_shifting else "--clean-audio"
        raise BadInput(f"{name} needs the whole recording.", "Switch it off while you are live.")
    if live.post_process and live.pitch_shift:
        raise BadInput(
            "The effect --pitch-shift holds sound back for a second.", "Use --pitch instead."
        )


class Follower:
    """Brings the voice's level to the speaker's, by running powers at the same moments."""

    def __init__(self) -> None:
        self.power = np.zeros(2)  # of the speaker, of the voice
        self.gain = 1.0

    def __call__(self, sound: np.ndarray, wave_16k: np.ndarray, keep: float) -> np.ndarray:
        """Sound (T * hop,) of the frames whose input is (T * 160,) -> the same with that level.

        Args:
            keep: 1 leaves the voice's own level, 0 forces the speaker's.
        """
        frames = len(wave_16k) // FRAME
        hop = len(sound) // frames
        both = (wave_16k.reshape(frames, FRAME), sound.reshape(frames, hop))
        powers = np.stack([np.square(x, dtype=np.float64).mean(axis=1) for x in both], axis=1)
        gains = [self.gain]
        for power in powers:
            self.power += SMOOTHING * (power - self.power)
            ratio = np.sqrt(self.power[0] / max(self.power[1], 1e-12))
            gains.append(min(float(ratio) ** (1 - keep), LOUDEST_GAIN) if keep < 1 else 1.0)
        self.gain = gains[-1]
        at = np.arange(1, len(sound) + 1) / hop
        out: np.ndarray = sound * np.interp(at, np.arange(frames + 1), gains).astype(np.float32)
        return out


class Effected:
    """The effects that are switched on; values change in place, others are faded to."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.asked: tuple[list[str], str | None] = ([], None)
        self.chain: Chain | None = None
        self.plugins: list[PluginEffect] = []

    def __call__(self, sound: np.ndarray, live: Live) -> np.ndarray:
        """The next block (T,), with what `live` says from its first sample on."""
        from rvc.audio import effects

        asked = (effects.wanted(live), live.plugin_effects if live.post_process else None)
        if asked == self.asked:
            self._adjust(live)
            return self._through(sound)
        before = self._through(sound)
        self.asked = asked
        self.chain = effects.Chain(asked[0], live) if asked[0] else None
        self.plugins = effects.of_plugins(live, self.rate)
        after = self._through(sound)
        share = np.minimum(np.arange(len(sound)) / (FADE_S * self.rate), 1).astype(np.float32)
        faded: np.ndarray = before + share * (after - before)
        return faded

    def _adjust(self, live: Live) -> None:
        from rvc.audio.effects import CHAIN

        board: Any = self.chain.board if self.chain is not None else []
        for pedal, name in zip(board, self.asked[0], strict=True):
            for key, field in CHAIN[name][1].items():
                value = float(getattr(live, field))
                if getattr(pedal, key) != value:
                    setattr(pedal, key, value)

    def _through(self, sound: np.ndarray) -> np.ndarray:
        if self.chain is not None:
            sound = self.chain(sound, self.rate)
        for plugin in self.plugins:
            sound = plugin(sound)
        return sound
