"""Index files are read by a process of their own, within limits, and kept as plain arrays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import faiss
import numpy as np
import pytest

from rvc.config import REPOSITORY
from rvc.errors import BadInput
from rvc.hub import cache
from rvc.retrieval import faissfile, index, reader, reader_child
from rvc.retrieval import table as tables
from rvc.retrieval.table import Damaged, Table
from tests import hostile


def rows(n: int = 400, width: int = 16, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, width)).astype(np.float32)


@pytest.fixture
def file(home: Path) -> Path:
    """An ordinary index of 400 rows."""
    index.write(index.build(rows()), home / "v.index")
    return home / "v.index"


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it, and from then on no process may be started."""

    def forbid() -> None:
        def started(*_: object, **__: Any) -> None:
            raise AssertionError("a process is started")

        monkeypatch.setattr(subprocess, "run", started)

    return forbid


def kept(home: Path) -> list[Path]:
    return list((home / ".cache" / "indexes").iterdir())


def same(a: Table, b: Table) -> bool:
    return a.probes == b.probes and all(
        np.array_equal(getattr(a, k), getattr(b, k)) for k in ("centres", "bounds", "vectors")
    )


def in_child(code: str) -> CompletedProcess[str]:
    """Run code as a process of the program's own."""
    return subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )


def test_a_file_is_read_once_and_mapped_from_then_on(
    home: Path, file: Path, alone: Callable[[], None]
) -> None:
    first = reader.read(file)
    alone()
    second = reader.read(file)
    assert same(first, second)
    assert len(first.vectors) == 400
    assert not second.vectors.flags.owndata
    assert not second.vectors.flags.writeable
    assert [f.suffix for f in kept(home)] == [reader.SUFFIX]


def test_the_same_content_elsewhere_starts_no_process(
    home: Path, file: Path, alone: Callable[[], None]
) -> None:
    reader.read(file)
    (home / "copy.index").write_bytes(file.read_bytes())
    alone()
    assert len(reader.read(home / "copy.index").vectors) == 400


def test_another_content_under_the_same_name_is_read_anew(file: Path) -> None:
    reader.read(file)
    index.write(index.build(rows(90, seed=1)), file)
    assert len(reader.read(file).vectors) == 90


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-9] ^= 1
    path.write_bytes(data)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a bit": _flip,
    "the end": lambda p: p.write_bytes(p.read_bytes()[:-4]),
    "everything": lambda p: p.write_bytes(b""),
    "the head": lambda p: p.write_bytes(b"\xff" * 64 + p.read_bytes()[64:]),
    "a head of exabytes": lambda p: p.write_bytes(
        tables.HEAD.pack(tables.MARK, 1, 1 << 60, 1 << 12, 1, 0) + p.read_bytes()[64:]
    ),
    "the file": lambda p: p.unlink(),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_cache_is_made_anew(
    home: Path, file: Path, kind: str, alone: Callable[[], None]
) -> None:
    first = reader.read(file)
    DAMAGE[kind](kept(home)[0])
    assert same(reader.read(file), first)
    alone()
    assert same(reader.read(file), first)


def test_nothing_depends_on_the_cache(home: Path, file: Path) -> None:
    (home / ".cache").write_text("not a folder")
    assert len(reader.read(file).vectors) == 400
    assert len(reader.read(file).vectors) == 400


def test_the_cache_stays_within_its_limit_and_cleans_up(
    home: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "CACHE_BYTES", 40_000)
    left = home / ".cache" / "indexes" / f"{cache.PART}old"
    left.mkdir(parents=True)
    os.utime(left, (0, 0))
    for seed in range(3):
        index.write(index.build(rows(seed=seed)), file)
        reader.read(file)
        for age, old in enumerate(sorted(kept(home), key=lambda f: f.stat().st_mtime)[::-1]):
            os.utime(old, (time.time() - 10 * age - 10,) * 2)
    assert len(kept(home)) == 1
    assert len(reader.read(file).vectors) == 400


