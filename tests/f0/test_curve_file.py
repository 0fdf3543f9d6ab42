"""Pitch curves as other programs write them give what our own file gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rvc.errors import BadInput
from rvc.f0 import curve_file

CURVE = np.concatenate([np.zeros(20), np.linspace(180.5, 240.25, 60), np.zeros(20)])
TIMES_S = np.arange(len(CURVE)) / curve_file.FRAME_RATE


def lines(form: Callable[[float, float], str], *head: str) -> str:
    return "\n".join([*head, *map(form, TIMES_S, CURVE)]) + "\n"


def undefined(word: str, separator: str = ",") -> Callable[[float, float], str]:
    return lambda t, hz: f"{t:.3f}{separator}{f'{hz:.3f}' if hz else word}"


TEXTS = {
    "praat": lines(undefined("--undefined--", "   "), "Time_s   F0_Hz"),
    "praat table": lines(undefined("--undefined--", "\t"), "time\tpitch"),
    "tony": lines(lambda t, hz: f"{t:.9f},{hz if hz else -220.0:.4f}"),
    "spreadsheet": lines(lambda t, hz: f"{t:.2f};{hz:.3f}".replace(".", ","), "Zeit;Hz"),
    "quoted": lines(lambda t, hz: f'"{t:.2f}","{hz:.3f}"', '"time","f0"'),
    "decimal comma and tab": lines(lambda t, hz: f"{t:.2f}\t{hz:.3f}".replace(".", ",")),
    "empty": lines(undefined("")),
    "nan": lines(undefined("NaN")),
    "remarks": lines(undefined("0"), "# by hand", "# seconds, Hz"),
    "column": lines(lambda _, hz: f"{hz:.3f}", "f0"),
    "more columns": lines(lambda t, hz: f"{t:.2f},{hz:.3f},0.9", "time,frequency,confidence"),
    "windows": lines(undefined("0")).replace("\n", "\r\n"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_curve_from_elsewhere_is_the_curve(tmp_path: Path, name: str) -> None:
    file = tmp_path / "curve.csv"
    file.write_text(TEXTS[name], encoding="utf-8", newline="")
    np.testing.assert_allclose(curve_file.read(file, len(CURVE)), CURVE, rtol=0.001)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_any_encoding(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "curve.csv"
    file.write_bytes(lines(undefined("0"), "Tonhöhe,Hz").encode(encoding))
    np.testing.assert_allclose(curve_file.read(file, len(CURVE)), CURVE, rtol=0.001)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (lines(lambda t, hz: f"{1000 * t:.0f},{hz:.3f}"), "milliseconds"),
        (lines(lambda t, hz: f"0,{hz:.3f}"), "same time"),
        ("0.00,200\n0.01,high\n", "line 2 reads '0.01,high'"),
        ("time,f0\n", "holds no pitch"),
        ("0.00,200\n0.01,9000\n", "outside 0 to 4000"),
        ("0.01,200\n0.00,200\n", "order of time"),
        ("0.00,inf\n", "outside"),
    ],
)
def test_what_is_no_curve_is_refused_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "curve.csv"
    file.write_text(text)
    with pytest.raises(BadInput, match="curve.csv") as refused:
        curve_file.read(file, len(CURVE))
    assert says in refused.value.message
