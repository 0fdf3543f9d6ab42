"""What a saved training holds, and whether it may go on with what is asked now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rvc.errors import Mismatch
from rvc.train.step import State

SHOWN = 3


def pack(s: State, identity: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Everything needed to go on, ready for `state.save`.

    No generator state is among it: every random number of a step is drawn from a generator
    seeded with (seed, step, attempt, rank), the learning rate follows from the epoch, and the
    sampler's position is the number `done`.
    """
    return {
        "format": 1,
        "identity": dict(identity),
        "epoch": s.epoch,
        "done": s.done,
        "step": s.step,
        "attempt": s.attempt,
        "g": s.g.state_dict(),
        "d": s.d.state_dict(),
        "optim_g": s.optim_g.state_dict(),
        "optim_d": s.optim_d.state_dict(),
        "scaler": s.scaler.state_dict(),
        "epoch_means": s.epoch_means.state(),
        "window_means": s.window_means.state(),
        **extra,
    }


def unpack(s: State, payload: Mapping[str, Any]) -> None:
    """Put a saved training into freshly built networks and optimisers."""
    s.g.load_state_dict(payload["g"])
    s.d.load_state_dict(payload["d"])
    s.optim_g.load_state_dict(payload["optim_g"])
    s.optim_d.load_state_dict(payload["optim_d"])
    if payload["scaler"] and s.scaler.is_enabled():
        s.scaler.load_state_dict(payload["scaler"])
    s.epoch, s.done, s.step = payload["epoch"], payload["done"], payload["step"]
    s.attempt = payload["attempt"]
    s.epoch_means.restore(payload["epoch_means"])
    s.window_means.restore(payload["window_means"])


def check(saved: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Make sure that a saved training and the one asked for are the same.

    Raises:
        Mismatch: they are not; the message lists the differences.
    """
    wrong = [
        f"{key.replace('_', ' ')} was {saved.get(key)!r} and is now {value!r}"
        for key, value in now.items()
        if key != "clips" and saved.get(key) != value
    ]
    wrong += changed(saved.get("clips", {}), now["clips"])
    if wrong:
        raise Mismatch(
            f"The saved training cannot go on: {'; '.join(wrong)}.",
            "Go back to what it was; or keep what it learnt as a starting point for a new "
            "training with --cleanup --custom-pretrained and copies of its G_ and D_ files; or "
            "begin anew with --cleanup.",
        )


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Differences between two sets of clips, as phrases."""
    groups = {
        "added": [name for name in now if name not in before],
        "removed": [name for name in before if name not in now],
        "changed": [name for name in now if before.get(name, now[name]) != now[name]],
    }
    return [
        f"{len(names)} clips {what} ({', '.join(sorted(names)[:SHOWN])}"
        f"{', ...' if len(names) > SHOWN else ''})"
        for what, names in groups.items()
        if names
    ]
