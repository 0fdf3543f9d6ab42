"""Who may talk to the server: checked on every request and websocket, before anything else sees it.

A page on another site can make a browser send requests to this machine. It cannot forge the
`Host` and `Origin` its requests carry, so those two are compared; from the network a token is
asked for as well.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
import json
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from starlette.exceptions import HTTPException

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Scope]]
Send = Callable[[Scope], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOPBACK = ("localhost", "127.0.0.1", "::1")
AT_HOME = (".local", ".lan", ".home", ".internal", ".home.arpa", ".localdomain", ".fritz.box")
COOKIE = "rvc_token"
SAFE = ("GET", "HEAD", "OPTIONS")


def is_loopback(name: str) -> bool:
    """Whether a server bound to `name` is reachable from this machine only."""
    try:
        return name == "localhost" or ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def is_at_home(name: str) -> bool:
    """Whether a name is an address, or one that no name server of the internet gives out."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return bool(name) and ("." not in name or name.endswith(AT_HOME))
    return True


class TooLarge(HTTPException):
    """More was sent than a request may hold."""

    message = "What was sent is too large."
    hint = (
        "The limit is 1 GB per file. A larger one need not be sent: give its path on the machine "
        "that this program runs on."
    )

    def __init__(self) -> None:
        super().__init__(413, self.message)


class AccessGate:
    """ASGI middleware: Host, Origin, size of the request and, where set, the token.

    Args:
        app: what to protect.
        hosts: names the server answers to, without port.
        any_address: also answer to bare IP addresses and to the names that people use at home
            and between containers (a rebinding attack needs a public name).
        token: the secret to ask for; None asks for nothing.
        max_bytes: largest request body.
        origins: names of pages that may send requests although a reverse proxy has put another
            name into `Host`.
        root_path: where a reverse proxy shows the page; cookies are kept for it alone.
    """

    def __init__(
        self,
        app: App,
        hosts: set[str],
        any_address: bool = False,
        token: str | None = None,
        max_bytes: int = 2 << 30,
        origins: frozenset[str] = frozenset(),
        root_path: str = "",
    ) -> None:
        self.app = app
        self.hosts = {h.lower() for h in hosts} | set(LOOPBACK)
        self.any_address = any_address
        self.token = token
        self.max_bytes = max_bytes
        self.origins = frozenset(name.lower() for name in origins)
        self.root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        refusal = self.refusal(scope, headers)
        if refusal is not None:
            await _refuse(scope, send, *refusal)
        elif self.token and (target := self._signed_in(scope, headers)):
            await _set_cookie(send, target, self.token, self.root_path or "/")
        else:
            await self.app(self._below_root(scope), self._counted(receive), send)

    def _below_root(self, scope: Scope) -> Scope:
        """The request without the path that a proxy shows us under, where it has left that on."""
        if not self.root_path or not scope["path"].startswith(f"{self.root_path}/"):
            return scope
        path = scope["path"].removeprefix(self.root_path)
        return {**scope, "path": path, "raw_path": quote(path).encode()}

    def _counted(self, receive: Receive) -> Receive:
        """A body of unstated length ends where a stated one would have been refused."""
        received = 0

        async def counted() -> Scope:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if message["type"] == "http.request" and received > self.max_bytes:
                raise TooLarge
            return message

        return counted

    def refusal(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str, str] | None:
        """(status, sentence, hint) when the request must not pass, else None."""
        host = headers.get("host", "")
        if not self.knows(host):
            return 403, f"This server does not answer to the address {host!r}.", (
                "Open it by the address it printed when it started, or start it with "
                "--allow-host NAME."
            )  # fmt: skip
        if not self._own_page(headers.get("origin"), host):
            return 403, "Requests from other sites are refused.", (
                "Open this page directly, or start it with --allow-host NAME."
            )  # fmt: skip
        if scope["type"] == "websocket" and "origin" not in headers:
            return 403, "A socket must say which page it comes from.", "Send the header Origin."
        writes = scope["type"] == "websocket" or scope["method"] not in SAFE
        if writes and headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            return 403, "Requests from other sites are refused.", "Open this page directly."
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > self.max_bytes:
            return 413, TooLarge.message, TooLarge.hint
        if self.token and not self._known_token(scope, headers):
            return 401, "A token is needed.", (
                "Use the link printed when the server started, or the token as password."
            )  # fmt: skip
        return None

    def knows(self, host: str) -> bool:
        """Whether a Host header names this server."""
        try:
            name = (urlsplit(f"//{host}").hostname or "").lower()
        except ValueError:
            return False
        if name in self.hosts:
            return True
        return self.any_address and is_at_home(name)

    def _own_page(self, origin: str | None, host: str) -> bool:
        """Whether a request comes from a page of this server, or from no page at all."""
        if origin is None:
            return True
        try:
            parts = urlsplit(origin)
            name = (parts.hostname or "").lower()
        except ValueError:
            return False
        own = parts.netloc.lower()
        return own == host.lower() or not self.origins.isdisjoint((own, name))

    def _known_token(self, scope: Scope, headers: dict[str, str]) -> bool:
        given = [_query(scope).get("token", ""), _cookie(headers.get("cookie", ""))]
        kind, _, secret = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            given.append(secret.strip())
        elif kind.lower() == "basic":
            given.append(_password(secret))
        known = (self.token or "").encode()
        return any([hmac.compare_digest(g.encode(), known) for g in given])

    def _signed_in(self, scope: Scope, headers: dict[str, str]) -> str | None:
        """Where to send a browser that came with ?token=, so that the secret leaves the address."""
        query = _query(scope)
        page = "text/html" in headers.get("accept", "")
        if scope["type"] != "http" or scope["method"] != "GET" or not page:
            return None
        if query.pop("token", None) is None:
            return None
        last = quote(scope["path"].rpartition("/")[2])  # relative: right behind any proxy
        return f"./{last}" + (f"?{urlencode(query)}" if query else "")


def _query(scope: Scope) -> dict[str, str]:
    return dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))


def _cookie(header: str) -> str:
    try:
        found = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def _password(secret: str) -> str:
    try:
        return base64.b64decode(secret, validate=True).decode("utf-8").partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


async def _refuse(scope: Scope, send: Send, status: int, message: str, hint: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": message})
        return
    body = json.dumps({"error": "refused", "message": message, "hint": hint}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if status == 401:
        headers.append((b"www-authenticate", b'Basic realm="voice", charset="UTF-8"'))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _set_cookie(send: Send, target: str, token: str, path: str) -> None:
    cookie = f"{COOKIE}={token}; Path={path}; HttpOnly; SameSite=Strict"
    headers = [(b"location", target.encode()), (b"set-cookie", cookie.encode())]
    await send({"type": "http.response.start", "status": 303, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
