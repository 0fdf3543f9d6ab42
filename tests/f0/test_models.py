"""The networks behind the extractors, and what happens when their files are absent or wrong."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from rvc import f0
from rvc.errors import BadInput, MissingModel
from rvc.f0 import fcpe, hybrid, rmvpe
from rvc.f0.rmvpe import RMVPE
from tests.f0 import sounds

GOLDEN = Path(__file__).parents[1] / "data" / "golden"


def fill_by_rule(net: rmvpe.Network) -> rmvpe.Network:
    """Weights made from the public key of each tensor, so that no file is needed."""
    with torch.no_grad():
        for key, tensor in net.state_dict().items():
            seed = zlib.crc32(key.encode())
            r: np.ndarray = (
                np.random.default_rng(seed).standard_normal(tensor.shape).astype(np.float32)
            )
            if key.endswith("running_var"):
                r = 1 + 0.1 * np.abs(r)
            elif key.endswith("running_mean"):
                r = 0.1 * r
            elif key.endswith("bias"):
                r = 0.02 * r
            elif r.ndim == 1:
                r = 1 + 0.1 * r
            elif r.ndim:
                r = r / np.sqrt(np.prod(r.shape[1:]))
            if tensor.is_floating_point():
                tensor.copy_(torch.from_numpy(r))
    return net


@pytest.fixture(scope="module")
def extractor() -> RMVPE:
    return rmvpe.RMVPE(net=rmvpe.fold(fill_by_rule(rmvpe.Network())))


def test_rmvpe_computes_what_the_original_does(extractor: RMVPE) -> None:
    mel = torch.from_numpy(np.load(GOLDEN / "rmvpe.mel.npy"))
    expected = np.load(GOLDEN / "rmvpe.salience.npy")
    assert np.abs(extractor.salience(mel[None])[0].numpy() - expected).max() < 1e-4


def test_rmvpe_has_the_tensors_of_the_public_file() -> None:
    net = rmvpe.Network()
    assert len(net.state_dict()) == 741
    assert sum(p.numel() for p in net.parameters()) == 90_423_165


@pytest.mark.parametrize("samples", [0, 1, 500, 16000])
def test_rmvpe_frames(extractor: RMVPE, samples: int) -> None:
    out = extractor(sounds.tone(200)[:samples])
    assert out.shape == (samples // 160 + 1,)
    assert np.isfinite(out).all()


def test_rmvpe_silence_is_unvoiced(extractor: RMVPE) -> None:
    assert not extractor(np.zeros(8000, np.float32)).any()


def test_rmvpe_mel_is_the_same_in_blocks(extractor: RMVPE) -> None:
    wave = sounds.tone(300, 1.0)
    whole = extractor.mel(wave, 0, 101)
    parts = torch.cat([extractor.mel(wave, a, b) for a, b in ((0, 40), (40, 101))], dim=-1)
    assert torch.allclose(whole, parts, atol=1e-4)


def test_rmvpe_in_blocks_stays_within_its_stated_bound(
    extractor: RMVPE, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Random weights look as near as far, so that this is the worst case."""
    wave, _ = sounds.sweep(80, 400, 7.0)
    seen = []

    def decode(salience: np.ndarray) -> np.ndarray:
        seen.append(salience)
        return salience[:, 0]

    monkeypatch.setattr(rmvpe, "decode", decode)
    extractor(wave)
    monkeypatch.setattr(rmvpe, "BLOCK", 256)
    extractor(wave)
    whole, blockwise = seen[0], np.concatenate(seen[1:])
    assert len(seen) == 4
    assert np.abs(whole - blockwise).mean() < 0.02


