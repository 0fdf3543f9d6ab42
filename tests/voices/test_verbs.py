"""The library: what lies in logs, and what may come in."""

from __future__ import annotations

import shutil
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from rvc import params, tasks
from rvc.dataset import lock
from rvc.errors import BadInput, Busy, Mismatch, VoiceError
from rvc.nets.voice_file import read_voice
from rvc.retrieval import index
from tests import hostile, tiny
from tests.conftest import Cli


def table(
    path: Path, width: int = tiny.EMBED_WIDTH, kind: str | None = None, seed: int = 0
) -> Path:
    rows = np.random.default_rng(seed).standard_normal((200, width)).astype(np.float32)
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind is None:
        index.write(index.build(rows), path)
    else:
        made = faiss.index_factory(width, kind)
        made.add(rows)
        faiss.write_index(made, str(path))
    return path


def bring(source: Path, **more: Any) -> dict[str, Any]:
    return tasks.run("import-voice", params.ImportVoice(source=str(source), **more))


def names(home: Path) -> list[str]:
    return sorted(p.name for p in (home / "logs").iterdir() if p.name != ".trash")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    return folder


def test_a_file_comes_in_with_the_index_beside_it(home: Path, outside: Path, cli: Cli) -> None:
    tiny.voice(outside / "Sam_200e_4000s.pth")
    table(outside / "added_IVF5_Flat_nprobe_1_Sam_v2.index")
    table(outside / "other.index")
    done = bring(outside / "Sam_200e_4000s.pth")["imported"][0]
    assert done["name"] == "Sam"
    assert len(index.Retriever.load(done["index_path"])) == 200
    assert read_voice(done["pth_path"]).meta["imported_from"]["file"] == "Sam_200e_4000s.pth"
    listed = cli("voices", "--json").json["voices"]
    assert [(v["name"], v["index_path"], v["sr"]) for v in listed] == [
        ("Sam", done["index_path"], 40000)
    ]
    assert "40 kHz" in cli("voices").out


def test_content_decides_before_names(home: Path, outside: Path) -> None:
    tiny.voice(outside / "a.pth")
    table(outside / "a.index", width=8)
    right = table(outside / "unrelated.index")
    done = bring(outside / "a.pth")["imported"][0]
    assert done["index_path"].endswith("a.index")
    assert index.Retriever.load(done["index_path"]).width == tiny.EMBED_WIDTH
    assert right.exists()


def test_when_unsure_it_asks(home: Path, outside: Path) -> None:
    tiny.voice(outside / "a.pth")
    for name in ("x", "y"):
        table(outside / f"{name}.index")
    result = bring(outside / "a.pth")
    assert result["imported"][0]["index_path"] is None
    assert result["imported"][0]["possible_indexes"] == ["x.index", "y.index"]
    assert "--index-path" in result["message"]
    again = bring(outside / "a.pth", index_path=outside / "y.index", model_name="b")["imported"][0]
    assert again["index_path"].endswith("b.index")


def test_a_voice_does_not_get_the_index_of_another(home: Path, outside: Path) -> None:
    """Neither of another folder, nor of a name that its own name is only a part of."""
    tiny.voice(outside / "logs" / "carla" / "carla_200e_4000s.pth", seed=1)
    tiny.voice(outside / "logs" / "carla" / "carla_e100_s2000.pth", seed=2)
    tiny.voice(outside / "logs" / "dora" / "dora.pth", seed=3)
    tiny.voice(outside / "assets" / "weights" / "ann.pth", seed=4)
    table(outside / "logs" / "carla" / "carla.index")
    table(outside / "assets" / "indices" / "added_joann_v2.index")
    found = {d["name"]: d["index_path"] for d in bring(outside)["imported"]}
    assert {name for name, path in found.items() if path} == {"carla", "carla 2"}
    assert set(found) == {"carla", "carla 2", "dora", "ann"}


