"""The community's catalogue: complete entries only, checked content, pinned on first use."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from rvc import params, tasks
from rvc.errors import BadInput, DownloadFailed, Mismatch, MissingModel
from rvc.hub import fetch, links
from rvc.nets.checkpoint import read_checkpoint
from rvc.tools import models
from tests import hostile, tiny
from tests.hub import hosts
from tests.hub.hosts import Host

GOOD = {"D": "some/repo/resolve/main/D x.pth", "G": "some/repo/resolve/main/G.pth"}


@pytest.fixture
def host(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    tiny.checkpoint_g(home / "G.pth")
    torch.save({"model": {"discriminators.0.conv_post.bias": torch.zeros(1)}}, home / "D.pth")
    catalogue = {"Nice Model": {"40k": GOOD}, "Titan": {"32k": {"D": "null", "G": None}}}
    made = hosts.Host(
        {
            "pretrains.json": json.dumps(catalogue).encode(),
            "G.pth": (home / "G.pth").read_bytes(),
            "D%20x.pth": (home / "D.pth").read_bytes(),
        }
    )
    monkeypatch.delenv("RVC_OFFLINE", raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", made.url)
    monkeypatch.setattr(fetch, "MIRRORS", ())
    monkeypatch.setattr(fetch, "PAUSES_S", (0.01,))
    monkeypatch.setattr(links, "TIMEOUTS_S", (2.0, 0.3))
    yield made
    made.close()


def run(**options: Any) -> dict[str, Any]:
    return tasks.run("base-models", params.BaseModels(**options))


def test_listing_leaves_out_what_leads_nowhere(host: Host) -> None:
    assert run()["models"] == {"Nice Model": ["40k"]}


def test_fetching_names_what_to_train_with(host: Host) -> None:
    done = run(name="Nice Model")
    assert "--g-pretrained-path" in done["message"]
    assert "emb_g.weight" in read_checkpoint(done["g_pretrained_path"]).model
    asked = len(host.asked)
    run(name="Nice Model", rate="40k")
    assert len(host.asked) == asked


def test_a_file_that_changed_since_is_told(host: Host) -> None:
    path = run(name="Nice Model")["g_pretrained_path"]
    tiny.checkpoint_g(Path(path), seed=9)
    with pytest.raises(Mismatch, match="first fetched"):
        run(name="Nice Model")


def test_hostile_and_wrong_files_are_not_kept(host: Host, home: Path) -> None:
    hostile.system(home / "bad.pth", home / "ran")
    for content in ((home / "bad.pth").read_bytes(), (home / "D.pth").read_bytes()):
        host.files["G.pth"] = content
        with pytest.raises(BadInput):
            run(name="Nice Model")
    assert not (home / "ran").exists()
    assert not list((home / "rvc").rglob("G_40k.pth"))


@pytest.mark.parametrize(
    "path",
    ["../../etc/passwd.pth", "https://evil.example/x.pth", "a/b/resolve/main/../../x.pth", 7, ""],
)
def test_paths_that_lead_elsewhere_are_left_out(path: int | str) -> None:
    assert models.parse({"x": {"40k": {"G": path, "D": GOOD["D"]}}}) == {}


def test_unknown_names_and_being_offline(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="nobody"):
        run(name="nobody")
    monkeypatch.setenv("RVC_OFFLINE", "1")
    assert run()["models"]  # the copy
    models.CATALOGUE.file.unlink()
    with pytest.raises(MissingModel):
        run()
    monkeypatch.delenv("RVC_OFFLINE")
    host.files.clear()
    with pytest.raises(DownloadFailed):
        run()
