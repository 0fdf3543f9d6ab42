"""Keeps the memory of a process small: what glibc and oneDNN would hold on to for nothing.

Nothing here changes a result. On systems without glibc every function does nothing.
"""

from __future__ import annotations

import ctypes
import logging
import os
import platform
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # from glibc's malloc.h
MAPPED_BYTES = 32 << 20  # tensors above this get pages of their own
NEVER = -1
CACHED_SHAPES = "8"  # 1024 otherwise

NO_MEMORY = ("out of memory", "allocate memory", "failed to allocate", "bad_alloc")

log = logging.getLogger(__name__)


def limit_shape_caches() -> None:
    """Keep memory from growing with every new length of input that a network sees on a CPU.

    oneDNN keeps the code it makes for each length of each layer, 1024 of them, and so does the
    layer between torch and oneDNN: 1 MB for every few seconds of a recording, and holes around it.
    Making it again costs nothing that can be measured. Acts before the first convolution of the
    process.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", CACHED_SHAPES)
    os.environ.setdefault("LRU_CACHE_CAPACITY", CACHED_SHAPES)


def release_freed() -> None:
    """Give freed memory back to the system; glibc would keep it."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def keep_freed() -> None:
    """Keep freed memory for the next step of a training: the kernel would clear each page again."""
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    for option, value in ((M_MMAP_THRESHOLD, MAPPED_BYTES), (M_TRIM_THRESHOLD, NEVER)):
        if not libc.mallopt(option, value):
            log.debug("mallopt(%d) was refused.", option)


def ran_out(error: BaseException) -> bool:
    """Whether an error means that memory ran out, on any device."""
    text = str(error).lower()
    if isinstance(error, MemoryError):
        return True
    raised_by_a_network = isinstance(error, RuntimeError) or type(error).__module__.startswith(
        "onnxruntime"
    )
    return raised_by_a_network and any(words in text for words in NO_MEMORY)
