"""What `doctor` looks at, one question per function; each takes its facts as arguments."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from rvc import config, device, plugins
from rvc.errors import VoiceError
from rvc.hub import catalog, sha256

State = Literal["good", "note", "problem", "fatal"]
PYTHONS = ((3, 10), (3, 13))
SPACE_FATAL, SPACE_WARN = 200 << 20, 2 << 30  # bytes
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
OURS = ("RVC_HOME", "RVC_OFFLINE", "HF_ENDPOINT", "CUDA_VISIBLE_DEVICES")
TORCH = "python -m pip install --force-reinstall torch torchaudio"


@dataclass(frozen=True)
class Check:
    """One answer.

    Attributes:
        topic: what was looked at. said: one sentence.
        state: good; note, for information; problem, something will not work or be slow;
            fatal, the default conversion cannot run.
        mend: the one command that mends it; empty where there is nothing to mend.
    """

    topic: str
    state: State
    said: str
    mend: str = ""

    @property
    def line(self) -> str:
        end = f"\n{'':20}-> {self.mend}" if self.mend else ""
        return f"{self.state:8} {self.topic:11}{self.said}{end}"


def python(version: tuple[int, int] = sys.version_info[:2]) -> list[Check]:
    """Whether the interpreter is one of those that are tested."""
    said = f"Python {version[0]}.{version[1]} on {platform.system()} {platform.machine()}"
    if PYTHONS[0] <= version <= PYTHONS[1]:
        return [Check("python", "good", f"{said}.")]
    return [
        Check("python", "problem", f"{said}; tested are 3.10 to 3.13.", "python3.13 -m venv .venv")
    ]


def nvidia_driver() -> str:
    """Version of the NVIDIA driver that is loaded, "present" where only its tool is, or empty."""
    file = Path("/proc/driver/nvidia/version")
    if file.is_file():
        words = file.read_text(encoding="utf-8", errors="replace").split()
        return next((w for w in words if w[:1].isdigit() and "." in w), "present")
    return "present" if shutil.which("nvidia-smi") else ""


def torch_build(torch: Any, driver: str) -> list[Check]:
    """Whether this build of torch has code for the GPU, and the driver is new enough for it.

    Args:
        torch: the module, or None where it cannot be imported.
        driver: see `nvidia_driver`.
    """
    if torch is None:
        return [Check("torch", "fatal", "torch cannot be imported.", TORCH)]
    build = f"torch {torch.__version__}"
    if torch.version.cuda is None:
        if driver and torch.version.hip is None:
            said = f"{build} is a CPU build, but an NVIDIA driver ({driver}) is here."
            return [Check("torch", "problem", said, TORCH)]
        return [Check("torch", "good", f"{build}, no CUDA; the CPU or another device is used.")]
    build += f" for CUDA {torch.version.cuda}"
    if not torch.cuda.is_available():
        if not driver:
            return [Check("torch", "note", f"{build}; there is no NVIDIA driver, the CPU works.")]
        said = f"{build} cannot use the GPU: the driver ({driver}) is too old, or the GPU is hidden"
        return [Check("torch", "problem", f"{said} (CUDA_VISIBLE_DEVICES).", TORCH)]
    major, minor = torch.cuda.get_device_capability(0)
    name, built = torch.cuda.get_device_name(0), torch.cuda.get_arch_list()
    if not device.has_code_for(major, minor, built):
        said = f"{build} has no code for {name} (sm_{major}{minor}), only for {', '.join(built)}."
        return [Check("torch", "problem", said, TORCH)]
    return [Check("torch", "good", f"{build}, {name} (sm_{major}{minor}), driver {driver}.")]


def precision(choose: Callable[..., device.Device] = device.choose) -> list[Check]:
    """Which device and precision will be used, and why."""
    found = []
    for part in ("convert", "train"):
        try:
            found.append(Check("precision", "good", f"{part}: {choose(part=part).why}."))
        except VoiceError as error:
            found.append(Check("precision", "fatal", error.message, error.hint))
    return found


def onnxruntime(module: Any) -> list[Check]:
    """Whether onnxruntime is here, which makes conversions on a CPU faster."""
    if module is None:
        mend = "python -m pip install onnxruntime"
        return [
            Check("onnx", "problem", "onnxruntime cannot be imported; the CPU is slower.", mend)
        ]
    with_ = ", ".join(p.removesuffix("ExecutionProvider") for p in module.get_available_providers())
    return [Check("onnx", "good", f"onnxruntime {module.__version__} ({with_}).")]


def portaudio(find: Callable[[str], str | None], bundled: bool) -> list[Check]:
    """Whether the library for microphones and loudspeakers is here; only found, never opened.

    Args:
        find: as `ctypes.util.find_library`. bundled: the sounddevice package brings its own.
    """
    library = "with the package sounddevice" if bundled else find("portaudio")
    if library:
        return [Check("portaudio", "good", f"PortAudio is here ({library}).")]
    mend = "sudo apt-get install libportaudio2" if sys.platform == "linux" else ""
    said = "There is no PortAudio; only live conversion needs it."
    return [Check("portaudio", "note", said, mend or "python -m pip install sounddevice")]


def disk(
    folders: Mapping[str, Path], free: Callable[[Path], int], writable: Callable[[Path], bool]
) -> list[Check]:
    """Whether there is room to write, and the right to, in each of the folders (by name)."""
    found = []
    for name, folder in folders.items():
        there = next((f for f in (folder, *folder.parents) if f.is_dir()), folder)
        left = free(there)
        said = f"{name} {folder}: {left / (1 << 30):.1f} GB free"
        if not writable(there):
            mend = f"export RVC_HOME={Path.home() / 'rvc-voice'}"
            found.append(Check("disk", "fatal", f"{said}, but it cannot be written.", mend))
        elif left < SPACE_FATAL:
            found.append(Check("disk", "fatal", f"{said}: too little.", f"du -sh {there}/*"))
        elif left < SPACE_WARN:
            found.append(
                Check("disk", "problem", f"{said}: little for a training.", f"du -sh {there}/*")
            )
        else:
            found.append(Check("disk", "good", f"{said}."))
    return found


def models() -> list[Check]:
    """Whether the default conversion's files are here and are the published ones."""
    needed = [catalog.one("predictors/rmvpe.pt"), *catalog.embedder("contentvec")]
    found = []
    for asset in needed:
        if not asset.file.is_file():
            mend = config.command("prerequisites --no-pretraineds-hifigan")
            found.append(Check("models", "fatal", f"{asset.name} is not here.", mend))
        elif asset.sha256 is not None and sha256(asset.file) != asset.sha256:
            mend = config.command(f"assets verify {asset.name}")
            said = f"{asset.file} is not the published file; delete it, and it is fetched again."
            found.append(Check("models", "fatal", said, mend))
        else:
            found.append(Check("models", "good", f"{asset.name} is here and verified."))
    others = [a for a in catalog.everything() if a not in needed]
    here = sum(a.file.is_file() for a in others)
    found.append(Check("models", "note", f"{here} of {len(others)} further model files are here."))
    missing = [
        f for part in ("demo/demo.pth", "mini-plus/model.safetensors", "lite/f0G24k.pth")
        if not (f := config.KIT / part).is_file()
    ]  # fmt: skip
    found += [Check("models", "problem", f"{f} is missing; it ships.", "") for f in missing]
    return found


