"""Voices as ONNX files: read as data, split where the program looks in, run by onnxruntime."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rvc.config import command
from rvc.errors import BadInput
from rvc.nets import VOCODERS
from rvc.nets.config import VoiceSettings, from_list
from rvc.nets.layers import GLOBAL_NOISE, Blank, Noise
from rvc.nets.synthesizer import TEMPERATURE, named_class
from rvc.nets.voice_file import VoiceFile
from rvc.onnx import runtime
from rvc.onnx.inspection import open_model

METADATA_KEY = "voice"
# name: (shape in words, axis that has one entry per frame or None)
INPUTS: dict[str, tuple[str, int | None]] = {
    "feats": ("(1, T, E) content features at 100 Hz", 1),
    "p_len": ("(1,) T", None),
    "sid": ("(1,) speaker", None),
    "rnd": ("(1, I, T) standard normal noise", 2),
    "pitch": ("(1, T) coarse pitch, 1..255", 1),
    "pitchf": ("(1, T) pitch in Hz, 0 = unvoiced", 1),
    "breath": ("(1, T * hop, tones) standard normal noise", None),
    "offset": ("(1, 1, tones) phase in turns of each tone", None),
}
NOISE = "noise_{}"  # (1, C, T * k) standard normal noise of RefineGAN's layers, from noise_0 on


def _metadata(model: Any, path: Path) -> dict[str, Any]:
    found = {entry.key: entry.value for entry in model.metadata_props}.get(METADATA_KEY)
    try:
        facts: dict[str, Any] = json.loads(found or "")
        known = facts["vocoder"] in VOCODERS and isinstance(facts["meta"], dict)
        if known and int(facts["embed_width"]) > 0:
            return facts
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _unknown(path) from error
    raise _unknown(path)


def _unknown(path: Path) -> BadInput:
    return BadInput(
        f"{path} does not say which voice it holds.",
        f"Only ONNX files made by `{command('export-onnx')}` can be used.",
    )


def read_voice(path: Path | str) -> VoiceFile:
    """What an ONNX voice says of itself; its weights stay in the file.

    Raises:
        BadInput: missing, damaged, or not made by export-onnx.
    """
    path = Path(path)
    facts = _metadata(open_model(path), path)
    settings = from_list(facts["config"], str(path))
    use_f0, width = bool(facts["f0"]), int(facts["embed_width"])
    speakers = settings.spk_embed_dim
    return VoiceFile({}, settings, facts["vocoder"], use_f0, width, speakers, facts["meta"])


def extracted(model: Any, outputs: Iterable[str], stops: Iterable[str]) -> Any:
    """The piece of a graph that makes `outputs` from `stops` and the graph's own inputs."""
    from onnx import helper

    graph, outputs, stops = model.graph, list(outputs), set(stops)
    maker = {name: node for node in graph.node for name in node.output}
    typed = {v.name: v for v in (*graph.input, *graph.output)}
    tables = {tensor.name: tensor for tensor in graph.initializer}
    wanted, seen = list(outputs), set()
    while wanted:
        name = wanted.pop()
        if name in seen:
            continue
        seen.add(name)
        if name not in stops and name in maker:
            wanted.extend(n for n in maker[name].input if n)
    made = {name for name in seen if name in maker and name not in stops}
    nodes = [node for node in graph.node if any(name in made for name in node.output)]
    inputs = [typed[name] for name in typed if name in seen and name not in made]
    used = [tables[name] for name in tables if name in seen]
    cut = helper.make_graph(nodes, "part", inputs, [typed[n] for n in outputs], used)
    return helper.make_model(cut, opset_imports=model.opset_import, ir_version=model.ir_version)