@pytest.mark.parametrize("kind", ["HNSW8", "IVF4,SQ8", "IVF4_HNSW8,Flat"])
def test_other_kinds_of_index_are_read_as_vectors(home: Path, file: Path, kind: str) -> None:
    made = faiss.index_factory(16, kind)
    made.train(rows())
    made.add(rows())
    faiss.write_index(made, str(file))
    found = index.Retriever.load(file)
    assert (len(found), found.width) == (400, 16)
    assert np.abs(np.sort(found.table.vectors, 0) - np.sort(rows(), 0)).max() < 0.05


@pytest.mark.parametrize("kind", ["Flat", "IVF4,Flat", "HNSW8"])
def test_an_index_of_another_metric_is_refused_not_searched_wrongly(
    home: Path, file: Path, kind: str
) -> None:
    made = faiss.index_factory(16, kind, faiss.METRIC_INNER_PRODUCT)
    made.train(rows())
    made.add(rows())
    faiss.write_index(made, str(file))
    with pytest.raises(BadInput, match="L2"):
        reader.read(file)


@pytest.mark.parametrize("name", hostile.INDEXES)
def test_hostile_files_harm_the_child_alone(home: Path, name: str) -> None:
    file = home / "v.index"
    hostile.INDEXES[name](file)
    with pytest.raises(BadInput, match=r"v\.index"):
        reader.read(file)
    assert kept(home) == []


def test_a_missing_and_a_giant_file_are_named(home: Path) -> None:
    with pytest.raises(BadInput, match="does not exist"):
        reader.read(home / "none.index")
    with (home / "giant.index").open("wb") as file:
        file.truncate(tables.LIMIT_BYTES + 1)
    with pytest.raises(BadInput, match="larger"):
        reader.read(home / "giant.index")


