"""Parameters of realtime conversion: what can be changed while it runs, and the verb."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rvc.params.base import OptionalPath, OptionalText, argument, option, with_default
from rvc.params.convert import Applied, Effects

Preset = Literal["fast", "low", "default", "steady", "best"]
What = Literal["off", "converted", "input", "both"]


@dataclass(frozen=True)
class Timing:
    """How much sound the networks get at a time, in ms.

    Attributes:
        block: made at a time.
        context: heard before it.
        look_ahead: heard after it.
    """

    block: int
    context: int
    look_ahead: int


PRESETS: dict[str, Timing] = {
    "fast": Timing(40, 1000, 40),
    "low": Timing(40, 1000, 80),
    "default": Timing(80, 1000, 80),
    "steady": Timing(160, 2000, 80),
    "best": Timing(240, 2000, 160),
}


class Live(Applied, Effects):
    """How sound is converted while it is spoken."""

    pth_path: OptionalPath = option(None, "Voice file (.pth).", reads=True)
    index_path: OptionalPath = option(None, "The voice's index (.index).", reads=True)
    index_rate: float = with_default(Applied, "index_rate", 0.0)
    f0_method: Literal["swift-f0", "crepe-tiny", "rmvpe", "fcpe", "crepe"] = with_default(
        Applied, "f0_method", "swift-f0"
    )
    preset: Preset = option(
        "default", "How soon one is heard: fast is rough, best is late; sets block and context."
    )
    block_ms: int | None = option(
        None, "Sound made at a time in ms.", "Timing", ge=40, le=500, multiple_of=20
    )
    context_ms: int | None = option(
        None, "Sound heard before it in ms.", "Timing", ge=320, le=5000, multiple_of=20
    )
    look_ahead_ms: int | None = option(
        None, "Sound heard after it in ms.", "Timing", ge=20, le=320, multiple_of=20
    )
    head_room_ms: int | None = option(
        None,
        "Time for the computation in ms; measured if not given.",
        "Timing",
        ge=10,
        le=500,
    )
    minimum_delay_ms: int = option(
        0, "Delay the voice by at least so many ms, to keep to a video.", "Timing", ge=0, le=2000
    )
    constant_delay: bool = option(
        False, "Keep the delay, rather than lengthen it where the machine is too slow.", "Timing"
    )
    gate_db: float = option(-55.0, "Below this level in dB there is silence.", ge=-90, le=-20)
    gate_auto: bool = option(False, "Find that level by the noise of the room.")
    input_gain: float = option(100.0, "Level of the microphone in percent.", ge=0, le=200)
    output_gain: float = option(100.0, "Level of the voice in percent.", ge=0, le=200)
    monitor: What = option("converted", "What the second output plays.", "Monitor")
    monitor_gain: float = option(
        100.0, "Level of the second output in percent.", "Monitor", ge=0, le=200
    )

    @property
    def timing(self) -> Timing:
        """The preset's, where nothing else is given."""
        preset = PRESETS[self.preset]
        return Timing(
            self.block_ms or preset.block,
            self.context_ms or preset.context,
            self.look_ahead_ms or preset.look_ahead,
        )


class Realtime(Live):
    """Convert while somebody speaks: with devices of this machine, or with a file as a test."""

    action: Literal["devices", "run", "probe", "file"] = argument(
        "devices",
        "devices lists them; run converts; probe measures the delay; file sends a recording "
        "through as if it were spoken.",
    )
    input_device: OptionalText = option(None, "Microphone: number or name.", "Devices")
    output_device: OptionalText = option(None, "Output: number or name.", "Devices")
    monitor_device: OptionalText = option(None, "Second output: number or name.", "Devices")
    input_channel: int = option(1, "Channel of the microphone.", "Devices", ge=1, le=64)
    exclusive: bool = option(False, "Take the devices for this program alone (WASAPI).", "Devices")
    record: What = option("off", "What is recorded while it runs.", "Recording")
    record_path: OptionalPath = option(
        None, "Where to (.wav); assets/audios if not given.", "Recording", writes=True
    )
    seconds: float | None = option(None, "End by itself after so many s.", gt=0)
    force: bool = option(False, "Start even where this machine is too slow for the voice.")
    input_path: OptionalPath = option(None, "file: recording to send through.", reads=True)
    output_path: OptionalPath = option(None, "file: where to write the result.", writes=True)
    paced: bool = option(False, "file: in real time, not as fast as it goes.")
    load: float = option(0.0, "file: made-up work, in blocks per block.", ge=0, le=10)
    chunk_ms: float = option(20.0, "file: sound given at a time in ms.", gt=0, le=1000)

    def implied_outputs(self) -> dict[str, Path]:
        """The result of a file lies beside it."""
        if self.action != "file" or self.input_path is None or self.output_path is not None:
            return {}
        return {"output_path": self.input_path.with_name(f"{self.input_path.stem}_live.wav")}
