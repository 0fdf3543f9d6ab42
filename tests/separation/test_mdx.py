"""An MDX-Net hears and gives what it does in the published program; settings are safe text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from rvc.errors import BadInput, Mismatch
from rvc.separation import mdx, models, settings
from rvc.separation.settings import ModelSettings
from tests.nets.golden import FOLDER

BINS, FRAMES, WINDOW = 700, 8, 2048
MIX = np.random.default_rng(11).standard_normal((4, 4)).astype(np.float32)


def graph(file: Path, mix: np.ndarray = MIX, operator: str = "Conv", planes: int = 4) -> Path:
    """An .onnx file that mixes the planes of a spectrogram."""
    kernel = np.asarray(mix, np.float32)[:, :, None, None]
    shape: list[str | int | None] = ["batch", planes, BINS, FRAMES]
    made = helper.make_graph(
        [helper.make_node(operator, ["input", "kernel"], ["output"])],
        "mdx",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(kernel, "kernel")],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(file))
    return file


def halving(folder: Path) -> Path:
    """A model of one's own that gives half of what it hears."""
    (folder / "half.yaml").write_text("n_fft: 2048\ncompensate: 0.5\n")
    return graph(folder / "half.onnx", np.eye(4))


def noise(seed: int = 7) -> np.ndarray:
    drawn = np.random.default_rng(seed).standard_normal((1, 2, mdx.HOP * (FRAMES - 1)))
    return np.asarray(0.1 * drawn[0], np.float32)


def test_the_sound_is_that_of_the_published_program(tmp_path: Path) -> None:
    stem, chunk = mdx.load(graph(tmp_path / "m.onnx"), ModelSettings(window=WINDOW))
    wanted = np.load(FOLDER / "mdx.npz")["sound"]
    found = stem(noise())
    assert chunk == found.shape[1] == mdx.HOP * (FRAMES - 1)
    assert np.abs(found[:, ::5] - wanted).max() <= 1e-5 * np.abs(wanted).max()


def test_a_network_of_what_is_to_go_leaves_the_rest(tmp_path: Path) -> None:
    """What lies above the bins that the network hears stays in the voice, too."""
    file = graph(tmp_path / "m.onnx", np.eye(4))
    given, _ = mdx.load(file, ModelSettings(window=WINDOW, gain=0.5))
    left, _ = mdx.load(file, ModelSettings(window=WINDOW, gain=0.5, rest=True))
    wave = noise()
    assert np.allclose(given(wave) + left(wave), wave, atol=1e-6)
    spectra = [np.abs(np.fft.rfft(s(wave)[0] * np.hanning(wave.shape[1]))) for s in (given, left)]
    above = round(1.1 * BINS / WINDOW * wave.shape[1])
    assert spectra[0][above:].max() < 0.02 * spectra[1][above:].max()


def test_a_model_file_needs_its_window_said(tmp_path: Path) -> None:
    file = graph(tmp_path / "m.onnx", np.eye(4))
    with pytest.raises(BadInput, match=r"window of .*m\.onnx"):
        models.load(file=file)
    (tmp_path / "m.yaml").write_text(f"n_fft: {WINDOW}\nprimary_stem: Vocals\ncompensate: 1.021\n")
    song = np.repeat(noise().T, 3, axis=0)
    found = np.concatenate(list(models.load(file=file).voice([song], 0.01)))
    assert found.shape == song.shape


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"operator": "Loop"}, "refused: it has the operator 'Loop'"),
        ({"planes": 2}, "no MDX-Net"),
    ],
)
def test_other_graphs_are_refused(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    file = graph(tmp_path / "m.onnx", **changed)
    with pytest.raises((BadInput, Mismatch), match=said):
        mdx.load(file, ModelSettings(window=WINDOW))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("model:\n  stft_hop_length: 512\n", ModelSettings(hop=512)),
        ("training:\n  instruments:\n  - other\n  - vocals\n", ModelSettings(stem=1)),
        (
            "training:\n  instruments:\n  - vocals\n  - other\n  target_instrument: other\n",
            ModelSettings(rest=True),
        ),
        ("instruments:\n- noreverb\n- reverb\ntarget_instrument: noreverb\n", ModelSettings()),
        (
            '{"compensate": 1.035,\n "mdx_n_fft_scale_set": 5120,\n "primary_stem": "Other"}',
            ModelSettings(window=5120, gain=1.035, rest=True),
        ),
        ("a: !!python/object/apply:os.system [x]\nn_fft: 6144\n", ModelSettings(window=6144)),
    ],
)
def test_settings_are_read_as_text(tmp_path: Path, text: str, wanted: ModelSettings) -> None:
    (tmp_path / "m.yaml").write_text(text)
    assert settings.beside(tmp_path / "m.ckpt") == wanted


def test_settings_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text("n_fft: many\n")
    with pytest.raises(BadInput, match=r"m\.yaml holds no settings"):
        settings.beside(tmp_path / "m.onnx")
