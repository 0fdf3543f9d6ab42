"""The verb realtime: devices, run, probe and file."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rvc import Report
from rvc.config import paths
from rvc.errors import BadInput, Cancelled, VoiceError
from rvc.params import Realtime

if TYPE_CHECKING:
    from rvc.realtime.portaudio import DevicePort
    from rvc.realtime.session import Session

LOOK_S = 0.1
PROBE_S = 20.0
Action = Callable[[Realtime, Report], dict[str, Any]]


def run(p: Realtime, report: Report) -> dict[str, Any]:
    """What the action asks for.

    Raises:
        VoiceError: see the classes in rvc.errors.
    """
    actions: dict[str, Action] = {"devices": _devices, "run": _run, "probe": _probe, "file": _file}
    return actions[p.action](p, report)


def _devices(p: Realtime, report: Report) -> dict[str, Any]:
    from rvc.realtime import devices

    found = devices.listing()
    lines = [
        f"{d.number:3}  {d.name} ({d.interface}, {d.inputs} in, {d.outputs} out, {d.rate} Hz)"
        + (f"\n     {d.hint}" if d.hint else "")
        for d in found
    ]
    return {
        "message": "\n".join(lines) or "There is no sound device; a browser's can be used.",
        "devices": [asdict(d) for d in found],
    }


def port(p: Realtime, cable: bool = False) -> DevicePort:
    """The devices that are asked for.

    Args:
        cable: the microphone may hear the output.

    Raises:
        VoiceError: there are none such, or the voice would hear itself.
    """
    from rvc.realtime import devices
    from rvc.realtime.portaudio import DevicePort

    found = devices.present()
    usual = devices.portaudio().default.device
    source = devices.chosen(found, p.input_device, "input", usual[0])
    sink = devices.chosen(found, p.output_device, "output", usual[1])
    monitor = None
    if p.monitor_device is not None:
        monitor = devices.chosen(found, p.monitor_device, "output", None)
    if not cable:
        devices.refuse_feedback(source, sink)
    return DevicePort(source, sink, monitor, p.input_channel, p.exclusive)


def _run(p: Realtime, report: Report) -> dict[str, Any]:
    """Convert until the time is over or somebody stops it."""
    from rvc.realtime import lease, startup
    from rvc.realtime.recorder import Recorder
    from rvc.realtime.session import Session

    if p.pth_path is None:
        raise BadInput("No voice was chosen.", "Give its file with --pth-path.")
    with lease.held(str(p.pth_path)):
        startup.settle()
        opened = port(p)
        session = Session(p, opened, force=p.force)
        report(0, p.seconds or 0, "Loading the voice")
        session.start()
        recorder = None
        try:
            if p.record != "off":
                recorder = Recorder(_recording(p), session.port.rate_out, p.record)
                session.taps.append(recorder)
            _wait(p, session, report)
        finally:
            session.stop()
            if recorder is not None:
                recorder.close()
    figures = session.figures()
    message = _ran(figures)
    out: dict[str, Any] = {"figures": figures}
    if recorder is not None:
        out |= {"record_path": str(recorder.path), "record_frames": recorder.frames}
        message += f" Recorded: {recorder.path}."
    return {"message": message, **out}


def _recording(p: Realtime) -> Path:
    """Where it is recorded.

    Raises:
        BadInput: not a .wav file.
    """
    name = time.strftime("live_%Y%m%d-%H%M%S.wav")
    path = p.record_path or paths().audios / name
    if path.suffix.lower() != ".wav":
        raise BadInput(f"{path} is no .wav file.", "Record WAV, which survives a crash.")
    return path


def _wait(p: Realtime, session: Session, report: Report) -> None:
    """Until the time is over, somebody stops it, or it fails."""
    began = time.monotonic()
    while session.state != "error":
        passed = time.monotonic() - began
        if p.seconds is not None and passed >= p.seconds:
            return
        try:
            report(passed, p.seconds or 0, _note(session))
        except (KeyboardInterrupt, Cancelled):
            return  # a session has no other end
        try:
            time.sleep(LOOK_S)
        except KeyboardInterrupt:
            return
    raise VoiceError(f"The session failed: {session.message}", "Start it again.")


def _note(session: Session) -> str:
    if session.state == "reconnecting":
        return session.message
    pace, schedule = session.schedule.pace, session.schedule
    late = f", {schedule.late} late" if schedule.late else ""
    return f"Live, {pace.delay} ms behind the microphone{late}"


def _ran(figures: dict[str, Any]) -> str:
    said = f"Live for {figures['seconds']:.1f} s, {figures['delay_ms']} ms and devices late."
    if figures["late"]:
        said += f" {figures['late']} blocks came too late."
    return said


def _probe(p: Realtime, report: Report) -> dict[str, Any]:
    """Play bursts, and find them in the microphone."""
    from rvc.realtime import lease, probe, startup
    from rvc.realtime.schedule import Schedule

    with lease.held("a measurement of the delay"):
        opened = port(p, cable=True)
        link = probe.ProbeLink(opened.rate_out)
        try:
            opened.start(link)
            deadline = time.monotonic() + PROBE_S
            while not link.over and not link.trouble and time.monotonic() < deadline:
                report(link.at, len(link.sound), "Measuring")
                time.sleep(LOOK_S)
        finally:
            opened.stop()
        if link.trouble:
            raise VoiceError(link.trouble, "Plug it in again, and measure once more.")
        found = probe.find(np.concatenate(link.heard), opened.rate_in)
        costs = startup.costs_ms(p, startup.engine, startup.HOPS) if p.pth_path else []
        pace = Schedule(p, costs).pace
    result: dict[str, Any] = {**found.json(), "session_ms": pace.delay, "port": opened.figures()}
    if found.delay_s is None:
        return result | {
            "measured": False,
            "message": f"{found.count} of {probe.BURSTS} bursts were heard: the output does not "
            f"reach the microphone. The session alone is {pace.delay} ms late.",
        }
    heard_after = round(1000 * found.delay_s) + pace.delay
    return result | {
        "measured": True,
        "heard_after_ms": heard_after,
        "message": f"You are heard after {heard_after} ms (measured): {pace.delay} ms of the "
        f"session and {1000 * found.delay_s:.0f} ms of devices.",
    }


def _file(p: Realtime, report: Report) -> dict[str, Any]:
    """Send a recording through a session as if it were spoken."""
    from rvc.audio import io
    from rvc.realtime import startup
    from rvc.realtime.loaded import Loaded
    from rvc.realtime.ports import FilePort
    from rvc.realtime.session import Session

    if p.input_path is None:
        raise BadInput("No recording was given.", "Give it with --input-path.")
    target = p.output_path or p.implied_outputs()["output_path"]
    wave, rate = io.load(p.input_path)
    if p.paced:
        startup.settle()
    port = FilePort(wave, rate, round(p.chunk_ms * rate / 1000), p.paced)
    made = Loaded(startup.engine, p.load) if p.load else startup.engine
    session = Session(p, port, made, threaded=p.paced, force=p.force or not p.paced)
    session.start()
    delay = round(session.schedule.pace.delay * rate / 1000)
    step = rate  # a second
    total = len(wave) + delay
    for at in range(0, total, step):
        port.play(min(step, total - at), session.work)
        report(min(at + step, total) / rate, total / rate, "Live")
    session.stop()
    out = np.concatenate(port.heard)
    io.save(target, out, port.rate_out)
    figures = session.figures()
    return {
        "message": _sentence(figures, target),
        "output_path": str(target),
        "rate": port.rate_out,
        "frames": len(out),
        "figures": figures,
    }


def _sentence(figures: dict[str, Any], target: Path) -> str:
    said = f"{figures['seconds']:.1f} s, {figures['delay_ms']} ms late: {target}."
    if figures["late"]:
        said += f" {figures['late']} blocks came too late, {figures['missing_ms']:.0f} ms missing."
    return said
