"""The verb `model-blender`: a new voice between two of the same kind."""

from __future__ import annotations

from typing import Any

from rvc import Report, config, params, silent
from rvc.errors import Mismatch
from rvc.nets.voice_file import VoiceFile, read_voice, voice_of, write_voice
from rvc.voices import replacing


def run(p: params.ModelBlender, report: Report = silent) -> dict[str, Any]:
    """Write logs/<name>/<name>.pth.

    Raises:
        Mismatch: the voices differ in what has to agree; every difference is named.
    """
    folder = config.experiment(p.model_name)
    file = folder / f"{folder.name}.pth"
    p.refuse_existing(file)
    report(0, 3, "Reading the voices")
    first, second = read_voice(p.pth_path_1), read_voice(p.pth_path_2)
    report(2, 3, "Blending")
    blended = blend(first, second, p.ratio, folder.name)
    folder.mkdir(parents=True, exist_ok=True)
    old = replacing.index_of(file)
    write_voice(file, blended)
    gone = replacing.drop_index(old)
    report(3, 3, "Blended")
    cut = "" if first.n_speakers == second.n_speakers else " with the speakers both have"
    return {
        "message": f"Blended {p.ratio:.0%} of {p.pth_path_1.name} and {1 - p.ratio:.0%} of "
        f"{p.pth_path_2.name} into {file}{cut}.{gone}",
        "file": str(file),
        "speakers": blended.n_speakers,
    }


def blend(first: VoiceFile, second: VoiceFile, ratio: float, name: str) -> VoiceFile:
    """ratio · first + (1 - ratio) · second, weight by weight, for the speakers that both have.

    Raises:
        Mismatch: rates, widths, vocoders, embedders or shapes differ.
    """
    _agree(first, second)
    speakers = min(first.n_speakers, second.n_speakers)
    weights = {}
    for key, ours in first.weights.items():
        theirs = second.weights[key]
        if key == "emb_g.weight":
            ours, theirs = ours[:speakers], theirs[:speakers]
        weights[key] = ratio * ours.float() + (1 - ratio) * theirs.float()
    parts = [(first, ratio), (second, 1 - ratio)]
    meta = {
        "model_name": name,
        "author": _both(first, second, "author"),
        "embedder_model": first.embedder["name"],
        "embedder": first.embedder,
        "epoch": max(_number(v.meta.get("epoch")) for v, _ in parts),
        "step": max(_number(v.meta.get("step")) for v, _ in parts),
        "info": f"Blend of two voices, {ratio:.0%} and {1 - ratio:.0%}.",
        "blended_from": [_origin(v, part) for v, part in parts],
    }
    return voice_of(weights, first.settings, first.vocoder, meta, name)


def _agree(first: VoiceFile, second: VoiceFile) -> None:
    said = [
        ("sample rate", first.sample_rate, second.sample_rate),
        ("content width", first.embed_width, second.embed_width),
        ("vocoder", first.vocoder, second.vocoder),
        ("use of pitch", first.use_f0, second.use_f0),
        ("embedder", first.embedder["name"], second.embedder["name"]),
    ]
    apart = [f"{what} ({a} and {b})" for what, a, b in said if a != b]
    shapes = {k: v.shape for k, v in first.weights.items() if k != "emb_g.weight"}
    theirs = {k: v.shape for k, v in second.weights.items() if k != "emb_g.weight"}
    if not apart and shapes != theirs:
        odd = next(k for k in shapes | theirs if shapes.get(k) != theirs.get(k))
        apart = [f"the shape of {odd}"]
    if apart:
        raise Mismatch(
            f"These voices cannot be blended: they differ in {', '.join(apart)}.",
            "Blend voices of the same kind.",
        )


def _number(value: Any) -> int:
    return int(value) if str(value).isdigit() else 0


def _both(first: VoiceFile, second: VoiceFile, key: str) -> str:
    found = [str(v.meta.get(key) or "") for v in (first, second)]
    return ", ".join(dict.fromkeys(text for text in found if text not in ("", "None")))


def _origin(voice: VoiceFile, part: float) -> dict[str, Any]:
    kept = ("model_name", "author", "model_hash", "epoch", "creation_date", "blended_from")
    return {"part": round(part, 4), **{k: voice.meta[k] for k in kept if voice.meta.get(k)}}
