"""Memory goes back to the system, stays for the next step, or is nobody's business, as asked."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from pathlib import Path

import pytest

from rvc import memory

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's own")


def test_what_the_user_set_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LRU_CACHE_CAPACITY", "77")
    monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", raising=False)
    memory.limit_shape_caches()
    assert os.environ["LRU_CACHE_CAPACITY"] == "77"
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == memory.CACHED_SHAPES


@glibc
def test_freed_memory_goes_back_to_the_system() -> None:
    def resident_bytes() -> int:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    small = [bytes(60_000) for _ in range(2000)]  # below glibc's limit for pages of their own
    kept, small = small[-1], []
    before = resident_bytes()
    memory.release_freed()
    assert len(kept) == 60_000
    assert before - resident_bytes() > 50e6


def test_other_systems_do_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str | None) -> None:
        raise AssertionError("no library of glibc is there")

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    memory.release_freed()
    memory.keep_freed()
