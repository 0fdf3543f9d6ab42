"""No file runs code, whatever it is and through whichever door it comes in."""

from __future__ import annotations

import argparse
import collections
import contextlib
import datetime
import hashlib
import io
import json
import os
import pathlib
import pickle
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
import torch

from rvc import f0, params, tasks
from rvc.audio import io as sound
from rvc.device import choose
from rvc.embedders import embedder as embedder_weights
from rvc.embedders import fairseq
from rvc.embedders.manager import EmbedderManager
from rvc.errors import VoiceError
from rvc.hub import extras, safe
from rvc.nets.voice_file import read_voice
from rvc.onnx import cache
from rvc.retrieval import faissfile, reader_child
from rvc.train import build, checkpoint
from rvc.train.material import Material, material
from rvc.voices import library
from tests import hostile, tiny
from tests.embedders import tiny_embedders as embedders
from tests.infer import conftest
from tests.train import tiny as trainings

VERBS = {
    "information": ("model-information", {"pth_path": "FILE"}),
    "blend": ("model-blender", {"model_name": "x", "pth_path_1": "FILE", "pth_path_2": "GOOD"}),
    "blend as second": (
        "model-blender",
        {"model_name": "x", "pth_path_1": "GOOD", "pth_path_2": "FILE"},
    ),
    "extract": ("model-extract", {"pth_path": "FILE", "model_name": "x"}),
    "edit": ("model-edit", {"pth_path": "FILE", "author": "x"}),
    "change of format": ("model-convert", {"pth_path": "FILE", "output_path": "OUT"}),
    "ONNX": ("export-onnx", {"pth_path": "FILE"}),
    "import": ("import-voice", {"source": "FILE"}),
    "conversion": (
        "infer",
        {"input_path": "WAVE", "output_path": "OUT", "pth_path": "FILE", "f0_method": "fcpe"},
    ),
    "batch": (
        "batch-infer",
        {"input_folder": "WAVES", "output_folder": "OUT", "pth_path": "FILE", "f0_method": "fcpe"},
    ),
    "speech": ("tts", {"tts_text": "a", "pth_path": "FILE", "f0_method": "fcpe"}),
}
CONVERTING = {"pth_path": "GOOD", "index_path": "FILE", "f0_method": "fcpe"}
fake_networks = conftest.fake_networks


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Every sample, made once; a mark beside them would tell that one of them ran."""
    folder = tmp_path_factory.mktemp("samples")
    for sample in hostile.SAMPLES:
        sample(folder / f"{sample.__name__}.pth", folder / "ran")
    for name, write in hostile.SAFETENSORS.items():
        write(folder / f"{name}.safetensors")
    tiny.voice(folder / "good.pth")
    (folder / "waves").mkdir()
    sound.save(folder / "waves" / "a.wav", np.sin(np.arange(8000) / 20).astype("f4") / 3, 16000)
    yield folder
    assert not (folder / "ran").exists()


def every(kept: Path) -> list[Path]:
    return sorted([*kept.glob("*.pth"), *kept.glob("*.safetensors")])


NAMES = [*(f"{s.__name__}.pth" for s in hostile.SAMPLES),
         *(f"{n}.safetensors" for n in hostile.SAFETENSORS)]  # fmt: skip


def refused(kept: Path, path: Path, act: Callable[[], object]) -> None:
    """`act` fails in the program's own words, naming the file, and nothing has happened."""
    before = path.read_bytes()
    with pytest.raises(VoiceError) as told:
        act()
    assert str(path) in told.value.message
    assert path.read_bytes() == before
    assert not (kept / "ran").exists()


@pytest.mark.parametrize("door", VERBS)
@pytest.mark.parametrize("name", NAMES)
def test_hostile_files_are_refused_at_every_door(
    home: Path, kept: Path, door: str, name: str
) -> None:
    path = home / name
    shutil.copyfile(kept / name, path)
    named = {"FILE": path, "GOOD": kept / "good.pth", "WAVES": kept / "waves",
             "WAVE": kept / "waves" / "a.wav", "OUT": home / "out.pth"}  # fmt: skip
    verb, given = VERBS[door]
    p = tasks.VERBS[verb].params(**{k: str(named.get(v, v)) for k, v in given.items()})
    refused(kept, path, lambda: tasks.run(verb, p))
    assert not list((home / "logs").rglob("*.pth"))
    assert not (home / "out.pth").exists()


