"""The web page and the HTTP API in one server: `python app.py`, then http://127.0.0.1:6969."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from fastapi import FastAPI

    from rvc.server import Access
    from rvc.server.answering import Encryption

PORT = 6969

log = logging.getLogger("app")


@click.command()
@click.option("--port", default=PORT, show_default=True, help="Port; the next free one if busy.")
@click.option(
    "--server-name",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; beyond this machine a token is asked for.",
)
@click.option("--share", is_flag=True, help="Also open a public link (asks for the token).")
@click.option(
    "--warm",
    is_flag=True,
    envvar="RVC_WARM",
    help="Load what conversions need at once, not when the first one is asked for.",
)
@click.option("--open", "open_", is_flag=True, help="Open the page in a browser.")
@click.option("--token", envvar="RVC_TOKEN", help="Token to ask for; made up when needed.")
@click.option(
    "--allow-host",
    "hosts",
    multiple=True,
    help="A further name the page is reached by, such as a reverse proxy's; may be given several "
    "times. A token is then asked for.",
)
@click.option(
    "--root-path",
    default="",
    help="Path under which a reverse proxy shows the page and which it takes off, such as /rvc; "
    "the whole address where the proxy does not pass on the name it was asked by.",
)
@click.option(
    "--allow-folder",
    "folders",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A further folder results may be written to; may be given several times.",
)
@click.option(
    "--ssl-certfile",
    "certificate",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Certificate (PEM), to serve the page by https: browsers lend their microphone to no "
    "other page of another machine.",
)
@click.option(
    "--ssl-keyfile",
    "key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The certificate's key (PEM).",
)
def main(
    port: int,
    server_name: str,
    share: bool,
    warm: bool,
    open_: bool,
    token: str | None,
    hosts: tuple[str, ...],
    root_path: str,
    folders: tuple[Path, ...],
    certificate: Path | None,
    key: Path | None,
) -> None:
    """Serve the web page and the HTTP API."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    for chatty in ("httpx", "matplotlib"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    from rvc import memory
    from rvc.errors import BadInput
    from rvc.server import Access, answering

    memory.wait_quietly()
    try:
        tls = answering.encryption(certificate, key)
        listener = answering.listen(server_name, port)
    except BadInput as error:
        raise click.ClickException(f"{error.message} {error.hint}") from error
    access = Access(server_name, token, folders, share, hosts, root_path)
    serve(create(access), access, listener, share, open_, warm, tls)


def create(access: Access) -> FastAPI:
    """The app: routes, page, gate; nothing is listening yet."""
    from rvc.config import paths

    here = paths()
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["GRADIO_TEMP_DIR"] = str(here.cache / "uploads")
    for folder in (here.logs, here.audios, here.datasets, here.cache / "uploads"):
        folder.mkdir(parents=True, exist_ok=True)
    with without_proxies():
        return _with_page(access)


@contextlib.contextmanager
def without_proxies() -> Iterator[None]:
    """The page of this machine needs no proxy, and must start where one cannot be understood.

    Gradio makes a connection pool when it is imported, which fails for proxies of unknown kinds.
    """
    proxies = {k: v for k, v in os.environ.items() if k.lower().endswith("_proxy")}
    for name in proxies:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(proxies)


def _with_page(access: Access) -> FastAPI:
    from rvc import server
    from tabs import mount

    app = server.create(access)
    mount.show(app, access)
    return app


def serve(
    app: FastAPI,
    access: Access,
    listener: socket.socket,
    share: bool,
    open_: bool,
    warm: bool = False,
    tls: Encryption | None = None,
) -> None:
    """Answer until interrupted."""
    tls = tls or {}
    import uvicorn

    from rvc import jobs
    from rvc.config import load_settings
    from rvc.server import answering

    host, port = listener.getsockname()[:2]
    name = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    query = f"/?token={access.token}" if access.token else ""
    scheme = "https" if tls else "http"
    address = f"{scheme}://{f'[{name}]' if ':' in name else name}:{port}{query}"
    if share:
        app.state.hosts.add(_share(port, access))
    log.info("The page is at %s", address)
    log.info("The API is described at %s", f"{scheme}://{name}:{port}/api/docs")
    if open_:
        webbrowser.open(address)
    logging.getLogger("uvicorn.error").addFilter(answering.not_a_goodbye)
    warm = warm or load_settings().worker_warm
    with contextlib.suppress(KeyboardInterrupt), jobs.serving(warm):
        uvicorn.Server(answering.config(app, tls)).run(sockets=[listener])


def _share(port: int, access: Access) -> str:
    """Open the public tunnel; returns its host name.

    Raises:
        ClickException: offline is set, or the service that keeps the links does not answer.
    """
    import secrets
    from urllib.parse import urlsplit

    import httpx
    from gradio import exceptions, networking

    from rvc.config import paths
    from rvc.hub.fetch import offline

    if offline():
        raise click.ClickException("--share needs the network, but offline is set.")
    certificate = str(paths().cache / "share.pem")  # not where we were started
    vars(networking)["CERTIFICATE_PATH"] = certificate
    known = (exceptions.ChecksumMismatchError, exceptions.ShareCertificateWriteError, ImportError)
    try:
        link = networking.setup_tunnel("127.0.0.1", port, secrets.token_urlsafe(32), None, None)
    except (RuntimeError, ValueError, OSError, httpx.HTTPError, *known) as error:
        raise click.ClickException(
            f"The public link could not be opened: {error} Without --share the page works as usual."
        ) from error
    log.info("The public link is %s/?token=%s", link, access.token)
    return urlsplit(link).hostname or ""


if __name__ == "__main__":
    main()
