"""A voice as ONNX file sounds like the voice, whole and in parts, at every length."""

import numpy as np
import onnx
import pytest
import torch

from rvc import params
from rvc.errors import BadInput, StageFailed
from rvc.nets import onnx as voices
from rvc.nets.checkpoint import build, read_voice
from rvc.nets.layers import Noise
from rvc.tools import export_onnx, information
from tests import tiny
from tests.nets.golden import off_peak


def export(path, **options):
    return export_onnx.run(params.ExportOnnx(pth_path=path, **options))


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = tiny.voice(tmp_path_factory.mktemp("onnx") / "a.pth", n_speakers=3)
    return path, export(path)


def test_the_report_says_how_close_it_is(exported):
    assert exported[1]["worst"] < 1e-4
    assert set(export_onnx.LENGTHS) >= {1, 33, 333}


def test_names_and_lengths_are_as_documented(exported):
    session = voices.session(exported[0].with_suffix(".onnx"))
    assert {item.name for item in session.get_inputs()} <= set(voices.INPUTS)
    assert session.get_outputs()[0].name == "audio"
    frames = {item.name: item.shape for item in session.get_inputs()}
    assert frames["feats"] == [1, "frames", tiny.EMBED_WIDTH]


def test_its_parts_give_what_the_network_gives(exported):
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


def test_the_file_says_which_voice_it_is(exported):
    path = exported[0]
    said, voice = voices.read_voice(path.with_suffix(".onnx")), read_voice(path)
    assert (said.settings, said.meta, said.n_speakers) == (voice.settings, voice.meta, 3)
    assert said.embedder == voice.embedder
    facts = information.describe(path.with_suffix(".onnx"))
    assert (facts["kind"], facts["sample_rate"]) == ("voice (ONNX)", 40000)


@pytest.mark.parametrize(
    "options",
    [{"use_f0": False}, {"vocoder": "MRF HiFi-GAN"}, {"vocoder": "lite", "sample_rate": 24000}],
)
def test_other_voices_export_too(tmp_path, options):
    path = tiny.voice(tmp_path / "a.pth", **options)
    assert export(path)["worst"] < 1e-3


def test_half_precision_halves_the_file_and_keeps_the_arithmetic(exported, tmp_path):
    whole, half = exported[0].with_suffix(".onnx"), tmp_path / "half.onnx"
    half.write_bytes(whole.read_bytes())
    voices.finish(half, {}, half=True)
    model = onnx.load(half)
    large = {t.data_type for t in model.graph.initializer if len(t.raw_data) > 4096}
    assert large == {onnx.TensorProto.FLOAT16}
    assert half.stat().st_size < 0.8 * whole.stat().st_size
    fed = export_onnx.example(build(read_voice(exported[0])), 40)
    a, b = (
        voices.session(file).run(["audio"], {k: v.numpy() for k, v in fed.items()})[0]
        for file in (whole, half)
    )
    assert a.dtype == b.dtype == np.float32
    assert 0 < np.abs(a - b).max() < 2e-2


def test_a_file_that_does_not_match_is_not_kept(tmp_path, monkeypatch):
    path = tiny.voice(tmp_path / "a.pth")
    monkeypatch.setattr(export_onnx, "_export", lambda net, part: part.touch())
    monkeypatch.setattr(voices, "finish", lambda *_, **__: None)
    monkeypatch.setattr(export_onnx, "_compare", lambda *_: 0.02)
    with pytest.raises(StageFailed, match="not kept"):
        export(path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.pth"]


def test_strange_files_are_refused(exported, tmp_path):
    path = tmp_path / "v.onnx"
    for content in (b"", b"\x08\x07nonsense", np.arange(1000).tobytes()):
        path.write_bytes(content)
        with pytest.raises(BadInput, match="v.onnx"):
            voices.OnnxNet(path)
    model = onnx.load(exported[0].with_suffix(".onnx"))
    model.graph.node[0].domain = "evil"
    onnx.save(model, path)
    with pytest.raises(BadInput, match="other files or operators"):
        voices.OnnxNet(path)
    model.graph.node[0].domain = ""
    model.graph.node[0].op_type = "NoSuchThing"
    onnx.save(model, path)
    with pytest.raises(BadInput, match="damaged"):
        voices.OnnxNet(path)
    model.graph.initializer[0].external_data.add(key="location", value="/etc/passwd")
    path.write_bytes(model.SerializeToString())
    with pytest.raises(BadInput, match="other files or operators"):
        voices.OnnxNet(path)
