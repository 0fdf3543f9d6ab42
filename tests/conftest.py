"""What every test may use: a home of its own, and the command line in-process."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

# One thread a process: several tests run at once, and OpenMP's threads wait by spinning. It is
# read when torch is loaded, here and in the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import core  # noqa: E402
from rvc import config  # noqa: E402

pytest.register_assert_rewrite("tests.tabs.browsing")


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is downloaded in tests; those of the downloads allow it to themselves."""
    monkeypatch.setenv("RVC_OFFLINE", "1")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty installation folder; logs, models and assets of the test live here."""
    root = tmp_path / "home"
    root.mkdir()
    monkeypatch.setenv("RVC_HOME", str(root))
    monkeypatch.setattr(config, "SHIPPED", root / "nothing")
    return root


@dataclass
class Finished:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Cli = Callable[..., Finished]


@pytest.fixture
def cli(home: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run `core.py ARGUMENTS` in this process; returns exit code, stdout and stderr."""

    def run(*arguments: object) -> Finished:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            core.main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Finished(ended.value.code, out, err)

    return run
