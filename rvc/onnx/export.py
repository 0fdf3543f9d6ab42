"""The verb `export-onnx`: a whole voice as one ONNX file, kept only if it sounds the same."""

from __future__ import annotations

import json
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rvc import Report, files, params, silent
from rvc.errors import BadInput, StageFailed
from rvc.nets.layers import Noise
from rvc.nets.synthesizer import Synthesizer
from rvc.nets.voice_file import VoiceFile, build, read_voice
from rvc.onnx import half, runtime
from rvc.onnx import voice as voices

LOG = logging.getLogger(__name__)
LENGTHS = (1, 8, 33, 100, 151, 200, 333)  # frames on which both have to agree
TOLERANCE = 1e-3  # of the peak


class GivenNoise(Noise):
    """Hands out what the caller of the graph gives."""

    def __init__(self, values: Tensor, offset: Tensor | None = None) -> None:
        super().__init__()
        self.values, self.offset = values, offset

    def uniform(self, like: Tensor) -> Tensor:
        return torch.zeros_like(like) if self.offset is None else self.offset

    def normal(self, like: Tensor) -> Tensor:
        return self.values


class LayerNoise(Noise):
    """Hands the layers of a decoder what the caller of the graph gives, in order."""

    def __init__(self, values: tuple[Tensor, ...]) -> None:
        super().__init__()
        self.values = iter(values)

    def normal(self, like: Tensor) -> Tensor:
        return next(self.values)


class WholeVoice(nn.Module):
    """Content, pitch and given noise to sound, as one function of tensors."""

    def __init__(self, net: Synthesizer, for_export: bool = False) -> None:
        super().__init__()
        self.net = net
        self.dec = net.dec.for_export() if for_export else net.dec

    def forward(
        self,
        feats: Tensor,
        p_len: Tensor,
        sid: Tensor,
        rnd: Tensor,
        pitch: Tensor | None = None,
        pitchf: Tensor | None = None,
        breath: Tensor | None = None,
        offset: Tensor | None = None,
        *layers: Tensor,
    ) -> tuple[Tensor, ...]:
        """Shapes as in `rvc.onnx.voice.INPUTS` -> audio, z, g and, with pitch, source."""
        g = self.net.speaker(sid)
        z, _ = self.net.latent(feats, pitch, p_len, g, GivenNoise(rnd))
        if pitchf is None or breath is None:
            return self.dec(z, g=g), z, g
        source = self.dec.source(pitchf, GivenNoise(breath, offset))
        return self.dec(z, g=g, source=source, noise=LayerNoise(layers)), z, g, source


def run(p: params.ExportOnnx, report: Report = silent) -> dict[str, Any]:
    """Write the .onnx file.

    Raises:
        StageFailed: it does not sound like the original; nothing is written then.
    """
    target = p.output_path or p.implied_outputs()["output_path"]
    if target.suffix != ".onnx":
        raise BadInput(f"{target} has no known ending.", "Use .onnx.")
    p.refuse_existing(target)
    voice = read_voice(p.pth_path)
    net = build(voice)
    report(0, len(LENGTHS) + 1, "Exporting")
    target.parent.mkdir(parents=True, exist_ok=True)
    with files.replacing(target, ".part.onnx") as part:
        try:
            _export(net, part)
            half.finish(part, _metadata(voice), voice.weights if p.precision == "fp16" else None)
            worst = _compare(net, part, report)
        except runtime.errors(torch.onnx.errors.OnnxExporterError) as error:
            raise StageFailed(
                f"{p.pth_path} cannot be expressed in ONNX: {str(error)[:160]}",
                "Keep using the .pth file.",
            ) from error
        if not worst <= TOLERANCE:
            raise StageFailed(
                f"The ONNX form of {p.pth_path} is off by {worst:.1e} of the peak; not kept.",
                "Use --precision fp32." if p.precision == "fp16" else "Keep using the .pth file.",
            )
    return {
        "message": f"Wrote {target}: within {worst:.1e} of the peak of the original.",
        "file": str(target),
        "bytes": target.stat().st_size,
        "worst": worst,
    }


