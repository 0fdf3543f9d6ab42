"""Live conversion over HTTP: `/api/live` is a WebSocket for browsers, its routes are for buttons.

Text on the socket is JSON: `{"do": ...}` asks (`orders`), `{"say": ...}` answers. Binary messages
are frames of sound (`rvc.realtime.wire`); each is answered by one to be played. One browser at a
time is live (`floor`); another one is told so, and may take over.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from fastapi import APIRouter, FastAPI, WebSocket
from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocketDisconnect

from rvc.errors import BadInput, VoiceError
from rvc.realtime import wire
from rvc.server import orders
from rvc.server.floor import Floor
from rvc.server.guest import Guest
from rvc.server.orders import Hello, Order

SILENT_S = 3.0  # without sound: the browser is gone
REFUSED, TOO_BIG = 1008, 1009


async def attend(floor: Floor, socket: WebSocket) -> None:
    """Listen to one socket until it closes."""
    await socket.accept()
    guest = Guest(socket)
    floor.guests.add(guest)
    sender = asyncio.ensure_future(guest.send(floor.figures))
    try:
        while (said := await _next(floor, guest)) is not None:
            if (code := _take(floor, guest, said)) is not None:
                await socket.close(*code)
                break
    except (WebSocketDisconnect, RuntimeError):
        pass
    finally:
        sender.cancel()
        floor.left(guest)


async def _next(floor: Floor, guest: Guest) -> Any:
    """The next message; None where there is none any more, or a browser has gone silent."""
    while True:
        waits = asyncio.ensure_future(guest.socket.receive())
        while not (await asyncio.wait({waits}, timeout=SILENT_S / 3))[0]:
            silent = time.monotonic() - guest.heard_s > SILENT_S
            if silent and guest is floor.owner and floor.state == "running":
                waits.cancel()
                guest.tell("silent")
                await floor.stop()
                await guest.socket.close(REFUSED, "No sound came for three seconds.")
                return None
        said = waits.result()
        return None if said["type"] == "websocket.disconnect" else said


def _take(floor: Floor, guest: Guest, said: Any) -> tuple[int, str] | None:
    """Do what a message says; (code, reason) where the socket is to be closed for it."""
    if (frame := said.get("bytes")) is not None:
        return None if floor.heard(guest, frame) else (REFUSED, "No sound was expected.")
    text = said.get("text") or ""
    if len(text) > wire.MOST_BYTES:
        return TOO_BIG, "Too long a message."
    if guest.hasty:
        return REFUSED, "Too many messages."
    try:
        order = orders.read(text)
    except BadInput as error:
        return REFUSED, error.message[:100]
    if isinstance(order, Hello):
        guest.client = order.client
        floor.soon(floor.hello(guest, order))
    elif not guest.client:
        return REFUSED, "Say hello first."
    else:
        floor.soon(_answer(floor, guest, order))
    return None


async def _answer(floor: Floor, guest: Guest, order: Order) -> None:
    try:
        guest.tell("done", did=order.do, done=await floor.do(order, guest))
    except VoiceError as error:
        guest.tell("error", did=order.do, **error.as_dict())


def add(app: FastAPI) -> None:
    """Put the socket and the routes on `app`; `app.state.live` is who is live."""
    floor = app.state.live = Floor()
    router = APIRouter(prefix="/api/live", tags=["live"])

    async def state() -> dict[str, Any]:
        """Whether somebody is live, and its figures."""
        return floor.summary()

    async def devices() -> list[dict[str, Any]]:
        """Microphones and outputs of this machine."""
        from dataclasses import asdict

        from rvc.realtime import devices

        return [asdict(d) for d in await run_in_threadpool(devices.listing)]

    router.get("", summary="Whether somebody is live, and its figures.")(state)
    router.get("/devices", summary="Microphones and outputs of this machine.")(devices)
    for kind in orders.ORDERS:
        name = kind.model_fields["do"].default
        router.post(f"/{name}", summary=kind.__doc__)(_route(floor, kind))
    app.include_router(router)

    async def socket(socket: WebSocket) -> None:
        await attend(floor, socket)

    app.add_api_websocket_route("/api/live", socket)


def _route(floor: Floor, kind: type[Order]) -> Any:
    async def order(order: Any) -> dict[str, Any]:
        return await floor.do(order)

    order.__annotations__ = {"order": kind, "return": dict[str, Any]}
    order.__name__ = f"live_{kind.__name__.lower()}"
    return order
