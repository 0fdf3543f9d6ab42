"""What the numbers of a dataset mean for a voice: totals, findings, and one honest sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from rvc.dataset.report import duplicates
from rvc.dataset.report.measure import Measured

Severity = Literal["bad", "warning", "note"]
LITTLE_MIN, SOME_MIN, ENOUGH_MIN = 1.0, 5.0, 10.0
POOR_SNR_DB, FAIR_SNR_DB = 20.0, 30.0
CLIPPED_SHARE = 5e-4
STEADY_SHARE = 0.08
NARROW_HZ, FULL_HZ = 7000.0, 11000.0
SPREAD_LU = 6.0
MUCH_SILENCE = 0.5
NAMED = 3  # recordings that are left out, in the message


@dataclass(frozen=True)
class Remark:
    """One thing worth knowing, as a sentence; `bad` ones decide against training as it is."""

    severity: Severity
    text: str


def totals(found: Sequence[Measured]) -> dict[str, Any]:
    """Numbers over the recordings that could be read; JSON-ready."""
    good = [one for one in found if not one.cause]
    seconds = sum(one.seconds for one in good)
    sound = sum(one.sound_s for one in good)
    pitch = np.concatenate([one.f0_hz for one in good]) if good else np.zeros(0)
    voiced = pitch[pitch > 0]
    speech, floor = _levels(good)
    loudness = [one.loudness_lufs for one in good if one.loudness_lufs > -70]
    return {
        "recordings": len(found),
        "judged": len(good),
        "unreadable": len(found) - len(good),
        "minutes": round(seconds / 60, 2),
        "minutes_of_sound": round(sound / 60, 2),
        "silence_share": round(1 - sound / seconds, 3) if seconds else 1.0,
        "speech_dbfs": round(speech, 1),
        "noise_dbfs": round(floor, 1),
        "snr_db": round(speech - floor, 1),
        "clipped_recordings": sum(one.clipped > CLIPPED_SHARE for one in good),
        "bandwidth_hz": _typical_bandwidth(good),
        "loudness_lufs": round(float(np.median(loudness)), 1) if loudness else None,
        "loudness_spread_lu": _spread(loudness),
        "voiced_share": round(len(voiced) / max(1, len(pitch)), 3),
        "f0_hz": {
            name: round(float(np.percentile(voiced, q)), 1) if len(voiced) else None
            for name, q in (("low", 5), ("median", 50), ("high", 95))
        },
        "rates_hz": sorted({one.rate for one in good}),
    }


def _levels(good: Sequence[Measured]) -> tuple[float, float]:
    """(speech, noise) in dBFS. Noise is the 3rd percentile of all levels together: recordings
    cut so tightly that they have no pauses could not show it alone."""
    levels = [one.levels_db[one.levels_db > -115] for one in good]
    pooled = np.concatenate(levels) if levels else np.zeros(0)
    if not len(pooled):
        return -120.0, -120.0
    speech = float(np.median([one.speech_db for one in good]))
    return speech, max(float(np.percentile(pooled, 3)), speech - 80)


def _typical_bandwidth(good: Sequence[Measured]) -> float:
    """Half of the sound reaches at least this high."""
    order = sorted(good, key=lambda one: one.bandwidth_hz)
    half, passed = sum(one.sound_s for one in good) / 2, 0.0
    for one in order:
        passed += one.sound_s
        if passed >= half:
            return one.bandwidth_hz
    return 0.0


def _spread(loudness: Sequence[float]) -> float | None:
    """From the 10th to the 90th percentile in LU."""
    if len(loudness) < 2:
        return None
    low, high = np.percentile(loudness, [10, 90])
    return round(float(high - low), 1)


def findings(
    found: Sequence[Measured],
    total: dict[str, Any],
    copies: Sequence[tuple[str, str]],
    groups: Sequence[duplicates.Groups],
) -> list[Remark]:
    """Everything worth saying, the worst first."""
    result = [
        *_amount(total),
        *_quality(total),
        *_music(found),
        *(_voices(strange) for strange in groups),
        *_files(found, copies),
        *_range(total),
    ]
    return sorted(result, key=lambda one: ("bad", "warning", "note").index(one.severity))


def _amount(total: dict[str, Any]) -> list[Remark]:
    minutes = total["minutes_of_sound"]
    text = f"{minutes:.1f} minutes of speech"
    if minutes < LITTLE_MIN:
        return [Remark("bad", f"{text} are too little for a voice; record 10 or more")]
    if minutes < SOME_MIN:
        return [Remark("warning", f"{text} are little; 10 or more make a better voice")]
    if minutes < ENOUGH_MIN:
        return [Remark("note", f"{text} are enough to begin with; 10 or more are better")]
    return []


def _quality(total: dict[str, Any]) -> list[Remark]:
    result = []
    if total["minutes_of_sound"] and total["snr_db"] < FAIR_SNR_DB:
        bad = total["snr_db"] < POOR_SNR_DB
        text = f"the noise lies only {total['snr_db']:.0f} dB below the speech"
        result.append(Remark("bad" if bad else "warning", text))
    clipped = total["clipped_recordings"]
    if clipped:
        bad = clipped > 0.2 * total["recordings"]
        text = f"{clipped} of {total['recordings']} recordings are clipped"
        result.append(Remark("bad" if bad else "warning", text))
    band = total["bandwidth_hz"]
    if 0 < band < FULL_HZ:
        text = f"sound ends at {band / 1000:.1f} kHz, so the voice will sound no brighter than that"
        result.append(Remark("warning" if band < NARROW_HZ else "note", text))
    if (total["loudness_spread_lu"] or 0) > SPREAD_LU:
        text = f"loudness differs by {total['loudness_spread_lu']:.0f} LU between recordings"
        result.append(Remark("warning", f"{text}; use --normalization-mode pre"))
    if total["silence_share"] > MUCH_SILENCE and total["minutes"]:
        result.append(Remark("note", f"{total['silence_share']:.0%} of it is silence"))
    return result


def is_musical(one: Measured) -> bool:
    """Whether partials stand still for longer than a speaker holds them."""
    return not one.cause and one.steady > STEADY_SHARE


def _music(found: Sequence[Measured]) -> list[Remark]:
    names = [one.key for one in found if is_musical(one)]
    share = sum(one.seconds for one in found if is_musical(one))
    share /= max(1e-9, sum(one.seconds for one in found))
    if not names:
        return []
    text = f"music, singing or a hum in {_some(names)}; preprocess --separate takes music out"
    return [Remark("bad" if share > 0.5 else "warning", text)]


def _voices(groups: duplicates.Groups) -> Remark:
    names = groups.keys + [f"parts of {key}" for key in groups.partly]
    if groups.other_speaker:
        low, high = groups.pitch_hz
        text = f"a second speaker is suspected ({low:.0f} and {high:.0f} Hz): {_some(names)}"
        return Remark("bad", text)
    text = "some recordings sound different, as from a second speaker, microphone or room"
    return Remark("warning", f"{text}: {_some(names)}")


def _files(found: Sequence[Measured], copies: Sequence[tuple[str, str]]) -> list[Remark]:
    result = []
    if bad := [one for one in found if one.cause]:
        text = f"{len(bad)} of {len(found)} files cannot be used, first {bad[0].key}"
        result.append(Remark("warning", text))
    if cut := [one for one in found if one.losses]:
        text = f"{len(cut)} recordings are damaged or cut off, first {cut[0].key}"
        result.append(Remark("warning", text))
    if copies:
        text = f"{len(copies)} pairs share their content, such as {' and '.join(copies[0])}"
        result.append(Remark("warning", text))
    return result


def _range(total: dict[str, Any]) -> list[Remark]:
    high, low = total["f0_hz"]["high"], total["f0_hz"]["low"]
    if not high:
        return []
    if 12 * math.log2(high / low) > 24:
        return [Remark("note", f"its pitch runs from {low:.0f} to {high:.0f} Hz")]
    return [Remark("note", f"little above {high:.0f} Hz, so no singing higher than that")]


def _some(names: Sequence[str]) -> str:
    """The first few names and how many more there are."""
    more = f" and {len(names) - 2} more" if len(names) > 3 else ""
    return ", ".join(names if len(names) <= 3 else names[:2]) + more


def sentence(total: dict[str, Any], found: Sequence[Remark]) -> str:
    """The verdict."""
    if not total["minutes_of_sound"]:
        return "Not usable: nothing in it can be heard."
    worst = found[0].severity if found else "note"
    opening = {
        "bad": "Not good enough as it is",
        "warning": "Usable, but could be better",
        "note": "Good",
    }[worst]
    said = [one.text for one in found if one.severity == worst]
    if worst != "note":
        said += [one.text for one in found if one.severity == "note"][:1]
    minutes = f"{total['minutes_of_sound']:.1f} minutes of speech"
    if not any(text.startswith(minutes) for text in said):
        said.insert(0, f"{minutes}, {total['snr_db']:.0f} dB above the noise")
    return f"{opening}: {'; '.join(said)}."


def counted(found: Sequence[Measured]) -> str:
    """How many recordings the verdict is about, and why it is not about the others."""
    bad = [one for one in found if one.cause]
    text = f"{_recordings(len(found) - len(bad))} judged"
    if not bad:
        return f"{text}."
    causes = [cause_of(one) for one in bad[:NAMED]]
    more = [f"and {len(bad) - NAMED} more"] if len(bad) > NAMED else []
    return f"{text}, {len(bad)} left out: {'; '.join(causes + more)}."


def cause_of(one: Measured) -> str:
    """Why a recording is left out, with its name."""
    cause = one.cause.rstrip(".")
    return cause if one.key in cause else f"{one.key}: {cause}"


def _recordings(count: int) -> str:
    return f"{count} recording{'' if count == 1 else 's'}"
