"""The process that reads a stranger's .index: python -m rvc.retrieval.reader_child < FILE > TABLE.

It gets an open file, hands back plain arrays, and may do nothing else: its memory, time and output
are limited, and where the system can (not on Windows) it can open no file and no connection by the
time it looks at the content. Whatever the file does to it, it does to this process alone.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import Any, BinaryIO

from rvc.retrieval import faissfile, table
from rvc.retrieval.table import FULL, LIMIT_BYTES, REFUSED, Damaged, Table

CPU_S = 60
MEMORY_BYTES = 2 << 30  # beyond what the file itself needs


def limit(size: int) -> None:
    """Limits for this process, which reads a file of `size` bytes; none where there are none."""
    try:
        import resource
    except ImportError:  # Windows: the parent's clock and its checks of sizes are what is left
        return
    for kind, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES + 6 * size),
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_FSIZE, 8 * size + (64 << 20)),
        (resource.RLIMIT_CORE, 0),
    ):
        _at_most(resource, kind, most)


def close_in() -> None:
    """From here on this process opens nothing more: no file, no connection."""
    try:
        import resource
    except ImportError:
        return
    _at_most(resource, resource.RLIMIT_NOFILE, 3)


def _at_most(resource: Any, kind: int, most: int) -> None:
    """Lower a limit; one that is lower already stays."""
    hard = resource.getrlimit(kind)[1]
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    try:
        resource.setrlimit(kind, (most, most))
    except (ValueError, OSError):  # macOS knows RLIMIT_AS and does not let it be set
        if sys.platform != "darwin":
            raise


def read(data: BinaryIO) -> Table:
    """The vectors of an open index of any kind.

    Raises:
        Damaged: they cannot be had.
    """
    size = os.fstat(data.fileno()).st_size
    limit(size)
    head = data.read(faissfile.HEAD_BYTES)
    data.seek(0)
    if faissfile.plain(head):
        close_in()
        return faissfile.read(data, size)
    import faiss

    close_in()
    return _with_faiss(faiss, data)


def _with_faiss(faiss: Any, data: BinaryIO) -> Table:
    try:
        index = faiss.read_index(faiss.PyCallbackIOReader(data.read))
    except RuntimeError as error:
        raise Damaged("faiss cannot read it") from error
    if isinstance(index, faiss.IndexPreTransform):
        raise Damaged("it changes the space of its vectors")
    inner = faiss.try_extract_index_ivf(index)
    if inner is not None:
        inner.make_direct_map()
    if index.metric_type != faiss.METRIC_L2:
        raise Damaged("it does not measure L2 distance, by which features are mixed")
    if index.ntotal <= 0 or index.ntotal * index.d * 4 > LIMIT_BYTES:
        raise Damaged(f"{index.ntotal} rows of width {index.d}")
    return table.single(index.reconstruct_n(0, index.ntotal))


def main() -> int:
    try:
        table.write(read(sys.stdin.buffer), sys.stdout.buffer)
        sys.stdout.buffer.flush()
    except MemoryError:
        print("it wants more memory than any voice needs", file=sys.stderr)
        return REFUSED
    except (Damaged, RuntimeError) as error:
        print(" ".join(str(error).split())[:160], file=sys.stderr)
        return REFUSED
    except OSError as error:
        print(error, file=sys.stderr)
        return FULL if error.errno == errno.ENOSPC else REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
