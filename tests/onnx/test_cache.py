"""Graphs equal the networks, are made once, and nothing needs them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from rvc.embedders.manager import EmbedderManager
from rvc.infer import voice as voices
from rvc.infer.blocks import Blocks, TorchDecoder
from rvc.infer.convert import convert
from rvc.nets import voice_file
from rvc.nets.layers import ZeroNoise
from rvc.nets.synthesizer import Synthesizer
from rvc.onnx import accelerate, build, cache, lift, runtime
from rvc.onnx.graph_spec import GraphSpec
from tests import tiny
from tests.fakes import FakeEmbedder
from tests.infer.conftest import done_here, sung

STEP = cache._step


@pytest.fixture
def kept(home: Path) -> Iterator[Path]:
    voices.forget()
    yield home / ".cache" / "graphs"
    voices.forget()


def near(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.abs(a - b).max() <= 1e-4 * np.abs(b).max())


@pytest.mark.parametrize("vocoder", ["HiFi-GAN", "MRF HiFi-GAN"])
@pytest.mark.parametrize("use_f0", [True, False])
def test_a_voice_sounds_the_same_with_and_without_its_graph(
    kept: Path,
    fake_networks: FakeEmbedder,
    tmp_path: Path,
    vocoder: str,
    use_f0: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if vocoder != "HiFi-GAN" and not use_f0:
        pytest.skip("has no form without pitch")
    pth = tiny.voice(tmp_path / "v.pth", vocoder=vocoder, use_f0=use_f0)
    with_graph = voices.Voice(pth, gpu="-")
    assert isinstance(with_graph.decoder, accelerate.GraphDecoder)
    monkeypatch.setenv(cache.OFF, "1")
    without = voices.Voice(pth, gpu="-")
    assert isinstance(without.decoder, TorchDecoder)
    wave = sung(1.3)
    made, same = (convert(v, wave, 16_000, seed=4)[0] for v in (with_graph, without))
    assert near(made, same)


@pytest.mark.parametrize("vocoder", ["HiFi-GAN", "MRF HiFi-GAN"])
@pytest.mark.parametrize("rate", [32_000, 40_000, 48_000])
def test_blocks_of_a_graph_equal_the_network_in_one_go(
    kept: Path, fake_networks: FakeEmbedder, tmp_path: Path, vocoder: str, rate: int
) -> None:
    pth = tiny.voice(tmp_path / "v.pth", vocoder=vocoder, sample_rate=rate)
    decode = voices.Voice(pth, gpu="-").decoder
    assert isinstance(decode, accelerate.GraphDecoder)
    dec = voice_file.build(voice_file.read_voice(pth), torch.device("cpu")).dec
    frames, hop, drawn = 90, dec.hop, torch.Generator().manual_seed(0)
    z, g, source = (
        torch.randn(1, *shape, generator=drawn)
        for shape in (
            (decode.graph.session.get_inputs()[0].shape[1], frames),
            (decode.graph.session.get_inputs()[1].shape[1], 1),
            (1, frames * hop),
        )
    )
    with torch.inference_mode():
        whole = dec(z, g=g, source=source)[0, 0].numpy()

    def part(a: int, b: int, keep: tuple[int, int]) -> np.ndarray:
        return decode(z[:, :, a:b], source[:, :, a * hop : b * hop], g, ZeroNoise(), keep)

    parts = np.concatenate(list(Blocks(20, decode.context, 2).run(part, 0, frames, 0, frames)))
    assert near(parts, whole)


def test_a_graph_is_made_once_per_content(
    kept: Path, fake_networks: FakeEmbedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pth = tiny.voice(tmp_path / "v.pth")
    voices.Voice(pth, gpu="-")
    first = sorted(kept.glob("*"))
    assert [f.suffix for f in first] == [".data", ".onnx"]
    monkeypatch.setattr(cache, "_step", lambda *given: pytest.fail("made again"))
    voices.Voice(pth, gpu="-")
    monkeypatch.undo()
    monkeypatch.setenv("RVC_HOME", str(kept.parent.parent))


def test_a_graph_is_made_by_another_process(
    kept: Path, fake_networks: FakeEmbedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "_step", STEP)
    pth = tiny.voice(tmp_path / "v.pth")
    assert isinstance(voices.Voice(pth, gpu="-").decoder, accelerate.GraphDecoder)
    monkeypatch.setattr(cache, "MAKING_S", 0.01)
    other = tiny.voice(tmp_path / "w.pth", seed=3)
    assert isinstance(voices.Voice(other, gpu="-").decoder, TorchDecoder)
    assert len(list(kept.glob("*"))) == 2


def test_a_voice_keeps_no_second_copy_of_what_its_graph_holds(
    kept: Path, fake_networks: FakeEmbedder, tmp_path: Path
) -> None:
    made = voices.Voice(tiny.voice(tmp_path / "v.pth"), gpu="-")
    assert isinstance(made.net, Synthesizer)
    assert [name for name, _ in made.net.dec.named_children()] == ["m_source"]
    with pytest.raises(RuntimeError, match="graph"):
        made.net.dec(torch.zeros(1, 16, 4))


def test_a_damaged_graph_is_made_anew_and_a_wrong_one_is_never_used(
    kept: Path, fake_networks: FakeEmbedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pth = tiny.voice(tmp_path / "v.pth")
    voices.Voice(pth, gpu="-")
    next(kept.glob("*.onnx")).write_bytes(b"nonsense")
    assert isinstance(voices.Voice(pth, gpu="-").decoder, accelerate.GraphDecoder)
    monkeypatch.setattr(build, "TOLERANCE", -1.0)
    other = tiny.voice(tmp_path / "w.pth", seed=3)
    assert isinstance(voices.Voice(other, gpu="-").decoder, TorchDecoder)
    assert len(list(kept.glob("*.onnx"))) == 1


def test_what_has_no_graph_is_not_tried_again_and_again(
    kept: Path, fake_networks: FakeEmbedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "_step", STEP)
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: Refusal)
    pth = tiny.voice(tmp_path / "v.pth")
    assert isinstance(voices.Voice(pth, gpu="-").decoder, TorchDecoder)
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: pytest.fail("tried again"))
    assert isinstance(voices.Voice(pth, gpu="-").decoder, TorchDecoder)


class Refusal:
    returncode, stderr = build.IMPOSSIBLE, b"it cannot be"


def test_a_cache_that_cannot_be_written_is_no_obstacle(
    fake_networks: FakeEmbedder, home: Path, tmp_path: Path
) -> None:
    (home / ".cache").write_text("not a folder")
    voice = voices.Voice(tiny.voice(tmp_path / "v.pth"), gpu="-")
    assert isinstance(voice.decoder, TorchDecoder)


def test_two_who_want_the_same_graph_make_it_once(
    kept: Path, fake_networks: FakeEmbedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pth, steps = tiny.voice(tmp_path / "v.pth"), []

    def step(spec: GraphSpec, *arguments: str) -> None:
        steps.append(arguments[0])
        done_here(spec, *arguments)

    monkeypatch.setattr(cache, "_step", step)
    spec = GraphSpec("decoder", {"file": str(pth)}, ["same"])
    with ThreadPoolExecutor(2) as pool:
        graphs = list(pool.map(lambda _: cache.load(spec), range(2)))
    assert all(isinstance(graph, cache.Graph) for graph in graphs)
    assert steps == ["export", "optimise"]


def test_too_little_memory_to_open_a_graph_is_no_reason_to_delete_it(
    kept: Path,
    fake_networks: FakeEmbedder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    pth = tiny.voice(tmp_path / "v.pth")
    voices.Voice(pth, gpu="-")
    before = {f: f.stat().st_mtime_ns for f in kept.iterdir()}

    def full(file: Path, threads: int = 0) -> None:
        raise MemoryError("std::bad_alloc")

    monkeypatch.setattr(cache, "Graph", full)
    assert isinstance(voices.Voice(pth, gpu="-").decoder, TorchDecoder)
    assert "without a graph" in caplog.text
    assert {f.name for f in kept.iterdir()} == {f.name for f in before}
    assert all(f.with_suffix(".data").stat().st_size for f in before)


def _signal(node: onnx.NodeProto, *others: onnx.NodeProto) -> onnx.ModelProto:
    """A graph (1, 4, T) -> (1, 4, T) of one node."""
    x, y = (onnx.helper.make_tensor_value_info(n, 1, [1, 4, "t"]) for n in ("x", "y"))
    return onnx.helper.make_model(onnx.helper.make_graph([*others, node], "g", [x], [y]))


def test_only_what_works_with_a_height_is_given_one() -> None:
    numbers = {"zero": 0, "two": 2, "one": 1, "end": 9}
    constants = [
        onnx.helper.make_node(
            "Constant", [], [name], value=onnx.numpy_helper.from_array(np.array([value]))
        )
        for name, value in numbers.items()
    ]
    for axis, right in (("two", True), ("one", False)):
        cut = onnx.helper.make_node("Slice", ["x", "zero", "end", axis], ["y"])
        model = _signal(cut, *constants)
        if right:
            lift.lift(model)
            wave = np.random.default_rng(0).standard_normal((1, 4, 20)).astype(np.float32)
            made = runtime.session(model.SerializeToString()).run(None, {"x": wave})[0]
            assert np.array_equal(made, wave[:, :, :9])
        else:
            with pytest.raises(runtime.Impossible, match="than time"):
                lift.lift(model)
    with pytest.raises(runtime.Impossible, match="Softmax"):
        lift.lift(_signal(onnx.helper.make_node("Softmax", ["x"], ["y"])))


def test_the_cache_is_bounded(
    kept: Path, fake_networks: FakeEmbedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "LIMIT_BYTES", 1)
    for seed in range(2):
        voices.Voice(tiny.voice(tmp_path / f"{seed}.pth", seed=seed), gpu="-")
    assert len(list(kept.glob("*.onnx"))) == 1


def test_an_embedder_as_a_graph_gives_the_same_features(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny.hubert(tmp_path / "hubert")
    plain = EmbedderManager().load("custom", folder)
    made = accelerate.embedder(EmbedderManager(), "custom", folder, None, False)
    assert made is not None
    assert made.spec == plain.spec
    for samples in (400, 16_001, 50_000):
        wave = sung(4)[:samples]
        assert near(made(wave), plain(wave))
    assert made(np.zeros(10, np.float32)).shape == plain(np.zeros(10, np.float32)).shape
    for file in kept.glob("*"):
        file.unlink()
    made.network.release()
    assert near(made(wave), plain(wave))  # the graph is made anew
    made.network.release()
    monkeypatch.setenv(cache.OFF, "1")
    assert near(made(wave), plain(wave))  # or torch does the work


def test_without_weights_there_is_no_graph_of_rmvpe(kept: Path) -> None:
    assert accelerate.pitch() is None
