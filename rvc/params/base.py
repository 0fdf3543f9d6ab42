"""What every parameter class is made of: frozen fields with a help text, a group and a range."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from rvc.embedders import EmbedderName

SampleRate = Literal[24000, 32000, 40000, 48000]
ALL_CORES = max(1, min(64, os.cpu_count() or 1))


def _empty_is_none(value: Any) -> Any:
    return None if isinstance(value, str) and value.strip() in ("", "None") else value


def _as_tuple(value: Any) -> Any:
    values = value if isinstance(value, (list, tuple)) else [value]
    return tuple(v for v in values if _empty_is_none(v) is not None)


OptionalPath = Annotated[Path | None, BeforeValidator(_empty_is_none)]
OptionalText = Annotated[str | None, BeforeValidator(_empty_is_none)]
Paths = Annotated[tuple[Path, ...], BeforeValidator(_as_tuple)]


def option(default: Any = ..., help: str = "", group: str = "", **limits: Any) -> Any:
    """A field with a help text; `group` names its fold in forms ("" = always visible)."""
    return Field(default, description=help, json_schema_extra={"group": group}, **limits)


def argument(default: Any = ..., help: str = "") -> Any:
    """A field that the command line takes by its place, without a flag."""
    return Field(default, description=help, json_schema_extra={"group": "", "positional": True})


class Params(BaseModel):
    """Frozen values of one command. Unknown names are an error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False
    )


class Embedding(Params):
    """Which content embedder is used."""

    embedder_model: EmbedderName = option("contentvec", "Content embedder.", "Advanced")
    embedder_model_custom: OptionalText = option(
        None, "Folder of a custom embedder (with --embedder-model custom).", "Advanced"
    )


class Hardware(Params):
    """Where the work is done."""

    gpu: str = option(
        "auto",
        "auto, - for the CPU, or GPU numbers joined by a dash, such as 0 or 0-1.",
        "Advanced",
        pattern=r"^(auto|-|\d+(-\d+)*)$",
    )
