"""The pitch moves by parts of a semitone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from rvc import cli, params
from rvc.infer.convert import pitch_control


@pytest.mark.parametrize("semitones", [-0.32, 0.5, 7.0])
def test_the_command_lines_pitch_is_the_pitch_made(semitones: float) -> None:
    taken: list[Any] = []
    verb = cli.command("infer", params.Infer, lambda p, as_json: taken.append(p))
    line = ["--pitch", str(semitones), "--input-path=a", "--output-path=b", "--pth-path=c"]
    assert CliRunner().invoke(verb, line).exit_code == 0
    curve = np.array([0.0, 220.0, 220.0], np.float32)
    made = pitch_control(None, taken[0])(curve)  # type: ignore[arg-type]
    np.testing.assert_allclose(made, curve * 2 ** (semitones / 12), rtol=1e-5)
