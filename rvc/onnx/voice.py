"""Voices as ONNX files: read as data, split where the program looks in, run by onnxruntime."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rvc.errors import BadInput
from rvc.nets import VOCODERS
from rvc.nets.config import VoiceSettings, from_list
from rvc.nets.layers import GLOBAL_NOISE, Blank, Noise
from rvc.nets.state_dict import Weights
from rvc.nets.synthesizer import TEMPERATURE, named_class
from rvc.nets.voice_file import VoiceFile

METADATA_KEY = "voice"
LIMIT_BYTES = 2 << 30  # of the format itself
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
SMALLEST_HALF = 256  # entries; smaller tables stay float32
# all that export-onnx makes use of; anything else in a file was put there by somebody else
OPERATORS = frozenset(
    ["Abs", "Add", "Cast", "Ceil", "Clip", "Concat", "Constant", "ConstantOfShape", "Conv"]
    + ["ConvTranspose", "Cos", "CumSum", "Div", "Equal", "Erf", "Exp", "Expand", "Flatten"]
    + ["Floor", "Gather", "Greater", "Identity", "LayerNormalization", "LeakyRelu", "Less", "Log"]
    + ["MatMul", "Mod", "Mul", "Neg", "Pad", "Pow", "Range", "Reciprocal", "ReduceMean", "Relu"]
    + ["Reshape", "Resize", "Shape", "Sigmoid", "Sin", "Slice", "Softmax", "Sqrt", "Squeeze"]
    + ["Sub", "Tanh", "Tile", "Transpose", "Unsqueeze", "Where"]
)
KINDS = {"FLOAT": "<f4", "FLOAT16": "<f2", "DOUBLE": "<f8", "INT64": "<i8", "INT32": "<i4",
         "BOOL": "?"}  # fmt: skip


def failures(*more: type[Exception]) -> tuple[type[Exception], ...]:
    """What onnxruntime raises, and `more`; its exceptions have no common parent of their own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    found = (getattr(state, name) for name in dir(state))
    own = [kind for kind in found if isinstance(kind, type) and issubclass(kind, Exception)]
    return (*more, *own)


