"""Small verbs for tests of jobs; run as `python -m tests.jobs.fake_jobs VERB job.json`."""

from __future__ import annotations

import logging
import os
import random
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from rvc import Report, memory, params, tasks
from rvc.config import experiment
from rvc.errors import BadInput, Cancelled
from rvc.params.base import option
from rvc.train import stopping


class Fake(params.Params):
    """What the fake verbs take."""

    model_name: str = option("fake", "Name of the voice.")
    steps: int = option(5, "Steps to do.", ge=0, le=10_000)
    step_s: float = option(0.01, "Seconds per step.", ge=0, le=10)
    folder: Path = option(Path(), "Where to leave traces.", reads=True)


def count(p: Any, report: Report) -> dict[str, Any]:
    """Report every step; on cancel leave the number of finished steps in `saved`."""
    done = 0
    try:
        for done in range(p.steps + 1):
            report(done, p.steps, "counting")
            time.sleep(p.step_s)
    except Cancelled:
        (p.folder / "saved").write_text(str(done))
        raise
    return {"message": f"Counted to {p.steps}.", "steps": p.steps}


def refuse(p: Any, report: Report) -> dict[str, Any]:
    try:
        raise ValueError("not sound at all")
    except ValueError as error:
        raise BadInput("noise.txt is not a recording.", "Choose a sound file.") from error


def stumble(p: Any, report: Report) -> dict[str, Any]:
    raise ZeroDivisionError("oops")


def die(p: Any, report: Report) -> dict[str, Any]:
    report(1, 10, "about to die")
    os._exit(7)


def stubborn(p: Any, report: Report) -> dict[str, Any]:
    """Never report, ignore the request to stop, and keep a child and an orphan alive."""
    child = [sys.executable, "-c", "import time; time.sleep(60)"]
    started = [subprocess.Popen(child).pid]
    orphan = f"import subprocess; print(subprocess.Popen({child!r}, stdout=-3).pid)"
    started.append(int(subprocess.check_output([sys.executable, "-c", orphan])))
    (p.folder / "pids").write_text(" ".join(map(str, started)))
    while True:
        time.sleep(1)


def slow_step(p: Any, report: Report) -> dict[str, Any]:
    """A training whose every step lasts longer than anybody waits."""
    folder = experiment(p.model_name)
    folder.mkdir(parents=True, exist_ok=True)
    stopping.Saved(epoch=3, step=36, done=36).write(folder)
    with stopping.StopSignals():
        report(41, 100, f"train: {stopping.PHASE}epoch 4/8 mel 20.0")
        end = time.monotonic() + 60
        while time.monotonic() < end:
            time.sleep(1)
    raise TimeoutError("nobody stopped it")


def convert(p: Any, report: Report) -> dict[str, Any]:
    """Count, and leave one's name in `order` at the end."""
    result = count(p, report)
    with (p.folder / "order").open("a") as file:
        file.write(f"{p.model_name} ")
    return result | {"pid": os.getpid()}


batch = convert


def load(p: Any, report: Report) -> dict[str, Any]:
    """Load until `loaded` is there, and only then compute."""
    with memory.aside():
        while not (p.folder / "loaded").exists():
            time.sleep(0.01)
    return convert(p, report)


def crash(p: Any, report: Report) -> dict[str, Any]:
    report(1, 10, "about to be killed")
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def leak(p: Any, report: Report) -> dict[str, Any]:
    """Leave everything behind that a job could."""
    os.chdir(p.folder)
    os.environ["LEAKED"] = "1"
    os.environ.pop("RVC_HOME", None)
    warnings.simplefilter("ignore")
    logging.getLogger().addHandler(logging.NullHandler())
    logging.getLogger().setLevel(logging.ERROR)
    random.seed(1)
    print("leaked")
    return {"message": "Leaked."}


def look(p: Any, report: Report) -> dict[str, Any]:
    """What a job finds."""
    root = logging.getLogger()
    found = {"folder": os.getcwd(), "variables": dict(os.environ), "level": root.level}
    found |= {"filters": str(warnings.filters), "handlers": len(root.handlers)}
    logging.info("looked")
    return found | {"message": "Looked.", "random": random.random()}


HERE = "tests.jobs.fake_jobs"
VERBS = {
    engine.__name__: tasks.Verb(
        "tests.jobs.fake_jobs:Fake", f"tests.jobs.fake_jobs:{engine.__name__}"
    )
    for engine in (count, refuse, stumble, die, stubborn, slow_step)
}
for _name in ("convert", "batch", "load", "leak", "look", "crash"):
    VERBS[_name] = tasks.Verb(f"{HERE}:Fake", f"{HERE}:{_name}", warm=True, long=_name == "batch")

if __name__ == "__main__":
    from rvc.jobs.__main__ import main

    tasks.VERBS.update(VERBS)
    tasks.VERBS["infer"] = VERBS["convert"]  # what the warm process loads beforehand
    sys.exit(main(sys.argv[1:]))
