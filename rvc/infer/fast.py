"""The decoder, the embedder and RMVPE as graphs: the same numbers in less time, on a CPU."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from rvc.config import paths
from rvc.f0 import rmvpe
from rvc.features.embedder import Embedder, EmbedderSpec
from rvc.features.manager import EmbedderManager, weights_file
from rvc.hub.verify import sha256
from rvc.infer import graphs
from rvc.infer.noise import Noise
from rvc.nets.checkpoint import VoiceFile
from rvc.nets.hifigan import Decoder as DecoderNet

PLAIN = ("HiFi-GAN", "MRF HiFi-GAN")  # decoders that draw no noise themselves


class GraphDecoder:
    """A voice's decoder as a graph."""

    block = 200  # frames at a time: longer ones are no faster and take more memory

    def __init__(self, graph: graphs.Graph, context: int) -> None:
        self.graph, self.context = graph, context

    def __call__(
        self, z: Tensor, source: Tensor | None, g: Tensor, noise: Noise, first: int
    ) -> np.ndarray:
        given = (z, g) if source is None else (z, g, source)
        return self.graph(*given)[0, 0].numpy()


def decoder(file: Path, voice: VoiceFile, dec: DecoderNet) -> GraphDecoder | None:
    """The graph of a decoder whose weights come from `file`; takes them from `dec`."""
    if voice.vocoder not in PLAIN:
        return None
    graph = graphs.load(
        graphs.Order("decoder", {"file": str(file.resolve())}, [sha256(file)]),
    )
    if graph is None:
        return None
    for name, _ in list(dec.named_children()):
        if name != "m_source":  # only the source is still made by torch
            delattr(dec, name)
    return GraphDecoder(graph, dec.context_frames)


class GraphNetwork(nn.Module):
    """An embedder's graph, with what `Embedder` asks of a network."""

    def __init__(self, graph: graphs.Graph, shape: dict[str, list[int]]) -> None:
        super().__init__()
        self.graph, self.shape = graph, shape

    def frames(self, samples: int) -> int:
        for kernel, stride in zip(self.shape["kernels"], self.shape["strides"], strict=True):
            samples = (samples - kernel) // stride + 1 if samples >= kernel else 0
        return samples

    def forward(self, waves: list[Tensor]) -> Tensor:
        parts = [self.graph(wave[None])[0] for wave in waves]
        return nn.utils.rnn.pad_sequence(parts, batch_first=True)


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
    graph = graphs.load(
        graphs.Order(
            "embedder",
            {"name": name, "custom": where, "layer": layer, "projected": projected},
            [*contents, str(layer), str(projected), label],
        )
    )
    if graph is None:
        return None
    spec = EmbedderSpec(**json.loads(graph.notes["spec"]) | {"name": label})
    return Embedder(spec, GraphNetwork(graph, json.loads(graph.notes["shape"])))


def pitch() -> rmvpe.RMVPE | None:
    """RMVPE as a graph."""
    file = paths().predictors / "rmvpe.pt"
    if not file.is_file():
        return None
    graph = graphs.load(graphs.Order("rmvpe", {}, [sha256(file)]))
    return None if graph is None else rmvpe.RMVPE.of(graph)  # type: ignore[arg-type]
