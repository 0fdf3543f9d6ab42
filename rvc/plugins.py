"""What other installed packages add to the program, found by Python's entry points.

A package that declares an entry point in one of the groups below adds a pitch extractor, an
embedder, a vocoder, an effect, a speech engine or a tab (docs/example_plugin is such a package).
Only the names are read at the start; code of a package runs when its name is used. Nothing is
ever installed from here, and a package that fails is a sentence that names it.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, Generic, TypeVar

from rvc.errors import VoiceError

PREFIX = "rvc_voice."
GROUPS = ("f0", "embedders", "vocoders", "effects", "tts", "tabs")
NAME = re.compile(r"[\w .()\[\]+-]{1,64}")
T = TypeVar("T")


class BrokenPlugin(VoiceError):
    """A package that adds something could not be loaded, or gave what it must not."""

    code = "broken_plugin"


@dataclass(frozen=True)
class Plugin:
    """One thing that an installed package adds.

    Attributes:
        group: one of GROUPS. name: what it is called in options and menus.
        value: "module:attribute", as the entry point says.
        package: name of the distribution. version: its version.
        place: folder it lies in.
    """

    group: str
    name: str
    value: str
    package: str
    version: str
    place: str

    def __str__(self) -> str:
        return f"{self.group} {self.name!r} of the package {self.package} {self.version}"

    def load(self) -> Any:
        """What the entry point names.

        Raises:
            BrokenPlugin: it cannot be imported.
        """
        with self.blamed():
            return attribute(self.value)

    @contextmanager
    def blamed(self) -> Iterator[None]:
        """What goes wrong inside is told as a fault of this package.

        Raises:
            BrokenPlugin: anything but a sentence of the program's own was raised.
        """
        try:
            yield
        except VoiceError:
            raise
        except Exception as error:  # noqa: BLE001 - a stranger's code may raise anything
            _problems[self] = f"{type(error).__name__}: {error}"
            raise BrokenPlugin(
                f"The plugin {self} does not work: {_problems[self]}.",
                f"Update or remove it: pip uninstall {self.package}",
            ) from error


_problems: dict[Plugin, str] = {}  # what was met so far
_registries: dict[str, Registry[Any]] = {}  # those that something has imported


def attribute(value: str) -> Any:
    """What "module:attribute" names, imported now."""
    module, _, name = value.partition(":")
    found: Any = import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def installed(group: str | None = None) -> list[Plugin]:
    """What installed packages add, of one group or of all, by name."""
    return [p for p in _installed(tuple(sys.path)) if group in (None, p.group)]


def problems() -> dict[Plugin, str]:
    """What is known to be wrong, by plugin; a plugin that nobody has used yet is not judged."""
    return dict(_problems)


def check(plugin: Plugin) -> str:
    """Load a plugin to see whether it works; what is wrong, or nothing."""
    registry = _registries.get(plugin.group)
    if registry is not None and plugin.name in registry.own:
        return "The program has one of this name itself, which is used."
    try:
        plugin.load()
        if registry is not None:
            registry[plugin.name]
    except VoiceError as error:
        return error.message
    return _problems.get(plugin, "")


class Registry(Mapping[str, T], Generic[T]):
    """Things by name: those of the program, and those that packages add.

    Args:
        group: one of GROUPS.
        own: the program's; a package cannot replace one of them.
        kind: type that a package's entry point must name; str: the "module:attribute" itself.
    """

    def __init__(self, group: str, own: dict[str, T], kind: type[T]) -> None:
        self.group, self.own, self.kind = group, own, kind
        _registries[group] = self

    def plugin(self, name: str) -> Plugin | None:
        """The plugin behind a name; None for the program's own."""
        found = {} if name in self.own else {p.name: p for p in installed(self.group)}
        return found.get(name)

    def __getitem__(self, name: str) -> T:
        if name in self.own:
            return self.own[name]
        plugin = self.plugin(name)
        if plugin is None:
            raise KeyError(name)
        if self.kind is str:
            return plugin.value  # type: ignore[return-value]
        with plugin.blamed():
            found = plugin.load()
            if not isinstance(found, self.kind):
                raise TypeError(f"{plugin.value} is no {self.kind.__name__}")
            return found

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self.own, *(p.name for p in installed(self.group))]))

    def __len__(self) -> int:
        return len(list(iter(self)))

    @contextmanager
    def blamed(self, name: str) -> Iterator[None]:
        """What goes wrong inside is told as a fault of the package behind `name`, if there is one.

        Raises:
            BrokenPlugin: see `Plugin.blamed`.
        """
        plugin = self.plugin(name)
        if plugin is None:
            yield
            return
        with plugin.blamed():
            yield


@lru_cache(maxsize=4)
def _installed(path: tuple[str, ...]) -> tuple[Plugin, ...]:
    """Every plugin on a module search path, by name."""
    if not any(map(_adds_something, path)):
        return ()
    from importlib import metadata  # only now: it costs a tenth of the start

    found: dict[tuple[str, str], Plugin] = {}
    for package in metadata.distributions(path=list(path)):
        for entry in package.entry_points:
            group = entry.group.removeprefix(PREFIX)
            if entry.group == group or group not in GROUPS or not NAME.fullmatch(entry.name):
                continue
            name, version = package.metadata["Name"], package.version
            place = str(package.locate_file(""))
            plugin = Plugin(group, entry.name, entry.value, name, version, place)
            found.setdefault((group, entry.name), plugin)  # the first on the path is imported
    return tuple(found[key] for key in sorted(found))


def _adds_something(folder: str) -> bool:
    """Whether a package in a folder of the search path has entry points for this program."""
    try:
        names = [e.name for e in os.scandir(folder) if e.name.endswith(("-info", ".egg"))]
    except OSError:  # search paths name archives and folders that are not there, too
        return False
    for name in names:
        try:
            text = Path(folder, name, "entry_points.txt").read_bytes()
        except OSError:
            continue
        if PREFIX.encode() in text:
            return True
    return False
