"""What belongs to a voice file: its embedder, its index, the names of its speakers.

Each is held against what the file records of it, because a voice with another embedder than the
one it was trained with makes noise.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from rvc import Report
from rvc.device import Device
from rvc.embedders import EMBEDDERS, FAMILIES
from rvc.embedders.manager import EmbedderManager
from rvc.errors import Mismatch

if TYPE_CHECKING:
    from rvc.embedders.embedder import Embedder, EmbedderSpec
    from rvc.nets.voice_file import VoiceFile
    from rvc.retrieval.index import Retriever
    from rvc.retrieval.on_device import DeviceRetriever, HostRetriever

LOG = logging.getLogger(__name__)
V1_WIDTH, V1_LAYER = 256, 9
INDEX_RATE = 0.3  # of a voice of which nothing was measured


def index_rate(file: VoiceFile, asked: float | None = None) -> float:
    """How much of a voice's index is mixed in: as asked, else as measured, else as is usual."""
    if asked is not None:
        return asked
    found = file.meta.get("index_rate")
    if isinstance(found, (int, float)) and 0 <= found <= 1:
        return float(found)
    return INDEX_RATE


def embedder_of(
    voice: Path,
    file: VoiceFile,
    device: Device,
    name: str,
    custom: str | Path | None,
    report: Report,
) -> Embedder:
    """The embedder a voice is to be used with.

    Args:
        voice: where `file` was read from, for messages.
        name: "auto" takes what the voice was trained with.
        custom: folder of a custom embedder.

    Raises:
        Mismatch: it gives features of another width or kind than the voice was trained on.
        BadInput, MissingModel: it is not there or damaged.
    """
    known, width = file.embedder, file.embed_width
    own = name in ("auto", known["name"])
    layer = known.get("layer") if own else None
    if name == "auto":
        name = str(known["name"])
        if name not in EMBEDDERS and custom is None:
            name, custom = "custom", name
        elif custom is not None:
            name = "custom"
    v1 = width == V1_WIDTH and name in EMBEDDERS and not known.get("layer")
    made = _as_graph_or_network(
        EmbedderManager(report),
        device,
        name,
        custom,
        V1_LAYER if v1 else int(layer) if layer else None,
        bool(known.get("projected", v1)) if own else v1,
    )
    if made.spec.width != width:
        raise Mismatch(
            f"{voice} needs content features of width {width}; "
            f"the embedder {made.spec.name} gives {made.spec.width}.",
            f"Use the embedder the voice was trained with ({known['name']}).",
        )
    _check_spec(voice, known, made.spec)
    return made


def _as_graph_or_network(
    manager: EmbedderManager,
    device: Device,
    name: str,
    custom: str | Path | None,
    layer: int | None,
    projected: bool,
) -> Embedder:
    """As a graph where that can be had, else the network."""
    plain_cpu = device.name == "cpu" and device.dtype == torch.float32
    if plain_cpu and _exportable(manager.home(name, custom)):
        from rvc.onnx import accelerate

        made = accelerate.embedder(manager, name, custom, layer, projected)
        if made is not None:
            return made
    return manager.load(name, custom, device.device, device.dtype, layer=layer, projected=projected)


def _exportable(home: Path) -> bool:
    """Whether the embedder is of the HuBERT family; a checkpoint of fairseq always is."""
    config = home / "config.json"
    if not config.is_file():
        return True
    try:
        family = str(json.loads(config.read_text(encoding="utf-8")).get("model_type", "hubert"))
    except (ValueError, AttributeError):
        return False  # whoever loads it says what is wrong
    return FAMILIES.get(family, "").startswith("rvc.embedders.hubert:")


def _check_spec(voice: Path, known: dict[str, Any], spec: EmbedderSpec) -> None:
    """Hold the embedder against what the voice file records of the one it was trained with.

    Raises:
        Mismatch: it normalises its input otherwise, which no voice survives.
    """
    normalize, digest = known.get("normalize"), known.get("digest")
    if normalize is not None and bool(normalize) != spec.normalize:
        words = {True: "with", False: "without"}
        raise Mismatch(
            f"{voice} was trained {words[bool(normalize)]} input normalisation; the embedder "
            f"{spec.name} works {words[spec.normalize]} it.",
            f"Use the embedder the voice was trained with ({known['name']}).",
        )
    if digest and digest != spec.digest:
        LOG.warning(
            "%s was trained with another embedder file (%s) than %s; it may sound different.",
            voice,
            known["name"],
            spec.name,
        )


def index_of(
    path: Path | str | None, width: int, voice: Path, device: Device
) -> Retriever | DeviceRetriever | HostRetriever | None:
    """The index of a voice whose features have `width`, on its device; None without a path.

    Raises:
        Mismatch: its features have another width. BadInput: it is missing or damaged.
    """
    if path is None:
        return None
    from rvc.retrieval.index import Retriever

    retriever = Retriever.load(Path(path))
    if retriever.width != width:
        raise Mismatch(
            f"{path} holds features of width {retriever.width}, but {voice} needs {width}.",
            "Use the index that belongs to the voice.",
        )
    if device.name == "cpu":
        return retriever
    from rvc.retrieval.on_device import on_device

    return on_device(retriever, device.device)


def never_trained(meta: dict[str, Any], number: int) -> str:
    """A sentence about a speaker that no recording was of; "" where there is nothing to say."""
    heard = meta.get("trained_speakers")
    if not isinstance(heard, list) or number in heard:
        return ""
    few = ", ".join(map(str, heard[:8])) + (" ..." if len(heard) > 8 else "")
    return f"speaker {number} was never trained; its recordings were of {few}"


def speaker_names(meta: dict[str, Any], count: int) -> list[str]:
    """Names by position where the file has them, else numbers."""
    named = meta.get("speakers")
    names = [str(i) for i in range(count)]
    if isinstance(named, list):
        named = dict(enumerate(named))
    if isinstance(named, dict):
        for key, value in named.items():
            number, name = (key, value) if str(key).isdecimal() else (value, key)
            if str(number).isdecimal() and int(number) < count:
                names[int(number)] = str(name)
    return names
