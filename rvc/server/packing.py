"""Text is sent packed: the page is a megabyte of JSON that gzip makes a thirteenth of.

Sound and other results are left alone: they are packed already, and a player asks for parts of
them by position.
"""

from __future__ import annotations

from starlette.middleware.gzip import GZipMiddleware

from rvc.server.gate import App, Receive, Scope, Send

AS_THEY_ARE = ("/api/files/", "/gradio_api/file", "/gradio_api/stream")
LEAST_BYTES = 1000


class Packed:
    """ASGI middleware: gzip for those who take it, except for results."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.packed = GZipMiddleware(app, minimum_size=LEAST_BYTES, compresslevel=6)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        result = scope["type"] == "http" and scope["path"].startswith(AS_THEY_ARE)
        await (self.app if result else self.packed)(scope, receive, send)
