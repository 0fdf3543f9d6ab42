"""Which addresses may be contacted: vetted as text, at every redirect, and once connected.

A link from outside must not make this program talk to the machine itself or its neighbours, so
only https to public addresses is allowed, judged by the address really connected to (a name may
resolve differently a moment later). Hosts the user has configured as mirrors are exempt.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies, select_proxy
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from rvc.errors import DownloadFailed

REDIRECTS = 8
TIMEOUTS_S = (10.0, 20.0)  # to connect, between two pieces of data
AGENT = "rvc-voice"
HUGGING_FACE = ("huggingface.co", "www.huggingface.co", "hf.co")
TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
SOCKS = ("socks4", "socks4a", "socks5", "socks5h")  # with PySocks
HOST = re.compile(r"[\w.-]+|[0-9a-f:.]+(%\w+)?")
Host = tuple[str, int]


class Refused(DownloadFailed):
    """An address that must not be contacted."""

    code = "address_refused"


def place(url: str) -> Host:
    """(host, port) of a link.

    Raises:
        Refused: not a link.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError as error:
        raise Refused(f"{url!r} is not a link.", str(error)) from error
    return (parts.hostname or "").lower(), port


def vet(url: str, trusted: frozenset[Host] = frozenset()) -> str:
    """Refuse a link by its text; returns it.

    Raises:
        Refused: another scheme than https, a name or password in it, or a private address.
    """
    parts = urlsplit(url)
    host = place(url)
    if parts.scheme not in ("http", "https") or not HOST.fullmatch(host[0]):
        raise Refused(f"{url!r} is refused: only https links are followed.")
    if host in trusted:
        return url
    if parts.scheme != "https":
        raise Refused(f"{url!r} is refused: only https links are followed.")
    if parts.username or parts.password:
        raise Refused(f"{host[0]} is refused: links with a user name are not followed.")
    if host[0] == "localhost" or host[0].endswith((".localhost", ".local", ".internal")):
        raise Refused(f"{host[0]} is refused: it is a private address.")
    try:
        address = ipaddress.ip_address(host[0])
    except ValueError:
        return url
    if not public(address):
        raise Refused(f"{host[0]} is refused: it is a private address.")
    return url


def public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether an address belongs to the open internet, also when wrapped in IPv6."""
    if isinstance(address, ipaddress.IPv6Address):
        for inner in (address.ipv4_mapped, address.sixtofour, (address.teredo or (None, None))[1]):
            if inner is not None:
                return public(inner)
        if address in ipaddress.ip_network("64:ff9b::/96"):
            return public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return address.is_global and not address.is_multicast


def _refuse_private(name: str, found: Any) -> None:
    address = ipaddress.ip_address(str(found).split("%")[0])
    if not public(address):
        raise Refused(f"{name} is refused: it leads to the private address {address}.")


class _Watched(HTTPConnection):
    """A connection that looks at the address before and after it connects, and then sends."""

    trusted: frozenset[Host]

    def _new_conn(self) -> socket.socket:
        exempt = (self._dns_host.lower(), self.port) in self.trusted
        if not exempt:
            for found in socket.getaddrinfo(self._dns_host, self.port, 0, socket.SOCK_STREAM):
                _refuse_private(self._dns_host, found[4][0])
        connected = super()._new_conn()
        try:
            if not exempt:
                _refuse_private(self._dns_host, connected.getpeername()[0])
        except Refused:
            connected.close()
            raise
        return connected


class _Adapter(HTTPAdapter):
    """Transport whose direct connections are watched; a proxy's address is the user's choice."""

    def __init__(self, trusted: frozenset[Host]) -> None:
        self.trusted = trusted
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        watch = {"trusted": self.trusted}
        plain = type("PlainWatched", (_Watched,), watch)
        secure = type("SecureWatched", (_Watched, HTTPSConnection), watch)
        self.poolmanager.pool_classes_by_scheme = {
            "http": type("Plain", (HTTPConnectionPool,), {"ConnectionCls": plain}),
            "https": type("Secure", (HTTPSConnectionPool,), {"ConnectionCls": secure}),
        }


def _token() -> str:
    return next((os.environ[name].strip() for name in TOKENS if os.environ.get(name)), "")


def _of_hub(url: str) -> bool:
    """Whether an address is Hugging Face's own, or that which the user has put in its place."""
    own = os.environ.get("HF_ENDPOINT", "")
    if own and place(url) == place(own):
        return True
    return urlsplit(url).scheme == "https" and place(url)[0] in HUGGING_FACE


def credentials(url: str) -> dict[str, str]:
    """Headers that show who asks: HF_TOKEN for Hugging Face, and nothing for anybody else.

    Its files lie on other hosts, to which it redirects; those are not shown the token.
    """
    token = _token()
    return {"Authorization": f"Bearer {token}"} if token and _of_hub(url) else {}


def locked(url: str, status: int) -> str:
    """What an answer of 401 or 403 means, and what to do about it."""
    if not _of_hub(url):
        return f"the server answered {status}: it is private, or asks for a login"
    if _token():
        return (
            f"the server answered {status}: the token in HF_TOKEN may not read it; accept its "
            "terms on its page, or use another token"
        )
    return (
        f"the server answered {status}: it is private, gated or not there; accept its terms on "
        "its page and set HF_TOKEN to a token that may read it"
    )


def _proxies(url: str) -> dict[str, str]:
    """The proxies of the environment for this address.

    Raises:
        DownloadFailed: it is to go through a SOCKS proxy, and nothing here speaks that.
    """
    found: dict[str, str] = dict(get_environ_proxies(url))
    chosen = select_proxy(url, found) or ""
    scheme = chosen.partition("://")[0].lower()
    if scheme.startswith("socks") and (scheme not in SOCKS or not find_spec("socks")):
        raise DownloadFailed(
            f"The proxy of this system, {scheme}://…, is SOCKS, which downloads cannot use.",
            "Set HTTPS_PROXY to its HTTP port (and unset ALL_PROXY), or use socks5h://… and "
            "`pip install PySocks`.",
        )
    return found


def session(trusted: frozenset[Host] = frozenset()) -> requests.Session:
    """A session that reads proxies from the environment, and no password file."""
    made = requests.Session()
    made.trust_env = False
    made.headers["User-Agent"] = AGENT
    made.headers["Accept-Encoding"] = "identity"
    adapter = _Adapter(trusted)
    made.mount("http://", adapter)
    made.mount("https://", adapter)
    return made


def get(
    url: str,
    headers: dict[str, str] | None = None,
    trusted: frozenset[Host] = frozenset(),
    opened: Callable[[requests.Response], None] | None = None,
) -> requests.Response:
    """GET with a streamed body; every redirect is vetted like the first address.

    Args:
        opened: shown every redirecting answer on the way (its headers may tell a digest).

    Raises:
        Refused: an address on the way is not allowed.
        requests.RequestException: the network failed.
    """
    made = session(trusted)
    authority = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    for _ in range(REDIRECTS):
        answer = made.get(
            vet(url, trusted),
            headers={**(headers or {}), **credentials(url)},
            stream=True,
            allow_redirects=False,
            timeout=TIMEOUTS_S,
            proxies=_proxies(url),
            verify=authority or True,
        )
        if opened:
            opened(answer)
        if not answer.is_redirect:
            return answer
        url = urljoin(url, answer.headers["Location"])
        answer.close()
    raise Refused(f"{place(url)[0]} redirects in circles.")
