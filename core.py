"""The command line: one subcommand per verb; errors become one sentence and an exit code."""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from rvc import __version__, cli, errors, tasks
from rvc.errors import VoiceError
from rvc.params import Params

EPILOG = "Exit codes: 0 done, 2 wrong usage, " + ", ".join(
    f"{kind.exit_code} {kind.code.replace('_', ' ')}" for kind in errors.KINDS
)


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


def _runner(name: str):
    def run(p: Params, as_json: bool) -> None:
        console = Console()
        try:
            result = tasks.run(name, p, console)
        finally:
            console.close()
        said = json.dumps(result, ensure_ascii=False) if as_json else result["message"]
        click.echo(said, err=result.get("output_path") == "-")  # the sound itself is on stdout

    return run


def _complain(error: VoiceError, as_json: bool) -> None:
    if as_json:
        more = {"result": error.result} if error.result else {}
        click.echo(json.dumps(error.as_dict() | more, ensure_ascii=False))
    elif error.result and "message" in error.result:
        click.echo(error.result["message"])
    click.echo(f"Error: {error.message}", err=True)
    if error.hint:
        click.echo(f"Hint: {error.hint}", err=True)


@click.group(epilog=EPILOG, invoke_without_command=True, no_args_is_help=False)
@click.version_option(__version__, message="%(version)s")
@click.option("--offline", is_flag=True, help="Open no connection; say which file is missing.")
@click.pass_context
def group(context: click.Context, offline: bool) -> None:
    """Voice cloning: preprocess, extract, train, index, convert."""
    if offline:
        os.environ["RVC_OFFLINE"] = "1"  # jobs in processes of their own hear it too
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


for _name, _verb in tasks.VERBS.items():
    group.add_command(cli.command(_name, _verb.params, _runner(_name)))
_SWITCHES = cli.switches(verb.params for verb in tasks.VERBS.values()) | {"json"}


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the program; ends with the documented exit code."""
    everything = sys.argv[1:] if arguments is None else arguments
    given = [a for a in everything if a != "--offline"]  # may stand anywhere
    offline = ["--offline"] * (len(given) < len(everything))
    before = os.environ.get("RVC_OFFLINE")
    try:
        modern = offline + cli.modernise(given, _SWITCHES)
        group.main(modern, prog_name=_program(), standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except VoiceError as error:
        _complain(error, "--json" in given)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("Stopped.", err=True)
        sys.exit(130)
    finally:
        _restore(before)
    sys.exit(0)


def _program() -> str:
    """What the program is called in help and usage: the file or the installed command."""
    name = Path(sys.argv[0]).stem
    return name if name == "rvc-voice" else "core.py"


def _restore(offline: str | None) -> None:
    if offline is None:
        os.environ.pop("RVC_OFFLINE", None)
    else:
        os.environ["RVC_OFFLINE"] = offline


if __name__ == "__main__":
    main()
