"""Content encoders of the families that the transformers package builds and we do not.

Only what Hugging Face folders of speech encoders need: one vector per 320 samples at 16 kHz. The
weights are read by our own reader, so nothing in a folder is executed; transformers is imported on
first use and fetches nothing.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from rvc.embedders.embedder import fill, prepare
from rvc.errors import BadInput, MissingModel

RATE, HOP, WINDOW = 16000, 320, 400
MASK = "masked_spec_embed"
BANK = ("wav2vec2-bert",)  # hear log-mel frames instead of samples
HINT = "Use a folder that its authors published for transformers, or another embedder."


@contextmanager
def _without_broken_torchaudio() -> Iterator[None]:
    """Count torchaudio as absent while transformers looks for it, where it cannot be imported.

    A torchaudio built for CUDA beside a torch built for CPUs fails so; no encoder needs it.
    """
    try:
        importlib.import_module("torchaudio")
    except (ImportError, OSError):
        before = {k: v for k, v in sys.modules.items() if k.split(".")[0] == "torchaudio"}
        for name in before:
            del sys.modules[name]
        sys.modules["torchaudio"] = None  # type: ignore[assignment]  # documented: not importable
        try:
            yield
        finally:
            del sys.modules["torchaudio"]
    else:
        yield


def transformers() -> Any:
    """The transformers package.

    Raises:
        MissingModel: it is not installed.
    """
    if importlib.util.find_spec("transformers") is None:
        raise MissingModel(
            "This embedder needs the Python package transformers, which is not installed.",
            "Install it: python -m pip install transformers",
        )
    with _without_broken_torchaudio():
        package = importlib.import_module("transformers")
        package.utils.is_torchaudio_available()  # which remembers its answer
    return package


class OtherEncoder(nn.Module):
    """An encoder of transformers, as `Embedder` wants a network.

    Args:
        model: maps samples or log-mel frames to `last_hidden_state` and `hidden_states`.
        settings: the package's configuration of it.
        layer: block whose output is returned, counted from 1.
        bank: makes log-mel frames of a wave, for the families that hear those.
    """

    hop = HOP

    def __init__(self, model: nn.Module, settings: Any, layer: int, bank: Any) -> None:
        super().__init__()
        self.model, self.bank = model, bank
        self.width, self.depth = int(settings.hidden_size), int(settings.num_hidden_layers)
        self.squeeze = int(getattr(settings, "squeeze_factor", 1))  # frames its blocks take as one
        self.layer = layer

    def frames(self, samples: int) -> int:
        """How many frames come out of so many samples."""
        return (samples - WINDOW) // HOP + 1 if samples >= WINDOW else 0

    def forward(self, waves: list[Tensor]) -> Tensor:
        """Waves (T_i,) -> (B, longest, width); rows beyond a wave's own frames are zero."""
        return nn.utils.rnn.pad_sequence([self._one(w) for w in waves], batch_first=True)

    def _one(self, wave: Tensor) -> Tensor:
        """(T,) -> (F, width)."""
        frames = self.frames(len(wave))
        if self.bank is not None:
            whole = frames * HOP + WINDOW - HOP // 2  # each frame is two steps of the bank
        else:
            whole = (frames + frames % self.squeeze) * HOP + WINDOW - HOP
        heard = nn.functional.pad(wave, (0, max(0, whole - len(wave))))[None]
        if self.bank is not None:
            made = self.bank(heard[0].cpu().numpy(), sampling_rate=RATE, return_tensors="pt")
            heard = made["input_features"].to(wave.device)
        inner = self.layer < self.depth
        out = self.model(heard, output_hidden_states=inner)
        found: Tensor = out.hidden_states[self.layer] if inner else out.last_hidden_state
        return found[0, :frames]


def build(
    config: dict[str, Any], weights: dict[str, Tensor], layer: int | None, projected: bool
) -> OtherEncoder:
    """Make the network and fill it; see `rvc.embedders.FAMILIES` for what is expected of it.

    Raises:
        BadInput: the configuration is no speech encoder's, weights are missing or misshapen, or
            layers or a projection are asked for that it lacks.
        MissingModel: transformers is not installed.
    """
    package = transformers()
    family = str(config["model_type"])
    settings = _settings(package, family, config)
    depth = int(settings.num_hidden_layers)
    chosen = layer or depth
    if not 1 <= chosen <= depth:
        raise BadInput(
            f"Layer {layer} was asked for, but this embedder has {depth}.",
            "Choose a layer that exists.",
        )
    if chosen < depth and getattr(settings, "squeeze_factor", 1) > 1:
        raise BadInput(
            f"Layer {layer} of a {family} embedder has fewer frames.", f"Use layer {depth}."
        )
    if projected:
        raise BadInput(
            f"A {family} encoder has no final projection, which this voice was trained with.",
            "Choose the embedder that the voice was trained with.",
        )
    bank = package.SeamlessM4TFeatureExtractor() if family in BANK else None
    network = OtherEncoder(_model(package, settings, weights), settings, chosen, bank)
    _check_rate(network, family)
    return network.requires_grad_(False)


def _settings(package: Any, family: str, config: dict[str, Any]) -> Any:
    """The package's own configuration object, with the plain kind of attention."""
    values = {k: v for k, v in config.items() if k not in ("model_type", "architectures")}
    try:
        settings = package.AutoConfig.for_model(family, **values)
        if int(settings.num_hidden_layers) < 1 or getattr(settings, "add_adapter", False):
            raise ValueError("it has no layers, or an adapter, which changes the frame rate")
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise BadInput(
            f"This embedder's config.json does not describe a {family} encoder: {error}.", HINT
        ) from error
    return settings


def _model(package: Any, settings: Any, weights: dict[str, Tensor]) -> nn.Module:
    """The network with all of its weights; weight norms become plain weights."""
    model: nn.Module = package.AutoModel.from_config(settings, dtype=torch.float32).eval()
    for part in model.modules():
        for name in list(getattr(part, "parametrizations", ())):
            parametrize.remove_parametrizations(part, name)
    prefix = f"{model.base_model_prefix}."
    given = {MASK: torch.zeros(settings.hidden_size)}  # only training uses it
    fill(model, prepare(given | {k.removeprefix(prefix): v for k, v in weights.items()}))
    return model


@torch.inference_mode()
def _check_rate(network: OtherEncoder, family: str) -> None:
    """Hear a moment of silence, because a configuration may ask for any frame rate."""
    samples = RATE // 2
    found, want = network([torch.zeros(samples)]).shape[1], network.frames(samples)
    if found != want:
        raise BadInput(
            f"This {family} embedder makes {found} frames of half a second, not {want}.",
            "Only encoders with one frame per 320 samples at 16 kHz can be used.",
        )