@pytest.mark.parametrize("name", NAMES)
def test_hostile_embedders_are_refused_in_both_forms(home: Path, kept: Path, name: str) -> None:
    """`--embedder-model-custom`: a folder of weights, and a fairseq checkpoint."""
    folder = embedders.write(home / "embedder", kind="bin")
    kind = "model.safetensors" if name.endswith("safetensors") else "pytorch_model.bin"
    shutil.copyfile(kept / name, folder / kind)
    (home / "one.pt").write_bytes((kept / name).read_bytes())
    for given in (folder, home / "one.pt"):
        with pytest.raises(VoiceError):
            EmbedderManager().load("custom", given)
    with pytest.raises(VoiceError):
        fairseq.convert(home / "one.pt")
    assert not (kept / "ran").exists()


HARMLESS = {
    "a numpy number": {"epoch": np.int64(5)},
    "numpy numbers inside": {"info": {"losses": [1.5, np.float32(0.5)], "best": (np.bool_(1), 2)}},
    "an array": {"losses": np.arange(3.0)},
    "a date": {"date": datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)},
    "a path and a set": {"data": pathlib.PurePosixPath("/a/b"), "tags": {"x"}},
    "a namespace": {"args": argparse.Namespace(lr=1, when=datetime.date(2024, 1, 1))},
    "groups of defaults": {"state": collections.defaultdict(list, {1: [2]})},
    "plain": {"epoch": 5},
}
FORMS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])


@FORMS
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("kind", HARMLESS)
def test_harmless_metadata_costs_no_weights(
    home: Path,
    kept: Path,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    protocol: int,
    zipped: bool,
) -> None:
    content = torch.load(kept / "good.pth", weights_only=True)
    torch.save(content | HARMLESS[kind] | {"author": "Ann"}, home / "v.pth",
               pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)  # fmt: skip
    voice, before = read_voice(home / "v.pth"), read_voice(kept / "good.pth")
    assert all(torch.equal(voice.weights[key], before.weights[key]) for key in before.weights)
    assert voice.settings == before.settings
    assert voice.meta["author"] == "Ann"
    json.dumps(voice.meta)
    assert ("left out" in caplog.text) == (kind != "plain")


@FORMS
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("hidden", [False, True])
def test_harm_beside_harmless_metadata_is_refused(
    home: Path, kept: Path, protocol: int, hidden: bool, zipped: bool
) -> None:
    """In any protocol, also where the name is fetched from the pickle's memory."""
    content = torch.load(kept / "good.pth", weights_only=True)
    harm = hostile.Command(os.system, f"touch {home / 'ran'}")
    content |= {"date": datetime.date(2024, 1, 1), "a": harm, "b": harm}
    if hidden:
        content |= {"system": "system", "posix": "posix", "nt": "nt", "c": harm}
    torch.save(content, home / "v.pth", pickle_protocol=protocol,
               _use_new_zipfile_serialization=zipped)  # fmt: skip
    with pytest.raises(VoiceError, match="would load '(posix|nt) system'"):
        read_voice(home / "v.pth")
    assert not (home / "ran").exists()


def test_a_tar_archive_with_a_name_like_a_pickle_is_refused(home: Path, kept: Path) -> None:
    """What torch of 2016 wrote is unpacked by torch before anything in it is looked at."""
    torch.save({"weight": torch.ones(1)}, home / "old.pth", _use_new_zipfile_serialization=False)
    with tarfile.open(
        home / "v.pth", "w", format=tarfile.GNU_FORMAT, encoding="latin-1"
    ) as archive:
        for name in ("\x80\x02N.", "storages", "tensors", "pickle"):
            archive.add(home / "old.pth", name)
    with pytest.raises(VoiceError, match="a tar archive"):
        read_voice(home / "v.pth")


@FORMS
def test_the_reader_of_extras_refuses_by_itself(home: Path, zipped: bool) -> None:
    """Without the scan in front of it: other names, and changes to what may be called."""
    for harm in (
        hostile.Command(os.system, f"touch {home / 'ran'}"),
        hostile.Command(eval, f"open({str(home / 'ran')!r}, 'w')"),
    ):
        torch.save({"a": harm}, home / "v.pth", pickle_protocol=4,
                   _use_new_zipfile_serialization=zipped)  # fmt: skip
        with pytest.raises(pickle.UnpicklingError, match="would load"):
            extras.load(home / "v.pth", safe.ALLOWED)
    change = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}X\x01\x00\x00\x00aK\x01sb."
    with zipfile.ZipFile(home / "v.pth", "w") as archive:
        archive.writestr("archive/data.pkl", change)
        archive.writestr("archive/version", b"3\n")
    with pytest.raises(pickle.UnpicklingError, match="change a function"):
        extras.load(home / "v.pth", safe.ALLOWED)
    assert not (home / "ran").exists()


