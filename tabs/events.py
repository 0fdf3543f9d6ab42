"""What buttons do: handlers whose errors are sentences, and endpoints that programs can call."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from html import escape
from typing import Any

import gradio as gr
from starlette.concurrency import run_in_threadpool

from rvc import jobs, tasks
from rvc.errors import VoiceError
from rvc.server import events
from rvc.voices import library
from tabs.i18n import Translate

QUIET: dict[str, Any] = {
    "queue": False,
    "show_progress": "hidden",
    "api_visibility": "private",
}
SHOWN_S = 20  # long enough to be read; then it covers nothing any more
ANSWER = "Answers with the job's id; /job waits for its end."


def guarded(act: Callable[..., Any], t: Translate, names: Iterable[str] = ()) -> Callable[..., Any]:
    """An event handler whose VoiceErrors reach the person as a sentence and a hint.

    Args:
        names: what programs that call the endpoint name its values.
    """

    def handler(*values: Any) -> Any:
        try:
            return act(*values)
        except VoiceError as error:
            text = f"{escape(error.message, quote=False)}<br>{escape(error.hint, quote=False)}"
            raise gr.Error(
                text, title=t("That did not work"), duration=SHOWN_S, print_exception=False
            ) from error

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    named = [inspect.Parameter(name, kind, default=None) for name in names]
    if named:
        handler.__signature__ = inspect.Signature(named)  # type: ignore[attr-defined]
    return handler


def endpoint(
    event: Any,
    act: Callable[..., Any],
    inputs: dict[str, Any],
    outputs: Any,
    t: Translate,
    api_name: str,
    text: str,
) -> Any:
    """Wire an event of a component to a handler that programs can call by name, too.

    Only files are looked at by Gradio first: all else is judged by the parameters' own rules, so
    that complaints are those of the command line.

    Args:
        event: such as `button.click`. inputs: components by the names their values have.
        text: what the endpoint does, for its documentation.
    """
    return event(
        guarded(act, t, inputs),
        list(inputs.values()),
        outputs,
        preprocess=any(isinstance(c, gr.UploadButton) for c in inputs.values()),
        api_name=api_name,
        api_description=text,
        show_progress="hidden",
        concurrency_limit=4,
    )


def starts(
    button: Any,
    act: Callable[..., Any],
    inputs: dict[str, Any],
    outputs: Any,
    t: Translate,
    verb: str,
    api_name: str = "",
) -> Any:
    """Wire a button to a handler that starts a job; the live elements are told to look at once.

    Returns:
        The event, for what follows.
    """
    text = f"{(tasks.VERBS[verb].params.__doc__ or '').splitlines()[0]} {ANSWER}"
    name = api_name or verb.replace("-", "_")
    event = endpoint(button.click, act, inputs, outputs, t, name, text)
    event.success(None, outputs, js="(job) => window.voice.began(job)", api_visibility="private")
    return event


def for_programs() -> None:
    """Endpoints without a button: what the live elements ask the HTTP routes for."""
    gr.api(job, api_name="job", api_description="State, progress and result of a job.")
    gr.api(cancel, api_name="cancel", api_description="Save and stop a job, or kill it at once.")
    gr.api(listing, api_name="voices", api_description="The voices that can be used.")


async def job(job: str, wait_s: float = 0.0) -> dict[str, Any]:
    """What there is to say about a job, at once or when it ends within `wait_s`."""
    try:
        return await events.ended(job, wait_s)
    except VoiceError as error:
        raise _shown(error) from error


async def cancel(job: str, now: bool = False) -> dict[str, Any]:
    """Stop a job; what it says afterwards."""
    found: dict[str, Any] = await _in_thread(jobs.cancel, job, 0.0 if now else jobs.GRACE_S)
    return found


async def listing() -> list[dict[str, Any]]:
    """Every voice with its facts."""
    found: list[library.ListedVoice] = await run_in_threadpool(library.voices)
    return [voice.as_dict() for voice in found]


async def _in_thread(act: Callable[..., Any], *values: Any) -> Any:
    try:
        return await run_in_threadpool(act, *values)
    except VoiceError as error:
        raise _shown(error) from error


def _shown(error: VoiceError) -> gr.Error:
    return gr.Error(f"{error.message} {error.hint}", print_exception=False)
