"""Batches made ready by one thread while the last step is computed: no worker processes."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")
J = TypeVar("J")


class _End:
    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class Prefetch(Generic[T]):
    """Runs `make` over `jobs` in a thread, at most `ahead` results in advance.

    An error in the thread is raised where the result would have come. Close it, or use it in a
    `with` block, to end the thread early.
    """

    def __init__(self, make: Callable[[J], T], jobs: Iterable[J], ahead: int = 2) -> None:
        self.ready: queue.Queue[T | _End] = queue.Queue(ahead)
        self.stop = threading.Event()
        self.thread = threading.Thread(
            target=self._work, args=(make, list(jobs)), daemon=True, name="prefetch"
        )
        self.thread.start()

    def _work(self, make: Callable[[J], T], jobs: list[J]) -> None:
        end = _End()
        try:
            for job in jobs:
                if self.stop.is_set():
                    return
                self._put(make(job))
        except BaseException as error:  # noqa: BLE001 (handed over to the consumer)
            end = _End(error)
        self._put(end)

    def _put(self, result: T | _End) -> None:
        while not self.stop.is_set():
            try:
                return self.ready.put(result, timeout=0.1)
            except queue.Full:
                continue
        return None

    def __iter__(self) -> Iterator[T]:
        while True:
            result = self.ready.get()
            if isinstance(result, _End):
                if result.error is not None:
                    raise result.error
                return
            yield result

    def __enter__(self) -> Prefetch[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the thread."""
        self.stop.set()
        self.thread.join()
