"""The command line: one subcommand per verb; errors become one sentence and an exit code."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import click

from rvc import __version__, cli, console, errors, processes, tasks
from rvc.console import Console
from rvc.errors import VoiceError
from rvc.params import Params

EPILOG = "Exit codes: 0 done, 2 wrong usage, " + ", ".join(
    f"{kind.exit_code} {kind.code.replace('_', ' ')}" for kind in errors.KINDS
)


def _runner(name: str) -> Callable[[Params, bool], None]:
    def run(p: Params, as_json: bool) -> None:
        progress = Console()
        try:
            result = tasks.run(name, p, progress)
            progress.close()
            console.tell(result, as_json)
        except BrokenPipeError:  # here, because click has an exit code of its own for it
            raise click.exceptions.Exit(console.end_without_reader()) from None
        finally:
            progress.close()

    return run


class _Verbs(click.Group):
    """Makes the command of a verb when it is asked for: one verb loads no other's parameters."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*self.commands, *tasks.VERBS})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in tasks.VERBS:
            return cli.command(cmd_name, tasks.VERBS[cmd_name].params, _runner(cmd_name))
        return super().get_command(ctx, cmd_name)


@click.group(cls=_Verbs, epilog=EPILOG, invoke_without_command=True, no_args_is_help=False)
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


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the program; ends with the documented exit code."""
    everything = sys.argv[1:] if arguments is None else arguments
    given = [a for a in everything if a != "--offline"]  # may stand anywhere
    offline = ["--offline"] * (len(given) < len(everything))
    before = os.environ.get("RVC_OFFLINE")
    console.accept_every_letter()
    processes.wait_quietly()
    try:
        code = _run(given, offline)
    finally:
        _restore(before)
    sys.exit(code)


def _run(given: list[str], offline: list[str]) -> int:
    complaints = console.Complaints(given)
    try:
        modern = offline + cli.modernise(given, _switches(given))
        code = group.main(modern, prog_name=_program(), standalone_mode=False)
    except click.ClickException as error:
        return complaints.about_usage(error)
    except VoiceError as error:
        return complaints.about(error)
    except (KeyboardInterrupt, click.Abort):
        return complaints.about_stop()
    except Exception as error:  # noqa: BLE001 - the last one who can tell the person anything
        return complaints.about_surprise(error)
    return code if isinstance(code, int) else 0


def _switches(given: list[str]) -> set[str]:
    """The flags of the verb that is called which take no value."""
    verb = tasks.VERBS.get(cli.modern_name(given[0])) if given else None
    return {"json"} | (cli.switches(verb.params) if verb else set())


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
