"""Where everything lies on disk, and the settings people keep between runs."""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field

from rvc import files
from rvc.errors import BadInput

PACKAGE = Path(__file__).resolve().parent  # what ships lies in it
REPOSITORY = PACKAGE.parent  # the checkout, or site-packages where the program is installed
KIT = PACKAGE / "models" / "kit"  # networks and the demo voice, whatever $RVC_HOME says
ASSETS = PACKAGE / "assets"  # the page's files, translations, presets
CONFIGS = PACKAGE / "configs"  # training configurations
LONGEST_NAME = 64  # letters
JOINERS = "\u200c\u200d"  # parts of letters in Persian and Indic scripts
RESERVED = {"CON", "PRN", "AUX", "NUL"} | {
    kind + number for kind in ("COM", "LPT") for number in "0123456789¹²³"
}
# a byte order mark, and what sets the direction of writing (Windows puts it before copied paths)
UNSEEN = "\ufeff\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
AROUND = "".join(map(chr, range(33))) + "\x7f\xa0" + UNSEEN
QUOTES = ('""', "''", "``", "<>", "“”", "„“", "”“", "‘’", "«»", "»«")
HOSTS = {"", "localhost"}
ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True)
class Paths:
    """The folders of one installation, in Applio's layout."""

    root: Path

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def assets(self) -> Path:
        return self.root / "assets"

    @property
    def audios(self) -> Path:
        return self.assets / "audios"

    @property
    def datasets(self) -> Path:
        return self.assets / "datasets"

    @property
    def models(self) -> Path:
        return self.root / "rvc" / "models"

    @property
    def embedders(self) -> Path:
        return self.models / "embedders"

    @property
    def predictors(self) -> Path:
        return self.models / "predictors"

    @property
    def pretraineds(self) -> Path:
        return self.models / "pretraineds"

    @property
    def cache(self) -> Path:
        return self.root / ".cache"

    @property
    def jobs(self) -> Path:
        return self.cache / "jobs"

    @property
    def settings(self) -> Path:
        return self.assets / "config.json"


def paths() -> Paths:
    """The folders in use: the program's own, or those under $RVC_HOME (read at every call)."""
    return Paths(Path(os.environ.get("RVC_HOME") or own_root()))


def own_root() -> Path:
    """Where data lies without $RVC_HOME: in the checkout, or in the user's folder if installed."""
    return user_data(sys.platform) if installed(REPOSITORY) else REPOSITORY


@lru_cache(maxsize=4)
def installed(folder: Path) -> bool:
    """Whether a package installer laid the program into `folder`, where nothing may be written."""
    return any(folder.glob("rvc_voice-*.dist-info"))


def command(words: str) -> str:
    """A command line of this program for hints, as it is called here: `rvc-voice` if installed."""
    return f"{'rvc-voice' if installed(REPOSITORY) else 'python core.py'} {words}"


def user_data(platform: str) -> Path:
    """The folder in which a program keeps a user's data, by each platform's own rules.

    Args:
        platform: as in `sys.platform`.
    """
    if platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "rvc-voice"


SHIPPED = KIT  # where lists find the voice and the recording to begin with


def kit() -> Path:
    """The folder of the voice and the recording that ship, which every list of them ends with."""
    return SHIPPED


def tidy(name: str) -> str:
    """A name without what would make two folders of one: blanks around it, dots and blanks at its
    end (Windows drops them), accents apart from their letters."""
    return unicodedata.normalize("NFC", name).strip().rstrip(". ")


def _fits(letter: str) -> bool:
    """Whether a name may hold it: letters of any script with their marks, digits, a few signs."""
    mark = unicodedata.category(letter) in ("Mn", "Mc")
    return letter.isalnum() or letter in " ._-" or letter in JOINERS or mark


def as_name(text: str, otherwise: str) -> str:
    """The name nearest to any text, such as that of a file; `otherwise` where nothing is left.

    May be cut to fit beside others: it is at most 48 letters long.
    """
    letters = "".join(c if _fits(c) else "_" for c in unicodedata.normalize("NFC", text))
    name = tidy(letters.strip(" ._-")[:48]) or otherwise
    return f"_{name}" if is_reserved(name) else name