def test_two_voices_in_one_place_do_not_share_what_is_nobodys(home: Path, outside: Path) -> None:
    for name in ("a", "b"):
        tiny.voice(outside / f"{name}.pth")
    table(outside / "index.index")
    done = bring(outside)["imported"]
    assert [d["index_path"] for d in done] == [None, None]
    assert done[0]["possible_indexes"] == ["index.index"]


def test_a_zip_comes_in_and_goes_out(home: Path, outside: Path) -> None:
    tiny.voice(outside / "a.pth")
    table(outside / "a.index")
    with zipfile.ZipFile(outside / "voice.zip", "w") as out:
        out.write(outside / "a.pth", "deep/inside/Ann.pth")
        out.write(outside / "a.index", "deep/inside/added_Ann.index")
    assert bring(outside / "voice.zip")["imported"][0]["name"] == "Ann"
    packed = tasks.run("export-voice", params.ExportVoice(model_name="Ann"))["file"]
    with zipfile.ZipFile(packed) as archive:
        assert sorted(archive.namelist()) == ["Ann.index", "Ann.pth", "voice.json"]
    again = bring(packed, model_name="Ann again")["imported"][0]
    assert again["name"] == "Ann again"
    assert again["index_path"]
    assert bring(packed)["imported"] == []


def test_an_installation_that_comes_twice_brings_nothing_new(
    home: Path, outside: Path, cli: Cli
) -> None:
    """Nor does a copy of a voice within it, under another name."""
    tiny.voice(outside / "logs" / "eva" / "eva_200e_4000s.pth", seed=1)
    tiny.voice(outside / "logs" / "eva" / "eva_100e_2000s.pth", seed=2)
    tiny.voice(outside / "logs" / "finn" / "finn.safetensors", seed=3)
    copy = outside / "assets" / "weights" / "eva last.pth"
    copy.parent.mkdir(parents=True)
    shutil.copyfile(outside / "logs" / "eva" / "eva_200e_4000s.pth", copy)
    first = cli("import-voice", "--source", outside, "--json").json
    assert [d["name"] for d in first["imported"]] == ["eva last", "eva", "finn"]
    assert [d["name"] for d in first["already_here"]] == ["eva last"]
    before = names(home)
    done = cli("import-voice", "--source", outside)
    assert done.code == 0
    assert done.out.count("is here already") == 4
    assert "Imported" not in done.out
    assert names(home) == before
    tiny.voice(outside / "logs" / "gus" / "gus.pth", seed=4)
    assert [d["name"] for d in bring(outside)["imported"]] == ["gus"]


def test_a_name_of_its_own_makes_a_copy_and_only_one(home: Path, outside: Path) -> None:
    tiny.voice(outside / "a.pth")
    bring(outside / "a.pth")
    assert bring(outside / "a.pth", model_name="b")["imported"][0]["name"] == "b"
    assert bring(outside / "a.pth", model_name="b")["imported"] == []
    assert names(home) == ["a", "b"]


def test_another_voice_of_the_same_name_is_no_twin(home: Path, outside: Path) -> None:
    tiny.voice(outside / "a.pth", seed=1)
    bring(outside / "a.pth")
    tiny.voice(outside / "a.pth", seed=2)
    assert bring(outside / "a.pth")["imported"][0]["name"] == "a 2"


def test_a_voice_that_somebody_works_on_is_left_alone(home: Path, outside: Path) -> None:
    tiny.voice(outside / "a.pth")
    with ThreadPoolExecutor(1) as other, lock.hold("a"):
        assert other.submit(bring, outside / "a.pth").result()["imported"][0]["name"] == "a 2"
    assert names(home) == ["a 2"]
    table(outside / "added_a_v2.index")
    with ThreadPoolExecutor(1) as other, lock.hold("a 2"):
        with pytest.raises(Busy):
            other.submit(bring, outside / "a.pth").result()
        assert not list((home / "logs" / "a 2").glob("*.index"))


