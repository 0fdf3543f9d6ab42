"""Everything a voice needs, loaded once: network, embedder, index, speakers, pitch extractor."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from rvc import Report, f0, memory, silent
from rvc.config import load_settings, paths
from rvc.device import Device, choose
from rvc.errors import BadInput
from rvc.hub import loaded
from rvc.infer import matching
from rvc.infer.blocks import Decoder, TorchDecoder
from rvc.memory import Capacity
from rvc.nets import voice_file
from rvc.nets.synthesizer import Synthesizer

if TYPE_CHECKING:
    from rvc.nets.voice_file import VoiceFile
    from rvc.onnx.voice import OnnxNet
    from rvc.params import Applied

LOG = logging.getLogger(__name__)
TOGETHER = 8  # fills a GPU; a processor gains nothing and needs the memory
VOICE, EXTRACTOR = "voice", "pitch extractor"  # what is kept of this file


class Voice:
    """The parts of a voice, ready to convert. Safe to share between threads.

    Args:
        pth_path: the small voice file, or an .onnx made of one.
        index_path: its index; None converts without retrieval.
        gpu: "auto", "-" for the CPU, or a GPU number.
        embedder_model, embedder_model_custom: "auto" takes what the voice was trained with.

    Attributes:
        rate: of the sound it makes, in Hz.
        hop: samples per frame of 10 ms.
        use_f0: it follows pitch.
        glides: its source interpolates the pitch between frames.
        speakers: names or numbers of its speakers, by position.
        capacity: what its networks were found to take at a time.
        together: pieces of a recording that the embedder and the pitch extractor get at once.

    Raises:
        BadInput, MissingModel, Mismatch: a file is missing, damaged, or does not belong.
    """

    def __init__(
        self,
        pth_path: Path | str,
        index_path: Path | str | None = None,
        gpu: str = "auto",
        embedder_model: str = "auto",
        embedder_model_custom: str | Path | None = None,
        report: Report = silent,
    ) -> None:
        memory.limit_shape_caches()
        self.path = Path(pth_path)
        self.file = self._read_file()
        self.device: Device = choose(gpu, part="convert")
        self.capacity, self.together = Capacity(), 1 if self.device.name == "cpu" else TOGETHER
        self.rate = self.file.sample_rate
        self.hop = self.file.settings.hop_length
        self.use_f0 = self.file.use_f0
        self.speakers = matching.speaker_names(self.file.meta, self.file.n_speakers)
        self.glides = self.file.vocoder == "RefineGAN"
        # first what may have to be made a graph of: the network takes no memory yet
        self.embedder = matching.embedder_of(
            self.path, self.file, self.device, embedder_model, embedder_model_custom, report
        )
        self.release_embedder()
        self.net = self._build_net()
        self.file = replace(self.file, weights={})  # they are in the network now
        self.decoder: Decoder = self._build_decoder()
        self.index = matching.index_of(index_path, self.file.embed_width, self.path, self.device)
        memory.release_freed()
        LOG.info("Voice %s: %d Hz, %s.", self.path.name, self.rate, self.device.why)

    @property
    def is_onnx(self) -> bool:
        """Whether onnxruntime runs the voice as a whole."""
        return self.path.suffix.lower() == ".onnx"

    @property
    def median_f0_hz(self) -> float | None:
        """Median pitch of the training data, where the file records it."""
        found = self.file.meta.get("median_f0_hz")
        return float(found) if isinstance(found, (int, float)) and found > 0 else None

    def _read_file(self) -> VoiceFile:
        if self.is_onnx:
            from rvc.onnx import voice

            return voice.read_voice(self.path)
        return voice_file.read_voice(self.path)

    def _build_net(self) -> Synthesizer | OnnxNet:
        if self.is_onnx:
            from rvc.onnx import voice

            return voice.OnnxNet(self.path)
        return voice_file.build(self.file, self.device.device, dtype=self.device.dtype)

    def _build_decoder(self) -> Decoder:
        """The decoder as a graph where that is faster and can be had, else the network."""
        net = self.net
        plain_cpu = self.device.name == "cpu" and self.device.dtype == torch.float32
        if isinstance(net, Synthesizer) and net.dec.stages and plain_cpu:
            from rvc.onnx import accelerate

            made = accelerate.decoder(self.path, net.dec)
            if made is not None:
                net.dec = accelerate.SourceOnly(net.dec)
                return made
        return TorchDecoder(net.dec, self.device.device)

    def release_embedder(self) -> None:
        """Give back the embedder's memory until it is called again, where it can be reopened."""
        network = getattr(self.embedder, "network", None)
        getattr(network, "release", lambda: None)()

    def speaker(self, sid: str) -> int:
        """The number of a speaker given by number or name.

        Raises:
            BadInput: the voice has no such speaker.
        """
        named = sid in self.speakers
        if named or (sid.strip().isdecimal() and int(sid) < len(self.speakers)):
            number = self.speakers.index(sid) if named else int(sid)
            if said := matching.never_trained(self.file.meta, number):
                LOG.warning("%s: %s.", self.path, said)
            return number
        few = ", ".join(self.speakers[:8]) + (" ..." if len(self.speakers) > 8 else "")
        raise BadInput(f"{self.path} has no speaker {sid!r}.", f"It has: {few}.")

    def extractor(self, method: f0.Method) -> f0.Extractor:
        """The pitch extractor called `method`, loaded once per device and weights file.

        A graph is not kept: opening it again takes 20 ms, and its weights take 370 MB.
        """
        if method == "rmvpe" and self.device.name == "cpu":
            from rvc.onnx import accelerate

            graph = accelerate.pitch()
            if graph is not None:
                return graph
        stamps = tuple(_stamp(p) for p in sorted(paths().predictors.glob("*.pt")))
        key = (method, self.device.name, stamps)
        return loaded.get(EXTRACTOR, key, lambda: f0.load(method, self.device.name))


def load(
    pth_path: Path | str, index_path: Path | str | None, p: Applied, report: Report = silent
) -> Voice:
    """A voice from memory where neither its files nor the options that choose them changed."""
    stamps = _stamp(Path(pth_path)), _stamp(Path(index_path)) if index_path else None
    chosen = p.gpu, load_settings().precision, p.embedder_model, p.embedder_model_custom
    key = (*stamps, *chosen, str(paths().root))

    def make() -> Voice:
        if p.f0_method == "rmvpe" and choose(p.gpu, part="convert").name == "cpu":
            from rvc.onnx import accelerate

            accelerate.pitch()  # a graph is made before the voice takes memory
        return Voice(pth_path, index_path, p.gpu, p.embedder_model, p.embedder_model_custom, report)

    return loaded.get(VOICE, key, make)


def forget() -> None:
    """Drop every loaded voice and pitch extractor (frees memory)."""
    loaded.drop(VOICE, EXTRACTOR)


def _stamp(path: Path) -> tuple[str, int, int]:
    """Changes when the file does."""
    try:
        stat = path.stat()
    except (OSError, ValueError):
        return str(path), 0, 0  # whoever opens it says what is wrong
    return str(path.resolve()), stat.st_mtime_ns, stat.st_size
