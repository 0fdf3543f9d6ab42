"""Index files of other kinds than IVF-Flat: faiss reads them, in a child process with limits.

Whatever such a file does to faiss, it does to a process that may use little memory and time and
hands back nothing but an array.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from rvc.errors import BadInput

LOG = logging.getLogger(__name__)
SECONDS = 60
MEMORY_BYTES = 3 << 30  # beyond what the file itself needs
LIMIT_BYTES = 4 << 30


def vectors(file: Path) -> np.ndarray:
    """The vectors (N, W) float32 of any faiss index that can give them back.

    Raises:
        BadInput: too large, damaged, without vectors, or it took too much memory or time.
    """
    if file.stat().st_size > LIMIT_BYTES:
        raise BadInput(f"The index {file} is larger than any voice needs.")
    with tempfile.TemporaryDirectory(prefix="rvc-index-") as folder:
        out = Path(folder) / "vectors.npy"
        command = [sys.executable, "-m", __name__, str(file.resolve()), str(out)]
        try:
            done = subprocess.run(
                command,
                cwd=Path(__file__).parents[2],
                capture_output=True,
                timeout=2 * SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise _damaged(file, "reading it takes too long") from error
        if done.returncode or not out.is_file():
            lines = done.stderr.decode(errors="replace").strip().splitlines()
            raise _damaged(file, lines[-1][:160] if lines else f"code {done.returncode}")
        found = np.load(out, allow_pickle=False)
    if found.ndim != 2 or found.dtype != np.float32 or not np.isfinite(found).all():
        raise _damaged(file, "it holds no finite vectors")
    return found


def _damaged(file: Path, why: str) -> BadInput:
    return BadInput(
        f"The index {file} cannot be read: {why}.", "Build it again with `core.py index`."
    )


def _limit(file: Path) -> None:
    """Limits of this very process; where the system knows none, the timeout alone holds."""
    try:
        import resource
    except ImportError:
        LOG.debug("no resource limits on this system")
        return
    size = file.stat().st_size
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES + 6 * size,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS,) * 2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8 * size + (64 << 20),) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _child(file: Path, out: Path) -> None:
    """Read `file` with faiss and save its vectors to `out`."""
    _limit(file)
    import faiss

    index = faiss.read_index(str(file))
    if isinstance(index, faiss.IndexPreTransform):
        raise SystemExit("it changes the space of its vectors")
    inner = faiss.try_extract_index_ivf(index)
    if inner is not None:
        inner.make_direct_map()
    if index.ntotal <= 0 or index.ntotal * index.d * 4 > LIMIT_BYTES:
        raise SystemExit(f"{index.ntotal} rows of width {index.d}")
    np.save(out, np.asarray(index.reconstruct_n(0, index.ntotal), np.float32), allow_pickle=False)


if __name__ == "__main__":
    _child(Path(sys.argv[1]), Path(sys.argv[2]))