def test_an_index_that_comes_later_joins_the_voice_that_is_here(home: Path, outside: Path) -> None:
    tiny.voice(outside / "a.pth")
    bring(outside / "a.pth")
    table(outside / "added_a_v2.index")
    done = bring(outside / "a.pth")
    assert "it got the index added_a_v2.index" in done["message"]
    assert len(index.Retriever.load(done["already_here"][0]["index_path"])) == 200
    assert "nothing was imported" in bring(outside / "a.pth")["message"]
    other = table(outside / "other.index", seed=5)
    kept = bring(outside / "a.pth", index_path=other)["already_here"][0]["index_path"]
    assert index.Retriever.load(kept).table.vectors.shape == (200, tiny.EMBED_WIDTH)
    assert names(home) == ["a"]


def test_what_was_refused_is_told_beside_what_came_in(home: Path, outside: Path) -> None:
    tiny.voice(outside / "a.pth")
    hostile.system(outside / "bad.pth", outside / "ran")
    assert "Not imported: bad.pth." in bring(outside)["message"]


def test_an_installation_comes_in_whole(home: Path, outside: Path) -> None:
    tiny.voice(outside / "assets" / "weights" / "rvc_voice.pth", seed=1)
    table(outside / "logs" / "rvc_voice" / "added_IVF9_Flat_nprobe_1_rvc_voice_v2.index", seed=1)
    table(outside / "logs" / "rvc_voice" / "trained_IVF9_Flat_nprobe_1_rvc_voice_v2.index", seed=1)
    tiny.checkpoint_g(outside / "logs" / "rvc_voice" / "G_100.pth")
    tiny.voice(outside / "logs" / "applio_voice" / "applio_voice_5e_10s.pth", seed=2)
    table(outside / "logs" / "applio_voice" / "applio_voice.index", seed=2)
    hostile.system(outside / "logs" / "bad.pth", outside / "ran")
    result = bring(outside)
    assert {d["name"] for d in result["imported"]} == {"rvc_voice", "applio_voice"}
    assert all(d["index_path"] for d in result["imported"])
    assert all(
        read_voice(d["pth_path"]).embed_width == tiny.EMBED_WIDTH for d in result["imported"]
    )
    assert [f["file"] for f in result["failed"]] == ["bad.pth"]
    assert not (outside / "ran").exists()


@pytest.mark.parametrize("sample", hostile.SAMPLES)
def test_hostile_voices_stay_outside(home: Path, outside: Path, sample: hostile.Sample) -> None:
    sample(outside / "v.pth", outside / "ran")
    with pytest.raises(VoiceError):
        bring(outside / "v.pth")
    assert not (outside / "ran").exists()
    assert names(home) == []


def test_an_index_is_written_anew_and_what_was_hidden_in_it_is_gone(
    home: Path, outside: Path
) -> None:
    tiny.voice(outside / "a.pth")
    file = table(outside / "a.index")
    before = index.Retriever.load(file).table
    file.write_bytes(file.read_bytes() + b"hidden" * 100)
    kept = Path(bring(outside / "a.pth")["imported"][0]["index_path"])
    assert b"hidden" not in kept.read_bytes()
    assert np.array_equal(index.Retriever.load(kept).table.vectors, before.vectors)


@pytest.mark.parametrize("kind", [None, "HNSW8"])
def test_an_index_of_another_width_is_refused_even_if_asked_for(
    home: Path, outside: Path, kind: str | None
) -> None:
    tiny.voice(outside / "a.pth")
    with pytest.raises(Mismatch, match="width 8"):
        bring(outside / "a.pth", index_path=table(outside / "b.index", width=8, kind=kind))
    with pytest.raises(BadInput, match="does not exist"):
        bring(outside / "a.pth", index_path=outside / "none.index")
    assert names(home) == []


def test_an_unusual_index_is_kept_as_plain_vectors(home: Path, outside: Path) -> None:
    tiny.voice(outside / "a.pth")
    table(outside / "a.index", kind="HNSW8")
    done = bring(outside / "a.pth")["imported"][0]
    assert Path(done["index_path"]).read_bytes()[:4] == b"IwFl"
    assert len(index.Retriever.load(done["index_path"])) == 200


