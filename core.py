"""The command line: one subcommand per verb; errors become one sentence and an exit code.

Progress, results and errors are for people and, with --json, for programs.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from rvc import __version__, errors, memory, tasks
from rvc.errors import VoiceError

if TYPE_CHECKING:  # the list of verbs does without them
    from rvc.params import Params

EPILOG = "Exit codes: 0 done, 2 wrong usage, " + ", ".join(
    f"{kind.exit_code} {kind.code.replace('_', ' ')}" for kind in errors.KINDS
)
CLOSED_PIPE = 128 + 13  # exit code of a program whose reader went away: 128 + SIGPIPE
OFFLINE = "RVC_OFFLINE"  # environment variable
INTERRUPTED = 128 + signal.SIGINT


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
        self.sound_on_stdout = "--output-path=-" in arguments or ("--output-path", "-") in pairs

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
        said = {"error": "usage", "message": error.format_message(), "hint": f"See {name} --help."}
        self._object(said | {"exit_code": error.exit_code})
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


def _runner(name: str) -> Callable[[Params, bool], None]:
    def run(p: Params, as_json: bool) -> None:
        progress = Console()
        try:
            result = tasks.run(name, p, progress)
            progress.close()
            tell(result, as_json)
        except BrokenPipeError:  # here, because click has an exit code of its own for it
            raise click.exceptions.Exit(end_without_reader()) from None
        finally:
            progress.close()

    return run


class _Verbs(click.Group):
    """Makes the command of a verb when it is asked for: one verb loads no other's parameters."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*self.commands, *tasks.VERBS})

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        texts = {name: verb.sentence for name, verb in tasks.VERBS.items()}
        texts |= {name: each.get_short_help_str() for name, each in self.commands.items()}
        with formatter.section("Commands"):
            formatter.write_dl(sorted(texts.items()))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in tasks.VERBS:
            from rvc import cli

            return cli.command(cmd_name, tasks.VERBS[cmd_name].params, _runner(cmd_name))
        return super().get_command(ctx, cmd_name)


@click.group(cls=_Verbs, epilog=EPILOG, invoke_without_command=True, no_args_is_help=False)
@click.version_option(__version__, message="%(version)s")
@click.option("--offline", is_flag=True, help="Open no connection; say which file is missing.")
@click.pass_context
def group(context: click.Context, offline: bool) -> None:
    """Voice cloning: preprocess, extract, train, index, convert."""
    if offline:
        os.environ[OFFLINE] = "1"  # jobs in processes of their own hear it too
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("matplotlib").setLevel(logging.WARNING)
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@group.command(
    "app",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True},
    short_help="Serve the web page and the HTTP API.",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def _app(arguments: tuple[str, ...]) -> None:
    import app

    app.main(list(arguments), prog_name=f"{_program()} app", standalone_mode=False)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the program; ends with the documented exit code."""
    everything = sys.argv[1:] if arguments is None else arguments
    given = [a for a in everything if a != "--offline"]  # may stand anywhere
    offline = ["--offline"] * (len(given) < len(everything))
    before = os.environ.get(OFFLINE)
    accept_every_letter()
    memory.wait_quietly()
    try:
        sys.exit(_run(given, offline))
    finally:
        os.environ.pop(OFFLINE, None)
        os.environ |= {} if before is None else {OFFLINE: before}


def _run(given: list[str], offline: list[str]) -> int:
    complaints = Complaints(given)
    try:
        code = group.main(offline + _modern(given), prog_name=_program(), standalone_mode=False)
    except click.ClickException as error:
        return complaints.about_usage(error)
    except VoiceError as error:
        return complaints.about(error)
    except (KeyboardInterrupt, click.Abort):
        return complaints.about_stop()
    except Exception as error:  # noqa: BLE001 - the last one who can tell the person anything
        return complaints.about_surprise(error)
    return code if isinstance(code, int) else 0


def _modern(given: list[str]) -> list[str]:
    """The same without Applio's older spellings; where no verb is called there are none."""
    if not given or given[0].startswith("-"):
        return given
    from rvc import cli

    verb = tasks.VERBS.get(cli.modern_name(given[0]))
    return cli.modernise(given, {"json"} | (cli.switches(verb.params) if verb else set()))


def _program() -> str:
    """What the program is called in help and usage: the file or the installed command."""
    name = Path(sys.argv[0]).stem
    return name if name == "rvc-voice" else "core.py"


if __name__ == "__main__":
    main()
