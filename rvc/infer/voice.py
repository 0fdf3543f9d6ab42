"""Everything a voice needs, loaded once: network, embedder, index, speakers, pitch extractor."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from rvc import f0, memory, params
from rvc.config import paths
from rvc.device import Device, choose
from rvc.embedders import EMBEDDERS
from rvc.embedders.manager import EmbedderManager
from rvc.errors import BadInput, Mismatch
from rvc.infer.decoder import Decoder, TorchDecoder
from rvc.nets import voice_file
from rvc.nets.synthesizer import Synthesizer
from rvc.nets.voice_file import VoiceFile
from rvc.onnx import accelerate, voice
from rvc.progress import Report, silent
from rvc.retrieval.index import Retriever

if TYPE_CHECKING:
    from rvc.embedders.embedder import Embedder, EmbedderSpec


LOG = logging.getLogger(__name__)
_voices: dict[tuple[Any, ...], Voice] = {}
_extractors: dict[tuple[Any, ...], f0.Extractor] = {}
_lock = threading.RLock()
KEPT = 8  # voices held in memory


class Voice:
    """A voice ready to convert. Safe to share between threads.

    Args:
        pth_path: the small voice file, or an .onnx made of one.
        index_path: its index; None converts without retrieval.
        gpu: "auto", "-" for the CPU, or a GPU number.
        embedder_model, embedder_model_custom: "auto" takes what the voice was trained with.

    Attributes:
        rate: of the sound it makes, in Hz.
        use_f0: it follows pitch.
        speakers: names or numbers of its speakers, by position.

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
        as_onnx = self.path.suffix.lower() == ".onnx"
        self.file = (voice if as_onnx else voice_file).read_voice(self.path)
        self.device: Device = choose(gpu, part="convert")
        self.rate = self.file.sample_rate
        self.hop = self.file.settings.hop_length
        self.use_f0 = self.file.use_f0
        self.speakers = speakers(self.file.meta, self.file.n_speakers)
        self.glides = self.file.vocoder == "RefineGAN"
        # first what may have to be made a graph of: the network takes no memory yet
        self.embedder = embedder(
            self.path, self.file, self.device, embedder_model, embedder_model_custom, report
        )
        self.rest()
        self.net: Synthesizer | voice.OnnxNet = (
            voice.OnnxNet(self.path) if as_onnx else voice_file.build(self.file, self.device.device)
        )
        self.file = replace(self.file, weights={})  # they are in the network now
        self.decoder: Decoder = self._decoder()
        self.index = index(index_path, self.file.embed_width, self.path)
        memory.release_freed()
        LOG.info("Voice %s: %d Hz, %s.", self.path.name, self.rate, self.device.why)

    @property
    def median_f0_hz(self) -> float | None:
        """Median pitch of the training data, where the file records it."""
        found = self.file.meta.get("median_f0_hz")
        return float(found) if isinstance(found, (int, float)) and found > 0 else None

    def _decoder(self) -> Decoder:
        if isinstance(self.net, Synthesizer) and self.device.name == "cpu":
            made = accelerate.decoder(self.path, self.net.dec)
            if made is not None:
                return made
        return TorchDecoder(self.net.dec, self.device.device)

    def rest(self) -> None:
        """Give memory back that is only needed while a piece is converted."""
        network = getattr(self.embedder, "network", None)
        if isinstance(network, accelerate.GraphNetwork):
            network.rest()

    def speaker(self, sid: str) -> int:
        """The number of a speaker given by number or name.

        Raises:
            BadInput: the voice has no such speaker.
        """
        if sid in self.speakers:
            return self.speakers.index(sid)
        if sid.strip().isdecimal() and int(sid) < len(self.speakers):
            return int(sid)
        few = ", ".join(self.speakers[:8]) + (" ..." if len(self.speakers) > 8 else "")
        raise BadInput(f"{self.path} has no speaker {sid!r}.", f"It has: {few}.")

    def extractor(self, method: f0.Method) -> f0.Extractor:
        """The pitch extractor called `method`, loaded once per device and weights file.

        A graph is not kept: opening it again takes 20 ms, and its weights (370 MB) need not lie
        in memory while the rest of the voice works.
        """
        marks = tuple(_mark(p) for p in sorted(paths().predictors.glob("*.pt")))
        key = (method, self.device.name, marks)
        with _lock:
            if key not in _extractors:
                graph = accelerate.pitch() if key[:2] == ("rmvpe", "cpu") else None
                if graph is not None:
                    return graph
                _extractors[key] = f0.load(method, self.device.name)
            return _extractors[key]

    def convert(
        self, wave: np.ndarray, rate: int, report: Report = silent, **options: Any
    ) -> tuple[np.ndarray, int]:
        """Convert a sound.

        Args:
            wave: (T,) or (T, channels) float.
            rate: of `wave` in Hz.
            options: those of `rvc.params.Conversion`, such as pitch=3.

        Returns:
            (float32 (T',) or (T', channels), its rate in Hz).
        """
        from rvc.infer.convert import convert

        return convert(wave, rate, self, params.Conversion(**options), report)


