"""What every parameter class is made of, and what front ends can ask of it.

A field is declared once with its help text, group, range and whether it names something that is
read or written. Command line, page, HTTP API, file rules and documentation read that here.
"""

from __future__ import annotations

import os
import types
from collections.abc import Iterable, Mapping
from copy import copy
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pydantic
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.fields import FieldInfo

from rvc import config
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


def _gate(value: Any) -> Any:
    """ "auto", "off" or a level in dBFS, as text.

    Raises:
        ValueError: it is neither.
    """
    text = str(value).strip().lower()
    try:
        if text not in ("auto", "off") and not -120 <= float(text) <= 0:
            raise ValueError
    except ValueError:
        raise ValueError("auto, off or a level from -120 to 0 dBFS") from None
    return text


GateDb = Annotated[str, BeforeValidator(_gate)]


def option(
    default: Any = ...,
    help: str = "",
    group: str = "",
    *,
    reads: bool = False,
    writes: bool = False,
    **limits: Any,
) -> Any:
    """A field with a help text.

    Args:
        group: its fold in forms; "" = always visible.
        reads: it names a file or folder that is read; a text may also mean something else.
        writes: it names a file or folder that is written.
        limits: bounds and patterns, as pydantic takes them.
    """
    extra = _extra(group, reads, writes)
    return Field(default, description=help, json_schema_extra=extra, **limits)


def with_default(params: type[Params], name: str, default: Any) -> Any:
    """A field of another class with another default; help text, group and range stay."""
    field = copy(params.model_fields[name])
    field.default = default
    return field


def argument(
    default: Any = ..., help: str = "", *, reads: bool = False, writes: bool = False
) -> Any:
    """A field that the command line takes by its place, without a flag."""
    extra = _extra("", reads, writes) | {"positional": True}
    return Field(default, description=help, json_schema_extra=extra)


def _extra(group: str, reads: bool, writes: bool) -> dict[str, Any]:
    access = {"reads": reads, "writes": writes}
    return {"group": group} | {key: True for key, given in access.items() if given}


class Params(BaseModel):
    """Frozen values of one command. Unknown names are an error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False, defer_build=True
    )

    @pydantic.field_validator("model_name", mode="before", check_fields=False)
    @classmethod
    def _tidy_name(cls, value: Any) -> Any:
        """One voice has one name, whatever blanks somebody typed around it."""
        return (config.tidy(value) or value) if isinstance(value, str) else value

    @pydantic.model_validator(mode="before")
    @classmethod
    def _pasted(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        paths = (n for n, f in cls.model_fields.items() if n in values and _is_path(f))
        return {**values, **{name: _meant(values[name]) for name in paths}}

    def implied_outputs(self) -> dict[str, Path]:
        """Files written beside an input where nothing else is asked for, by field."""
        return {}


def _is_path(field: FieldInfo) -> bool:
    return base_type(field.annotation)[0] is Path or reads(field) or writes(field)


def _meant(value: Any) -> Any:
    """The same with every text among it taken for a pasted path."""
    if isinstance(value, (list, tuple)):
        return type(value)(_meant(each) for each in value)
    return config.pasted(value) if isinstance(value, str) else value


def flag(name: str) -> str:
    """A field's name as the command line spells it, without dashes in front."""
    return name.replace("_", "-")


def complaint(errors: Iterable[Mapping[str, Any]]) -> str:
    """What is wrong with the given values, one clause per option, the same in every front end."""
    return "; ".join(_clause((*e["loc"], "")[0], e) for e in errors)


def _clause(place: str | int, error: Mapping[str, Any]) -> str:
    text = "a path is needed" if error.get("type") == "path_type" else str(error["msg"])
    return f"--{flag(place)}: {text}" if isinstance(place, str) and place else text


def group_of(field: FieldInfo) -> str:
    """The fold of forms that a field belongs to; "" = always visible."""
    return str(_declared(field, "group") or "")


def by_place(field: FieldInfo) -> bool:
    """Whether the command line takes the value without a flag."""
    return bool(_declared(field, "positional"))


def reads(field: FieldInfo) -> bool:
    """Whether the value names, or may name, something that is read."""
    return bool(_declared(field, "reads"))


def writes(field: FieldInfo) -> bool:
    """Whether the value names something that is written; a path that does not say is taken so."""
    is_path = base_type(field.annotation)[0] is Path
    return bool(_declared(field, "writes")) or (is_path and not reads(field))


def _declared(field: FieldInfo, key: str) -> Any:
    extra = field.json_schema_extra
    return extra.get(key) if isinstance(extra, dict) else None


def base_type(annotation: Any) -> tuple[Any, bool]:
    """(the type a value has when it is given, whether several may be given)."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return base_type(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return base_type(next(a for a in get_args(annotation) if a is not type(None)))
    if origin in (list, tuple):
        return base_type(get_args(annotation)[0])[0], True
    return annotation, False


def choices(annotation: Any) -> list[Any]:
    """The values a Literal allows; empty for other types."""
    kind, _ = base_type(annotation)
    return list(get_args(kind)) if get_origin(kind) is Literal else []


def limits(field: FieldInfo) -> tuple[Any, Any]:
    """The (lowest, highest) value a field accepts; None where it has no bound."""

    def bound(key: str) -> Any:
        return next((getattr(m, key) for m in field.metadata if hasattr(m, key)), None)

    return bound("ge"), bound("le")


class Gating(Params):
    """What counts as silence."""

    gate_db: GateDb = option(
        "auto",
        "Level in dBFS up to which sound is taken for silence; auto follows what lies around each "
        "moment, off takes nothing for silence.",
        "Advanced",
    )


class Tracks(Params):
    """What of a file with several sounds side by side is read."""

    track: int | None = option(
        None,
        "Which audio track of a film, or another file with several, is read, from 1; the default "
        "one if not given.",
        "Advanced",
        ge=1,
        le=99,
    )


class Embedding(Params):
    """Which content embedder is used."""

    embedder_model: EmbedderName = option("contentvec", "Content embedder.", "Advanced")
    embedder_model_custom: OptionalText = option(
        None, "Folder of a custom embedder (with --embedder-model custom).", "Advanced", reads=True
    )


class Hardware(Params):
    """Where the work is done."""

    gpu: str = option(
        "auto",
        "auto, - for the CPU, or GPU numbers joined by a dash, such as 0 or 0-1.",
        "Advanced",
        pattern=r"^(auto|-|\d+(-\d+)*)$",
    )