@pytest.mark.parametrize("sample", hostile.SAMPLES)
def test_hostile_pitch_models_are_refused(home: Path, kept: Path, sample: hostile.Sample) -> None:
    file = home / "rvc" / "models" / "predictors" / "rmvpe.pt"
    file.parent.mkdir(parents=True)
    shutil.copyfile(kept / f"{sample.__name__}.pth", file)
    refused(kept, file, lambda: f0.load("rmvpe", "cpu"))


@pytest.fixture
def training(home: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Material]:
    folder = trainings.voice(home, monkeypatch, clips=1)
    return folder, material(trainings.params(), folder)


@pytest.mark.parametrize("name", NAMES)
def test_hostile_base_models_are_refused(
    home: Path, kept: Path, training: tuple[Path, Material], name: str
) -> None:
    """`--custom-pretrained`, as generator and as discriminator."""
    folder, made = training
    bad, good = (home / "bad.pth").with_suffix(Path(name).suffix), home / "good.pth"
    tiny.checkpoint_g(good)
    shutil.copyfile(kept / name, bad)
    for g, d in ((bad, good), (good, bad)):
        p = trainings.params(custom_pretrained=True, g_pretrained_path=g, d_pretrained_path=d)
        begin = partial(build.begin, p, made, choose("-"), folder, trainings.PARTS)
        refused(kept, bad, begin)


@pytest.mark.parametrize("sample", hostile.SAMPLES)
def test_a_hostile_training_is_not_gone_on_with(
    home: Path, kept: Path, training: tuple[Path, Material], sample: hostile.Sample
) -> None:
    """G_/D_ files of another program, and this program's own state with a digest that fits."""
    folder, made = training
    content = (kept / f"{sample.__name__}.pth").read_bytes()
    for kind in "GD":
        (folder / f"{kind}_100.pth").write_bytes(content)
    first = folder / "G_100.pth"
    begin = partial(build.begin, trainings.params(), made, choose("-"), folder, trainings.PARTS)
    refused(kept, first, begin)
    footer = checkpoint.MARK + hashlib.sha256(content).digest()
    (folder / checkpoint.NAME).write_bytes(content + footer)
    with contextlib.suppress(VoiceError):  # what is left is data, and no training of this program
        assert not {"step", "epoch"} & set(checkpoint.load(folder) or ())
    assert not (kept / "ran").exists()


def test_the_list_of_voices_survives_whatever_lies_in_logs(home: Path, kept: Path) -> None:
    logs = home / "logs" / "dropped"
    logs.mkdir(parents=True)
    for file in every(kept):
        shutil.copyfile(file, logs / file.name)
    for odd in hostile.ODD_BUT_WHOLE:
        odd(logs / f"{odd.__name__}.pth")
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with zipfile.ZipFile(logs / f"packed{method}.pth", "w", method) as packed:
            packed.writestr("a/data.pkl", b"X\x02\0\0\0srX\x06\0\0\0oddoddq.")
    listed = tasks.run("voices", params.Voices())["voices"]
    assert {"good", *(s.__name__ for s in hostile.SAMPLES)} <= {v["name"] for v in listed}
    text = json.dumps(listed, allow_nan=False)
    assert "\\u001b" not in text
    for voice in library.voices():
        voice.sentence()


@pytest.mark.parametrize("odd", hostile.ODD_BUT_WHOLE)
def test_odd_metadata_is_shown_without_harm_and_the_voice_is_whole(
    home: Path, odd: Callable[[Path], Path]
) -> None:
    path = odd(home / "v.pth")
    done = tasks.run("model-information", params.ModelInformation(pth_path=path))
    json.dumps(done, allow_nan=False)
    assert "\x1b" not in done["message"]
    assert tasks.run("import-voice", params.ImportVoice(source=str(path)))["imported"]
    for suffix in (".safetensors", ".pth"):
        out = home / f"w{suffix}"
        tasks.run("model-convert", params.ModelConvert(pth_path=path, output_path=out))
        assert read_voice(out).meta["info"] == read_voice(path).meta["info"]