def load(
    pth_path: Path | str,
    index_path: Path | str | None,
    p: params.Convert,
    report: Report = silent,
) -> Voice:
    """A voice from memory where neither its files nor the options that choose them changed."""
    marks = _mark(Path(pth_path)), _mark(Path(index_path)) if index_path else None
    key = (*marks, p.gpu, p.embedder_model, p.embedder_model_custom, str(paths().root))
    with _lock:
        if key not in _voices:
            if p.f0_method == "rmvpe" and choose(p.gpu, part="convert").name == "cpu":
                accelerate.pitch()  # a graph is made before the voice takes memory
            made = Voice(
                pth_path, index_path, p.gpu, p.embedder_model, p.embedder_model_custom, report
            )
            while len(_voices) >= KEPT:
                del _voices[next(iter(_voices))]
            _voices[key] = made
        return _voices[key]


def forget() -> None:
    """Drop every loaded voice and pitch extractor (frees memory)."""
    with _lock:
        _voices.clear()
        _extractors.clear()


def _mark(path: Path) -> tuple[str, int, int]:
    try:
        stat = path.stat()
    except (OSError, ValueError):
        return str(path), 0, 0  # whoever opens it says what is wrong
    return str(path.resolve()), stat.st_mtime_ns, stat.st_size


V1_WIDTH, V1_LAYER = 256, 9


def embedder(
    voice: Path,
    file: VoiceFile,
    device: Device,
    name: str,
    custom: str | Path | None,
    report: Report,
) -> Embedder:
    """The embedder a voice is to be used with.

    Args:
        voice: where `file` was read from, for messages.
        name: "auto" takes what the voice was trained with.
        custom: folder of a custom embedder.

    Raises:
        Mismatch: it gives features of another width or kind than the voice was trained on.
        BadInput, MissingModel: it is not there or damaged.
    """
    known, width = file.embedder, file.embed_width
    own = name in ("auto", known["name"])
    layer = known.get("layer") if own else None
    if name == "auto":
        name = str(known["name"])
        if name not in EMBEDDERS and custom is None:
            name, custom = "custom", name
        elif custom is not None:
            name = "custom"
    v1 = width == V1_WIDTH and name in EMBEDDERS and not known.get("layer")
    made = _loaded(
        EmbedderManager(report),
        device,
        name,
        custom,
        V1_LAYER if v1 else int(layer) if layer else None,
        bool(known.get("projected", v1)) if own else v1,
    )
    if made.spec.width != width:
        raise Mismatch(
            f"{voice} needs content features of width {width}; "
            f"the embedder {made.spec.name} gives {made.spec.width}.",
            f"Use the embedder the voice was trained with ({known['name']}).",
        )
    _compare(voice, known, made.spec)
    return made


def _loaded(
    manager: EmbedderManager,
    device: Device,
    name: str,
    custom: str | Path | None,
    layer: int | None,
    projected: bool,
) -> Embedder:
    """As a graph where that can be had, else the network."""
    if device.name == "cpu" and device.dtype == torch.float32:
        made = accelerate.embedder(manager, name, custom, layer, projected)
        if made is not None:
            return made
    return manager.load(name, custom, device.device, device.dtype, layer=layer, projected=projected)


def _compare(voice: Path, known: dict[str, Any], spec: EmbedderSpec) -> None:
    """Hold the embedder against what the voice file records of the one it was trained with.

    Raises:
        Mismatch: it normalises its input otherwise, which no voice survives.
    """
    normalize, digest = known.get("normalize"), known.get("digest")
    if normalize is not None and bool(normalize) != spec.normalize:
        words = {True: "with", False: "without"}
        raise Mismatch(
            f"{voice} was trained {words[bool(normalize)]} input normalisation; the embedder "
            f"{spec.name} works {words[spec.normalize]} it.",
            f"Use the embedder the voice was trained with ({known['name']}).",
        )
    if digest and digest != spec.digest:
        LOG.warning(
            "%s was trained with another embedder file (%s) than %s; it may sound different.",
            voice,
            known["name"],
            spec.name,
        )


def index(path: Path | str | None, width: int, voice: Path) -> Retriever | None:
    """The index of a voice whose features have `width`; None without a path.

    Raises:
        Mismatch: its features have another width. BadInput: it is missing or damaged.
    """
    if path is None:
        return None
    retriever = Retriever.load(Path(path))
    if retriever.width != width:
        raise Mismatch(
            f"{path} holds features of width {retriever.width}, but {voice} needs {width}.",
            "Use the index that belongs to the voice.",
        )
    return retriever


def speakers(meta: dict[str, Any], count: int) -> list[str]:
    """Names by position where the file has them, else numbers."""
    named = meta.get("speakers")
    names = [str(i) for i in range(count)]
    if isinstance(named, list):
        named = dict(enumerate(named))
    if isinstance(named, dict):
        for key, value in named.items():
            number, name = (key, value) if str(key).isdecimal() else (value, key)
            if str(number).isdecimal() and int(number) < count:
                names[int(number)] = str(name)
    return names