def test_rmvpe_hears_several_waves_at_once_as_each_alone(
    extractor: RMVPE, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Equal lengths give equal numbers; a shorter one hears its mirror image behind it."""
    monkeypatch.setattr(rmvpe, "decode", lambda salience: salience[:, 50].numpy())
    waves = [sounds.tone(200, 2.55), sounds.tone(310, 2.55), sounds.tone(120, 1.0)]
    alone, together = [extractor(wave) for wave in waves], extractor.batch(waves)
    assert [len(f) for f in together] == [256, 256, 101]
    for a, b in zip(alone[:2], together[:2], strict=True):
        assert a == pytest.approx(b, abs=1e-5)
    mirror = rmvpe.mirrored(extractor.mel(waves[2], 0, 101), 256)
    assert torch.equal(mirror[:, :, 101:201], mirror[:, :, :100].flip(2))
    assert torch.equal(mirror[:, :, 200:], mirror[:, :, :56])


def test_rmvpe_decodes_the_centre_of_a_peak() -> None:
    salience = np.zeros((3, 360), np.float32)
    salience[0, 100:103] = [0.2, 0.6, 0.2]
    salience[1, 100] = 0.02
    salience[2, 0] = 0.9
    out = rmvpe.decode(torch.from_numpy(salience))
    assert out[0] == pytest.approx(10 * 2 ** (rmvpe.CENTS[101] / 1200))
    assert out[1] == 0
    assert out[2] == pytest.approx(10 * 2 ** (rmvpe.CENTS[0] / 1200))


def test_missing_rmvpe_names_the_ways_out(home: Path) -> None:
    with pytest.raises(MissingModel) as error:
        f0.load("rmvpe")
    assert "rmvpe.pt" in error.value.message
    assert "prerequisites" in error.value.hint
    assert "--f0-method fcpe" in error.value.hint


def test_a_damaged_file_is_named(home: Path) -> None:
    file = home / "rvc/models/predictors/rmvpe.pt"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"<html>404</html>")
    with pytest.raises(BadInput, match="rmvpe.pt"):
        f0.load("rmvpe")


def test_another_network_in_the_file_is_named(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(2)}, tmp_path / "rmvpe.pt")
    with pytest.raises(BadInput, match=r"rmvpe\.pt holds another network"):
        rmvpe.RMVPE(file=tmp_path / "rmvpe.pt")


def test_a_file_with_code_in_it_is_refused(tmp_path: Path) -> None:
    torch.save({"model": Path("x"), "f": print}, tmp_path / "evil.pt")
    with pytest.raises(BadInput, match="evil.pt"):
        f0.read_weights(tmp_path / "evil.pt")


def test_fcpe_prefers_the_file_in_predictors(home: Path) -> None:
    file = home / "rvc/models/predictors/fcpe.pt"
    file.parent.mkdir(parents=True)
    file.write_bytes(f0.packaged("torchfcpe", "assets", fcpe.ASSET).read_bytes())
    wave = sounds.tone(150, 0.3)
    expected = f0.load("fcpe")(wave)
    file.unlink()
    assert np.array_equal(f0.load("fcpe")(wave), expected)


def test_a_foreign_fcpe_layout_is_named(tmp_path: Path) -> None:
    torch.save({"config": {}, "model": {}}, tmp_path / "fcpe.pt")
    with pytest.raises(BadInput, match="fcpe.pt is not a weights file of torchfcpe") as error:
        fcpe.FCPE(file=tmp_path / "fcpe.pt")
    assert "config" in error.value.message


def test_fcpe_frames_far_from_a_cut_do_not_feel_it() -> None:
    """The stated context is enough: a frame sees `context` frames to each side and no more."""
    net = fcpe.Network(8, 16, 2, 12).eval()
    x = torch.randn(1, 16, 200)
    y = x.clone()
    y[..., 150:] = 0
    mean, deviation = torch.zeros(4), torch.ones(4)
    with torch.inference_mode():
        a, b = net.rest(x, mean, deviation)[0], net.rest(y, mean, deviation)[0]
    assert torch.allclose(a[: 150 - net.context], b[: 150 - net.context], atol=1e-6)
    assert not torch.allclose(a[149], b[149])


def test_hybrid_is_the_median_of_the_voiced() -> None:
    nine = [[100.0] * 9, [101.0] * 9, [300.0] * 9]
    assert np.allclose(hybrid.combine(np.array(nine)), 101)
    assert np.allclose(hybrid.combine(np.array([[0.0], [100.0], [102.0]])), np.sqrt(10200))
    assert not hybrid.combine(np.array([[0.0], [0.0], [102.0]])).any()


def test_two_that_disagree_follow_the_neighbourhood() -> None:
    first, second = np.full(30, 200.0), np.full(30, 200.0)
    second[12:15] = 400
    assert np.allclose(hybrid.combine(np.stack([first, second])), 200)
    assert np.allclose(hybrid.combine(np.stack([second, first])), 200)
