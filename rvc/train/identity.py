"""What must stay the same when a training goes on, and what to say where it did not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rvc.dataset import filelist, manifest
from rvc.errors import Mismatch
from rvc.params import Train
from rvc.train.distributed import Ranks
from rvc.train.material import Material

SHOWN = 3


def identity_of(p: Train, m: Material, ranks: Ranks) -> dict[str, Any]:
    """What must be the same when a training goes on, JSON-ready."""
    several = len({clip.speaker for clip in m.learn}) > 1
    return {
        "sample_rate": p.sample_rate,
        "vocoder": p.vocoder,
        "batch_size": p.batch_size * ranks.world,
        "seed": p.seed,
        "embedder": m.embedder.get("name"),
        "embedder_digest": m.embedder.get("digest"),
        "embedder_width": m.embed_width,
        "settings": manifest.digest(m.settings.as_json()),
        "clips": filelist.digests(m.learn),
    } | ({"balance": p.balance} if several else {})


def check(saved: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Make sure that a saved training and the one asked for are the same.

    Raises:
        Mismatch: they are not; the message lists the differences.
    """
    wrong = [
        f"{key.replace('_', ' ')} was {saved.get(key)!r} and is now {value!r}"
        for key, value in now.items()
        if key not in ("clips", "balance") and saved.get(key) != value
    ]
    if "balance" in saved and saved["balance"] != now.get("balance"):  # older trainings had none
        wrong.append(f"balance was {saved['balance']!r} and is now {now.get('balance')!r}")
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
