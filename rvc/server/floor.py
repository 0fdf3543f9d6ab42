"""Who has the floor: one browser at a time is live, or the devices of this machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from starlette.concurrency import run_in_threadpool

from rvc.errors import BadInput, Busy, VoiceError
from rvc.realtime import wire
from rvc.server import orders
from rvc.server.guest import Guest
from rvc.server.live_process import LiveProcess
from rvc.server.orders import Hello, Order

AGAIN_S = 5.0  # a page that is loaded again comes back to its session
IDLE_S = 60.0  # until the process goes that would start faster


class Floor:
    """Who is live on this server, and who listens.

    Attributes:
        owner: the browser that is live; None with devices, or while it loads its page again.
        client: how that browser calls itself; "" with devices.
        state: stopped, starting or running.
        began: what it was started with, and has been set since.
    """

    def __init__(self, stage: LiveProcess | None = None) -> None:
        self.stage = stage or LiveProcess()
        self.stage.listen = self._play
        self.guests: set[Guest] = set()
        self.owner: Guest | None = None
        self.client, self.state = "", "stopped"
        self.began: dict[str, Any] = {}
        self.ending: asyncio.TimerHandle | None = None
        self.tasks: set[asyncio.Task[Any]] = set()
        self.turn = asyncio.Lock()  # for starts and stops

    # ---- orders

    async def do(self, order: Order, guest: Guest | None = None) -> dict[str, Any]:
        """Carry out an order.

        Raises:
            VoiceError: it cannot be, or somebody else is live.
        """
        name = order.do
        if guest is not None and self._foreign(guest):
            raise Busy("Another browser is live.", "Take over there, or wait.")
        if isinstance(order, orders.StartOrder):
            return await self._start(order, guest)
        if name == "stop":
            return await self.stop()
        if self.state != "running" and name != "probe":
            raise BadInput("Nobody is live.", "Start first.")
        values = await run_in_threadpool(order.told)
        done = await self.stage.ask(name, **values)
        if name in ("set", "voice"):
            self.began["live"] |= values.get("values", values)
        return done

    async def _start(self, order: orders.StartOrder, guest: Guest | None) -> dict[str, Any]:
        if self.state == "starting":
            raise Busy("It is being started already.", "Wait a moment.")
        if self.state == "running" and guest is None:
            raise Busy("Somebody is live already.", "Stop that session first.")
        async with self.turn:
            return await self._begin(order, guest)

    async def _begin(self, order: orders.StartOrder, guest: Guest | None) -> dict[str, Any]:
        rate = order.rate if guest is not None else None
        self._stay()
        self.state, self.began = "starting", {}
        self.owner, self.client = (guest, guest.client) if guest and rate else (None, "")
        self.stage.figures = {}
        self._announce()
        try:
            values = await run_in_threadpool(order.told)
            self.stage.begin()
            done = await self.stage.ask("start", **values)
        except BaseException:
            self._over()
            raise
        self.state = "running"
        self.began = {"live": values["live"], "rate": rate}
        if self.owner is not None:
            self.owner.began, self.owner.heard_s = True, time.monotonic()
        self._announce()
        return done

    async def stop(self) -> dict[str, Any]:
        """End the session, also one that is only being started."""
        if self.state == "starting":
            self.stage.end()  # whoever waits for the start is told
            return {}
        async with self.turn:
            if self.state != "running":
                return {}
            try:
                return await self.stage.ask("stop")
            finally:
                self._over()

    def _over(self) -> None:
        self.state, self.owner, self.client = "stopped", None, ""
        self.stage.figures = {}
        self._later(IDLE_S, self.stage.end)
        self._announce()

    # ---- guests

    async def hello(self, guest: Guest, order: Hello) -> None:
        """Somebody says who it is: back again, new, or taking over."""
        if self._foreign(guest):
            if not order.take_over:
                guest.tell("busy", message="Another browser is live.")
                return
            before, self.owner, self.client = self.owner, None, guest.client
            if before is not None:
                before.tell("taken", message="Another browser has taken over.")
            with suppress(VoiceError):
                await self.stop()
        elif self.client == guest.client and self.state != "stopped":
            self.owner, guest.began, guest.heard_s = guest, True, time.monotonic()
            self._stay()
        guest.tell("welcome", **self.summary(guest))

    def _foreign(self, guest: Guest) -> bool:
        return self.state != "stopped" and self.client not in ("", guest.client)

    def heard(self, guest: Guest, frame: bytes) -> bool:
        """Take a frame in; False where none was to come."""
        try:
            sound = wire.read_frame(frame)
        except BadInput:
            return False
        guest.heard_s = time.monotonic()
        if guest is self.owner and self.state == "running":
            self.stage.sound(sound)
        return guest.began

    def left(self, guest: Guest) -> None:
        """Somebody is gone; a session waits for him for a while."""
        self.guests.discard(guest)
        if guest is self.owner:
            self.owner = None
            self._later(AGAIN_S, lambda: self.soon(self.stop()))

    def summary(self, guest: Guest | None = None) -> dict[str, Any]:
        """What a page has to know when it opens."""
        here = "browser" if self.client else "devices"
        return {
            "state": self.state,
            "where": here if self.state != "stopped" else "",
            "mine": guest is not None and guest is self.owner,
            "began": self.began,
            "figures": self.stage.figures,
        }

    def _announce(self) -> None:
        for guest in self.guests:
            if guest.client:
                guest.tell("state", **self.summary(guest))

    def _play(self, frame: bytes) -> None:
        if self.owner is not None:
            self.owner.play(frame)

    # ---- time

    def _stay(self) -> None:
        if self.ending is not None:
            self.ending.cancel()
        self.ending = None

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        self._stay()
        self.ending = asyncio.get_running_loop().call_later(seconds, act)

    def soon(self, act: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.ensure_future(act)
        self.tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self.tasks.discard(task)
        if not task.cancelled():
            task.exception()  # told where it was asked for

    def figures(self) -> dict[str, Any] | None:
        """What is told to everybody while somebody is live; a session that failed is over."""
        if self.state != "running":
            return None
        figures = self.stage.figures
        if figures.get("state") == "error":
            self.soon(self.stop())
        return figures
