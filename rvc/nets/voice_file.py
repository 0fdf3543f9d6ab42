"""Small voice files: what people share and convert with, read as data, checked and written.

Files spell the names of normalised weights otherwise than torch does today: `public_names`.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rvc import files
from rvc.errors import BadInput, Mismatch, StageFailed
from rvc.hub import safe
from rvc.nets import VOCODERS
from rvc.nets.config import VoiceSettings, from_list
from rvc.nets.layers import Blank, fold_weight_norm
from rvc.nets.synthesizer import Synthesizer

SPELLINGS = (
    (".parametrizations.weight.original0", ".weight_g"),
    (".parametrizations.weight.original1", ".weight_v"),
)
Weights = dict[str, Tensor]


def public_names(state: Mapping[str, Tensor]) -> Weights:
    """State-dict keys as files spell them: `weight_g`, `weight_v`."""
    out = {}
    for key, value in state.items():
        for inner, outer in SPELLINGS:
            if key.endswith(inner):
                key = key[: -len(inner)] + outer
        out[key] = value
    return out


def load_into(net: nn.Module, weights: Mapping[str, Tensor], named: str) -> None:
    """Load weights of either spelling; every key and shape has to agree.

    Raises:
        Mismatch: they do not; the message says what was found and what was expected.
    """
    weights = public_names(weights)
    compare(net, weights, named)
    net.load_state_dict(weights)


def compare(net: nn.Module, weights: Weights, named: str) -> None:
    """Make sure that weights by their public names are all those of a network, none more.

    Raises:
        Mismatch: they are not.
    """
    expected = {key: tuple(v.shape) for key, v in public_names(net.state_dict()).items()}
    missing = [key for key in expected if key not in weights]
    extra = [key for key in weights if key not in expected]
    wrong = [k for k, s in expected.items() if k in weights and tuple(weights[k].shape) != s]
    if not (missing or extra or wrong):
        return
    found = []
    if extra:
        found.append(f"{len(extra)} unknown weights such as {extra[0]}")
    if missing:
        found.append(f"{len(missing)} missing weights such as {missing[0]}")
    if wrong:
        key = wrong[0]
        found.append(
            f"{len(wrong)} of another shape such as {key} "
            f"{tuple(weights[key].shape)} instead of {expected[key]}"
        )
    raise Mismatch(
        f"{named} does not fit this network: {'; '.join(found)}.",
        "It was made for another architecture or version.",
    )


# keys that only one vocoder has, for files that do not say which they hold
TRACES = (
    ("dec.upsample_conv_blocks.", "RefineGAN"),
    ("dec.mrfs.", "MRF HiFi-GAN"),
    ("dec.filters.", "lite"),
)
DEEPEST, LONGEST_TEXT = 12, 10_000  # of metadata


@dataclass(frozen=True)
class VoiceFile:
    """What a small voice file says, in order.

    Attributes:
        weights: public key names, posterior encoder left out, dtype as in the file.
        meta: everything else in the file (epoch, step, author, embedder, …), JSON-ready.
    """

    weights: Weights
    settings: VoiceSettings
    vocoder: str
    use_f0: bool
    embed_width: int
    n_speakers: int
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """RVC's word for the content width: v1 has 256, everything else is v2."""
        return "v1" if self.embed_width == 256 else "v2"

    @property
    def sample_rate(self) -> int:
        return self.settings.sample_rate

    @property
    def embedder(self) -> dict[str, Any]:
        """What is known of the embedder: name, and if recorded width, layer, normalise."""
        recorded = self.meta.get("embedder")
        known = dict(recorded) if isinstance(recorded, Mapping) else {}
        name = self.meta.get("embedder_model") or "contentvec"
        return {"name": str(name), "width": self.embed_width} | known


def _vocoder_of(raw: Mapping[str, Any], weights: Weights, named: str) -> str:
    traced = next((v for key, v in TRACES if any(k.startswith(key) for k in weights)), None)
    vocoder = traced or raw.get("vocoder") or "HiFi-GAN"
    if vocoder not in VOCODERS:
        raise Mismatch(
            f"{named} was made with the vocoder {str(vocoder)[:40]!r}, which is unknown here.",
            f"Known are {', '.join(VOCODERS)}.",
        )
    return vocoder


def _plain(value: Any, depth: int = 0) -> Any:
    """Metadata made JSON-ready and fit to be shown: no objects, no control codes, no depths."""
    if depth > DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        return {_shown(str(k)): _plain(v, depth + 1) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v, depth + 1) for v in value]
    if isinstance(value, str):
        return _shown(value)
    if isinstance(value, (int, float)):  # what JSON and its readers can hold
        return value if abs(value) < 1 << 63 else None
    return None if value is None else _shown(str(value)[:200])


def _shown(text: str) -> str:
    kept = text[:LONGEST_TEXT]
    return kept if kept.isprintable() else "".join(c for c in kept if c.isprintable() or c == "\n")