def named(root: Path, name: str) -> Path:
    """The one way a user's name becomes a path: `root/name`, proven to lie directly inside `root`.

    Raises:
        BadInput: empty, too long, or with characters that could leave the folder.
    """
    clean = tidy(name)
    inside = 0 < len(clean) <= LONGEST_NAME and all(map(_fits, clean)) and clean[0] != "."
    if not inside or (root / clean).resolve().parent != root.resolve():
        raise BadInput(
            f"The name {name!r} cannot be used.",
            "Use 1 to 64 letters, digits, spaces, dots, dashes or underscores.",
        )
    if is_reserved(clean) and (files.WINDOWS or not (root / clean).exists()):
        raise BadInput(f"{clean!r} is the name of a device on Windows.", "Choose another name.")
    return root / clean


def is_reserved(name: str) -> bool:
    """Whether Windows takes a name for a device, whatever ending it has: `con`, `Nul.txt`."""
    return name.partition(".")[0].rstrip().upper() in RESERVED


def pasted(text: str) -> str:
    """The path that is meant by one as people paste them: in quotes, as file:// address, with `~`.

    What exists under the very words given stays as it is.
    """
    if not text.strip() or "\0" in text or os.path.lexists(text):
        return text
    meant = text.strip(AROUND)
    while len(meant) > 2 and meant[0] + meant[-1] in QUOTES:
        meant = meant[1:-1].strip(AROUND)
    if meant.lower().startswith("file:"):
        meant = _of_file_address(meant)
    if meant == "~" or meant.startswith(("~/", "~\\")):
        meant = os.path.expanduser(meant)
    if os.sep == "/" and "\\" in meant and not os.path.lexists(meant):
        plain = ESCAPED.sub(r"\1", meant)  # a file dragged into a terminal: a\ b.wav
        meant = plain if os.path.lexists(plain) else meant
    return meant


def _of_file_address(address: str) -> str:
    """The path of a file:// address; one on another machine stays an address."""
    parts = urlsplit(address)
    if parts.netloc.lower() not in HOSTS or not parts.path:
        return address
    rest = address.split(":", 1)[1]
    path = rest[2:].partition("/")[1:] if rest.startswith("//") else ("", rest)
    from urllib.request import url2pathname  # it brings half of the network with it

    return url2pathname("".join(path)) if os.name == "nt" else unquote("".join(path))


def experiment(name: str) -> Path:
    """The folder `logs/<name>` of a voice in the making (not created here)."""
    return named(paths().logs, name)


class Settings(BaseModel):
    """What `assets/config.json` holds; unknown keys of other versions are kept out, not fatal."""

    model_config = ConfigDict(extra="ignore", defer_build=True)

    language: str = "auto"
    theme: Literal["system", "light", "dark"] = "system"
    model_author: str = ""
    precision: Literal["auto", "fp32", "fp16", "bf16"] = "auto"
    offline: bool = False
    mirrors: list[str] = Field(default_factory=list)
    worker_warm: bool = False  # start the warm process with the server
    worker_idle_min: float = Field(default=10.0, ge=0.1, le=1440)  # without work, until it ends
    worker_memory_mb: int = Field(default=0, ge=0)  # that it may keep; 0 is half of the machine's


def load_settings() -> Settings:
    """Read the saved settings; defaults where there are none."""
    file = paths().settings
    if not file.is_file():
        return Settings()
    try:
        return Settings.model_validate(files.read_json(file))
    except ValueError as error:
        raise BadInput(
            f"{file} is not a valid settings file.", f"Correct or delete it: {error}"
        ) from error


def save_settings(settings: Settings) -> None:
    """Write the settings in one atomic step."""
    file = paths().settings
    file.parent.mkdir(parents=True, exist_ok=True)
    files.write_json(file, settings.model_dump(mode="json"), indent=2)