def test_a_file_that_takes_too_long_is_given_up_and_its_reader_ended(
    file: Path, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    note = f"import os; open({str(home / 'pid')!r}, 'w').write(str(os.getpid()))"
    monkeypatch.setattr(reader, "CHILD", ["-c", f"{note}\nwhile True: pass"])
    monkeypatch.setattr(reader, "SECONDS", 2)
    with pytest.raises(BadInput, match="too long"):
        reader.read(file)
    with pytest.raises(ProcessLookupError):
        os.kill(int((home / "pid").read_text()), 0)


LIES = {
    "nothing": "",
    "noise": "out.write(b'x' * 5000)",
    "no number": "tables.write(tables.single(np.full((3, 16), np.nan, 'f4')), out)",
    "too large": "tables.write(tables.single(np.full((3, 16), 1e30, 'f4')), out)",
    "cells in disorder": "z = np.zeros((2, 16), 'f4')\n"
    "tables.write(tables.Table(z, np.array([0, 9, 2]), z), out)",
    "cells before the start": "z = np.zeros((2, 16), 'f4')\n"
    "tables.write(tables.Table(z, np.array([-5, 1, 2]), z), out)",
    "more than it gives": "out.write(tables.HEAD.pack(tables.MARK, 1, 1 << 40, 16, 1, 0))",
    "it died": "import os; os.abort()",
}


@pytest.mark.parametrize("lie", LIES)
def test_what_the_child_hands_back_is_not_trusted_either(
    home: Path, file: Path, monkeypatch: pytest.MonkeyPatch, lie: str
) -> None:
    start = (
        "import sys\nimport numpy as np\nfrom rvc.retrieval import table as tables\n"
        "out = sys.stdout.buffer"
    )
    monkeypatch.setattr(reader, "CHILD", ["-c", f"{start}\n{LIES[lie]}"])
    with pytest.raises(BadInput, match=r"v\.index"):
        reader.read(file)
    assert kept(home) == []


LIMITS = pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no such limits")
LIMITED = "from rvc.retrieval import reader_child; reader_child.CPU_S = 1; reader_child.limit(0); "


@LIMITS
def test_the_limits_limit_time() -> None:
    began = time.monotonic()
    done = in_child(LIMITED + "\nwhile True: pass")
    assert done.returncode in (-signal.SIGXCPU, -signal.SIGKILL)
    assert time.monotonic() - began < 60


READING = """
import pathlib, resource
from rvc.errors import BadInput
from rvc.retrieval import reader
for file in {files}:
    try:
        reader.read(pathlib.Path(file))
    except BadInput as error:
        print(error.message)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@LIMITS
def test_a_demand_for_a_hundred_gigabytes_takes_little(home: Path) -> None:
    """A process that starts nothing but readers tells how large the largest of them was."""
    files = []
    for number, name in enumerate(n for n in hostile.INDEXES if "gigabytes" in n):
        files.append(str(home / f"{number}.index"))
        hostile.INDEXES[name](home / f"{number}.index")
    done = in_child(READING.format(files=files))
    *refused, largest_kib = done.stdout.splitlines()
    assert len(refused) == len(files) > 0
    assert int(largest_kib) < 1 << 20


@LIMITS
def test_the_limits_limit_memory_and_output(tmp_path: Path) -> None:
    assert "MemoryError" in in_child(LIMITED + "bytearray(100 << 30)").stderr
    file = tmp_path / "out"
    done = in_child(LIMITED + f"open({str(file)!r}, 'wb').write(bytes(80 << 20))")
    assert "OSError" in done.stderr
    assert file.stat().st_size <= 64 << 20


@LIMITS
@pytest.mark.parametrize(
    "act",
    ["open('/dev/null')", "import socket; socket.socket()", "import subprocess; "
     "subprocess.run(['true'])"],
)  # fmt: skip
def test_the_child_can_open_nothing_more(act: str) -> None:
    done = in_child("import socket, subprocess; " + LIMITED + f"reader_child.close_in(); {act}")
    assert "Too many open files" in done.stderr


def test_the_child_is_light() -> None:
    code = "import sys; from rvc.retrieval import reader_child; print(*sys.modules)"
    loaded = set(in_child(code).stdout.split())
    assert "numpy" in loaded
    assert not loaded & {"torch", "faiss", "pydantic", "rvc.config", "rvc.params"}


@pytest.fixture
def no_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that knows no limits, as Windows."""
    code = (
        "import sys, runpy; sys.modules['resource'] = None; "
        "runpy.run_module('rvc.retrieval.reader_child', run_name='__main__')"
    )
    monkeypatch.setattr(reader, "CHILD", ["-c", code])


def test_without_limits_it_is_read_all_the_same(home: Path, no_limits: None, file: Path) -> None:
    assert len(reader.read(file).vectors) == 400
    for name in (
        "a hundred gigabytes of cells",
        "cells that overflow",
        "no number",
        "another space",
    ):
        hostile.INDEXES[name](file)
        with pytest.raises(BadInput, match=r"v\.index"):
            reader.read(file)


def test_this_process_parses_nothing(
    home: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parsed(*_: object) -> None:
        raise AssertionError("an index is parsed in the main process")

    made = faiss.index_factory(16, "HNSW8")
    made.add(rows())
    faiss.write_index(made, str(home / "odd.index"))
    for place, name in ((faissfile, "read"), (faiss, "read_index"), (reader_child, "read")):
        monkeypatch.setattr(place, name, parsed)
    assert len(reader.read(file).vectors) == len(reader.read(home / "odd.index").vectors) == 400


def test_tables_come_back_as_they_were(tmp_path: Path) -> None:
    file = tmp_path / "t"
    for count in (0, 1, 5):
        table = Table(rows(3), np.array([0, 0, count, count]), rows(count), 2)
        with file.open("wb") as stream:
            tables.write(table, stream)
        assert same(tables.read(file), table)
        assert same(tables.read(file, mapped=True), table)
    whole = file.read_bytes()
    for size in range(0, len(whole), 7):
        file.write_bytes(whole[:size])
        with pytest.raises(Damaged):
            tables.read(file)
