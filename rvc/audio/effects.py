"""Changes to sound that people ask for: the chain of effects, formant shift, noise reduction.

All three use optional or heavy packages, so each is imported only when it is used. pedalboard is
a native package, and wheels of it have been seen to kill the interpreter on some processors:
it is tried in a child process first.
"""

from __future__ import annotations

import importlib.util
import subprocess
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from rvc import processes
from rvc.audio import dsp
from rvc.errors import BadInput, MissingModel, VoiceError
from rvc.plugins import Registry, attribute

if TYPE_CHECKING:
    from rvc.params import Effects

PEDALBOARD = "pedalboard==0.9.26"
STFTPITCHSHIFT = "stftpitchshift==2.0"
PROBE = (
    "import numpy, pedalboard as p;"
    "p.Pedalboard([p.Gain(1), p.Reverb()])(numpy.zeros(4096, 'float32'), 48000)"
)
PROBE_S = 120
FRAME, HOP = 1024, 32  # of the formant shifter, at 16 kHz
CHUNK_S, FADE_S = 20.0, 0.25

# switch -> (pedalboard class, its argument -> our parameter), in the order of the chain
CHAIN: dict[str, tuple[str, dict[str, str]]] = {
    "reverb": (
        "Reverb",
        {
            "room_size": "reverb_room_size",
            "damping": "reverb_damping",
            "wet_level": "reverb_wet_gain",
            "dry_level": "reverb_dry_gain",
            "width": "reverb_width",
            "freeze_mode": "reverb_freeze_mode",
        },
    ),
    "pitch_shift": ("PitchShift", {"semitones": "pitch_shift_semitones"}),
    "limiter": (
        "Limiter",
        {"threshold_db": "limiter_threshold", "release_ms": "limiter_release_time"},
    ),
    "gain": ("Gain", {"gain_db": "gain_db"}),
    "distortion": ("Distortion", {"drive_db": "distortion_gain"}),
    "chorus": (
        "Chorus",
        {
            "rate_hz": "chorus_rate",
            "depth": "chorus_depth",
            "centre_delay_ms": "chorus_center_delay",
            "feedback": "chorus_feedback",
            "mix": "chorus_mix",
        },
    ),
    "bitcrush": ("Bitcrush", {"bit_depth": "bitcrush_bit_depth"}),
    "clipping": ("Clipping", {"threshold_db": "clipping_threshold"}),
    "compressor": (
        "Compressor",
        {
            "threshold_db": "compressor_threshold",
            "ratio": "compressor_ratio",
            "attack_ms": "compressor_attack",
            "release_ms": "compressor_release",
        },
    ),
    "delay": (
        "Delay",
        {
            "delay_seconds": "delay_seconds",
            "feedback": "delay_feedback",
            "mix": "delay_mix",
        },
    ),
}


def wanted(p: Effects) -> list[str]:
    """Names of the effects that are switched on, in the order they are applied."""
    return [name for name in CHAIN if getattr(p, name)] if p.post_process else []


class Chain:
    """Some of the effects in a row, for one sound; keeps their state from block to block.

    Args:
        names: keys of CHAIN.

    Raises:
        MissingModel: pedalboard is not installed. VoiceError: it does not work here.
    """

    def __init__(self, names: list[str], p: Effects) -> None:
        package, self.names = _pedalboard(), names
        pedals = []
        for kind, arguments in (CHAIN[name] for name in names):
            values = {key: float(getattr(p, field)) for key, field in arguments.items()}
            pedals.append(getattr(package, kind)(**values))
        self.board = package.Pedalboard(pedals)

    def __call__(self, wave: np.ndarray, rate: int, reset: bool = False) -> np.ndarray:
        """The next block (T,) or (T, C) -> the same shape; `reset` starts anew.

        Without `reset`, pitch_shift must not be in the chain: it answers later than it is asked.
        """
        out: np.ndarray = self.board(wave.T, rate, reset=reset).T
        if not np.isfinite(out).all():
            raise VoiceError(
                f"The effects ({', '.join(self.names)}) gave values that are not numbers.",
                "Lower their feedback or gain.",
            )
        return out


ADDED = Registry("effects", {}, str)  # name -> make(rate in Hz, **numbers) -> effect


