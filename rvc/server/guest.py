"""One browser, or a program, at the live socket: what waits to be sent to it, how hasty it is."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from fastapi import WebSocket
from starlette.websockets import WebSocketDisconnect

from rvc.server.live_process import WAITING

TELL_S = 0.1
RATE = 60  # orders a second


class Guest:
    """Who is there.

    Attributes:
        client: how it calls itself; "" before its hello.
        began: whether sound may come from it.
        heard_s: when sound came last.
    """

    def __init__(self, socket: WebSocket) -> None:
        self.socket = socket
        self.client = ""
        self.began = False
        self.heard_s = time.monotonic()
        self.texts: deque[dict[str, Any]] = deque()
        self.sounds: deque[bytes] = deque(maxlen=WAITING)
        self.news = asyncio.Event()
        self.orders_s: deque[float] = deque(maxlen=RATE)

    def tell(self, say: str, **values: Any) -> None:
        self.texts.append({"say": say, **values})
        self.news.set()

    def play(self, frame: bytes) -> None:
        self.sounds.append(frame)
        self.news.set()

    @property
    def hasty(self) -> bool:
        """Counts one more order; whether it is too many."""
        now = time.monotonic()
        early = len(self.orders_s) == RATE and now - self.orders_s[0] < 1
        self.orders_s.append(now)
        return early

    async def send(self, figures: Callable[[], dict[str, Any] | None]) -> None:
        """Send what waits until the socket closes, and the figures ten times a second."""
        told_s = 0.0
        with suppress(WebSocketDisconnect, RuntimeError):
            while True:
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self.news.wait(), TELL_S)
                self.news.clear()
                now = time.monotonic()
                if self.client and now - told_s >= TELL_S and (said := figures()) is not None:
                    told_s = now
                    self.texts.append({"say": "figures", **said})
                while self.texts:
                    await self.socket.send_text(json.dumps(self.texts.popleft()))
                while self.sounds:
                    await self.socket.send_bytes(self.sounds.popleft())