def test_a_damaged_index_keeps_the_voice_out_and_says_so(home: Path, outside: Path) -> None:
    tiny.voice(outside / "a.pth")
    table(outside / "a.index")
    (outside / "a.index").write_bytes((outside / "a.index").read_bytes()[:3000])
    with pytest.raises(BadInput, match=r"a\.index"):
        bring(outside / "a.pth")
    assert names(home) == []


def test_nothing_and_unknown_architectures_are_refused(home: Path, outside: Path) -> None:
    with pytest.raises(BadInput, match="no voice"):
        bring(outside)
    tiny.checkpoint_g(outside / "G_100.pth")
    with pytest.raises(BadInput, match="training checkpoint"):
        bring(outside / "G_100.pth")
    (outside / "G_100.pth").unlink()
    tiny.checkpoint_g(outside / "x.pth")
    with pytest.raises(BadInput, match="training checkpoint"):
        bring(outside / "x.pth")
    voice = read_voice(tiny.voice(outside / "y.pth"))
    import torch

    raw = torch.load(outside / "y.pth", weights_only=True) | {"vocoder": "Strange"}
    torch.save(raw, outside / "y.pth")
    with pytest.raises(Mismatch, match="Strange"):
        bring(outside / "y.pth")
    assert voice.vocoder == "HiFi-GAN"


def test_deleting_wants_the_name_twice(home: Path, outside: Path) -> None:
    tiny.voice(outside / "a.pth")
    bring(outside / "a.pth")
    with pytest.raises(BadInput, match="not confirmed"):
        tasks.run("delete-voice", params.DeleteVoice(model_name="a", confirm="b"))
    tasks.run("delete-voice", params.DeleteVoice(model_name="a", confirm="a"))
    assert names(home) == []
    shutil.rmtree(outside)


@pytest.mark.parametrize("form", ["zip", "file", "folder"])
def test_of_a_pair_of_indexes_the_one_with_the_features_comes(
    home: Path, outside: Path, form: str
) -> None:
    tiny.voice(outside / "first.pth")
    added = "added_IVF1_Flat_nprobe_1_first_v2.index"
    table(outside / added, seed=1)
    table(outside / added.replace("added", "trained"), seed=2)
    source = {"file": outside / "first.pth", "folder": outside, "zip": outside / "all.zip"}[form]
    with zipfile.ZipFile(outside / "all.zip", "w") as packed:
        for file in (*outside.glob("*.pth"), *outside.glob("*.index")):
            packed.write(file, file.name)
    if form != "zip":
        (outside / "all.zip").unlink()
    made = index.Retriever.load(bring(source)["imported"][0]["index_path"]).table
    wanted = index.Retriever.load(outside / added).table
    assert np.array_equal(np.sort(made.vectors, 0), np.sort(wanted.vectors, 0))


def test_an_archive_that_is_called_a_voice_is_opened(home: Path, outside: Path) -> None:
    tiny.voice(outside / "Ann.pth")
    with zipfile.ZipFile(outside / "z.pth", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.write(outside / "Ann.pth", "Ann.pth")
    assert bring(outside / "z.pth")["imported"][0]["name"] == "Ann"


def test_one_voice_of_several_is_chosen_by_its_name(home: Path, outside: Path) -> None:
    for number, name in enumerate(("ann", "bob", "cid")):
        tiny.voice(outside / f"{name}.pth", seed=number)
    assert [d["name"] for d in bring(outside, model_name="bob")["imported"]] == ["bob"]


@pytest.mark.parametrize("name", ["हिन्दी", "น้ำ", "বাংলা", "தமிழ்", "étoile", "مُح", "می‌خواهم"])
def test_names_of_any_script_are_kept(home: Path, outside: Path, name: str) -> None:
    tiny.voice(outside / f"{name}.pth")
    assert bring(outside / f"{name}.pth")["imported"][0]["name"] == name
