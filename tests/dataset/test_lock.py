"""One lock per voice: it keeps others off, lets the stages of its holder in, dies with it."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rvc.dataset import lock
from rvc.errors import BadInput, Busy

ROOT = Path(__file__).parents[2]
HOLD = "import sys; from rvc.dataset import lock\nwith lock.hold('anna'): print('in', flush=True)"


@pytest.fixture
def holder(home: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock of anna until it is told to go on."""
    code = f"{HOLD}; sys.stdin.read()"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "in\n"
        yield process
        process.kill()


def test_a_second_process_stays_out_until_the_first_is_gone(
    holder: subprocess.Popen[str], home: Path
) -> None:
    assert lock.is_held("anna")
    assert not lock.is_held("ben")
    with pytest.raises(Busy, match="anna"), lock.hold(home / "logs" / "anna"):
        pass
    holder.kill()  # as the system does when memory runs out
    holder.wait()
    assert not lock.is_held("anna")
    with lock.hold("anna"):
        pass


def test_stages_of_the_holder_take_it_again_and_others_see_one_lock(home: Path) -> None:
    with lock.hold("anna"):
        with lock.hold(home / "logs" / "anna"):
            pass
        done = subprocess.run(
            [sys.executable, "-c", HOLD], cwd=ROOT, capture_output=True, text=True
        )
        assert Busy.__name__ in done.stderr
    done = subprocess.run([sys.executable, "-c", HOLD], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "in\n"


def test_another_thread_is_somebody_else(home: Path) -> None:
    seen: list[type[BaseException] | bool] = []

    def other() -> None:
        seen.append(lock.is_held("anna"))
        try:
            with lock.hold("anna"):
                seen.append(False)
        except Busy as error:
            seen.append(type(error))

    with lock.hold("anna"):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert seen == [True, Busy]


def test_a_voice_without_a_folder_gets_none(home: Path) -> None:
    with lock.hold("anna"):
        assert not (home / "logs" / "anna").exists()
    with pytest.raises(BadInput), lock.hold("../anna"):
        pass
