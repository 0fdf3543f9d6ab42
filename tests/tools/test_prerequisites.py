"""The verbs around model files, and embedders that are fetched exactly once."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rvc.config import REPOSITORY, paths
from rvc.embedders import EMBEDDERS
from rvc.embedders.manager import EmbedderManager, forget
from rvc.errors import BadInput
from rvc.hub import catalog, fetch
from rvc.hub.catalog import Asset
from tests.conftest import Cli
from tests.embedders import tiny_embedders as tiny
from tests.hub import hosts
from tests.hub.hosts import Host

NAMED = [name for name in EMBEDDERS if catalog.embedder(name)]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Name in the catalogue -> content: a tiny embedder for every real one, and other things."""
    content = {"predictors/rmvpe.pt": b"pitch" * 100, "predictors/fcpe.pt": b"PK other pitch"}
    for number, name in enumerate(NAMED):
        folder = tmp_path_factory.mktemp(name)
        shape = tiny.SHAPES["hubert-large"] if "large" in name else {}
        tiny.write(folder, shape, kind="bin", seed=number, normalize=True)
        for file in folder.iterdir():
            content[f"embedders/{EMBEDDERS[name].folder}/{file.name}"] = file.read_bytes()
    for letter in "GD":
        content[f"pretraineds/hifi-gan/f0{letter}40k.pth"] = letter.encode() * 99
        content[f"pretraineds/refinegan/f0{letter}24k.pth"] = letter.encode() * 98
    return content