class SubGraph:
    """One part of the graph; takes and gives torch tensors, leaves out what it has no use for."""

    def __init__(self, model: Any, output: str, stops: Iterable[str] = ()) -> None:
        part = extracted(model, [output], stops).SerializeToString()
        self.session, self.nbytes = runtime.session(part), len(part)
        self.output = output
        self.inputs = {item.name for item in self.session.get_inputs()}

    def __call__(self, **inputs: Tensor | None) -> Tensor:
        fed = {
            k: np.ascontiguousarray(v.cpu().numpy())
            for k, v in inputs.items()
            if k in self.inputs and v is not None
        }
        return torch.from_numpy(self.session.run([self.output], fed)[0])


class OnnxDecoder:
    """The decoder of an ONNX voice, called like `rvc.nets.layers.Decoder`."""

    def __init__(self, model: Any, settings: VoiceSettings, vocoder: str, use_f0: bool) -> None:
        with torch.device("meta"), Blank():
            shape = named_class(VOCODERS[vocoder].decoder)(settings, use_f0)
        self.context_frames, self.hop = shape.context_frames, settings.hop_length
        self.harmonics, self.drawn = shape.harmonics, shape.drawn
        self._source = SubGraph(model, "source") if use_f0 else None
        self._decode = SubGraph(model, "audio", ["z", "g", "source"])
        if "breath" in self._decode.inputs:
            raise ValueError("its layers draw no noise of their own")

    def source(self, f0: Tensor, noise: Noise = GLOBAL_NOISE) -> Tensor:
        """(1, T) Hz -> (1, 1, T * hop)."""
        assert self._source is not None, "a voice without pitch has no source"
        tones = self.harmonics + 1
        offset = noise.uniform(torch.zeros(1, 1, tones))  # drawn in the network's own order
        breath = noise.normal(torch.zeros(1, f0.shape[1] * self.hop, tones))
        return self._source(pitchf=f0.float(), breath=breath, offset=offset)

    def __call__(
        self,
        z: Tensor,
        f0: Tensor | None = None,
        g: Tensor | None = None,
        source: Tensor | None = None,
        noise: Noise = GLOBAL_NOISE,
    ) -> Tensor:
        """(1, I, T), (1, T) Hz, (1, G, 1) -> (1, 1, T * hop)."""
        if source is None and f0 is not None and self._source is not None:
            source = self.source(f0, noise)
        layers = {
            NOISE.format(i): noise.normal(torch.empty(1, channels, z.shape[2] * per_frame))
            for i, (channels, per_frame) in enumerate(self.drawn)
        }
        return self._decode(z=z, g=g, source=source, **layers)


class OnnxNet:
    """A voice run by onnxruntime, with the parts of `Synthesizer` that conversion calls.

    Raises:
        BadInput: damaged, or not made by export-onnx.
    """

    def __init__(self, path: Path | str) -> None:
        path = Path(path)
        model, voice = open_model(path), read_voice(path)
        self.settings, self.use_f0 = voice.settings, voice.use_f0
        try:
            self._speaker = SubGraph(model, "g")
            self._latent = SubGraph(model, "z", ["g"])
            self.dec = OnnxDecoder(model, voice.settings, voice.vocoder, voice.use_f0)
        except runtime.errors(KeyError, RuntimeError, ValueError) as error:
            raise BadInput(f"{path} is damaged.", "Export the voice again.") from error

    def speaker(self, sid: Tensor) -> Tensor:
        """(1,) -> (1, G, 1)."""
        return self._speaker(sid=sid)

    def latent(
        self,
        phone: Tensor,
        pitch: Tensor | None,
        lengths: Tensor,
        g: Tensor,
        noise: Noise = GLOBAL_NOISE,
        temperature: float = TEMPERATURE,
    ) -> tuple[Tensor, Tensor]:
        """As `Synthesizer.latent`; a temperature other than the standard scales the noise."""
        shape = torch.zeros(1, self.settings.inter_channels, phone.shape[1])
        rnd = noise.normal(shape) * (temperature / TEMPERATURE)
        z = self._latent(feats=phone, p_len=lengths, pitch=pitch, g=g, rnd=rnd)
        return z, torch.ones(1, 1, phone.shape[1])
