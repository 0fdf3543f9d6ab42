"""What strangers meet first fits what is there: container, workflows, forms, changes, bounds."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

import rvc

ROOT = Path(__file__).parents[1]
GITHUB = ROOT / ".github"
INSTRUCTIONS = {
    "FROM", "ARG", "ENV", "RUN", "WORKDIR", "COPY", "USER", "VOLUME", "EXPOSE", "HEALTHCHECK",
    "ENTRYPOINT", "CMD",
}  # fmt: skip
FORM_ELEMENTS = {"markdown", "textarea", "input", "dropdown", "checkboxes"}


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def load(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return found


def dockerfile() -> list[tuple[str, str]]:
    """(instruction, arguments) with continued lines joined and comments left out."""
    lines = [line for line in read("Dockerfile").splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [
        (word, rest.strip())
        for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line.strip())
    ]


def arguments(kind: str) -> list[str]:
    return [rest for word, rest in dockerfile() if word == kind]


def test_the_container_is_lean_and_serves_as_somebody_without_rights() -> None:
    words = [word for word, _ in dockerfile()]
    assert set(words) <= INSTRUCTIONS
    assert words[0] == "FROM"
    (base,) = arguments("FROM")
    assert re.fullmatch(r"python:3\.1[0-3]-slim-\w+", base)
    assert arguments("ARG") == ["TORCH=cpu"]
    (user,) = arguments("USER")
    assert user not in ("root", "0")
    assert words.index("USER") > max(i for i, w in enumerate(words) if w == "RUN")
    for command in arguments("RUN"):
        if "apt-get install" in command:
            assert "--no-install-recommends" in command
            assert "rm -rf /var/lib/apt/lists/*" in command
            assert command.index("apt-get update") < command.index("apt-get install")
    assert all("sudo" not in c and "chmod 777" not in c for c in arguments("RUN"))


def test_the_container_starts_the_page_for_the_network_and_is_looked_after() -> None:
    (entry,), (command,) = arguments("ENTRYPOINT"), arguments("CMD")
    assert json.loads(entry)[-1] == "rvc-voice"  # a list: signals reach it
    assert json.loads(command) == ["app", "--server-name", "0.0.0.0"]
    (port,) = arguments("EXPOSE")
    (health,) = arguments("HEALTHCHECK")
    options, _, probe = health.partition("CMD")
    assert {o.split("=")[0] for o in shlex.split(options)} >= {"--interval", "--timeout"}
    assert f"'127.0.0.1', {port}" in json.loads(probe)[-1]
    (volume,) = arguments("VOLUME")
    assert f"RVC_HOME={volume}" in arguments("ENV")[0].split()


def test_the_container_is_made_of_what_is_there() -> None:
    kept = {line[1:] for line in read(".dockerignore").splitlines() if line.startswith("!")}
    copied = {name for line in arguments("COPY") for name in line.split()[:-1]}
    for name in copied:
        assert (ROOT / name).exists(), name
        assert name in kept, f"{name} is left out by .dockerignore"
    assert copied >= {"pyproject.toml", "README.md", "LICENSE", "app.py", "core.py", "rvc", "tabs"}
    assert "rvc/models/kit" in kept


def test_the_compose_file_fits_the_container() -> None:
    compose = load(ROOT / "compose.yaml")
    assert set(compose) == {"services", "volumes"}
    (service,) = compose["services"].values()
    assert set(service["build"]["args"]) <= {a.split("=")[0] for a in arguments("ARG")}
    (volume,) = service["volumes"]
    name, _, place = volume.partition(":")
    assert name in compose["volumes"]
    assert place == arguments("VOLUME")[0]
    (port,) = service["ports"]
    assert port == f"127.0.0.1:{arguments('EXPOSE')[0]}:{arguments('EXPOSE')[0]}"
    assert "RVC_TOKEN" in service["environment"]
    assert service["cap_drop"] == ["ALL"]


@pytest.mark.parametrize("name", ["test.yml", "release.yml"])
def test_workflows_have_what_every_workflow_needs(name: str) -> None:
    flow = load(GITHUB / "workflows" / name)
    assert set(flow) >= {"name", True, "jobs"}  # YAML 1.1 reads the key `on` as true
    assert flow["permissions"] == {"contents": "read"}
    for job in flow["jobs"].values():
        assert {"runs-on", "steps", "timeout-minutes"} <= set(job)
        for step in job["steps"]:
            assert ("run" in step) != ("uses" in step)
            assert set(step) <= {"name", "run", "uses", "with", "env", "working-directory"}
            assert re.fullmatch(r"actions/[\w-]+@v\d+", step.get("uses", "actions/x@v1"))


def test_every_platform_and_python_runs_the_readmes_commands() -> None:
    jobs = load(GITHUB / "workflows" / "test.yml")["jobs"]
    seen = set()
    page = [line.split("#")[0].strip() for line in read("README.md").splitlines()]
    for name in ("linux", "macos", "windows"):
        job = jobs[name]
        seen |= {(job["runs-on"], python) for python in job["strategy"]["matrix"]["python"]}
        commands = [step["run"] for step in job["steps"] if "run" in step]
        assert [c for c in commands if c not in page and "apt-get" not in c] == []
        assert any("demo" in c for c in commands)
        assert any("test" in c for c in commands)
    platforms = ("ubuntu-latest", "macos-latest", "windows-latest")
    assert seen == {(p, v) for p in platforms for v in ("3.10", "3.13")}
    assert jobs["installed"]["strategy"]["matrix"]["os"] == [
        "ubuntu-latest", "windows-latest", "macos-latest",
    ]  # fmt: skip


def test_forms_are_forms_and_ask_for_what_the_page_collects() -> None:
    for file in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml"):
        if file.name == "config.yml":
            continue
        form = load(file)
        assert {"name", "description", "body"} <= set(form)
        elements = form["body"]
        assert {e["type"] for e in elements} <= FORM_ELEMENTS
        asked = [e for e in elements if e["type"] != "markdown"]
        assert len({e["id"] for e in asked}) == len(asked) > 0
        for element in asked:
            assert element["attributes"]["label"]
            if element["type"] in ("dropdown", "checkboxes"):
                assert element["attributes"]["options"]
    bug = (GITHUB / "ISSUE_TEMPLATE" / "bug.yml").read_text(encoding="utf-8")
    page = read("tabs/report.py")
    for word in ("version", "platform", "log", "job", "Python"):
        assert word in page
        assert word in bug
    assert "doctor" in bug


def test_one_version_everywhere() -> None:
    newest = re.search(r"^## (\S+)", read("CHANGELOG.md"), re.MULTILINE)
    assert newest
    assert newest[1] == rvc.__version__
    assert "version = { attr" in read("pyproject.toml")
    pins = dict(re.findall(r"(ruff|mypy)==(\S+)", read("requirements-dev.txt")))
    hooks = set(re.findall(r"ruff==([\d.]+)", read(".pre-commit-config.yaml")))
    assert hooks == {pins["ruff"]}


def test_tabs_stand_in_makefiles_only() -> None:
    settings = read(".editorconfig")
    assert settings.startswith("root = true")
    for file in [*ROOT.glob("*.py"), *(ROOT / "rvc").rglob("*.py"), *(ROOT / "tabs").glob("*.py")]:
        text = file.read_bytes()
        assert b"\t" not in text, file
        assert b"\r" not in text, file
        assert text == b"" or text.endswith(b"\n"), file
