"""A reverse proxy for tests: shows a server under a path, takes that path off, renames the host."""

from __future__ import annotations

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NOT_PASSED_ON = ("host", "connection", "transfer-encoding", "keep-alive")


class ReverseProxy:
    """`http://127.0.0.1:PORT/PREFIX/…` is `http://127.0.0.1:BEHIND/…`; all else is not found.

    Args:
        behind: port of the server. prefix: such as /rvc.
        host: what the server is told as `Host`; None passes the client's on.
    """

    def __init__(self, behind: int, prefix: str, host: str | None = None) -> None:
        self.not_found = not_found = list[str]()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"  # the end of an answer is the end of its connection

            def log_message(self, format: str, *args: object) -> None:
                pass

            def pass_on(self) -> None:
                if not self.path.startswith(prefix + "/"):
                    not_found.append(self.path)
                    self.send_error(404)
                    return
                headers = {k: v for k, v in self.headers.items() if k.lower() not in NOT_PASSED_ON}
                headers["Host"] = host or self.headers["Host"]
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                sent = http.client.HTTPConnection("127.0.0.1", behind, timeout=120)
                sent.request(self.command, self.path.removeprefix(prefix), body, headers)
                answer = sent.getresponse()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in NOT_PASSED_ON:
                        self.send_header(name, value)
                self.end_headers()
                try:
                    while piece := answer.read1(1 << 16):
                        self.wfile.write(piece)
                        self.wfile.flush()
                except OSError:  # the browser has gone
                    pass
                sent.close()

            do_GET = do_POST = do_HEAD = do_DELETE = pass_on  # noqa: N815

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}{prefix}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