class PluginEffect:
    """An effect that an installed package adds, for one sound, block by block.

    Args:
        words: name, or name:key=number,key=number.
        rate: in Hz.

    Raises:
        BadInput: there is no such effect, or a setting is no number.
        BrokenPlugin: the package cannot make it.
    """

    def __init__(self, words: str, rate: int) -> None:
        self.name, _, given = words.partition(":")
        if self.name not in ADDED:
            known = ", ".join(ADDED) or "none: no installed package adds an effect"
            raise BadInput(f"There is no plugin effect {self.name!r}.", f"There are: {known}.")
        try:
            pairs = [pair.split("=") for pair in given.split(",") if pair.strip()]
            settings = {key.strip(): float(value) for key, value in pairs}
        except ValueError:
            raise BadInput(
                f"The settings of the effect {words!r} cannot be read.",
                "Write name:key=number,key=number.",
            ) from None
        with ADDED.blamed(self.name):
            self.effect = attribute(ADDED[self.name])(rate, **settings)

    def __call__(self, block: np.ndarray) -> np.ndarray:
        """The next block, float32 (T,) -> (T,)."""
        with ADDED.blamed(self.name):
            out = np.asarray(self.effect(block), np.float32)
            if out.shape != block.shape or not np.isfinite(out).all():
                raise ValueError(f"a block of {block.shape} came back as {out.shape} or not finite")
        return out


def of_plugins(p: Effects, rate: int) -> list[PluginEffect]:
    """The effects that packages add and that are asked for, in their order."""
    words = (p.plugin_effects or "").split(";") if p.post_process else []
    return [PluginEffect(word.strip(), rate) for word in words if word.strip()]


@lru_cache(maxsize=1)
def _pedalboard() -> Any:
    """The package, after a child process has survived using it."""
    if importlib.util.find_spec("pedalboard") is None:
        raise MissingModel("Effects need pedalboard.", f"pip install {PEDALBOARD}")
    try:
        probe = processes.run(["-c", PROBE], PROBE_S)
        cause = f"exit code {probe.returncode}" if probe.returncode else ""
    except subprocess.TimeoutExpired:
        cause = f"no answer in {PROBE_S} s"
    if cause:
        raise VoiceError(
            f"pedalboard does not work on this machine ({cause}).",
            f"Switch the effects off, or try pip install --force-reinstall {PEDALBOARD}",
        )
    return importlib.import_module("pedalboard")


def formant_shift(wave: np.ndarray, rate: int, quefrency: float, timbre: float) -> np.ndarray:
    """Move the formants of a voice and leave its pitch.

    Long sounds are done in overlapping stretches, so memory does not grow with them.

    Args:
        wave: float32 (T,).
        quefrency: length of the lifter in ms; 0 leaves the sound as it is.
        timbre: factor of the formants; 1 leaves them, above 1 is a smaller head.

    Raises:
        MissingModel: stftpitchshift is not installed.
    """
    if quefrency <= 0 or timbre == 1 or not dsp.peak(wave):
        return wave
    if importlib.util.find_spec("stftpitchshift") is None:
        raise MissingModel("Formant shift needs stftpitchshift.", f"pip install {STFTPITCHSHIFT}")
    from stftpitchshift import StftPitchShift

    shifter = StftPitchShift(FRAME, HOP, rate)
    size, fade = round(CHUNK_S * rate) // HOP * HOP, round(FADE_S * rate) // HOP * HOP
    out = np.zeros(0, np.float32)
    for start in range(0, max(1, len(wave) - fade), size - fade):
        piece = np.asarray(wave[start : start + size], np.float32)
        with np.errstate(all="ignore"):
            moved = shifter.shiftpitch(np.pad(piece, FRAME), 1, quefrency * 1e-3, timbre)
        moved = np.nan_to_num(moved[FRAME : FRAME + len(piece)], posinf=0, neginf=0)
        out = dsp.crossfade(out, moved.astype(np.float32), fade) if start else moved
    return out.astype(np.float32)


def denoise(wave: np.ndarray, rate: int, strength: float) -> np.ndarray:
    """Reduce steady and slowly changing noise by spectral gating; silence stays silent.

    Args:
        wave: float32 (T,).
        strength: 0 leaves the sound as it is, 1 takes out all that counts as noise.
    """
    if strength <= 0 or not dsp.peak(wave):
        return wave
    import noisereduce

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        out = noisereduce.reduce_noise(y=wave, sr=rate, prop_decrease=float(strength))
    return np.where(np.isfinite(out), out, wave).astype(np.float32)
