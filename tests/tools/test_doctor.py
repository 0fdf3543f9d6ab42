"""doctor: every kind of problem is named, with the command that mends it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rvc import config, device
from rvc.errors import BadInput, Mismatch, NotReady
from rvc.hub import catalog
from rvc.params import Doctor
from rvc.tools import checks, doctor
from rvc.tools.checks import Check
from tests.conftest import Cli

GB = 1 << 30


def torch(cuda: str | None = "12.8", able: bool = True, built: tuple[str, ...] = ("sm_90",)) -> Any:
    """What is asked of torch, on a machine with one GPU of capability 12.0."""
    gpu = SimpleNamespace(
        is_available=lambda: able,
        get_device_capability=lambda _: (12, 0),
        get_device_name=lambda _: "RTX 5090",
        get_arch_list=lambda: list(built),
    )
    version = SimpleNamespace(cuda=cuda, hip=None)
    return SimpleNamespace(__version__="2.13.0", version=version, cuda=gpu)


@pytest.mark.parametrize(
    ("module", "driver", "state", "words"),
    [
        (None, "", "fatal", "cannot be imported"),
        (torch(cuda=None), "", "good", "no CUDA"),
        (torch(cuda=None), "580.65", "problem", "580.65"),
        (torch(able=False), "", "note", "no NVIDIA driver"),
        (torch(able=False), "470.1", "problem", "470.1"),
        (torch(built=("sm_80", "sm_90")), "580.65", "problem", "sm_120"),
        (torch(built=("sm_90", "sm_120")), "580.65", "good", "RTX 5090"),
        (torch(built=("sm_90", "compute_90")), "580.65", "good", "RTX 5090"),
    ],
)
def test_torch_is_held_to_the_gpu_and_its_driver(
    module: Any, driver: str, state: str, words: str
) -> None:
    (found,) = checks.torch_build(module, driver)
    assert found.state == state
    assert words in found.said
    assert bool(found.mend) == (state in ("problem", "fatal"))


@pytest.mark.parametrize(
    ("major", "minor", "built", "able"),
    [(8, 6, ["sm_80"], True), (8, 0, ["sm_86"], False), (7, 5, ["sm_80", "sm_90"], False),
     (9, 0, ["sm_90a"], True), (12, 0, ["sm_90", "compute_90"], True), (5, 0, [], True)],
)  # fmt: skip
def test_code_for_a_gpu(major: int, minor: int, built: list[str], able: bool) -> None:
    assert device.has_code_for(major, minor, built) is able


def test_precision_says_why_or_what_forbids_it() -> None:
    assert [f.state for f in checks.precision()] == ["good", "good"]
    assert "fp32" in checks.precision()[0].said

    def refuse(**_: Any) -> device.Device:
        raise Mismatch("GPU 3 does not exist.", "Use another.")

    assert checks.precision(refuse)[0] == Check(
        "precision", "fatal", "GPU 3 does not exist.", "Use another."
    )


def test_python_and_packages() -> None:
    assert checks.python((3, 10))[0].state == checks.python((3, 13))[0].state == "good"
    assert checks.python((3, 9))[0].state == checks.python((3, 14))[0].state == "problem"
    assert "pip install onnxruntime" in checks.onnxruntime(None)[0].mend
    assert checks.portaudio(lambda name: f"lib{name}.so.2", False)[0].state == "good"
    assert checks.portaudio(lambda name: None, True)[0].state == "good"
    assert checks.portaudio(lambda name: None, False)[0].mend


@pytest.mark.parametrize(
    ("free", "writable", "state"),
    [(50 * GB, True, "good"), (GB, True, "problem"), (10 << 20, True, "fatal"),
     (50 * GB, False, "fatal")],
)  # fmt: skip
def test_room_on_disk(tmp_path: Path, free: int, writable: bool, state: str) -> None:
    asked: list[Path] = []

    def left(folder: Path) -> int:
        asked.append(folder)
        return free

    folders = {"cache": tmp_path / "not" / "yet"}
    (found,) = checks.disk(folders, left, lambda _: writable)
    assert found.state == state
    assert asked == [tmp_path]
    assert bool(found.mend) == (state != "good")


def test_models_are_here_and_the_published_ones(home: Path) -> None:
    found = checks.models()
    assert {f.state for f in found} == {"fatal", "note"}
    assert all("prerequisites" in f.mend for f in found if f.state == "fatal")
    file = catalog.one("predictors/rmvpe.pt").file
    file.parent.mkdir(parents=True)
    file.write_bytes(b"another file")
    spoilt = next(f for f in checks.models() if "rmvpe" in f.said)
    assert spoilt.state == "fatal"
    assert "not the published file" in spoilt.said


def test_settings_that_cannot_be_read(home: Path) -> None:
    assert checks.settings()[0].state == "good"

    def damaged() -> config.Settings:
        raise BadInput("config.json is not a valid settings file.")

    assert checks.settings(damaged)[0].mend.startswith("rm ")


def test_variables_that_matter_are_told_without_secrets() -> None:
    said = checks.environment(
        {
            "HTTPS_PROXY": "http://anna:hunter2@proxy.example:3128",
            "all_proxy": "ftp://proxy.example",
            "http_proxy": "http://proxy.example:notaport",
            "OMP_NUM_THREADS": "1",
            "RVC_OFFLINE": "1",
            "SECRET": "x",
        },
        "cp1252",
    )
    text = "\n".join(f.line for f in said)
    assert "proxy.example:3128" in text
    assert "hunter2" not in text
    assert "SECRET" not in text
    by_name = {f.said.split()[0].split("=")[0]: f for f in said}
    assert by_name["HTTPS_PROXY"].state == "note"
    assert by_name["all_proxy"].mend == "unset all_proxy"
    assert by_name["http_proxy"].state == "problem"
    assert by_name["OMP_NUM_THREADS"].mend == "unset OMP_NUM_THREADS"
    assert by_name["Text"].topic == "locale"
    assert checks.environment({}, "UTF-8") == []


def test_the_verdict_is_the_default_conversions() -> None:
    small = Check("onnx", "problem", "slow", "pip install x")
    large = Check("models", "fatal", "rmvpe is not here.", "fetch it")
    done = doctor.run(Doctor(), examine=lambda: [small])
    assert done["ready"]
    assert "-> pip install x" in done["message"]
    with pytest.raises(NotReady, match="rmvpe") as failure:
        doctor.run(Doctor(), examine=lambda: [small, large])
    assert failure.value.hint == "fetch it"
    assert [f["topic"] for f in (failure.value.result or {})["findings"]] == ["onnx", "models"]


def test_the_command_answers_in_words_and_json(cli: Cli) -> None:
    done = cli("doctor", "--json")  # the test's home has no models
    assert done.code == 10
    assert done.json["error"] == "not_ready"
    topics = {f["topic"] for f in done.json["result"]["findings"]}
    assert {"python", "torch", "precision", "onnx", "portaudio", "disk", "models"} <= topics
    assert "prerequisites" in done.json["hint"]
    said = cli("doctor")
    assert "cannot run" in said.out
    assert said.code == 10


def test_the_page_links_to_the_findings(home: Path) -> None:
    from rvc.server import machine
    from tabs import head

    assert 'href="api/doctor"' in head.header(str)
    answer = machine.doctor()
    assert answer.status_code == 200
    assert "predictors/rmvpe.pt is not here" in bytes(answer.body).decode()
