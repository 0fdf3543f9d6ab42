"""What can be asked of a live session, and what must not: no path comes over the socket."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any, Literal, Union

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from rvc.config import paths
from rvc.errors import BadInput, NotFound
from rvc.params import Live, Realtime
from rvc.params.base import complaint, reads, writes
from rvc.params.live import What
from rvc.voices import library

DEVICES = ("input_device", "output_device", "monitor_device", "input_channel", "exclusive")
FREE = frozenset(n for n, f in Live.model_fields.items() if not (reads(f) or writes(f)))


class Order(BaseModel):
    """Something to be done."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    do: str

    def told(self) -> dict[str, Any]:
        """What the process is told beside the order's name; looks voices up.

        Raises:
            BadInput: a value is wrong, or a path. NotFound: there is no such voice.
        """
        return self.model_dump(exclude={"do"})

    def values(self, devices: bool = False) -> dict[str, Any]:
        """The settings among it, those that are allowed here.

        Raises:
            BadInput: one is unknown or out of range, or names a place.
        """
        given: dict[str, Any] = getattr(self, "settings", {})
        allowed = FREE.union(DEVICES) if devices else FREE
        for name in given:
            if name not in allowed:
                raise BadInput(f"{name!r} cannot be set here.", "See /api/docs for what can.")
        try:
            (Realtime if devices else Live)(**given)
        except ValidationError as error:
            raise BadInput(complaint(error.errors()), "Choose another value.") from None
        return given


class Hello(Order):
    """The first message of a socket: who it is, so that a page that was loaded again is known."""

    do: Literal["hello"] = "hello"
    client: str = Field(pattern=r"^[\w-]{8,64}$")
    take_over: bool = False


class StartOrder(Order):
    """Go live: with a browser's sound (`rate`, over the socket), or with devices."""

    do: Literal["start"] = "start"
    voice: str = Field(description="Name or file of a voice that is listed.")
    settings: dict[str, Any] = {}
    rate: int | None = Field(None, ge=8000, le=192_000, description="Of the browser, in Hz.")
    force: bool = False

    def told(self) -> dict[str, Any]:
        given = self.values(devices=self.rate is None)
        devices = {name: value for name, value in given.items() if name in DEVICES}
        live = {name: value for name, value in given.items() if name not in DEVICES}
        where = {"rate_in": self.rate} if self.rate else {"devices": devices}
        return {"live": live | files(self.voice), "force": self.force, **where}


class Set(Order):
    """Change settings from the next block on."""

    do: Literal["set"] = "set"
    settings: dict[str, Any]

    def told(self) -> dict[str, Any]:
        return {"values": self.values()}


class VoiceOrder(Order):
    """Go over to another voice, while the old one goes on."""

    do: Literal["voice"] = "voice"
    voice: str

    def told(self) -> dict[str, Any]:
        return files(self.voice)


class Mute(Order):
    """Play nothing."""

    do: Literal["mute"] = "mute"
    on: bool


class Bypass(Order):
    """Play what is heard, at the same delay."""

    do: Literal["bypass"] = "bypass"
    on: bool


class Record(Order):
    """Record into the folder of recordings; off ends it and says where it is."""

    do: Literal["record"] = "record"
    what: What

    def told(self) -> dict[str, Any]:
        name = time.strftime("live_%Y%m%d-%H%M%S.wav")
        return {"what": self.what, "path": str(paths().audios / name)}


class Probe(Order):
    """Measure the delay by bursts of noise that the microphone must hear."""

    do: Literal["probe"] = "probe"
    settings: dict[str, Any] = {}

    def told(self) -> dict[str, Any]:
        return {"devices": self.values(devices=True)}


class StopOrder(Order):
    """End the session."""

    do: Literal["stop"] = "stop"


ORDERS: tuple[type[Order], ...] = (
    StartOrder,
    StopOrder,
    Set,
    VoiceOrder,
    Mute,
    Bypass,
    Record,
    Probe,
)
_ANY: TypeAdapter[Order] = TypeAdapter(
    Annotated[
        Union[Hello, StartOrder, StopOrder, Set, VoiceOrder, Mute, Bypass, Record, Probe],  # noqa: UP007
        Field(discriminator="do"),
    ]
)


def read(text: str) -> Order:
    """The order in a message.

    Raises:
        BadInput: it is none.
    """
    try:
        return _ANY.validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"{where}: {first['msg']}", "See docs/live.md.") from None


def files(voice: str) -> dict[str, str | None]:
    """File and index of a voice in the list, by its file or its name.

    Raises:
        NotFound: it is not in the list.
    """
    known = library.voices()
    for one in [v for v in known if str(v.pth) == voice] + [v for v in known if v.name == voice]:
        index: Path | None = one.index
        return {"pth_path": str(one.pth), "index_path": str(index) if index else None}
    raise NotFound(f"{voice!r} is not one of the voices here.", "Refresh the list of voices.")