def settings(load: Callable[[], config.Settings] = config.load_settings) -> list[Check]:
    """Whether the settings file can be read."""
    try:
        kept = load()
    except VoiceError as error:
        return [Check("settings", "fatal", error.message, f"rm '{config.paths().settings}'")]
    offline = "offline" if kept.offline else "online"
    return [Check("settings", "good", f"precision {kept.precision}, {offline}.")]


def environment(environ: Mapping[str, str], encoding: str) -> list[Check]:
    """Variables that change what happens: proxies, numbers of threads, the locale, our own."""
    found = []
    for name in environ:
        if name.lower() in PROXIES and environ[name]:
            found.append(_proxy(name, environ[name]))
    for name in THREADS:
        if environ.get(name) == "1" and (os.cpu_count() or 1) > 1:
            said = f"{name}=1: one core does all the work."
            found.append(Check("threads", "problem", said, f"unset {name}"))
    for name in OURS:
        if name in environ:
            found.append(Check("variables", "note", f"{name}={environ[name]}"))
    if encoding.lower().replace("-", "") != "utf8":
        said = f"Text is {encoding}: names of files in other scripts may fail."
        found.append(Check("locale", "problem", said, "export PYTHONUTF8=1"))
    return found


def _proxy(name: str, value: str) -> Check:
    if name.lower() == "no_proxy":
        return Check("proxy", "note", f"{name}={value}")
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        place = f"{parts.scheme}://{parts.hostname}:{parts.port}"  # without name and password
        able = bool(parts.hostname) and parts.scheme in ("http", "https", "socks5", "socks5h")
    except ValueError:
        place, able = "an address that cannot be read", False
    if able:
        return Check("proxy", "note", f"{name} leads through {place}.")
    said = f"{name} holds {place}, which is no proxy."
    return Check("proxy", "problem", said, f"unset {name}")


def added() -> list[Check]:
    """What installed packages add, and whether it can be loaded."""
    found = []
    for plugin in plugins.installed():
        wrong = plugins.check(plugin)
        said = f"{plugin} in {plugin.place}"
        if wrong:
            mend = f"python -m pip uninstall {plugin.package}"
            found.append(Check("plugins", "problem", f"{said}: {wrong}", mend))
        else:
            found.append(Check("plugins", "good", f"{said}."))
    return found
