"""Click options from a Params class, and Applio's older spellings of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from rvc.params import Params
from rvc.params.base import base_type, by_place, choices, complaint, flag, limits

RENAMED = {  # Applio 3.2.1 -> now
    "f0-up-key": "pitch",
    "rms-mix-rate": "volume-envelope",
    "sampling-rate": "sample-rate",
}
FIXED = {  # options of 3.2.1 whose only supported value is the one given here
    "rvc-version": "v2",
    "pitch-guidance": "true",
}


def command(name: str, params: type[Params], run: Callable[[Params, bool], None]) -> click.Command:
    """A click command with one option per field; `run` gets the validated object and --json."""

    def callback(as_json: bool, **values: Any) -> None:
        run(build(params, values), as_json)

    options: list[click.Parameter] = [
        _option(key, field) for key, field in params.model_fields.items()
    ]
    options.sort(key=lambda parameter: not parameter.required)
    options.append(
        click.Option(["--json", "as_json"], is_flag=True, help="Print the result as JSON.")
    )
    return click.Command(name, params=options, callback=callback, help=params.__doc__)


def build(params: type[Params], values: dict[str, Any]) -> Params:
    """Validate values; what is wrong becomes one click usage error per field."""
    try:
        return params(**values)
    except ValidationError as error:
        raise click.UsageError(complaint(error.errors())) from None


def _option(name: str, field: FieldInfo) -> click.Parameter:
    if by_place(field):
        kind, many = base_type(field.annotation)
        return click.Argument(
            [name],
            type=_click_type(field, kind),
            required=field.is_required(),
            nargs=-1 if many else 1,
            **({} if many or field.is_required() else {"default": field.get_default()}),
        )
    spelling = "--" + flag(name)
    text = {"help": field.description, "show_default": True}
    required = field.is_required()
    default = None if required else field.get_default()
    kind, many = base_type(field.annotation)
    if kind is bool:
        return click.Option([f"{spelling}/--no-{flag(name)}", name], default=default, **text)  # type: ignore[arg-type]
    if required:
        text.pop("show_default")
    else:  # click takes a given None for a value, and then nothing is missing
        text["default"] = default
    return click.Option(
        [spelling, name],
        type=_click_type(field, kind),
        required=required,
        multiple=many,
        **text,  # type: ignore[arg-type]
    )


class _Choice(click.Choice[str]):
    """Case-insensitive choice that hands back the declared value, of its declared type."""

    def __init__(self, values: Iterable[Any]) -> None:
        self.values = {str(v): v for v in values}
        super().__init__(list(self.values), case_sensitive=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return self.values[super().convert(str(value), param, ctx)]


def _click_type(field: FieldInfo, kind: Any) -> Any:
    if allowed := choices(field.annotation):
        return _Choice(allowed)
    low, high = limits(field)
    if low is not None or high is not None:
        return (click.IntRange if kind is int else click.FloatRange)(low, high)
    return {Path: click.Path()}.get(kind, kind)


def switches(params: type[Params]) -> set[str]:
    """The flags (without dashes) of the boolean parameters."""
    return {
        flag(name)
        for name, field in params.model_fields.items()
        if base_type(field.annotation)[0] is bool
    }


def modern_name(verb: str) -> str:
    """A verb as it is spelt now; Applio wrote underscores."""
    return verb.replace("_", "-")


def modernise(arguments: list[str], booleans: set[str]) -> list[str]:
    """Rewrite Applio 3.2.1's spellings: underscores, renamed options, True/False after a switch.

    Args:
        arguments: the command line after the program's name.
        booleans: flags that are switches, see `switches`.

    Raises:
        click.UsageError: a dropped option was given another value than the one supported.
    """
    out: list[str] = []
    rest = list(arguments)
    if rest and not rest[0].startswith("-"):
        out.append(modern_name(rest.pop(0)))
    while rest:
        token = rest.pop(0)
        if not token.startswith("--"):
            out.append(token)
            continue
        name, equals, value = token[2:].partition("=")
        name = name.replace("_", "-")
        name = RENAMED.get(name, name)
        given: str | None = value if equals else None
        if not equals and rest and not rest[0].startswith("--"):
            takes = name not in booleans or _truth(rest[0]) is not None
            given = rest.pop(0) if takes else None
        out += _modern(name, given, name in booleans)
    return out


def _modern(name: str, value: str | None, is_switch: bool) -> list[str]:
    if name in FIXED:
        if (value or "").lower() != FIXED[name]:
            raise click.UsageError(f"--{name} {value} is no longer offered; only {FIXED[name]} is.")
        return []
    if is_switch:
        return [f"--no-{name}" if _truth(value or "") is False else f"--{name}"]
    return [f"--{name}"] if value is None else [f"--{name}", value]


def _truth(text: str) -> bool | None:
    return {"true": True, "false": False}.get(text.lower())
