"""Installed from a wheel, the program works from any folder and writes only to the user's own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import rvc
from rvc import config

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LINE = re.compile(r"^[A-Za-z][\w.-]*==")
UNPINNED = {"sounddevice"}  # nothing in the lock needs it yet
PAGE = """
import json
from starlette.testclient import TestClient
import app
from rvc.server import Access
with TestClient(app.create(Access("127.0.0.1", None, ())), "http://127.0.0.1") as client:
    found = {path: client.get(path).status_code for path in ("/", "/ui/app.css", "/api/docs")}
    found["job"] = client.post("/api/voices?wait_s=60", json={}).json()["state"]
print(json.dumps(found))
"""


@dataclass
class Installed:
    """A virtual environment with the wheel in it, and where it may write."""

    bin: Path
    packages: Path
    data: Path
    elsewhere: Path

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment from a foreign folder."""
        environment = {k: v for k, v in os.environ.items() if k not in ("RVC_HOME", "PYTHONPATH")}
        environment |= {
            "XDG_DATA_HOME": str(self.data), "HOME": str(self.data), "RVC_OFFLINE": "1",
            "LOCALAPPDATA": str(self.data), "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        return subprocess.run(
            [str(self.bin / command[0]), *command[1:]],
            cwd=self.elsewhere, env=environment, capture_output=True, text=True, timeout=240,
        )  # fmt: skip

    def files(self) -> dict[str, int]:
        """Every file in site-packages with its time."""
        return {str(f): f.stat().st_mtime_ns for f in self.packages.rglob("*") if f.is_file()}


def build(source: Path, target: Path) -> Path:
    """The wheel of a source folder, built with the tools that are here."""
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-build-isolation", "--no-deps",
         "--no-index", "-w", str(target), str(source)],
        check=True, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    (wheel,) = target.glob("*.whl")
    return wheel


def source(target: Path) -> Path:
    """A copy of what the wheel is made from."""
    models = shutil.ignore_patterns("models", "__pycache__")
    shutil.copytree(ROOT / "rvc", target / "rvc", ignore=models)
    shutil.copytree(ROOT / "rvc" / "models" / "kit", target / "rvc" / "models" / "kit")
    shutil.copytree(ROOT / "tabs", target / "tabs", ignore=models)
    for name in ("app.py", "core.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, target)
    return target


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("installed")
    wheel = build(source(folder / "source"), folder / "wheels")
    venv.create(folder / "venv", with_pip=False)
    layout = {"base": str(folder / "venv"), "platbase": str(folder / "venv")}
    paths = sysconfig.get_paths(scheme="venv" if os.name == "posix" else "nt_venv", vars=layout)
    made = Installed(
        Path(paths["scripts"]), Path(paths["purelib"]), folder / "data", folder / "else where"
    )
    made.elsewhere.mkdir()
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(folder / "venv"), "install", "-q",
         "--no-deps", "--no-index", str(wheel)],
        check=True, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    (made.packages / "others.pth").write_text(sysconfig.get_paths()["purelib"], encoding="utf-8")
    return made


def test_the_demo_runs_from_another_folder_and_leaves_site_packages_alone(
    installed: Installed,
) -> None:
    before = installed.files()
    done = installed.run("rvc-voice", "demo")
    assert done.returncode == 0, done.stderr
    wave, rate = soundfile.read(data_folder(installed) / "assets" / "audios" / "demo_output.wav")
    assert len(wave) > 2 * rate
    assert 0.01 < float(np.sqrt(np.mean(wave**2))) < 1
    assert installed.files() == before
    assert list(installed.elsewhere.iterdir()) == []


def test_everything_that_is_no_code_is_in_the_wheel(installed: Installed) -> None:
    shipped = [ROOT / "rvc", ROOT / "tabs"]
    wanted = {
        f.relative_to(ROOT)
        for folder in shipped
        for f in folder.rglob("*")
        if f.is_file() and "__pycache__" not in f.parts and not _of_the_user(f)
    }
    there = {f.relative_to(installed.packages) for f in installed.packages.rglob("*")}
    assert wanted - there == set()
    assert {Path("app.py"), Path("core.py")} <= there


def _of_the_user(file: Path) -> bool:
    models = ROOT / "rvc" / "models"
    return models in file.parents and models / "kit" not in file.parents


def data_folder(installed: Installed) -> Path:
    """The user's folder of the program, by the rule of this platform, under the test's home."""
    (found,) = installed.data.rglob("rvc-voice")
    return found


def test_the_page_and_its_jobs_work_installed(installed: Installed) -> None:
    before = installed.files()
    done = installed.run("python", "-c", PAGE)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said == {"/": 200, "/ui/app.css": 200, "/api/docs": 200, "job": "done"}
    assert installed.files() == before


def test_the_command_says_its_version_and_its_own_name(installed: Installed) -> None:
    assert installed.run("rvc-voice", "--version").stdout.strip() == rvc.__version__
    assert "Usage: rvc-voice" in installed.run("rvc-voice", "infer", "--help").stdout
    served = installed.run("rvc-voice", "app", "--help")
    assert "Usage: rvc-voice app" in served.stdout
    assert "--server-name" in served.stdout


@pytest.mark.parametrize(
    ("platform", "variable", "expected"),
    [
        ("linux", "XDG_DATA_HOME", "rvc-voice"),
        ("win32", "LOCALAPPDATA", "rvc-voice"),
        ("linux", None, ".local/share/rvc-voice"),
        ("darwin", None, "Library/Application Support/rvc-voice"),
        ("win32", None, "AppData/Local/rvc-voice"),
    ],
)
def test_data_lies_where_each_platform_keeps_it(
    platform: str,
    variable: str | None,
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    if variable:
        monkeypatch.setenv(variable, str(tmp_path))
    assert config.user_data(platform) == tmp_path / expected


def test_a_checkout_keeps_its_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RVC_HOME", raising=False)
    assert config.paths().root == ROOT
    (tmp_path / "rvc_voice.egg-info").mkdir()  # what an editable installation leaves
    assert not config.installed(tmp_path)


def locked(name: str) -> dict[str, list[Requirement]]:
    """package -> its pins in a requirements file."""
    pins: dict[str, list[Requirement]] = {}
    for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
        if LINE.match(line):
            pin = Requirement(line)
            pins.setdefault(pin.name.lower(), []).append(pin)
    return pins


def test_the_bounds_hold_the_pinned_versions_and_begin_with_a_tested_one() -> None:
    pins = locked("requirements.txt") | locked("requirements-eval.txt")
    extras = PROJECT["optional-dependencies"]
    loose = [Requirement(line) for line in PROJECT["dependencies"]]
    optional = [Requirement(line) for lines in extras.values() for line in lines]
    for need in [*loose, *optional]:
        bounds = {s.operator: s.version for s in need.specifier}
        assert set(bounds) == {">=", "<"}, need
        if need.name in UNPINNED:
            continue
        versions = [str(next(iter(p.specifier)).version) for p in pins[need.name.lower()]]
        assert all(need.specifier.contains(v) for v in versions), need
        assert any(v in SpecifierSet(f"=={bounds['>=']}") for v in versions), need
    named = {need.name.lower() for need in [*loose, *optional]}
    assert set(pins) - {"types-requests"} <= named
    assert set(extras) == {"effects", "tts", "live", "eval"}
