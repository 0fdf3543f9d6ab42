"""A voice as ONNX file sounds like the voice, whole and in parts, at every length."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from rvc import params, tasks
from rvc.errors import BadInput, StageFailed
from rvc.infer import voice as infer
from rvc.infer.convert import convert
from rvc.nets import refinegan
from rvc.nets.layers import Noise
from rvc.nets.voice_file import build, read_voice
from rvc.onnx import cache, half, runtime
from rvc.onnx import export as export_onnx
from rvc.onnx import voice as voices
from rvc.voices import information
from tests import tiny
from tests.fakes import FakeEmbedder
from tests.infer import conftest
from tests.nets.golden import off_peak

Exported = tuple[Path, dict[str, Any]]


def export(path: Path, **options: Any) -> dict[str, Any]:
    return export_onnx.run(params.ExportOnnx(pth_path=path, **options))


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    path = tiny.voice(tmp_path_factory.mktemp("onnx") / "a.pth", n_speakers=3)
    return path, export(path)


def test_the_report_says_how_close_it_is(exported: Exported) -> None:
    assert exported[1]["worst"] < 1e-4
    assert set(export_onnx.LENGTHS) >= {1, 33, 333}


def test_names_and_lengths_are_as_documented(exported: Exported) -> None:
    session = runtime.session(exported[0].with_suffix(".onnx"))
    assert {item.name for item in session.get_inputs()} <= set(voices.INPUTS)
    assert session.get_outputs()[0].name == "audio"
    frames = {item.name: item.shape for item in session.get_inputs()}
    assert frames["feats"] == [1, "frames", tiny.EMBED_WIDTH]


def test_its_parts_give_what_the_network_gives(exported: Exported) -> None:
    path = exported[0]
    net, other = build(read_voice(path)), voices.OnnxNet(path.with_suffix(".onnx"))
    x = tiny.inputs(60)
    with torch.no_grad():
        sounds = []
        for made in (net, other):
            noise = Noise(torch.Generator().manual_seed(5))
            g = made.speaker(torch.tensor([2]))
            z, _ = made.latent(x["phone"], x["pitch"], x["lengths"], g, noise)
            source = made.dec.source(x["f0"], noise)
            whole = made.dec(z, g=g, source=source, noise=noise)
            block = made.dec(z[:, :, 10:50], g=g, source=source[:, :, 4000:20000], noise=noise)
            sounds.append((z, source, whole, block))
    for ours, theirs in zip(*sounds, strict=True):
        assert off_peak(theirs, ours) < 1e-4
    assert other.dec.context_frames == net.dec.context_frames


def test_the_file_says_which_voice_it_is(exported: Exported) -> None:
    path = exported[0]
    said, voice = voices.read_voice(path.with_suffix(".onnx")), read_voice(path)
    assert (said.settings, said.meta, said.n_speakers) == (voice.settings, voice.meta, 3)
    assert said.embedder == voice.embedder
    facts = information.describe(path.with_suffix(".onnx"))
    assert (facts["kind"], facts["sample_rate"]) == ("voice (ONNX)", 40000)


fake_networks = conftest.fake_networks
OTHERS: dict[str, dict[str, Any]] = {
    "without pitch": {"use_f0": False},
    "v1 48k": {"version": "v1", "sample_rate": 48000, "embed_width": 256},
    "MRF HiFi-GAN": {"vocoder": "MRF HiFi-GAN", "sample_rate": 32000},
    "RefineGAN": {"vocoder": "RefineGAN", "sample_rate": 24000},
    "lite": {"vocoder": "lite", "sample_rate": 24000},
}


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """RefineGAN's widths are not in the settings; here they are small ones."""
    monkeypatch.setattr(refinegan, "FIRST", 2)
    monkeypatch.setattr(refinegan, "WIDTH", 64)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("kind", OTHERS)
def test_every_kind_of_voice_exports_in_both_precisions(
    tmp_path: Path, narrow: None, kind: str, precision: str
) -> None:
    path = tiny.voice(tmp_path / "a.pth", **OTHERS[kind])
    assert export(path, precision=precision)["worst"] < 3e-4


def test_a_voice_of_float16_loses_nothing_in_an_onnx_of_float16(
    exported: Exported, tmp_path: Path
) -> None:
    whole, half = exported[0].with_suffix(".onnx"), tmp_path / "half.onnx"
    done = export(exported[0], output_path=half, precision="fp16")
    assert done["worst"] < 1e-5
    model = onnx.load(half)
    large = {t.data_type for t in model.graph.initializer if len(t.raw_data) > 4096}
    assert large == {onnx.TensorProto.FLOAT16}
    assert half.stat().st_size < 0.8 * whole.stat().st_size
    fed = export_onnx.example(build(read_voice(exported[0])), 40)
    sound = runtime.session(half).run(["audio"], {k: v.numpy() for k, v in fed.items()})[0]
    assert sound.dtype == np.float32


