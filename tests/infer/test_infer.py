"""infer and batch-infer on the command line: paths, formats, pipes, batches, failures."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from rvc.infer import infer as files
from tests import tiny
from tests.conftest import Cli, Finished
from tests.fakes import FakeEmbedder
from tests.infer.conftest import sung

ROOT = Path(__file__).parents[2]


@pytest.fixture
def pth(
    home: Path, tmp_path: Path, fake_networks: FakeEmbedder, monkeypatch: pytest.MonkeyPatch
) -> Path:
    monkeypatch.setenv("RVC_NO_GRAPHS", "1")
    return tiny.voice(tmp_path / "ñ ' \" 声" / "v.pth")


@pytest.fixture
def take(tmp_path: Path) -> Path:
    path = tmp_path / "日本 語" / "take one.wav"
    path.parent.mkdir()
    soundfile.write(path, sung(1.0, 22_050), 22_050)
    return path


def infer(cli: Cli, source: Path, target: object, pth: Path, *more: object) -> Finished:
    return cli(
        "infer", "--input-path", source, "--output-path", target, "--pth-path", pth, "--gpu", "-",
        "--json", *more,
    )  # fmt: skip


@pytest.mark.parametrize("format", ["WAV", "MP3", "FLAC", "OGG", "M4A", "OPUS"])
def test_every_format_is_written_with_the_right_length(
    cli: Cli, pth: Path, take: Path, tmp_path: Path, format: str
) -> None:
    done = infer(cli, take, tmp_path / "out" / "made.wav", pth, "--export-format", format)
    assert done.code == 0, done.err
    made = Path(done.json["output_path"])
    assert made.suffix == f".{format.lower()}"
    from rvc.audio.io import load

    wave, rate = load(made)
    assert rate == (40_000 if format in ("WAV", "FLAC", "OGG") else rate)
    slack = 0.1 if format in ("MP3", "M4A", "OPUS") else 1 / rate
    assert len(wave) / rate == pytest.approx(1.0, abs=slack)
    assert np.abs(wave).max() > 1e-3
    assert [f.name for f in made.parent.iterdir()] == [made.name], "nothing else is left behind"


def test_depth_rate_and_repeated_bytes(cli: Cli, pth: Path, take: Path, tmp_path: Path) -> None:
    options = ("--bit-depth", 24, "--export-rate", 48000, "--seed", 7)
    made = [tmp_path / f"{i}.wav" for i in range(2)]
    for path in made:
        assert infer(cli, take, path, pth, *options).code == 0
    info = soundfile.info(made[0])
    assert (info.subtype, info.samplerate, info.frames) == ("PCM_24", 48_000, 48_000)
    assert made[0].read_bytes() == made[1].read_bytes()


def test_pitch_goes_out_and_comes_back(cli: Cli, pth: Path, take: Path, tmp_path: Path) -> None:
    curve, a, b = tmp_path / "f0.csv", tmp_path / "a.wav", tmp_path / "b.wav"
    assert infer(cli, take, a, pth, "--seed", 1, "--f0-export", curve).code == 0
    lines = curve.read_text().splitlines()
    assert lines[0] == "time_s,f0_hz"
    assert len(lines) == 1 + 100
    assert infer(cli, take, b, pth, "--seed", 1, "--f0-file", curve).code == 0
    first, second = (soundfile.read(f)[0] for f in (a, b))
    assert np.abs(first - second).max() < 1e-3
    curve.write_text("time_s,f0_hz\n0.0,9999\n")
    done = infer(cli, take, b, pth, "--f0-file", curve)
    assert done.code == 3
    assert "f0.csv" in done.err


def test_a_bad_pitch_file_is_told_before_anything_is_loaded(
    cli: Cli, take: Path, tmp_path: Path
) -> None:
    curve = tmp_path / "f0.csv"
    for text in ("no numbers\nat all", "0.0,9999"):
        curve.write_text(text)
        done = infer(cli, take, tmp_path / "o.wav", tmp_path / "no.pth", "--f0-file", curve)
        assert done.code == 3
        assert "f0.csv" in done.err


@pytest.mark.parametrize(
    ("name", "format", "expected"),
    [
        ("a.wav", "WAV", ("a.wav", "WAV")),
        ("a.oga", "WAV", ("a.oga", "OGG")),
        ("a.mp4", "M4A", ("a.mp4", "M4A")),
        ("a.mp3", "FLAC", ("a.flac", "FLAC")),
        ("a.b", "WAV", ("a.b.wav", "WAV")),
        ("a", "MP3", ("a.mp3", "MP3")),
    ],
)
def test_where_the_result_goes(
    tmp_path: Path, name: str, format: str, expected: tuple[str, str]
) -> None:
    assert files.destination(tmp_path / name, format) == (tmp_path / expected[0], expected[1])


def test_through_pipes(home: Path, take: Path, tmp_path: Path) -> None:
    pth = tiny.voice(tmp_path / "v.pth")
    code = (
        "import sys; sys.path.insert(0, sys.argv.pop(1))\n"
        "from rvc import f0\nfrom rvc.embedders.manager import EmbedderManager\n"
        "from rvc.onnx import accelerate\nfrom tests import fakes\n"
        "accelerate.embedder = lambda *a: None\n"
        "EmbedderManager.load = lambda *a, **k: fakes.FakeEmbedder(32)\n"
        "import pathlib; EmbedderManager.home = lambda *a, **k: pathlib.Path(sys.path[0])\n"
        "f0.load = lambda n, d: fakes.FakePitch()\nimport core; core.main(sys.argv[1:])"
    )
    words = ["infer", "--input-path", "-", "--output-path", "-", "--pth-path", str(pth)]
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT), *words, "--export-format", "FLAC"],
        input=take.read_bytes(), capture_output=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    assert b"Converted" in done.stderr
    assert b"Converted" not in done.stdout
    wave, rate = soundfile.read(io.BytesIO(done.stdout))
    assert (len(wave), rate) == (40_000, 40_000)


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", 3), (b"just words", 3), (None, 3)],
)
def test_bad_recordings_leave_nothing_and_harm_nothing(
    cli: Cli, pth: Path, tmp_path: Path, content: bytes | None, code: int
) -> None:
    source, target = tmp_path / "bad.wav", tmp_path / "out.wav"
    if content is not None:
        source.write_bytes(content)
    target.write_bytes(b"older")
    done = infer(cli, source, target, pth)
    assert done.code == code
    assert "bad.wav" in done.err
    assert target.read_bytes() == b"older"


def test_the_recording_itself_is_never_overwritten(cli: Cli, pth: Path, take: Path) -> None:
    before = take.read_bytes()
    done = infer(cli, take, take, pth)
    assert done.code == 3
    assert take.read_bytes() == before


def test_missing_voice_and_index_are_named(cli: Cli, pth: Path, take: Path, tmp_path: Path) -> None:
    assert "no.pth" in infer(cli, take, tmp_path / "o.wav", tmp_path / "no.pth").err
    done = infer(cli, take, tmp_path / "o.wav", pth, "--index-path", tmp_path / "no.index")
    assert done.code == 3
    assert "no.index" in done.err


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    top = tmp_path / "takes"
    (top / "deep").mkdir(parents=True)
    for name in ("a.wav", "b.flac", "a.flac", "deep/c.wav"):
        soundfile.write(top / name, sung(0.5), 16_000)
    (top / "bad.wav").write_bytes(b"no sound at all")
    (top / "notes.txt").write_text("not a recording")
    return top


def batch(cli: Cli, folder: Path, out: object, *voices: object) -> Finished:
    words = [w for v in voices for w in (("--pth-path", v) if isinstance(v, Path) else (v,))]
    return cli(
        "batch-infer", "--input-folder", folder, "--output-folder", out, "--gpu", "-", *words
    )


def test_a_batch_goes_on_after_a_bad_file_and_says_so(
    cli: Cli, pth: Path, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = batch(cli, folder, out, pth)
    assert done.code == 5
    assert "bad.wav" in done.err
    assert "1 of 4" in done.err
    assert sorted(f.name for f in out.iterdir()) == [
        "a.flac_output.wav", "a.wav_output.wav", "b_output.wav",
    ]  # fmt: skip


def test_a_batch_resumes_takes_patterns_folders_and_voices(
    cli: Cli, pth: Path, folder: Path, tmp_path: Path
) -> None:
    (folder / "bad.wav").unlink()
    out = tmp_path / "out"
    assert batch(cli, folder, out, pth, "--pattern", "*.flac").code == 0
    before = {f: f.stat().st_mtime_ns for f in out.iterdir()}
    assert len(before) == 2
    done = batch(cli, folder, out, pth, "--recursive")
    assert done.code == 0
    assert "2 were already there" in done.out
    assert all(f.stat().st_mtime_ns == t for f, t in before.items())
    assert (out / "deep" / "c_output.wav").is_file()
    other = tiny.voice(tmp_path / "other.pth", seed=2)
    assert batch(cli, folder, tmp_path / "two", pth, other).code == 0
    assert len(list((tmp_path / "two" / "v").iterdir())) == 3
    assert len(list((tmp_path / "two" / "other").iterdir())) == 3
    assert batch(cli, folder, out, pth, "--pattern", "*.xyz").code == 3
    assert batch(cli, folder, out, pth, "--index-path", "a", "--index-path", "b").code == 3


@pytest.mark.parametrize("rate", [16_000, 22_050])
def test_a_preview_is_the_loudest_part_and_is_called_so(
    cli: Cli, pth: Path, tmp_path: Path, rate: int
) -> None:
    take = tmp_path / "take.wav"
    wave = sung(6.0, rate)
    wave[: 3 * rate] *= 0.1
    wave[5 * rate :] *= 0.1
    soundfile.write(take, wave, rate)
    done = infer(cli, take, tmp_path / "made.wav", pth, "--seed", 1, "--preview-s", 2)
    assert done.code == 0, done.err
    assert done.json["output_path"] == str(tmp_path / "made (preview).wav")
    assert done.json["seconds"] == pytest.approx(2.0, abs=0.01)
    assert done.json["start_s"] == pytest.approx(3.0, abs=0.1)
    part = tmp_path / "part.wav"
    first = round(done.json["start_s"] * rate)
    soundfile.write(part, soundfile.read(take)[0][first : first + 2 * rate], rate)
    assert infer(cli, part, tmp_path / "alone.wav", pth, "--seed", 1).code == 0
    assert (tmp_path / "alone.wav").read_bytes() == Path(done.json["output_path"]).read_bytes()


def test_a_preview_of_something_short_is_all_of_it(
    cli: Cli, pth: Path, take: Path, tmp_path: Path
) -> None:
    done = infer(cli, take, tmp_path / "a.wav", pth, "--preview-s", 10)
    assert done.json["seconds"] == pytest.approx(1.0, abs=0.01)
    assert done.json["start_s"] == 0


def test_the_pitch_of_a_preview_is_that_of_its_place(cli: Cli, pth: Path, tmp_path: Path) -> None:
    take, curve, other = (tmp_path / n for n in ("take.wav", "f0.csv", "g.csv"))
    soundfile.write(take, np.concatenate([0.05 * sung(2.0), sung(2.0)]), 16_000)
    lines = [f"{i / 100:.2f},{150 if i < 200 else 300}\n" for i in range(400)]
    curve.write_text("".join(lines))
    other.write_text("".join(f"{i / 100:.2f},300\n" for i in range(400)))
    made = []
    for file in (curve, other):
        out = tmp_path / f"{file.stem}.wav"
        more = ("--seed", 1, "--preview-s", 2, "--f0-file", file)
        made.append(infer(cli, take, out, pth, *more).json["output_path"])
    assert Path(made[0]).read_bytes() == Path(made[1]).read_bytes()
    done = infer(cli, take, tmp_path / "x.wav", pth, "--preview-s", 2, "--f0-export", curve)
    assert done.code == 3
    assert "--f0-export" in done.err