def example(net: Synthesizer, frames: int, seed: int = 0) -> dict[str, Tensor]:
    """Inputs for every name the graph of this voice has, partly unvoiced."""
    made = torch.Generator().manual_seed(seed)
    s = net.settings
    out = {
        "feats": torch.randn(1, frames, net.embed_width, generator=made),
        "p_len": torch.tensor([frames]),
        "sid": torch.tensor([seed % net.n_speakers]),
        "rnd": torch.randn(1, s.inter_channels, frames, generator=made),
    }
    if net.use_f0:
        f0 = 120.0 + 200.0 * torch.rand(1, frames, generator=made)
        f0[:, frames // 3 : frames // 2] = 0.0
        tones = net.dec.harmonics + 1
        out["pitch"] = (f0 / 5).long().clamp(1, 255)
        out["pitchf"] = f0
        out["breath"] = torch.randn(1, frames * s.hop_length, tones, generator=made)
        out["offset"] = torch.rand(1, 1, tones, generator=made)
        for number, (channels, per_frame) in enumerate(net.dec.drawn):
            noise = torch.randn(1, channels, frames * per_frame, generator=made)
            out[voices.NOISE.format(number)] = noise
    return out


def _export(net: Synthesizer, path: Path) -> None:
    inputs = example(net, 67)
    names = list(inputs)
    outputs = ["audio", "z", "g", *(["source"] if net.use_f0 else [])]
    axes = {name: {axis: "frames"} for name, (_, axis) in voices.INPUTS.items() if axis}
    axes |= {"audio": {2: "samples"}, "z": {2: "frames"}}
    axes |= {"source": {2: "samples"}, "breath": {1: "samples"}}
    drawn = [voices.NOISE.format(i) for i in range(len(net.dec.drawn))]
    axes |= {name: {2: f"of {name}"} for name in drawn}
    with warnings.catch_warnings(), torch.inference_mode(False), torch.no_grad():
        warnings.simplefilter("ignore")  # the tracer doubts every shape; the comparison decides
        whole = WholeVoice(net, for_export=True).eval()
        whole(*inputs.values())  # whatever is made once and kept becomes a constant of the graph
        torch.onnx.export(
            whole,
            tuple(inputs.values()),
            str(path),
            input_names=names,
            output_names=outputs,
            dynamic_axes={k: v for k, v in axes.items() if k in (*names, *outputs)},
            opset_version=runtime.OPSET,
            dynamo=False,
        )


def _metadata(voice: VoiceFile) -> dict[str, str]:
    facts = {
        "config": voice.settings.as_list(voice.n_speakers),
        "vocoder": voice.vocoder,
        "f0": voice.use_f0,
        "embed_width": voice.embed_width,
        "meta": voice.meta,
    }
    return {voices.METADATA_KEY: json.dumps(facts)}


def _compare(net: Synthesizer, path: Path, report: Report) -> float:
    """Largest difference over all lengths, as a part of the peak; infinite if a length fails."""
    session = runtime.session(path)
    known = {item.name for item in session.get_inputs()}
    worst = 0.0
    for number, frames in enumerate(LENGTHS):
        inputs = example(net, frames, seed=number)
        with torch.no_grad():
            wanted = WholeVoice(net)(*inputs.values())[0].numpy()
        fed = {k: v.numpy() for k, v in inputs.items() if k in known}
        got = session.run(["audio"], fed)[0]
        if got.shape != wanted.shape or not np.isfinite(got).all():
            return float("inf")
        worst = max(worst, float(np.abs(got - wanted).max() / np.abs(wanted).max()))
        report(number + 2, len(LENGTHS) + 1, "Comparing")
    return worst