@pytest.mark.parametrize("kind", ["without pitch", "MRF HiFi-GAN", "RefineGAN", "lite"])
def test_a_conversion_with_it_is_the_conversion_with_the_voice(
    tmp_path: Path,
    narrow: None,
    fake_networks: FakeEmbedder,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    path = tiny.voice(tmp_path / "a.pth", **OTHERS[kind])
    if kind == "RefineGAN":
        louder(path)
    monkeypatch.setenv(cache.OFF, "1")
    monkeypatch.setattr(export_onnx, "LENGTHS", (40,))
    done = export(path, precision="fp16")
    wave = conftest.sung(1.5)
    ours, rate = convert(infer.Voice(path, gpu="-"), wave, 16_000, seed=3)
    theirs, other_rate = convert(infer.Voice(done["file"], gpu="-"), wave, 16_000, seed=3)
    assert (rate, ours.shape) == (other_rate, theirs.shape)
    assert np.abs(ours).max() > 0.005
    assert np.abs(ours - theirs).max() < 1e-3 * np.abs(ours).max()


def louder(path: Path) -> None:
    """Give the noise of RefineGAN's layers a level at which another noise would be heard."""
    raw = torch.load(path, weights_only=True)
    levels = [k for k in raw["weight"] if re.search(r"\.blocks\.\d\.[02]\.weight$", k)]
    assert len(levels) == 24
    raw["weight"] |= {k: torch.full_like(raw["weight"][k], 0.1) for k in levels}
    torch.save(raw, path)


def test_another_noise_of_the_layers_is_another_sound(
    tmp_path: Path, narrow: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_onnx, "LENGTHS", (40,))
    path = tiny.voice(tmp_path / "a.pth", **OTHERS["RefineGAN"])
    louder(path)
    graph = runtime.session(Path(export(path)["file"]))
    fed = {k: v.numpy() for k, v in export_onnx.example(build(read_voice(path)), 40).items()}
    sound = graph.run(["audio"], fed)[0]
    changed = graph.run(["audio"], fed | {"noise_5": fed["noise_5"][..., ::-1].copy()})[0]
    assert off_peak(torch.tensor(changed), torch.tensor(sound)) > 1e-3


def test_a_file_that_does_not_match_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tiny.voice(tmp_path / "a.pth")
    monkeypatch.setattr(export_onnx, "_export", lambda net, part: part.touch())
    monkeypatch.setattr(half, "finish", lambda *_, **__: None)
    monkeypatch.setattr(export_onnx, "_compare", lambda *_: 0.02)
    with pytest.raises(StageFailed, match="not kept"):
        export(path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.pth"]


def test_strange_files_are_refused(exported: Exported, tmp_path: Path) -> None:
    path = tmp_path / "v.onnx"
    for content in (b"", b"\x08\x07nonsense", np.arange(1000).tobytes()):
        path.write_bytes(content)
        with pytest.raises(BadInput, match="v.onnx"):
            voices.OnnxNet(path)


def _another_domain(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = "evil"


def _unknown_operator(model: onnx.ModelProto) -> None:
    model.graph.node[0].op_type = "NoSuchThing"


def _a_loop(model: onnx.ModelProto) -> None:
    model.graph.node[0].op_type = "Loop"


def _weights_elsewhere(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].external_data.add(key="location", value="/etc/passwd")


def _a_constant_elsewhere(model: onnx.ModelProto) -> None:
    node = next(n for n in model.graph.node if n.op_type == "Constant")
    node.attribute[0].t.data_location = onnx.TensorProto.EXTERNAL
    node.attribute[0].t.external_data.add(key="location", value="/etc/passwd")


def _a_function(model: onnx.ModelProto) -> None:
    model.functions.add(name="f", domain="")


def _a_graph_within(model: onnx.ModelProto) -> None:
    model.graph.node[0].attribute.add(name="body").g.name = "inner"


def _deep_metadata(model: onnx.ModelProto) -> None:
    model.metadata_props[0].value = "[" * 200_000


def _another_vocoder(model: onnx.ModelProto) -> None:
    model.metadata_props[0].value = '{"vocoder": "Strange", "meta": {}, "embed_width": 1}'


def _weights_cut_off(model: onnx.ModelProto) -> None:
    table = max(model.graph.initializer, key=lambda t: len(t.raw_data))
    table.raw_data = table.raw_data[:64]


def _a_giant(model: onnx.ModelProto) -> None:
    table = max(model.graph.initializer, key=lambda t: len(t.raw_data))
    table.dims[:] = [1 << 40, 1 << 20]


@pytest.mark.parametrize(
    "spoil",
    [
        _another_domain,
        _unknown_operator,
        _a_loop,
        _weights_elsewhere,
        _a_constant_elsewhere,
        _a_function,
        _a_graph_within,
        _deep_metadata,
        _another_vocoder,
        _weights_cut_off,
        _a_giant,
    ],
)
def test_what_no_voice_has_is_refused(
    exported: Exported, tmp_path: Path, home: Path, spoil: Callable[[onnx.ModelProto], None]
) -> None:
    path = tmp_path / "v.onnx"
    model = onnx.load(exported[0].with_suffix(".onnx"))
    spoil(model)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(BadInput, match=r"v\.onnx"):
        voices.OnnxNet(path)
    with pytest.raises(BadInput, match=r"v\.onnx"):
        tasks.run("import-voice", params.ImportVoice(source=str(path)))
    assert list((home / "logs").iterdir()) == []
