"""The decoder, the embedder and RMVPE as graphs: the same numbers in less time, on a CPU."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from rvc.config import paths
from rvc.embedders import EMBEDDERS
from rvc.embedders.embedder import Embedder, EmbedderSpec
from rvc.embedders.manager import EmbedderManager, weights_file
from rvc.hub import sha256
from rvc.nets.hifigan import Staged
from rvc.nets.layers import GLOBAL_NOISE, Decoder, Noise

if TYPE_CHECKING:
    from rvc.f0.rmvpe import RMVPE
    from rvc.onnx.cache import Graph
    from rvc.onnx.graph_spec import GraphSpec

WORKERS = 4  # blocks at once; each takes memory


class GraphDecoder:
    """A voice's decoder as a graph.

    Threads that each make a block of their own never wait for one another, as those that share
    one do at every layer.
    """

    block = 100  # frames at a time: longer ones are no faster and take more memory

    def __init__(self, graph: Graph, dec: Staged, workers: int) -> None:
        self.graph, self.workers = graph, workers
        self.context, self.later, self.hop = dec.context_frames, dec.later_frames, dec.hop

    def __call__(
        self, z: Tensor, source: Tensor | None, g: Tensor, noise: Noise, keep: tuple[int, int]
    ) -> np.ndarray:
        """As `rvc.infer.blocks.Decoder`; its layers draw no noise."""
        begin, end = max(0, keep[0] - self.later), min(z.shape[2], keep[1] + self.later)
        inputs = (z, g, torch.tensor([begin, end]))
        sound = self.graph(*inputs, *([] if source is None else [source]))[0, 0].numpy()
        out: np.ndarray = sound[(keep[0] - begin) * self.hop : (keep[1] - begin) * self.hop]
        return out


class SourceOnly(Decoder):
    """The sine source of a decoder whose layers run as a graph: all of it that torch still does."""

    def __init__(self, dec: Decoder) -> None:
        nn.Module.__init__(self)
        self.hop, self.context_frames = dec.hop, dec.context_frames
        self.harmonics, self.drawn = dec.harmonics, dec.drawn
        self.checkpointing = False
        self.m_source: nn.Module | None = getattr(dec, "m_source", None)

    def source(self, f0: Tensor, noise: Noise = GLOBAL_NOISE) -> Tensor:
        assert self.m_source is not None, "a voice without pitch has no source"
        made: Tensor = self.m_source(f0, noise)
        return made

    def forward(self, *_: object, **__: object) -> Tensor:
        raise RuntimeError("the layers of this decoder run as a graph: call Voice.decoder")


def decoder(file: Path, dec: Decoder) -> GraphDecoder | None:
    """The graph of a decoder whose weights come from `file`; None where it cannot be had."""
    if not isinstance(dec, Staged):
        return None
    from rvc.onnx import cache
    from rvc.onnx.graph_spec import GraphSpec

    workers = min(torch.get_num_threads(), WORKERS)
    graph = cache.load(
        GraphSpec("decoder", {"file": str(file.resolve())}, [sha256(file)]),
        threads=torch.get_num_threads() // workers,
    )
    return None if graph is None else GraphDecoder(graph, dec, workers)


class GraphNetwork(nn.Module):
    """An embedder's graph, with what `Embedder` asks of a network.

    It can be released between conversions: its weights (380 MB) leave memory, and opening it again
    takes 0.1 s.

    Args:
        plain: loads the network itself, should the graph be gone when it is wanted again.
    """

    def __init__(self, graph: Graph, spec: GraphSpec, plain: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.spec, self.plain = spec, plain
        self.shape: dict[str, list[int]] = json.loads(graph.notes["shape"])
        self.opened: list[Graph] = [graph]  # in a list, so that torch takes it for no part

    def frames(self, samples: int) -> int:
        for kernel, stride in zip(self.shape["kernels"], self.shape["strides"], strict=True):
            samples = (samples - kernel) // stride + 1 if samples >= kernel else 0
        return samples

    def forward(self, waves: list[Tensor]) -> Tensor:
        from rvc.onnx import cache

        graph = next(iter(self.opened), None) or cache.load(self.spec)
        if graph is None:
            out: Tensor = self.plain()(waves)
            return out
        self.opened = [graph]
        parts = [graph(wave[None])[0] for wave in waves]
        return nn.utils.rnn.pad_sequence(parts, batch_first=True)

    def release(self) -> None:
        """Give the memory back until it is called again."""
        self.opened = []


def embedder(
    manager: EmbedderManager,
    name: str,
    custom: str | Path | None,
    layer: int | None,
    projected: bool,
) -> Embedder | None:
    """An embedder as a graph; its network is not loaded here."""
    home = manager.home(name, custom)
    weights = weights_file(home)
    declared = sorted(home.glob("*.json")) if home.is_dir() else []
    contents = [sha256(weights), *(f.read_text(encoding="utf-8") for f in declared)]
    where = None if custom is None else str(home.resolve())
    label = name if name != "custom" else str(custom)
    from rvc.onnx import cache
    from rvc.onnx.graph_spec import GraphSpec

    wanted = GraphSpec(
        "embedder",
        {"name": name, "custom": where, "layer": layer, "projected": projected},
        [*contents, str(layer), str(projected), label],
    )
    graph = cache.load(wanted)
    if graph is None:
        return None

    def plain() -> nn.Module:
        out: nn.Module = manager.load(name, custom, layer=layer, projected=projected).network
        return out

    spec = EmbedderSpec(**json.loads(graph.notes["spec"]) | {"name": label})
    return Embedder(spec, GraphNetwork(graph, wanted, plain))


def live(made: Embedder) -> Embedder:
    """A Whisper embedder that answers sooner on short windows, from mel on as a graph; others stay.

    The graph keeps its memory between calls: a live stream asks for windows of one length.
    """
    from rvc.embedders.whisper import WhisperEncoder
    from rvc.onnx import cache
    from rvc.onnx.graph_spec import GraphSpec

    network = getattr(made, "network", None)
    if not isinstance(network, WhisperEncoder) or made.device.type != "cpu":
        return made
    spec = made.spec
    known = spec.name in EMBEDDERS
    given = {
        "name": spec.name if known else "custom",
        "custom": None if known else spec.name,
        "layer": spec.layer,
    }
    graph = cache.load(GraphSpec("whisper", given, [spec.digest, str(spec.layer)]), threads=1)
    if graph is None:
        return made
    graph.shrinks = False
    return Embedder(spec, network.through(graph), made.device, made.dtype)


def pitch() -> RMVPE | None:
    """RMVPE as a graph."""
    file = paths().predictors / "rmvpe.pt"
    if not file.is_file():
        return None
    from rvc.f0 import rmvpe
    from rvc.onnx import cache
    from rvc.onnx.graph_spec import GraphSpec

    graph = cache.load(GraphSpec("rmvpe", {}, [sha256(file)]))
    return None if graph is None else rmvpe.RMVPE(net=graph)