def session(model: Path | Any) -> Any:
    """An onnxruntime session on the CPU for a file or a model in memory."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    source = str(model) if isinstance(model, Path) else model.SerializeToString()
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def finish(path: Path, metadata: dict[str, str], half: Weights | None = None) -> None:
    """Add metadata to an exported file, and store its weights in float16 if wanted.

    Args:
        half: the voice's own weights, by their public names; None keeps float32.
    """
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    if half is not None:
        _halve(model, half)
    for key, value in metadata.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.save(model, str(path))


def _halve(model: Any, weights: Weights) -> None:
    """Weights in float16, raised to float32 where they are used: half the size, full arithmetic.

    A folded weight is kept as its direction and the length of each row, which a voice file holds
    in float16 anyway; so nothing is rounded that was not rounded before.
    """
    from onnx import TensorProto, helper, numpy_helper

    casts, kept = [], []
    for tensor in model.graph.initializer:
        values, name = numpy_helper.to_array(tensor), tensor.name
        if tensor.data_type != TensorProto.FLOAT or values.size < SMALLEST_HALF:
            kept.append(tensor)
            continue
        rows = None
        if not np.array_equal(values.astype(np.float16), values):
            values, rows = _unfolded(values, weights, name.removeprefix("net."))
        kept.append(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        raised = name if rows is None else f"{name}.raised"
        casts.append(helper.make_node("Cast", [f"{name}.half"], [raised], to=TensorProto.FLOAT))
        if rows is not None:
            kept.append(numpy_helper.from_array(rows, f"{name}.rows"))
            casts.append(helper.make_node("Mul", [raised, f"{name}.rows"], [name]))
    nodes = [*casts, *model.graph.node]
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(kept)
    model.graph.node.extend(nodes)


def _unfolded(
    folded: np.ndarray, weights: Weights, key: str
) -> tuple[np.ndarray, np.ndarray | None]:
    """(direction, factor of each row) of a folded weight; (itself, None) where it was none."""
    length, direction = weights.get(f"{key}_g"), weights.get(f"{key}_v")
    if length is None or direction is None or tuple(direction.shape) != folded.shape:
        return folded, None
    direction = direction.float()
    norm = direction.norm(dim=tuple(range(1, direction.dim())), keepdim=True)
    return direction.numpy(), (length.float() / norm).numpy()


def _open(path: Path) -> Any:
    """The model, proven to be self-contained and made of the operators that voices consist of."""
    import onnx
    from google.protobuf.message import DecodeError

    if not path.is_file():
        raise BadInput(f"{path} does not exist.", "Check the path.")
    if path.stat().st_size > LIMIT_BYTES:
        raise BadInput(f"{path} is larger than any ONNX voice.", "Choose another file.")
    try:
        model = onnx.load(str(path), load_external_data=False)
    except (DecodeError, RecursionError) as error:
        raise BadInput(f"{path} is damaged or no ONNX file.", "Export the voice again.") from error
    strange = _strange(model)
    if strange:
        raise BadInput(f"{path} is refused: it has {strange}.", "Export the voice again.")
    return model


def _strange(model: Any) -> str:
    """What a voice has no use for and an attacker may: other files, functions, loops, operators."""
    graph = model.graph
    tables, parts = list(graph.initializer), []
    for node in graph.node:
        if node.domain not in ("", "ai.onnx") or node.op_type not in OPERATORS:
            return f"the operator {node.op_type[:40]!r} of {node.domain[:40] or 'ONNX'!r}"
        for attribute in node.attribute:
            tables += [attribute.t, *attribute.tensors]
            parts += [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]
    if any(t.external_data or t.data_location for t in tables):
        return "weights in other files"
    if parts or model.functions or graph.sparse_initializer or model.training_info:
        return "functions or graphs of its own"
    broken = next((t.name for t in graph.initializer if not _honest(t)), None)
    return "" if broken is None else f"a table {broken[:80]!r} that is not what it says"


def _honest(table: Any) -> bool:
    """Whether a table holds as many numbers as it says, all of them finite."""
    from onnx import TensorProto

    kind = KINDS.get(TensorProto.DataType.Name(table.data_type))
    count = math.prod(table.dims)
    if kind is None or count * np.dtype(kind).itemsize != len(table.raw_data):
        return False
    return "f" not in kind or bool(np.isfinite(np.frombuffer(table.raw_data, kind)).all())


def _said(model: Any, path: Path) -> dict[str, Any]:
    found = {entry.key: entry.value for entry in model.metadata_props}.get(METADATA_KEY)
    try:
        said = json.loads(found or "")
        meta = said["meta"]
        if said["vocoder"] in VOCODERS and isinstance(meta, dict) and int(said["embed_width"]) > 0:
            return said
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _stranger(path) from error
    raise _stranger(path)


def _stranger(path: Path) -> BadInput:
    return BadInput(
        f"{path} does not say which voice it holds.",
        "Only ONNX files made by `core.py export-onnx` can be used.",
    )


def read_voice(path: Path | str) -> VoiceFile:
    """What an ONNX voice says of itself; its weights stay in the file.

    Raises:
        BadInput: missing, damaged, or not made by export-onnx.
    """
    path = Path(path)
    said = _said(_open(path), path)
    settings = from_list(said["config"], str(path))
    use_f0, width = bool(said["f0"]), int(said["embed_width"])
    speakers = settings.spk_embed_dim
    return VoiceFile({}, settings, said["vocoder"], use_f0, width, speakers, said["meta"])


def part(model: Any, outputs: Iterable[str], stops: Iterable[str]) -> Any:
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


class Piece:
    """One part of the graph; takes and gives torch tensors, leaves out what it has no use for."""

    def __init__(self, model: Any, output: str, stops: Iterable[str] = ()) -> None:
        self.session = session(part(model, [output], stops))
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
    """The decoder of an ONNX voice, called like `rvc.nets.hifigan.Decoder`."""

    def __init__(self, model: Any, settings: VoiceSettings, vocoder: str, use_f0: bool) -> None:
        with torch.device("meta"), Blank():
            shape = named_class(VOCODERS[vocoder].decoder)(settings, use_f0)
        self.context_frames, self.hop = shape.context_frames, settings.hop_length
        self.harmonics, self.drawn = shape.harmonics, shape.drawn
        self._source = Piece(model, "source") if use_f0 else None
        self._decode = Piece(model, "audio", ["z", "g", "source"])
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
        model, voice = _open(path), read_voice(path)
        self.settings, self.use_f0 = voice.settings, voice.use_f0
        try:
            self._speaker = Piece(model, "g")
            self._latent = Piece(model, "z", ["g"])
            self.dec = OnnxDecoder(model, voice.settings, voice.vocoder, voice.use_f0)
        except failures(KeyError, RuntimeError, ValueError) as error:
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
