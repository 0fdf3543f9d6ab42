"""Narrow networks with the real hop sizes and key names, so that tests take no time.

Every helper is deterministic for its arguments.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from rvc.nets import config as configs
from rvc.nets.checkpoint import write_checkpoint
from rvc.nets.config import VoiceSettings
from rvc.nets.synthesizer import Synthesizer
from rvc.nets.voice_file import voice_of, write_voice

EMBED_WIDTH = 32
HUBERT = {
    "architectures": ["HubertModel"],
    "model_type": "hubert",
    "hidden_size": EMBED_WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "conv_dim": [16] * 7,
    "conv_kernel": [10, 3, 3, 3, 3, 2, 2],
    "conv_stride": [5, 2, 2, 2, 2, 2, 2],
    "num_feat_extract_layers": 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
    "conv_bias": False,
    "feat_extract_norm": "group",
    "feat_proj_layer_norm": True,
    "do_stable_layer_norm": False,
    "vocab_size": 32,
    "classifier_proj_size": 16,
    "layerdrop": 0.0,
}


def settings(
    sample_rate: int = 40000, vocoder: str = "HiFi-GAN", version: str = "v2"
) -> VoiceSettings:
    """The real settings of a rate with narrow layers; RefineGAN's decoder keeps its width."""
    return replace(
        configs.load(sample_rate, vocoder, version),
        inter_channels=16,
        hidden_channels=16,
        filter_channels=24,
        n_layers=2,
        upsample_initial_channel=32,
        gin_channels=8,
        resblock_kernel_sizes=(3, 5),
        resblock_dilation_sizes=((1, 3), (1, 3)),
    )


def net(
    sample_rate: int = 40000,
    vocoder: str = "HiFi-GAN",
    embed_width: int = EMBED_WIDTH,
    use_f0: bool = True,
    n_speakers: int = 2,
    with_posterior: bool = True,
    version: str = "v2",
    seed: int = 0,
) -> Synthesizer:
    """A voice network of random weights, loud enough that differences show."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = Synthesizer(
            settings(sample_rate, vocoder, version),
            embed_width,
            use_f0,
            n_speakers,
            vocoder,
            with_posterior,
        )
        with torch.no_grad():
            couplings: Any = made.flow.flows[::2]
            for coupling in couplings:
                coupling.post.weight.normal_(0.0, 0.1)
            _awaken(made.dec)
    return made.eval()


def _awaken(decoder: Any) -> None:
    """Weights that pass sound on: fresh decoders are nearly deaf until they are trained."""
    for name, value in decoder.named_parameters():
        if name.endswith("original0"):  # the length of each row of the weight
            stages = name.startswith(("ups.", "upsamples."))
            value.fill_(2.0 if stages else 1.0 if "conv_post" in name else 0.5)
        elif name == "m_source.l_linear.weight":
            value.fill_(3.0 / value.numel())


def deafen(network: Any) -> None:
    """No attention in the text encoder: what is left sees less than the context of a piece."""
    for layer in network.enc_p.encoder.attn_layers:
        torch.nn.init.zeros_(layer.conv_o.weight)


def voice(path: Path, **options: Any) -> Path:
    """Write a small voice file; options are those of `net`."""
    made = net(**{"with_posterior": False, **options})
    meta = {
        "model_name": path.stem,
        "epoch": 3,
        "step": 30,
        "embedder_model": "contentvec",
        "dataset_length": "00:01:00",
        "author": "somebody",
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_voice(path, voice_of(made.state_dict(), made.settings, made.vocoder, meta))
    return path


def checkpoint_g(path: Path, iteration: int = 1, **options: Any) -> Path:
    """Write a G_ file of a tiny network."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_checkpoint(path, net(**options), iteration, 1e-4)
    return path


def inputs(
    frames: int = 40, embed_width: int = EMBED_WIDTH, batch: int = 1, seed: int = 0
) -> dict[str, Any]:
    """phone, lengths, pitch, f0, sid: half the frames voiced around 200 Hz."""
    made = torch.Generator().manual_seed(seed)
    f0 = 200.0 + 20.0 * torch.randn(batch, frames, generator=made)
    f0[:, frames // 2 :] = 0.0
    return {
        "phone": torch.randn(batch, frames, embed_width, generator=made),
        "lengths": torch.full((batch,), frames),
        "pitch": torch.where(f0 > 0, f0 / 5, torch.ones(1)).long().clamp(1, 255),
        "f0": f0,
        "sid": torch.zeros(batch, dtype=torch.long),
    }


def hubert(folder: Path, seed: int = 0, **changes: Any) -> Path:
    """A HuBERT-shaped folder (config.json, pytorch_model.bin) of random weights."""
    from rvc.embedders.others import transformers

    package = transformers()
    config = {**HUBERT, **changes}
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = package.HubertModel(package.HubertConfig(**config))
        final = torch.nn.Linear(config["hidden_size"], config["classifier_proj_size"])
    state = model.state_dict() | {f"final_proj.{k}": v for k, v in final.state_dict().items()}
    torch.save(state, folder / "pytorch_model.bin")
    (folder / "config.json").write_text(json.dumps(config))
    return folder
