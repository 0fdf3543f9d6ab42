"""The HTTP side: verbs as routes, safe by default, and the web page mounted in the same app."""

from __future__ import annotations

import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI

from rvc import __version__
from rvc.server import gate, routes
from rvc.server.fence import Fence


@dataclass
class Access:
    """Who may come in.

    Attributes:
        server_name: address the server is bound to.
        token: the secret; None only on this machine.
        folders: folders opened besides the program's own.
        public: also reachable through a public link.
    """

    server_name: str = "127.0.0.1"
    token: str | None = None
    folders: tuple[Path, ...] = ()
    public: bool = False

    def __post_init__(self) -> None:
        if self.token is None and not self.local:
            self.token = secrets.token_urlsafe(18)

    @property
    def local(self) -> bool:
        return gate.is_loopback(self.server_name) and not self.public


def create(access: Access | None = None) -> FastAPI:
    """The app with every API route, behind its gate.

    `app.state.hosts` are the names it answers to, `app.state.fence` its file rules.
    """
    access = access or Access()
    app = FastAPI(
        title="Voice cloning",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
    )
    app.state.fence = Fence(confined=not access.local, extra=access.folders)
    app.state.hosts = {access.server_name, *gate.LOOPBACK}
    if not access.local:
        app.state.hosts.add(socket.gethostname().lower())
    routes.add(app, app.state.fence)
    app.add_middleware(
        gate.Gate,
        hosts=app.state.hosts,
        any_address=not access.local,
        token=access.token,
    )
    return app
