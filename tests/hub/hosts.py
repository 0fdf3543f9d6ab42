"""A web server on this machine that misbehaves as told, and counts what it is asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """Answers for its `host`: by the next fault, or well."""

    host: Host

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:  # noqa: N802
        host = self.host
        host.asked.append((self.path, dict(self.headers)))
        content = next((c for p, c in host.files.items() if self.path.endswith("/" + p)), None)
        fault = host.faults.pop(0) if host.faults else None
        if fault:
            fault(self, content or b"")
        elif content is None:
            self.send_error(404)
        else:
            self.answer(content)
        self.close_connection = True

    def answer(
        self,
        content: bytes,
        most: int | None = None,
        length: int | None = None,
        pause_s: float = 0.0,
        start: int | None = None,
    ) -> None:
        """Answer well, or stop after `most` bytes, or state another length."""
        asked = self.headers.get("Range")
        if start is None:
            start = int(asked[6:-1]) if asked and self.host.ranges else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        body = content[start:]
        self.send_header("Content-Type", self.host.kind)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.send_header("ETag", '"one"')
        for name, value in self.host.headers.items():
            self.send_header(name, value)
        self.end_headers()
        body = body if most is None else body[:most]
        for at in range(0, len(body), 20000):
            self.wfile.write(body[at : at + 20000])
            self.wfile.flush()
            time.sleep(pause_s)


Fault = Callable[[Handler, bytes], None]


class Server(ThreadingHTTPServer):
    """Clients that hang up are part of the tests."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        pass


class Host:
    """Serves `files` (path -> bytes).

    Attributes:
        faults: one callable per request to come, taken from the front; it gets the handler and the
            file's content and answers by itself. None = answer well.
        asked: (path, headers) of every request.
        ranges: whether it can resume.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files, self.ranges = files, True
        self.faults: list[Fault | None] = []
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.kind = "application/octet-stream"
        self.headers: dict[str, str] = {}
        self.handler = type("Own", (Handler,), {"host": self})
        self.server = Server(("127.0.0.1", 0), self.handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def drop(most: int) -> Fault:
    """Send so many bytes, then cut the connection."""
    return lambda handler, content: handler.answer(content, most=most)


def stall(most: int, seconds: float) -> Fault:
    def fault(handler: Handler, content: bytes) -> None:
        handler.answer(content, most=most)
        time.sleep(seconds)

    return fault


def status(code: int, **headers: str) -> Fault:
    def fault(handler: Handler, _content: bytes) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return fault


def page(kind: str = "text/html") -> Fault:
    def fault(handler: Handler, _content: bytes) -> None:
        body = b"<!DOCTYPE html><html>Please log in to the hotel network</html>"
        handler.send_response(200)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return fault
