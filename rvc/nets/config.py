"""The numbers that define a voice's networks, kept in rvc/configs in Applio's format."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rvc.errors import BadInput
from rvc.nets import VOCODERS

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
LIST_LENGTH = 18


@dataclass(frozen=True)
class VoiceSettings:
    """Sizes of one voice's spectrograms and networks, and the constants it is trained with.

    `hop_length` is in samples and equals the product of `upsample_rates`; `segment_size` is the
    training segment in samples. Without `use_posterior` a voice is trained on sound made
    from the prior's latent, as a conversion makes it; every public voice has one.
    """

    sample_rate: int
    filter_length: int
    hop_length: int
    win_length: int
    n_mel_channels: int
    segment_size: int
    upsample_rates: tuple[int, ...]
    upsample_kernel_sizes: tuple[int, ...]
    upsample_initial_channel: int = 512
    mel_fmin: float = 0.0
    mel_fmax: float | None = None
    inter_channels: int = 192
    hidden_channels: int = 192
    filter_channels: int = 768
    n_heads: int = 2
    n_layers: int = 6
    kernel_size: int = 3
    p_dropout: float = 0.0
    resblock: str = "1"
    resblock_kernel_sizes: tuple[int, ...] = (3, 7, 11)
    resblock_dilation_sizes: tuple[tuple[int, ...], ...] = ((1, 3, 5),) * 3
    spk_embed_dim: int = 109
    gin_channels: int = 256
    seed: int = 1234
    learning_rate: float = 1e-4
    betas: tuple[float, float] = (0.8, 0.99)
    eps: float = 1e-9
    lr_decay: float = 0.999875
    c_mel: float = 45.0
    c_kl: float = 1.0
    use_posterior: bool = True

    @property
    def spec_channels(self) -> int:
        return self.filter_length // 2 + 1

    @property
    def segment_frames(self) -> int:
        return self.segment_size // self.hop_length

    def as_list(self, n_speakers: int) -> list[Any]:
        """The eighteen-item `config` list of a small voice file."""
        return [
            self.spec_channels,
            32,  # a constant of the format; nothing reads it
            self.inter_channels,
            self.hidden_channels,
            self.filter_channels,
            self.n_heads,
            self.n_layers,
            self.kernel_size,
            self.p_dropout,
            self.resblock,
            list(self.resblock_kernel_sizes),
            [list(d) for d in self.resblock_dilation_sizes],
            list(self.upsample_rates),
            self.upsample_initial_channel,
            list(self.upsample_kernel_sizes),
            n_speakers,
            self.gin_channels,
            self.sample_rate,
        ]

    def as_json(self) -> dict[str, Any]:
        """The three-part dictionary of a `config.json` beside a training."""
        flat = asdict(self)
        train = {k: flat[k] for k in _TRAIN} | {"log_interval": 200}
        data = {k: flat[k] for k in _DATA} | {"max_wav_value": 32768.0}
        rest = {k: v for k, v in flat.items() if k not in train and k not in data}
        if self.use_posterior:
            del rest["use_posterior"]
        rest |= {"text_enc_hidden_dim": 768, "use_spectral_norm": False}
        return {"train": train, "data": data, "model": rest}


_TRAIN = ("seed", "learning_rate", "betas", "eps", "lr_decay", "c_mel", "c_kl", "segment_size")
_DATA = (
    "sample_rate",
    "filter_length",
    "hop_length",
    "win_length",
    "n_mel_channels",
    "mel_fmin",
    "mel_fmax",
)


def _tupled(value: Any) -> Any:
    return tuple(_tupled(v) for v in value) if isinstance(value, (list, tuple)) else value


def from_json(parts: dict[str, Any], named: str) -> VoiceSettings:
    """Settings from the three-part dictionary; keys this program has no use for are ignored.

    Raises:
        BadInput: a part or value is missing or does not fit the others.
    """
    try:
        flat = {**parts["train"], **parts["data"], **parts["model"]}
        if "sampling_rate" in flat:  # the spelling of versions before 3.3
            flat["sample_rate"] = flat["sampling_rate"]
        fields = VoiceSettings.__dataclass_fields__
        return _checked(
            VoiceSettings(**{k: _tupled(v) for k, v in flat.items() if k in fields}), named
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            f"{named} is not a training configuration: {error}.", "Use one from rvc/configs."
        ) from error


def read(path: Path) -> VoiceSettings:
    """Settings from a config.json.

    Raises:
        BadInput: not readable as such.
    """
    try:
        parts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} cannot be read as a configuration: {error}.") from error
    return from_json(parts, str(path))


def slug(vocoder: str) -> str:
    """Folder name of a vocoder: lower case, as in pretraineds/ and configs/."""
    return vocoder.lower()


def config_file(sample_rate: int, vocoder: str = "HiFi-GAN", version: str = "v2") -> Path:
    """The JSON file for a rate: the vocoder's own folder first, then the common one.

    Raises:
        BadInput: there is none; the hint lists the rates there are.
    """
    folders = [CONFIGS / slug(vocoder), CONFIGS / "v1" if version == "v1" else CONFIGS]
    for folder in folders:
        file = folder / f"{sample_rate}.json"
        if file.is_file() and sample_rate in VOCODERS[vocoder].rates:
            return file
    known = ", ".join(str(rate) for rate in VOCODERS[vocoder].rates)
    raise BadInput(
        f"There is no {version} configuration for {vocoder} at {sample_rate} Hz.",
        f"{vocoder} voices can have {known} Hz.",
    )


def load(sample_rate: int, vocoder: str = "HiFi-GAN", version: str = "v2") -> VoiceSettings:
    """The standard settings of a rate and vocoder."""
    return read(config_file(sample_rate, vocoder, version))


def from_list(config: Any, named: str) -> VoiceSettings:
    """Settings from the `config` list of a small voice file.

    What only training needs (mel bands, segment) is taken from the standard file of the rate.

    Raises:
        BadInput: not such a list.
    """
    try:
        found = _checked(_listed(config), named)
    except (TypeError, ValueError, OverflowError) as error:
        raise BadInput(
            f"{named} has no usable network configuration.",
            "It is not a voice file of RVC or Applio.",
        ) from error
    standard = CONFIGS / f"{found.sample_rate}.json"
    if not standard.is_file():
        return found
    known = read(standard)
    return replace(found, n_mel_channels=known.n_mel_channels, mel_fmax=known.mel_fmax)


def _listed(config: Any) -> VoiceSettings:
    """The entries of the list by their places; entry 1 is a constant of the format."""
    if not isinstance(config, (list, tuple)) or len(config) != LIST_LENGTH:
        raise ValueError("not a list of eighteen entries")
    c = _tupled(config)
    n_fft, hop = (int(c[0]) - 1) * 2, math.prod(c[12])
    return VoiceSettings(
        sample_rate=_as_rate(c[17]),
        filter_length=n_fft,
        hop_length=hop,
        win_length=n_fft,
        n_mel_channels=80 if n_fft <= 1024 else 128,
        segment_size=36 * hop,
        inter_channels=c[2],
        hidden_channels=c[3],
        filter_channels=c[4],
        n_heads=c[5],
        n_layers=c[6],
        kernel_size=c[7],
        p_dropout=float(c[8]),
        resblock=str(c[9]),
        resblock_kernel_sizes=c[10],
        resblock_dilation_sizes=c[11],
        upsample_rates=c[12],
        upsample_initial_channel=c[13],
        upsample_kernel_sizes=c[14],
        spk_embed_dim=c[15],
        gin_channels=c[16],
    )


def _as_rate(value: Any) -> int:
    """Some files spell their rate in words: "40k"."""
    if isinstance(value, str) and value.lower().endswith("k"):
        return int(float(value[:-1]) * 1000)
    return int(value)


def _checked(s: VoiceSettings, named: str) -> VoiceSettings:
    """Refuse sizes that no voice has: they would only waste memory or crash later."""
    counts = (s.inter_channels, s.hidden_channels, s.filter_channels, s.upsample_initial_channel)
    fits = (
        all(isinstance(n, int) and 1 <= n <= 8192 for n in counts)
        and 8000 <= s.sample_rate <= 192000
        and 16 <= s.filter_length <= 32768
        and s.hop_length == math.prod(s.upsample_rates)
        and 1 <= len(s.upsample_rates) == len(s.upsample_kernel_sizes) <= 8
        and 1 <= len(s.resblock_kernel_sizes) == len(s.resblock_dilation_sizes) <= 8
        and all(1 <= n <= 1024 for n in s.upsample_rates + s.upsample_kernel_sizes)
        and all(1 <= k <= 63 and k % 2 for k in s.resblock_kernel_sizes)
        and all(1 <= d <= 64 for ds in s.resblock_dilation_sizes for d in ds)
        and 1 <= s.n_heads <= 64
        and s.hidden_channels % s.n_heads == 0
        and s.inter_channels % 2 == 0
        and 1 <= s.n_layers <= 64
        and 1 <= s.kernel_size <= 63
        and 0 <= s.gin_channels <= 8192
        and 1 <= s.spk_embed_dim <= 100_000
    )
    if not fits:
        raise BadInput(
            f"{named} describes a network that cannot be built.",
            f"hop {s.hop_length}, rates {s.upsample_rates}, rate {s.sample_rate} Hz.",
        )
    return s
