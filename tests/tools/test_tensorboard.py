"""TensorBoard answers while it runs and ends when asked; busy ports are passed over."""

from __future__ import annotations

import socket
import urllib.request
from pathlib import Path

import pytest

from rvc import params
from rvc.errors import BadInput, Cancelled
from rvc.tools import tensorboard
from rvc.train import metrics


def test_it_runs_until_cancelled(home: Path) -> None:
    pytest.importorskip("tensorboard")
    seen = []

    def report(done: float, total: float, note: str = "") -> None:
        seen.append(note)
        url = note.split()[-1].split("?")[0]
        with urllib.request.urlopen(url, timeout=20) as answer:
            assert answer.status == 200
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        tensorboard.run(params.Tensorboard(port=16006), report)
    assert "127.0.0.1" in seen[0]


def test_a_busy_port_is_passed_over() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert tensorboard.free_port("127.0.0.1", port) > port


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(BadInput, match="free"):
        tensorboard.free_port("192.0.2.1", 6006)


def test_the_pinned_curves_are_ones_that_training_draws() -> None:
    assert set(tensorboard.CARDS) <= {f"loss/{tag}" for tag in metrics.APPLIO_TAGS.values()}
