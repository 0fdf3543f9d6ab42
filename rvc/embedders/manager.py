"""EmbedderManager: finds an embedder on disk first, fetches it only when absent, loads it once."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import torch

from rvc import Report, silent
from rvc.config import REPOSITORY, paths
from rvc.embedders import EMBEDDERS, FAMILIES
from rvc.embedders.embedder import FILES, Embedder, EmbedderSpec, read
from rvc.errors import BadInput, DownloadFailed, MissingModel
from rvc.hub import loaded, sha256
from rvc.plugins import attribute

log = logging.getLogger(__name__)
KIT_HINT = (
    "A new voice needs no download with what ships here: "
    "--embedder-model mini-plus --f0-method swift-f0."
)
KIND = "embedder"


class EmbedderManager:
    """Loads embedders by name.

    Args:
        report: told about downloads, should one be needed.
    """

    def __init__(self, report: Report = silent) -> None:
        self.report = report

    def load(
        self,
        name: str,
        custom: str | Path | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        layer: int | None = None,
        projected: bool = False,
    ) -> Embedder:
        """The embedder called `name`, cached by its file and time of change.

        Args:
            name: one of `EMBEDDERS`; "custom" needs `custom`, a folder or fairseq `.pt` file.
            layer: block to use instead of the one the embedder declares.
            projected: pass the output through `final_proj` (voices of version v1: layer 9).

        Raises:
            BadInput: unknown name, or files that do not fit together.
            MissingModel: files are absent and may not or cannot be fetched.
        """
        home = self.home(name, custom)
        weights = weights_file(home)
        label = name if name != "custom" else str(custom)
        key = (label, *_marks(weights), str(device), dtype, layer, projected)

        def make() -> Embedder:
            try:
                return _open(label, weights, device, dtype, layer, projected)
            except BadInput as error:
                raise BadInput(error.message, _advice(weights, error.hint)) from error

        return loaded.get(KIND, key, make)

    def home(self, name: str, custom: str | Path | None = None) -> Path:
        """The folder or file an embedder is loaded from, fetched first where that is possible."""
        if name not in EMBEDDERS:
            raise BadInput(
                f"There is no embedder called {name!r}.", "Known are: " + ", ".join(EMBEDDERS) + "."
            )
        if name == "custom":
            return _custom(custom)
        info = EMBEDDERS[name]
        if info.shipped:
            home = REPOSITORY / "rvc" / "models" / "kit" / info.folder
        else:
            home = paths().embedders / info.folder
        if not (home / "config.json").is_file() or not _weights(home):
            self._fetch(name, home, info.shipped)
        return home

    def _fetch(self, name: str, home: Path, shipped: bool) -> None:
        from rvc.hub import catalog
        from rvc.hub.fetch import ensure

        files = [] if shipped else catalog.embedder(name)
        if not files:
            raise MissingModel(
                f"The embedder {name} is not installed: {home} lacks config.json or its weights.",
                f"Put its config.json and {FILES[-1]} there.",
            )
        log.info("The embedder %s is not here yet.", name)
        try:
            ensure(files, self.report)
        except (MissingModel, DownloadFailed) as error:
            raise type(error)(error.message, f"{error.hint} {KIT_HINT}".strip()) from error


def forget() -> None:
    """Drop every loaded embedder (frees memory)."""
    loaded.drop(KIND)


def _marks(weights: Path) -> list[tuple[str, int, int]]:
    """Name, size and time of change of an embedder's files."""
    files = [weights, *sorted(weights.parent.glob("*.json"))]
    return [(str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in files]


def _advice(weights: Path, hint: str) -> str:
    """What to do about a file that cannot be loaded, if it is one that could be fetched again."""
    from rvc.hub import catalog

    for asset in catalog.everything():
        if asset.file == weights and asset.size not in (None, weights.stat().st_size):
            return f"It is not the published file: delete {weights}, and it is fetched again."
    return hint


def _custom(custom: str | Path | None) -> Path:
    if not custom:
        raise BadInput(
            "The embedder custom needs a folder.", "Give it with --embedder-model-custom."
        )
    for home in (Path(custom), paths().embedders / "embedders_custom" / custom):
        if home.is_dir() or home.suffix in (".pt", ".pth") and home.is_file():
            return home
    raise BadInput(
        f"The custom embedder {custom} does not exist.",
        "Give a folder with config.json and weights, or a fairseq .pt checkpoint.",
    )


def _weights(home: Path) -> Path | None:
    return next((home / f for f in FILES if (home / f).is_file()), None)


def weights_file(home: Path) -> Path:
    """The file that holds the weights of an embedder's home."""
    found = home if home.is_file() else _weights(home)
    if found is None:
        raise MissingModel(
            f"The embedder folder {home} has no weights.", "It needs one of: " + ", ".join(FILES)
        )
    return found


def _open(
    label: str,
    file: Path,
    device: torch.device | str,
    dtype: torch.dtype,
    layer: int | None,
    projected: bool,
) -> Embedder:
    config, extra, weights = _contents(file)
    info = EMBEDDERS.get(label)
    family = str(config.get("model_type", "hubert"))
    if not (info and info.family) and family not in FAMILIES:
        raise BadInput(
            f"The embedder {label} is of the kind {family!r}.",
            "Known kinds are: " + ", ".join(FAMILIES) + ".",
        )
    with EMBEDDERS.blamed(label):
        build = attribute(info.family if info and info.family else FAMILIES[family])
        network = build(config, weights, layer or extra.get("layer"), projected)
    spec = EmbedderSpec(
        name=label,
        width=network.width,
        layer=network.layer,
        normalize=_normalize(label, config, extra),
        sample_rate=int(extra.get("sampling_rate", 16000)),
        hop=network.hop,
        digest=sha256(file),
        projected=projected,
    )
    if spec.sample_rate != 16000 or spec.hop != 320:
        raise BadInput(
            f"The embedder {label} works at {spec.sample_rate} Hz with {spec.hop} samples a frame.",
            "Only 16000 Hz and 320 samples are supported.",
        )
    log.info("Embedder %s: %d wide, layer %d.", label, spec.width, spec.layer)
    return Embedder(spec, network, device, dtype)


def _contents(file: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, torch.Tensor]]:
    """(config.json, other declarations, weights) of a home."""
    if file.suffix in (".pt", ".pth"):
        from rvc.embedders.fairseq import convert

        return convert(file)
    config = _json(file.parent / "config.json")
    extra: dict[str, Any] = {}
    for name in ("preprocessor_config.json", "embedder.json"):
        if (file.parent / name).is_file():
            extra |= _json(file.parent / name)
    return config, extra, read(file)


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingModel(
            f"{path} is missing.", "An embedder needs its config.json beside its weights."
        ) from None
    except ValueError as error:
        raise BadInput(f"{path} is not valid JSON.", str(error)) from error
    if not isinstance(found, dict):
        raise BadInput(f"{path} holds no settings.", "It must be a JSON object.")
    return found


def _normalize(label: str, config: dict[str, Any], extra: dict[str, Any]) -> bool:
    """Whether waves are normalised: declared, else by the rule all public models follow."""
    info = EMBEDDERS.get(label)
    if info is not None and info.normalize is not None:
        return info.normalize
    if isinstance(declared := extra.get("do_normalize"), bool):
        return declared
    rule: bool = config.get("feat_extract_norm", "group") == "layer"
    log.info(
        "Embedder %s declares no normalisation; its front end suggests %s.",
        label,
        "zero mean and unit variance" if rule else "none",
    )
    return rule
