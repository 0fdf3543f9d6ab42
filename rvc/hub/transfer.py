"""One attempt to move one file: resume, watch its size and kind, verify, put it in place."""

from __future__ import annotations

import logging
import re
import shutil
import socket
from pathlib import Path

import requests
from urllib3.exceptions import HTTPError, NameResolutionError

from rvc import Report, files
from rvc.errors import DownloadFailed, StorageFailed
from rvc.hub import links, renamed, sha256
from rvc.hub.catalog import Asset
from rvc.hub.foreign import is_page
from rvc.hub.speed import Speed

log = logging.getLogger(__name__)

BLOCK = 1 << 18
SPARE_BYTES = 64 << 20
DIGEST = re.compile(r'^"?([0-9a-f]{64})"?$')


class Temporary(Exception):
    """Worth trying again; `wait_s` is how long the server asked to be left alone."""

    def __init__(self, cause: str, wait_s: float = 0.0) -> None:
        super().__init__(cause)
        self.wait_s = wait_s


class Unusable(Exception):
    """This mirror does not have the file, or something else under its name."""


class Transfer:
    """A download under way.

    Args:
        asset: what is expected. target: final path; the part lies beside it.
        trusted: hosts exempt from the rule for addresses.
    """

    def __init__(
        self, asset: Asset, target: Path, trusted: frozenset[links.Host], report: Report
    ) -> None:
        self.asset, self.target, self.trusted, self.report = asset, target, trusted, report
        self.part = target.with_name(target.name + ".part")
        self.mark = target.with_name(target.name + ".part.etag")
        self.told: str | None = None  # digest the server states, where we know none
        self.furthest = 0  # byte that any attempt came to
        self.resumed = False

    def attempt(self, url: str) -> None:
        """Fetch what is missing and, when all is there, verify it and give it its name.

        Raises:
            Temporary: the connection failed; the part is kept and can be resumed.
            Unusable: wrong content or no such file; nothing of it is kept.
            StorageFailed: the disk is full or read-only.
        """
        self.target.parent.mkdir(parents=True, exist_ok=True)
        start = self._resumable()
        if start and start == self.asset.size:
            return self._finish()
        headers = {"Range": f"bytes={start}-"} if start else {}
        self.resumed |= start > 0
        if start and self.asset.sha256 is None:
            headers["If-Range"] = self.mark.read_text(encoding="utf-8")
        try:
            answer = links.get(url, headers, self.trusted, self._listen)
            with answer:
                self._body(answer, start)
        except Unusable:
            self.discard()
            raise
        except (requests.RequestException, HTTPError, ConnectionError, TimeoutError) as error:
            raise _temporary(error) from error
        return self._finish()

    def _resumable(self) -> int:
        """Bytes of the part that may be kept: all where content is verified in the end anyway."""
        if not self.part.is_file():
            return 0
        size = self.part.stat().st_size
        known = self.asset.sha256 is not None or self.mark.is_file()
        if not known or (self.asset.size is not None and size > self.asset.size):
            self.discard()
            return 0
        return size

    def discard(self) -> None:
        """Forget what has come so far."""
        self.part.unlink(missing_ok=True)
        self.mark.unlink(missing_ok=True)

    def _listen(self, answer: requests.Response) -> None:
        """Hugging Face states a large file's SHA-256 in the answer that redirects to it."""
        stated = DIGEST.match(answer.headers.get("X-Linked-Etag", ""))
        if stated:
            self.told = stated[1]

    def _body(self, answer: requests.Response, start: int) -> None:
        status = answer.status_code
        if status == 416:
            self.discard()
            raise Temporary("the server cannot resume; starting again")
        if status == 429 or status >= 500:
            raise Temporary(f"the server answered {status}", _wait(answer))
        if status in (401, 403):
            raise Unusable(links.locked(answer.url, status))
        if status not in (200, 206):
            raise Unusable(f"the server answered {status}")
        start = self._where(answer, start)
        total = self._total(answer, start)
        kind = answer.headers.get("Content-Type", "").lower()
        if kind.startswith("text/html"):
            raise Unusable("a web page came instead of the file (a login or captive portal?)")
        self._room((total or self.asset.size or 0) - start)
        if tag := answer.headers.get("ETag"):
            self.mark.write_text(tag, encoding="utf-8")
        self._write(answer, start, total)

    def _where(self, answer: requests.Response, start: int) -> int:
        """Where the body belongs: at the end of the part, or at the beginning."""
        if answer.status_code == 200:
            return 0
        told = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
        if not told or int(told[1]) != start:
            self.discard()
            raise Temporary("the server resumed at the wrong place")
        return start

    def _total(self, answer: requests.Response, start: int) -> int | None:
        stated = answer.headers.get("Content-Length", "")
        total = start + int(stated) if stated.isdigit() else None
        expected = self.asset.size
        if expected is not None and total is not None and total != expected:
            if is_page(answer.raw.read1(64)):
                raise Unusable("a web page came instead of the file (a login or captive portal?)")
            self.discard()
            raise Unusable(f"it offers {total} bytes instead of {expected}")
        return expected if expected is not None else total

    def _room(self, needed: int) -> None:
        free = shutil.disk_usage(self.target.parent).free
        if needed + SPARE_BYTES > free:
            raise StorageFailed(
                f"{self.asset.name} needs {needed / 1e6:.0f} MB and {self.target.parent} "
                f"has {free / 1e6:.0f} MB left.",
                "Free some space and run it again; what has come so far is kept.",
            )

    def _write(self, answer: requests.Response, start: int, total: int | None) -> None:
        done, clock = start, Speed(start)
        note = f"Downloading {self.asset.name}"
        with self.part.open("r+b" if start else "wb") as out:
            out.truncate(start)
            out.seek(start)
            try:
                while block := answer.raw.read1(BLOCK):
                    if done == 0:
                        _look(block)
                    done += len(block)
                    self.furthest = max(self.furthest, done)
                    if total is not None and done > total:
                        raise Unusable(f"more than {total} bytes came")
                    out.write(block)
                    self.report(done, total or done, f"{note} | {clock.words(done, total)}")
            finally:
                out.flush()
                files.sync_open(out)
        if total is not None and done < total:
            raise Temporary(f"the connection ended after {done} of {total} bytes")

    def _finish(self) -> None:
        """Verify the part; only then does the final name appear."""
        size = self.part.stat().st_size
        with self.part.open("rb") as stream:
            start = stream.read(64)
        expected = self.asset.sha256 or self.told
        if not size or (self.asset.size is not None and size != self.asset.size):
            self.discard()
            raise Unusable(f"{size} bytes came instead of {self.asset.size}")
        if expected and sha256(self.part) != expected:
            self.discard()
            if self.resumed:
                self.resumed = False
                raise Temporary("what was resumed is not the file; starting again")
            page = " (it is a web page)" if is_page(start) else ""
            raise Unusable(f"its content is not the file's: the SHA-256 differs{page}")
        files.replace(self.part, self.target)
        renamed(self.part, self.target)
        self.mark.unlink(missing_ok=True)
        files.sync_folder(self.target.parent)
        log.info(
            "Fetched %s (%.1f MB%s).",
            self.asset.name or self.target,
            size / 1e6,
            ", verified" if expected else "; no digest is published for it",
        )


def _look(block: bytes) -> None:
    if is_page(block):
        raise Unusable("a web page came instead of the file (a login or captive portal?)")
    if block.startswith(b"version https://git-lfs"):
        raise Unusable("a pointer to the file came instead of the file")


def _wait(answer: requests.Response) -> float:
    asked = answer.headers.get("Retry-After", "")
    return min(60.0, float(asked)) if asked.isdigit() else 0.0


def _temporary(error: BaseException) -> Exception:
    """A network error as something to retry, or as final where trying again cannot help."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, DownloadFailed):
            return inner
        if isinstance(inner, (NameResolutionError, socket.gaierror)):
            return Unusable("its address could not be found (is there a connection?)")
        parts = [a for a in inner.args if isinstance(a, BaseException)]
        reason = getattr(inner, "reason", None)
        inner = reason if isinstance(reason, BaseException) else next(iter(parts), None)
    return Temporary(_short(error))


def _short(error: BaseException) -> str:
    if isinstance(error, (requests.Timeout, TimeoutError)) or "timed out" in str(error).lower():
        return "no data came for a while"
    if isinstance(error, requests.exceptions.SSLError):
        return "no secure connection could be made"
    return f"the connection failed ({type(error).__name__})"
