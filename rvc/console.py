"""The terminal: progress, results and errors, for people and, with --json, for programs."""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import click

from rvc.errors import VoiceError

CLOSED_PIPE = 128 + 13  # exit code of a program whose reader went away: 128 + SIGPIPE
USAGE, INTERRUPTED = 2, 128 + signal.SIGINT


class Console:
    """Progress bar on standard error, with time left; after " | " a note has details."""

    FORMAT = "{desc}: {percentage:3.0f}% |{bar:24}| {elapsed} gone, {remaining} left{postfix}"

    def __init__(self) -> None:
        self.bar: Any = None
        self.note: str | None = None

    def __call__(self, done: float, total: float, note: str = "") -> None:
        from tqdm import tqdm

        phase, _, detail = note.partition(" | ")
        if self.bar is None or phase != self.note or self.bar.total != total:
            self.close()
            self.note = phase
            self.bar = tqdm(
                total=total,
                initial=done if detail else 0,
                desc=phase,
                file=sys.stderr,
                mininterval=0.2 if sys.stderr.isatty() else 5,
                bar_format=self.FORMAT,
            )
        self.bar.set_postfix_str(detail, refresh=False)
        self.bar.update(min(done, total) - self.bar.n)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None


def accept_every_letter() -> None:
    """Write what a console's code page (cp1252, GBK) lacks as an escape; no command ends of it."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def tell(result: dict[str, Any], as_json: bool) -> None:
    """Print the result of a verb, beside the sound where that goes to standard output."""
    said = json.dumps(result, ensure_ascii=False) if as_json else result["message"]
    click.echo(said, err=result.get("output_path") == "-")


def end_without_reader() -> int:
    """The exit code when nobody reads our output any more: no word, as other programs do."""
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, sys.stdout.fileno())  # what is still buffered must not fail at exit
    os.close(sink)
    return CLOSED_PIPE


class Complaints:
    """Says what went wrong, and knows the exit code of each kind.

    Args:
        arguments: what the program was given; --json among them asks for one JSON object.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        self.as_json = "--json" in arguments
        pairs = zip(arguments, arguments[1:], strict=False)
        self.sound_on_stdout = (
            "--output-path=-" in arguments or ("--output-path", "-") in pairs
        )  # fmt: skip

    def about(self, error: VoiceError) -> int:
        """A failure with a sentence and a hint, and what was done nevertheless."""
        more = {"result": error.result} if error.result else {}
        self._object(error.as_dict() | {"exit_code": error.exit_code} | more)
        if not self.as_json and error.result and "message" in error.result:
            click.echo(error.result["message"])
        click.echo(f"Error: {error.message}", err=True)
        if error.hint:
            click.echo(f"Hint: {error.hint}", err=True)
        return error.exit_code

    def about_usage(self, error: click.ClickException) -> int:
        """Wrong options: click shows the usage, too."""
        context = getattr(error, "ctx", None)
        name = context.command_path if context else "core.py"
        hint = f"See {name} --help."
        self._object(
            {"error": "usage", "message": error.format_message(), "hint": hint}
            | {"exit_code": error.exit_code}
        )
        error.show()
        return error.exit_code

    def about_stop(self) -> int:
        """Ctrl-C."""
        said = {"error": "cancelled", "message": "Stopped.", "hint": ""}
        self._object(said | {"exit_code": INTERRUPTED})
        click.echo("Stopped.", err=True)
        return INTERRUPTED

    def about_surprise(self, error: Exception) -> int:
        """An error that nobody foresaw: its place for those who mend it, and a sentence."""
        traceback.print_exception(error)
        found = VoiceError(
            f"This failed in a way nobody foresaw: {type(error).__name__}: {error}",
            "Report it with the lines above; what was finished before is kept.",
        )
        return self.about(found)

    def _object(self, said: dict[str, Any]) -> None:
        if self.as_json:
            click.echo(json.dumps(said, ensure_ascii=False), err=self.sound_on_stdout)
