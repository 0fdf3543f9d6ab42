"""A web server on this machine that misbehaves as told, and counts what it is asked."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Host:
    """Serves `files` (path -> bytes).

    Attributes:
        faults: one callable per request to come, taken from the front; it gets the handler and the
            file's content and answers by itself. None = answer well.
        asked: (path, headers) of every request.
        ranges: whether it can resume.
    """

    def __init__(self, files):
        self.files, self.faults, self.asked, self.ranges = files, [], [], True
        self.kind, self.headers = "application/octet-stream", {}
        host = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):  # noqa: N802
                host.asked.append((self.path, dict(self.headers)))
                content = next(
                    (c for p, c in host.files.items() if self.path.endswith("/" + p)), None
                )
                fault = host.faults.pop(0) if host.faults else None
                if fault:
                    fault(self, content)
                elif content is None:
                    self.send_error(404)
                else:
                    self.answer(content)
                self.close_connection = True

            def answer(self, content, most=None, length=None, pause_s=0.0, start=None):
                """Answer well, or stop after `most` bytes, or state another length."""
                asked = self.headers.get("Range")
                if start is None:
                    start = int(asked[6:-1]) if asked and host.ranges else 0
                self.send_response(206 if start else 200)
                if start:
                    self.send_header(
                        "Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}"
                    )
                body = content[start:]
                self.send_header("Content-Type", host.kind)
                self.send_header("Content-Length", str(len(body) if length is None else length))
                self.send_header("ETag", '"one"')
                for name, value in host.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                body = body if most is None else body[:most]
                for at in range(0, len(body), 20000):
                    self.wfile.write(body[at : at + 20000])
                    self.wfile.flush()
                    time.sleep(pause_s)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # clients that hang up are part of the tests
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def drop(most):
    """Send so many bytes, then cut the connection."""
    return lambda handler, content: handler.answer(content, most=most)


def stall(most, seconds):
    def fault(handler, content):
        handler.answer(content, most=most)
        time.sleep(seconds)

    return fault


def status(code, **headers):
    def fault(handler, _content):
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return fault


def page(kind="text/html"):
    def fault(handler, _content):
        body = b"<!DOCTYPE html><html>Please log in to the hotel network</html>"
        handler.send_response(200)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return fault