@pytest.mark.parametrize("name", NAMES)
def test_a_zip_with_a_hostile_voice_brings_nothing(home: Path, kept: Path, name: str) -> None:
    with zipfile.ZipFile(home / "voice.zip", "w") as packed:
        packed.write(kept / name, f"deep/{name}")
    with pytest.raises(VoiceError):
        tasks.run("import-voice", params.ImportVoice(source=str(home / "voice.zip")))
    assert not (kept / "ran").exists()
    assert list((home / "logs").iterdir()) == []


INDEX_DOORS = {
    "conversion": ("infer", CONVERTING | {"input_path": "WAVE", "output_path": "OUT"}),
    "batch": ("batch-infer", CONVERTING | {"input_folder": "WAVES", "output_folder": "OUT"}),
    "speech": ("tts", CONVERTING | {"tts_text": "a"}),
    "information": ("model-information", {"pth_path": "FILE"}),
    "import by name": ("import-voice", {"source": "GOOD", "index_path": "FILE"}),
    "import beside a voice": ("import-voice", {"source": "FOLDER"}),
}
INDEX_NAMES = [*hostile.INDEXES, "system.pth", "a header of exabytes.safetensors"]
LIKE_CONVERSION = ("batch", "speech")  # they load a voice by the same call
INDEX_PAIRS = [(door, name) for door in INDEX_DOORS for name in INDEX_NAMES
               if door not in LIKE_CONVERSION or "gigabytes" in name]  # fmt: skip


@pytest.fixture
def parsed_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever reads an index in this process is a failure."""

    def parsed(*_: object) -> None:
        raise AssertionError("an index is parsed in the main process")

    for place, name in ((faissfile, "read"), (faiss, "read_index"), (reader_child, "read")):
        monkeypatch.setattr(place, name, parsed)


@pytest.mark.usefixtures("fake_networks", "parsed_elsewhere")
@pytest.mark.parametrize(("door", "name"), INDEX_PAIRS)
def test_hostile_indexes_are_refused_at_every_door(
    home: Path, kept: Path, monkeypatch: pytest.MonkeyPatch, door: str, name: str
) -> None:
    monkeypatch.setenv(cache.OFF, "1")
    folder = home / "brought"
    folder.mkdir()
    path = folder / "v.index"
    shutil.copyfile(kept / "good.pth", folder / "v.pth")
    if name in hostile.INDEXES:
        hostile.INDEXES[name](path)
    else:
        shutil.copyfile(kept / name, path)
    named = {"FILE": path, "GOOD": folder / "v.pth", "WAVES": kept / "waves", "FOLDER": folder,
             "WAVE": kept / "waves" / "a.wav", "OUT": home / "out.wav"}  # fmt: skip
    verb, given = INDEX_DOORS[door]
    p = tasks.VERBS[verb].params(**{k: str(named.get(v, v)) for k, v in given.items()})
    fits = path.stat().st_size and library.width_of(path) in (None, tiny.EMBED_WIDTH)
    if door == "import beside a voice" and not fits:  # it is not taken for the voice's own
        assert tasks.run(verb, p)["imported"][0]["index_path"] is None
        return
    refused(kept, path, lambda: tasks.run(verb, p))
    assert not (home / "out.wav").exists()
    assert not list((home / "logs").rglob("*.pth"))


def test_embedder_weights_are_only_tensors(home: Path) -> None:
    torch.save({"state_dict": {"a": torch.ones(1), "b": "text"}}, home / "w.bin")
    assert list(embedder_weights.read(home / "w.bin")) == ["a"]


def test_the_scanner_names_what_it_refuses() -> None:
    stream = io.BytesIO(pickle.dumps(hostile.Command(eval, "1"), protocol=2))
    with pytest.raises(VoiceError, match="eval"):
        safe.scan(stream, "the file")


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.bfloat16])
def test_honest_files_of_both_forms_load(tmp_path: Path, new: bool, dtype: torch.dtype) -> None:
    content: dict[str, Any] = collections.OrderedDict(
        weight={"a": torch.ones(3, dtype=dtype)},
        config=[1, "x", None, [2.5]],
        parameter=torch.nn.Parameter(torch.ones(1)),
        size=torch.Size([1]),
    )
    torch.save(content, tmp_path / "v.pth", _use_new_zipfile_serialization=new)
    found = safe.load(tmp_path / "v.pth")
    assert torch.equal(found["weight"]["a"], content["weight"]["a"])
    assert found["config"] == content["config"]


def test_a_file_beyond_the_limit_is_not_opened(tmp_path: Path) -> None:
    path = tiny.voice(tmp_path / "v.pth")
    with pytest.raises(VoiceError, match="larger"):
        safe.load(path, limit=1000)
