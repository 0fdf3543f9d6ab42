"""What is turned into graphs: the decoder, the embedder and RMVPE, with inputs to compare on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn

from rvc.embedders.hubert import SpeechEncoder
from rvc.embedders.manager import EmbedderManager, forget
from rvc.embedders.whisper import WhisperEncoder
from rvc.f0 import rmvpe
from rvc.nets import voice_file
from rvc.nets.hifigan import Staged
from rvc.onnx.lift import LiftRecipe
from rvc.onnx.runtime import Impossible

HUBERT_FRAME = 400  # samples the first frame of an embedder is wide


def _random(*shape: int, scale: float = 1.0) -> Tensor:
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(0))


class _PositionalDecoder(nn.Module):
    """A decoder that makes the sound of some of its frames, with positional inputs only."""

    def __init__(self, dec: Staged) -> None:
        super().__init__()
        self.dec = dec

    def forward(self, z: Tensor, g: Tensor, keep: Tensor, source: Tensor | None = None) -> Tensor:
        return self.dec.cropped(z, g, source, keep)


def decoder(file: str) -> LiftRecipe:
    """The decoder of the voice in `file`."""
    voice = voice_file.read_voice(Path(file))
    dec = voice_file.build(voice, torch.device("cpu")).dec
    if not isinstance(dec, Staged):
        raise Impossible("this kind of decoder has no graph")
    latent, speaker = voice.settings.inter_channels, voice.settings.gin_channels
    examples = []
    for frames in (40, 67):
        inputs = [_random(1, latent, frames), _random(1, speaker, 1)]
        inputs.append(torch.tensor([5, frames - 7]))
        if voice.use_f0:
            inputs.append(_random(1, 1, frames * dec.hop, scale=0.1))
        examples.append(tuple(inputs))
    axes: dict[str, int | None] = {"z": 2, "g": None, "keep": None}
    axes |= {"source": 2} if voice.use_f0 else {}
    return LiftRecipe(_PositionalDecoder(dec), axes, examples, lift=True)


class _OneWaveEmbedder(nn.Module):
    """An embedder for one wave (1, T) -> (1, F, W)."""

    def __init__(self, network: SpeechEncoder) -> None:
        super().__init__()
        self.network = network

    def forward(self, wave: Tensor) -> Tensor:
        network = self.network
        x = network.encoder(network.feature_projection(network.feature_extractor(wave)), None)
        out: Tensor = x if network.final_proj is None else network.final_proj(x)
        return out


def embedder(name: str, custom: str | None, layer: int | None, projected: bool) -> LiftRecipe:
    """An embedder for one wave; arguments are those of EmbedderManager.load."""
    made = EmbedderManager().load(name, custom, layer=layer, projected=projected)
    forget()
    if not isinstance(made.network, SpeechEncoder):
        raise Impossible("this kind of embedder has no graph")
    shape = {"kernels": list(made.network.kernels), "strides": list(made.network.strides)}
    return LiftRecipe(
        _OneWaveEmbedder(made.network),
        {"wave": 1},
        [(_random(1, n, scale=0.1),) for n in (16_000 + HUBERT_FRAME, 23_456)],
        notes={"spec": json.dumps(asdict(made.spec)), "shape": json.dumps(shape)},
    )


class _FromMel(nn.Module):
    """The encoder of a Whisper model, from log-mel on: its short-time spectrum stays outside."""

    def __init__(self, network: WhisperEncoder) -> None:
        super().__init__()
        self.network = network

    def forward(self, mel: Tensor) -> Tensor:
        return self.network.encode(mel)


def whisper(name: str, custom: str | None, layer: int | None) -> LiftRecipe:
    """A Whisper embedder from log-mel on; arguments are those of EmbedderManager.load."""
    network = EmbedderManager().load(name, custom, layer=layer).network
    forget()
    if not isinstance(network, WhisperEncoder):
        raise Impossible("this kind of embedder has no mel")
    bands = network.mel.bank.shape[0]
    return LiftRecipe(_FromMel(network), {"mel": 2}, [(_random(1, bands, n),) for n in (116, 150)])


def pitch() -> LiftRecipe:
    """RMVPE's network."""
    examples = [(_random(1, rmvpe.BINS, n) - 5,) for n in (64, 96)]
    return LiftRecipe(rmvpe.read(), {"mel": 2}, examples)


RECIPES: dict[str, Callable[..., LiftRecipe]] = {
    "decoder": decoder,
    "embedder": embedder,
    "rmvpe": pitch,
    "whisper": whisper,
}
