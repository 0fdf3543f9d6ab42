"""The decoder, the embedder and RMVPE as graphs: the same numbers in less time, on a CPU."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from rvc.config import paths
from rvc.f0 import rmvpe
from rvc.features.embedder import Embedder, EmbedderSpec
from rvc.features.hubert import SpeechEncoder
from rvc.features.manager import EmbedderManager, forget, weights_file
from rvc.hub.verify import sha256
from rvc.infer import graphs
from rvc.infer.noise import Noise
from rvc.nets.checkpoint import VoiceFile
from rvc.nets.hifigan import Decoder as DecoderNet

PLAIN = ("HiFi-GAN", "MRF HiFi-GAN")  # decoders that draw no noise themselves
HUBERT_FRAME = 400  # samples the first frame of an embedder is wide


def _random(*shape: int, scale: float = 1.0) -> Tensor:
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(0))


class GraphDecoder:
    """A voice's decoder as a graph."""

    block = 400  # frames at a time: it does not slow down on long blocks as torch does

    def __init__(self, graph: graphs.Graph, context: int) -> None:
        self.graph, self.context = graph, context

    def __call__(
        self, z: Tensor, source: Tensor | None, g: Tensor, noise: Noise, first: int
    ) -> np.ndarray:
        given = (z, g) if source is None else (z, g, source)
        return self.graph(*given)[0, 0].numpy()


class _Decoding(nn.Module):
    """A decoder with positional inputs only."""

    def __init__(self, dec: DecoderNet) -> None:
        super().__init__()
        self.dec = dec

    def forward(self, z: Tensor, g: Tensor, source: Tensor | None = None) -> Tensor:
        return self.dec(z, g=g, source=source)


def decoder(file: Path, voice: VoiceFile, dec: DecoderNet) -> GraphDecoder | None:
    """The graph of a decoder whose weights come from `file`."""
    settings, use_f0 = voice.settings, voice.use_f0
    if voice.vocoder not in PLAIN:
        return None
    latent, speaker = settings.inter_channels, settings.gin_channels
    examples = []
    for frames in (40, 67):
        given = [_random(1, latent, frames), _random(1, speaker, 1)]
        if use_f0:
            given.append(_random(1, 1, frames * dec.hop, scale=0.1))
        examples.append(tuple(given))
    inputs: dict[str, int | None] = {"z": 2, "g": None}
    graph = graphs.load(
        graphs.Recipe(
            kind="decoder",
            contents=[sha256(file)],
            build=lambda: _Decoding(dec),
            inputs=inputs | ({"source": 2} if use_f0 else {}),
            examples=examples,
            lift=True,
        )
    )
    return None if graph is None else GraphDecoder(graph, dec.context_frames)


class _Hearing(nn.Module):
    """An embedder for one wave (1, T) -> (1, F, W)."""

    def __init__(self, network: SpeechEncoder) -> None:
        super().__init__()
        self.network = network

    def forward(self, wave: Tensor) -> Tensor:
        network = self.network
        x = network.encoder(network.feature_projection(network.feature_extractor(wave)), None)
        return x if network.final_proj is None else network.final_proj(x)


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
    """An embedder as a graph; its network is loaded only if the graph has to be made."""
    home = manager.home(name, custom)
    weights = weights_file(home)
    declared = sorted(home.glob("*.json")) if home.is_dir() else []
    contents = [sha256(weights), *(f.read_text(encoding="utf-8") for f in declared)]
    label = name if name != "custom" else str(custom)

    def build() -> nn.Module:
        network = manager.load(name, custom, layer=layer, projected=projected).network
        if not isinstance(network, SpeechEncoder):
            raise ValueError("this kind of embedder has no graph")
        return _Hearing(network)

    def notes(net: nn.Module) -> dict[str, str]:
        made = manager.load(name, custom, layer=layer, projected=projected)
        shape = {"kernels": list(made.network.kernels), "strides": list(made.network.strides)}
        return {"spec": json.dumps(asdict(made.spec)), "shape": json.dumps(shape)}

    graph = graphs.load(
        graphs.Recipe(
            kind="embedder",
            contents=[*contents, str(layer), str(projected), label],
            build=build,
            inputs={"wave": 1},
            examples=[(_random(1, n, scale=0.1),) for n in (16_000 + HUBERT_FRAME, 23_456)],
            notes=notes,
        )
    )
    if graph is None:
        return None
    forget()  # the network, if it had to be loaded
    spec = EmbedderSpec(**json.loads(graph.notes["spec"]))
    return Embedder(spec, GraphNetwork(graph, json.loads(graph.notes["shape"])))


def pitch() -> rmvpe.RMVPE | None:
    """RMVPE as a graph."""
    file = paths().predictors / "rmvpe.pt"
    if not file.is_file():
        return None
    graph = graphs.load(
        graphs.Recipe(
            kind="rmvpe",
            contents=[sha256(file)],
            build=lambda: rmvpe.RMVPE().net,
            inputs={"mel": 2},
            examples=[(_random(1, rmvpe.BINS, n) - 5,) for n in (64, 96)],
        )
    )
    return None if graph is None else rmvpe.RMVPE.of(graph)  # type: ignore[arg-type]