@pytest.fixture
def host(files: dict[str, bytes], home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    made = hosts.Host(files)
    assets = tuple(
        Asset(n, "some/repo", n, len(c), None if "fcpe" in n else hashlib.sha256(c).hexdigest())
        for n, c in files.items()
    )
    monkeypatch.delenv("RVC_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", made.url)
    monkeypatch.setattr(fetch, "MIRRORS", ())
    monkeypatch.setattr(catalog, "everything", lambda: assets)
    forget()
    yield made
    made.close()


WAVE = np.random.default_rng(0).standard_normal(4000).astype("f4")


@pytest.mark.parametrize("name", NAMED)
def test_an_embedder_is_fetched_once_and_never_asked_for_again(
    name: str, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = EmbedderManager().load(name)(WAVE)
    asked = len(host.asked)
    assert asked == len(catalog.embedder(name))

    def guard(*_: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr("socket.socket.connect", guard)
    monkeypatch.setattr("socket.getaddrinfo", guard)
    forget()
    np.testing.assert_array_equal(EmbedderManager().load(name)(WAVE), first)
    code = (
        "import socket; socket.socket.connect = socket.getaddrinfo = None\n"
        "from rvc.embedders.manager import EmbedderManager\n"
        f"EmbedderManager().load({name!r})"
    )
    if name == NAMED[-1]:  # a process of its own is slow to start: one will do
        subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True)
    assert len(host.asked) == asked


def test_the_real_catalogue_knows_every_embedder_and_base_model() -> None:
    assert set(NAMED) == set(EMBEDDERS) - {"custom", "mini", "mini-plus"}
    for name in NAMED:
        found = {a.file.name for a in catalog.embedder(name)}
        assert {"config.json", "pytorch_model.bin"} <= found
    names = {a.name for a in catalog.everything()}
    for rate in (32, 40, 48):
        assert {f"pretraineds/hifi-gan/f0{k}{rate}k.pth" for k in "GD"} <= names
    for rate in (24, 32):
        assert {f"pretraineds/refinegan/f0{k}{rate}k.pth" for k in "GD"} <= names
    urls = [a.url("https://huggingface.co") for a in catalog.everything()]
    assert len(set(urls)) == len(urls)
    assert all(a.sha256 is None or len(a.sha256) == 64 for a in catalog.everything())
    assert (
        "https://huggingface.co/IAHispano/Applio/resolve/main/Resources/predictors/rmvpe.pt" in urls
    )


def test_prerequisites_has_applios_switches(cli: Cli, host: Host) -> None:
    done = cli("prerequisites", "--no-pretraineds-hifigan", "--no-exe", "--json")
    assert done.code == 0
    got = set(done.json["downloaded"])
    assert {"predictors/rmvpe.pt", "embedders/contentvec/config.json"} <= got
    assert not any("pretraineds" in n or "spin" in n for n in got)
    again = cli("prerequisites", "--no-models", "--pretraineds_hifigan", "True", "--json")
    assert all("hifi-gan" in n for n in again.json["downloaded"])
    count = len(host.asked)
    assert cli("prerequisites").out.startswith("0 model files downloaded")
    assert len(host.asked) == count


def test_list_download_and_verify(cli: Cli, host: Host) -> None:
    rows = cli("assets", "list", "--json").json["assets"]
    assert not any(row["present"] for row in rows)
    assert cli("assets").code == 0
    done = cli("assets", "download", "contentvec", "predictors", "--json")
    assert len(done.json["downloaded"]) == 5
    assert sum(r["present"] for r in cli("assets", "list", "--json").json["assets"]) == 5
    (paths().predictors / "rmvpe.pt").write_bytes(b"spoilt" * 100)
    found = cli("assets", "verify", "--json").json
    assert found["other"] == ["predictors/rmvpe.pt"]
    assert found["unknown"] == ["predictors/fcpe.pt"]
    assert len(found["good"]) == 3
    assert (paths().predictors / "rmvpe.pt").is_file()


def test_names_nobody_knows_are_errors_that_list_the_known(cli: Cli, host: Host) -> None:
    done = cli("assets", "download", "contentwreck", "--json")
    assert done.code == 3
    assert "contentwreck" in done.json["message"]
    assert "contentvec" in done.json["hint"]
    assert cli("assets", "download").code == 3
    assert cli("assets", "adopt").code == 3
    assert cli("assets", "adopt", "/nowhere/at/all").code == 3
    assert cli("assets", "steal").code == 2


def test_an_existing_installation_is_adopted_by_content(
    cli: Cli, host: Host, files: dict[str, bytes], tmp_path: Path
) -> None:
    old = tmp_path / "Applio"
    for name, content in files.items():
        file = old / "rvc" / "models" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    (old / "renamed.pt").write_bytes(files["predictors/rmvpe.pt"])
    (old / "rvc/models/predictors/rmvpe.pt").write_bytes(b"not it")
    linked = old / "rvc/models/embedders/spin-v2/config.json"  # as the cache of a hub lays it out
    linked.rename(linked.with_name("blob"))
    linked.symlink_to("blob")
    (old / "rvc/models/embedders/spin/pytorch_model.bin").write_bytes(b"<html>")
    done = cli("assets", "adopt", old, "--json").json
    missing = {"embedders/spin/pytorch_model.bin"}
    assert set(done["adopted"]) == set(files) - missing
    for name in done["adopted"]:
        assert (paths().models / name).read_bytes() == files[name]
    assert (old / "renamed.pt").is_file()
    assert host.asked == []
    again = cli("assets", "adopt", old, "--json").json
    assert again["adopted"] == []
    assert set(again["present"]) == set(files) - missing


def test_a_web_page_is_not_adopted_where_no_digest_is_known(
    cli: Cli, host: Host, tmp_path: Path
) -> None:
    page = tmp_path / "predictors" / "fcpe.pt"
    page.parent.mkdir()
    page.write_bytes(b"<html>nope</ht")
    assert cli("assets", "adopt", tmp_path, "--json").json["adopted"] == []


@pytest.mark.parametrize("place", ["before", "after"])
def test_the_offline_switch_works_anywhere_and_does_not_stick(
    place: str, cli: Cli, host: Host
) -> None:
    words = ["assets", "download", "spin", "--json"]
    done = cli(*(["--offline", *words] if place == "before" else [*words, "--offline"]))
    assert done.code == 4
    assert "embedders/spin" in done.json["message"]
    assert str(paths().embedders / "spin") in done.json["hint"]
    assert host.asked == []
    assert cli(*words).code == 0


def test_nothing_is_fetched_on_import_or_for_help(host: Host) -> None:
    code = (
        "import socket; socket.socket.connect = socket.getaddrinfo = None\n"
        "import core, rvc.tools.models, rvc.hub.fetch, rvc.embedders.manager\n"
        "try: core.main(['--help'])\nexcept SystemExit: pass"
    )
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True, capture_output=True)
    assert host.asked == []


def test_a_page_that_an_older_program_saved_as_a_model_is_named(host: Host) -> None:
    home = paths().embedders / "contentvec"
    tiny.write(home, kind="bin")
    (home / "pytorch_model.bin").write_bytes(b"<html>404 Not Found</html>")
    with pytest.raises(BadInput, match="is a web page") as failure:
        EmbedderManager().load("contentvec")
    assert "delete" in failure.value.hint
    assert (home / "pytorch_model.bin").is_file()
    assert host.asked == []


def test_pitch_and_base_models_are_fetched_when_needed_and_only_then(
    host: Host, files: dict[str, bytes]
) -> None:
    from rvc.errors import MissingModel
    from rvc.f0.rmvpe import RMVPE
    from rvc.params import Train
    from rvc.train import pretrained

    with pytest.raises(BadInput, match="rmvpe.pt"):  # the content is not a real network
        RMVPE()
    assert len(host.asked) == 1
    given: dict[str, Any] = {"model_name": "v", "save_every_epoch": 1}
    found = pretrained.choose(Train(sample_rate=40000, **given), paths().logs / "v")
    assert found
    assert found.g.read_bytes() == files["pretraineds/hifi-gan/f0G40k.pth"]
    assert len(host.asked) == 3
    with pytest.raises(MissingModel, match="f0G48k"):  # not in this catalogue
        pretrained.choose(Train(sample_rate=48000, **given), paths().logs / "v")
    assert len(host.asked) == 3


def test_embedders_load_without_the_packages_that_start_slowly(home: Path) -> None:
    folder = tiny.write(home / "e")
    code = (
        "import sys\nfrom rvc.embedders.manager import EmbedderManager\n"
        f"EmbedderManager().load('custom', {str(folder)!r})\n"
        "slow = {'transformers', 'torchaudio', 'librosa', 'requests'} & set(sys.modules)\n"
        "sys.exit(str(slow) if slow else 0)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True)