def voice_from(raw: Any, named: str) -> VoiceFile:
    """Make sense of a loaded small voice file.

    Raises:
        BadInput: it is none. Mismatch: an architecture this program does not know.
    """
    if isinstance(raw, Mapping) and "weight" not in raw and "model" in raw:
        raise BadInput(
            f"{named} is a training checkpoint, not a voice.",
            "Make a voice of it with model-extract.",
        )
    if not isinstance(raw, Mapping) or "weight" not in raw:
        raise BadInput(f"{named} holds no voice.", "Choose the small .pth file of a voice.")
    weights = public_names(safe.check_tensors(raw["weight"], named))
    weights = {k: v for k, v in weights.items() if not k.startswith("enc_q.")}
    settings = from_list(raw.get("config"), named)
    voice = VoiceFile(
        weights=weights,
        settings=settings,
        vocoder=_vocoder_of(raw, weights, named),
        use_f0="enc_p.emb_pitch.weight" in weights,
        embed_width=_size(weights, "enc_p.emb_phone.weight", 1, named),
        n_speakers=_size(weights, "emb_g.weight", 0, named),
        meta={str(k): _plain(v) for k, v in raw.items() if k not in ("weight", "config")},
    )
    with torch.device("meta"), Blank():
        outline = _outline(voice)
    compare(outline, weights, named)
    return voice


def _size(weights: Weights, key: str, dim: int, named: str) -> int:
    tensor = weights.get(key)
    if tensor is None or tensor.dim() != 2:
        raise Mismatch(f"{named} has no {key}: not a voice of RVC or Applio.")
    return tensor.shape[dim]


def _outline(voice: VoiceFile) -> Synthesizer:
    return Synthesizer(
        voice.settings,
        voice.embed_width,
        voice.use_f0,
        voice.n_speakers,
        voice.vocoder,
        with_posterior=False,
    )


def read_voice(path: Path | str) -> VoiceFile:
    """Read and check a small voice file (.pth or .safetensors); nothing in it is run.

    Raises:
        BadInput: missing, damaged, hostile, or not a voice. Mismatch: unknown architecture.
    """
    return voice_from(safe.load(path), str(path))


def build(
    voice: VoiceFile,
    device: torch.device | str = "cpu",
    fold: bool = True,
    dtype: torch.dtype = torch.float32,
) -> Synthesizer:
    """The network of a voice in evaluation mode.

    Args:
        fold: replace normalised weights by plain ones (faster; not for training).
        dtype: of half precision only what a conversion calls is ready for.
    """
    with Blank():
        net = _outline(voice)
    net.load_state_dict(voice.weights)
    net.eval().requires_grad_(False)
    net = (fold_weight_norm(net) if fold else net).to(device)
    if dtype != torch.float32:
        from rvc.precision import guard

        guard(net, dtype, device, ("speaker", "latent", "dec.source", "dec.forward"))
    return net


def voice_of(
    state: Mapping[str, Tensor],
    settings: VoiceSettings,
    vocoder: str,
    meta: Mapping[str, Any],
    named: str = "the network",
) -> VoiceFile:
    """A small voice (float16, no posterior encoder) from a network's state dict.

    Args:
        meta: at least what is known of model_name, epoch, step, author, dataset_length,
            embedder_model, embedder (a mapping: name, width, layer, normalize).

    Raises:
        StageFailed: a weight is not finite in float16.
    """
    weights = {
        key: value.detach().cpu().half()
        for key, value in public_names(state).items()
        if not key.startswith("enc_q.")
    }
    broken = next((k for k, v in weights.items() if not bool(torch.isfinite(v).all())), None)
    if broken:
        raise StageFailed(f"The weight {broken} of {named} is not finite.", "Training diverged.")
    speakers, width = weights["emb_g.weight"].shape[0], weights["enc_p.emb_phone.weight"].shape[1]
    use_f0 = "enc_p.emb_pitch.weight" in weights
    said: dict[str, Any] = {"epoch": 0, "step": 0, "model_name": "", "author": ""} | dict(meta)
    said |= {"sr": settings.sample_rate, "f0": use_f0, "vocoder": vocoder}
    said |= {"version": "v1" if width == 256 else "v2"}
    said.setdefault("speakers_id", speakers)
    said.setdefault("embedder_model", "contentvec")
    now = datetime.datetime.now(datetime.timezone.utc)
    said.setdefault("creation_date", now.isoformat(timespec="seconds"))
    parts = (said[k] for k in ("model_name", "epoch", "step", "sr", "version"))
    text = "-".join(str(p) for p in (*parts, settings.as_list(speakers)))
    said["model_hash"] = hashlib.sha256(text.encode()).hexdigest()
    return VoiceFile(weights, settings, vocoder, use_f0, width, speakers, _plain(said))


def write_voice(path: Path, voice: VoiceFile) -> None:
    """Write a small voice file, atomically; the suffix chooses .pth or .safetensors."""
    config = voice.settings.as_list(voice.n_speakers)
    if path.suffix == ".safetensors":
        from safetensors.torch import save_file

        said = json.dumps({"config": config, **voice.meta})
        tensors = {k: v.contiguous() for k, v in voice.weights.items()}
        with files.replacing(path) as part:
            save_file(tensors, part, metadata={safe.METADATA_KEY: said})
    else:
        content = {"weight": dict(voice.weights), "config": config, **voice.meta}
        with files.replacing(path) as part:
            torch.save(content, part)
