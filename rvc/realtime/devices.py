"""Which microphones and outputs there are; PortAudio is imported only here and in `portaudio`."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import asdict, dataclass
from types import ModuleType
from typing import Any, Literal

from rvc import processes
from rvc.errors import BadInput, MissingModel, NotFound, VoiceError

Kind = Literal["input", "output"]
VIRTUAL = re.compile(r"virtual|cable|voicemeeter|blackhole|loopback|soundflower|null", re.I)
ROUTED = "Choose it as the microphone in Discord or OBS: what is played into it arrives there."
MONITOR = re.compile(r"monitor|stereo mix|what u hear|loopback", re.I)
SERVED = ("default", "pulse", "pipewire", "sysdefault", "dmix")  # whatever the system has chosen
CUT = 31  # letters that the oldest Windows interface shows of a name
TRIED_HZ = (48_000, 44_100, 96_000, 32_000, 16_000)
ENUMERATED_S = 20


@dataclass(frozen=True)
class SoundDevice:
    """An input, an output or both, as one driver shows it.

    Attributes:
        number: PortAudio's; changes when devices come and go.
        interface: the driver (host API), such as ALSA, WASAPI, ASIO.
        inputs, outputs: channels.
        rate: its own, in Hz.
        hint: what to do with a virtual cable; empty for others.
        same_as: numbers of the same device by other drivers.
    """

    number: int
    name: str
    interface: str
    inputs: int
    outputs: int
    rate: int
    hint: str = ""
    same_as: tuple[int, ...] = ()

    def channels(self, kind: Kind) -> int:
        return self.inputs if kind == "input" else self.outputs


def portaudio() -> ModuleType:
    """The package that speaks to sound devices.

    Raises:
        MissingModel: it is not installed, or has no PortAudio to speak through.
    """
    try:
        import sounddevice
    except ImportError as error:
        raise MissingModel(
            "Live conversion with this machine's devices needs the package sounddevice.",
            "Install it: python -m pip install sounddevice. A browser's microphone works without.",
        ) from error
    except OSError as error:  # what it raises without the library
        raise MissingModel(
            "PortAudio, the library for sound devices, is not installed.",
            "On Debian and Ubuntu: apt install libportaudio2. A browser's microphone works "
            "without.",
        ) from error
    found: ModuleType = sounddevice
    return found


def present(renew: bool = False) -> list[SoundDevice]:
    """The devices there are, as this very process sees them.

    Args:
        renew: look again; only while no stream is open.
    """
    package: Any = portaudio()
    if renew:
        package._terminate()
        package._initialize()
    interfaces = [str(api["name"]) for api in package.query_hostapis()]
    found = [
        SoundDevice(
            number,
            str(item["name"]),
            interfaces[item["hostapi"]],
            int(item["max_input_channels"]),
            int(item["max_output_channels"]),
            round(item["default_samplerate"]),
            ROUTED if VIRTUAL.search(item["name"]) else "",
        )
        for number, item in enumerate(package.query_devices())
    ]
    return [_grouped(device, found) for device in found]


def _grouped(device: SoundDevice, others: list[SoundDevice]) -> SoundDevice:
    name = device.name[:CUT].casefold()
    same = tuple(
        other.number
        for other in others
        if other.interface != device.interface and other.name[:CUT].casefold() == name
    )
    return SoundDevice(**{**asdict(device), "same_as": same})


def listing() -> list[SoundDevice]:
    """The devices there are, seen by a process of its own: a driver that crashes takes it alone.

    Raises:
        MissingModel: there is no PortAudio. VoiceError: a driver crashed or hangs.
    """
    import subprocess

    portaudio()
    try:
        done = processes.run(["-m", "rvc.realtime.devices"], ENUMERATED_S)
    except subprocess.TimeoutExpired:
        raise VoiceError("A sound driver does not answer.", "Unplug devices one by one.") from None
    try:
        rows = json.loads(done.stdout.decode().splitlines()[-1])
    except (ValueError, IndexError):
        said = done.stderr.decode(errors="replace").strip()[-200:]
        raise VoiceError(
            f"The sound devices could not be listed (code {done.returncode}): {said}",
            "Unplug devices one by one.",
        ) from None
    return [SoundDevice(**{**row, "same_as": tuple(row["same_as"])}) for row in rows]


def chosen(
    found: list[SoundDevice], wanted: str | None, kind: Kind, default: int | None
) -> SoundDevice:
    """The device that is meant by its number, its name or a part of it that no other has.

    Args:
        default: number of the system's own choice, for where nothing is wanted.

    Raises:
        NotFound: there is none. BadInput: several are meant. No other one is taken instead.
    """
    able = [device for device in found if device.channels(kind)]
    word = "microphone" if kind == "input" else "output"
    if not able:
        raise NotFound(f"There is no {word}.", "Plug one in, or use the browser's.")
    if wanted is None:
        for device in able:
            if device.number == default:
                return device
        raise NotFound(f"The system has chosen no {word}.", f"Give one with --{kind}-device.")
    text = wanted.strip()
    ways = (
        [d for d in able if text.isdecimal() and d.number == int(text)],
        [d for d in able if d.name.casefold() == text.casefold()],
        [d for d in able if text.casefold() in d.name.casefold()],
    )
    for hits in ways:
        if len({d.name[:CUT].casefold() for d in hits}) > 1:
            names = "; ".join(f"{d.number}: {d.name}" for d in hits[:6])
            raise BadInput(f"{wanted!r} may be any of: {names}.", "Give the number.")
        if hits:
            return hits[0]
    names = "; ".join(f"{d.number}: {d.name}" for d in able[:8])
    raise NotFound(f"There is no {word} {wanted!r}.", f"There are: {names}.")


def refuse_feedback(source: SoundDevice, sink: SoundDevice) -> None:
    """A microphone that records what the output plays would hear the voice itself.

    Raises:
        BadInput: it does.
    """
    heard = MONITOR.sub("", source.name).replace(" of ", "").strip(" .:-").casefold()
    if MONITOR.search(source.name) and (not heard or heard in sink.name.casefold()):
        raise BadInput(
            f"{source.name} records what {sink.name} plays: the voice would hear itself.",
            "Choose another microphone or output.",
        )


if __name__ == "__main__":
    json.dump([asdict(device) for device in present()], sys.stdout)
