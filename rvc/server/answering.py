"""Where and how the server answers: port, https, what the protocol's library is told."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

from rvc.errors import BadInput
from rvc.realtime import wire

if TYPE_CHECKING:
    import uvicorn

TRIES = 20  # ports

log = logging.getLogger("app")

Encryption = dict[str, str]  # arguments of uvicorn; empty for http


def listen(server_name: str, port: int) -> socket.socket:
    """A listening socket on the wanted port or the next free one.

    Raises:
        BadInput: there is none, or no such address.
    """
    family = socket.AF_INET6 if ":" in server_name else socket.AF_INET
    for candidate in range(port, port + TRIES):
        server = socket.socket(family, socket.SOCK_STREAM)
        if os.name == "posix":
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((server_name, candidate))
        except OSError as error:
            server.close()
            if candidate == port + TRIES - 1 or isinstance(
                error, (PermissionError, socket.gaierror)
            ):
                raise BadInput(
                    f"Cannot listen on {server_name}:{candidate}: {error.strerror}.",
                    "Choose another with --server-name or --port.",
                ) from error
            log.info("Port %d is taken; trying %d.", candidate, candidate + 1)
        else:
            return server
    raise AssertionError("unreachable")


def encryption(certificate: Path | None, key: Path | None) -> Encryption:
    """What https needs.

    Raises:
        BadInput: the files are no certificate and its key.
    """
    if certificate is None:
        if key is not None:
            raise BadInput(f"{key} is a key without a certificate.", "Give --ssl-certfile as well.")
        return {}
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except (ssl.SSLError, OSError) as error:
        raise BadInput(
            f"{certificate} cannot be used as a certificate: {error}.",
            "Give it with --ssl-certfile and its key with --ssl-keyfile, both as PEM.",
        ) from error
    return {"ssl_certfile": str(certificate)} | ({"ssl_keyfile": str(key)} if key else {})


def config(app: FastAPI, tls: Encryption) -> uvicorn.Config:
    """The server's own settings: messages of sockets are small, and sound is not compressed."""
    import uvicorn

    given: dict[str, Any] = dict(tls)
    return uvicorn.Config(
        app,
        log_level="warning",
        timeout_graceful_shutdown=2,
        ws="websockets-sansio",
        ws_max_size=wire.MOST_BYTES,
        ws_per_message_deflate=False,
        **given,
    )


def not_a_goodbye(record: logging.LogRecord) -> bool:
    """Whether a log record is more than a browser's open stream ended by our shutting down."""
    kind = record.exc_info[0] if record.exc_info else None
    ended = "graceful shutdown exceeded" in record.getMessage()
    return not ended and not (kind and issubclass(kind, asyncio.CancelledError))
