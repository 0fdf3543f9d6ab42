"""The HTTP side: verbs as routes, safe by default, and the web page mounted in the same app."""

from __future__ import annotations

import secrets
import socket
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import FastAPI

from rvc import __version__
from rvc.server import gate, live, packing, routes
from rvc.server.fence import Fence


@dataclass
class Access:
    """Who may come in.

    Attributes:
        server_name: address the server is bound to.
        token: the secret; None only on this machine.
        folders: folders opened besides the program's own.
        public: also reachable through a public link.
        hosts: further names it is reached by, such as that of a reverse proxy.
        root_path: path it is reached under where a reverse proxy takes that off, such as /rvc;
            given as a whole address, it is also where the page says it lies.
        root_url: that whole address; "" = the page goes by the request's `Host`.
        origins: names of pages that may send requests under another `Host`.
    """

    server_name: str = "127.0.0.1"
    token: str | None = None
    folders: tuple[Path, ...] = ()
    public: bool = False
    hosts: tuple[str, ...] = ()
    root_path: str = ""
    root_url: str = field(default="", init=False)
    origins: frozenset[str] = field(default=frozenset(), init=False)

    def __post_init__(self) -> None:
        public = {name for name in self.hosts if not gate.is_loopback(name)}
        if "://" in self.root_path:
            parts = urlsplit(self.root_path)
            self.root_url = self.root_path.rstrip("/")
            self.root_path = parts.path
            self.hosts = (*self.hosts, parts.hostname or "")
            public.add(parts.netloc)
        self.origins = frozenset(public)
        self.root_path = f"/{self.root_path.strip('/')}".rstrip("/")
        if self.token is None and not self.local:
            self.token = secrets.token_urlsafe(18)

    @property
    def local(self) -> bool:
        """Whether nobody but the people at this machine can reach it."""
        names = (self.server_name, *self.hosts)
        return all(map(gate.is_loopback, names)) and not self.public


def create(access: Access | None = None) -> FastAPI:
    """The app with every API route, behind its gate.

    `app.state.hosts` are the names it answers to, `app.state.fence` its file rules,
    `app.state.live` who is live.
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
    app.state.hosts = {access.server_name, *access.hosts, *gate.LOOPBACK}
    if not access.local:
        app.state.hosts.add(socket.gethostname().lower())
    routes.add(app, app.state.fence)
    live.add(app)
    app.add_middleware(packing.Packed)
    app.add_middleware(
        gate.AccessGate,
        hosts=app.state.hosts,
        any_address=not access.local,
        token=access.token,
        origins=access.origins,
        root_path=access.root_path,
    )
    return app
