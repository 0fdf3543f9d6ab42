"""Voices that people share by link: Hugging Face files and repositories, Google Drive, direct."""

from __future__ import annotations

import json
import logging
import re
import zipfile
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

import requests

from rvc import Report, silent
from rvc.errors import DownloadFailed, MissingModel
from rvc.hub import fetch, foreign, links
from rvc.hub.catalog import Asset
from rvc.hub.transfer import Transfer, Unusable
from rvc.voices.archive import KINDS, Found, unpack

log = logging.getLogger(__name__)

LIMIT_BYTES = 4 << 30
LISTING_LIMIT_BYTES = 8 << 20
HUGGING_FACE = ("huggingface.co", "hf.co", "hf-mirror.com", "www.huggingface.co")
DRIVE = ("drive.google.com", "docs.google.com", "drive.usercontent.google.com")
DRIVE_FILES = "https://drive.usercontent.google.com/download"
DRIVE_ID = re.compile(r"/(?:file/)?d/([\w-]{10,})")
NAMED = re.compile(r"filename\*?=(?:UTF-8'')?\"?([^\";]+)", re.IGNORECASE)
PIXELDRAIN = re.compile(r"/(u|l)/(\w+)/?")
GITHUB_BLOB = re.compile(r"^(/[^/]+/[^/]+)/blob/")
ENCRYPTED = ("mega.nz", "mega.co.nz", "mega.io")
MOST_VOICES, MOST_LISTED = 8, 40  # that come by one link, that a message lists
INDEX_STARTS = (b"IwFl", b"IxF2", b"IxFI", b"IHNf", b"IwSq", b"IwPQ", b"IxPT")


def is_link(text: str) -> bool:
    return bool(re.match(r"https?://", text.strip(), re.IGNORECASE))


def get(link: str, folder: Path, report: Report = silent, wanted: str | None = None) -> list[Found]:
    """Fetch what a link leads to into `folder`; zips are unpacked.

    Of a collection all voices come, or the one whose file is called `wanted`.

    A link to Hugging Face is looked for on every mirror in turn, the user's own first.

    Raises:
        DownloadFailed: refused, gone, too large, or a page instead of a file.
        MissingModel: offline. BadInput: an archive that cannot be used.
    """
    if fetch.offline():
        raise MissingModel("Nothing may be downloaded (offline).", "Run once without --offline.")
    first: DownloadFailed | None = None
    candidates = _mirrored(links.vet(link.strip(), fetch.trusted()))
    for number, candidate in enumerate(candidates):
        try:
            return _from(candidate, folder / f"mirror-{number}", report, wanted)
        except links.Refused:
            raise
        except DownloadFailed as error:
            first = first or error
            if number + 1 < len(candidates):
                log.info("%s The next mirror is asked.", error.message)
    raise first or DownloadFailed(f"{link} leads nowhere.")


def _mirrored(link: str) -> list[str]:
    """The link itself, or where it is on each host that may have it."""
    parts = urlsplit(link)
    if (parts.hostname or "").lower() not in HUGGING_FACE:
        return [link]
    return [f"{endpoint}{parts.path}" for endpoint in fetch.endpoints()]


def _from(link: str, folder: Path, report: Report, wanted: str | None) -> list[Found]:
    folder.mkdir(parents=True, exist_ok=True)
    found: list[Found] = []
    for number, url in enumerate(direct(link, wanted)):
        found += _open(_fetch(url, folder / f"download-{number}", report), folder / str(number))
    if not found:
        raise DownloadFailed(f"{link} leads to no voice.", "Give a link to a .pth or .zip.")
    return found


def direct(link: str, wanted: str | None = None) -> list[str]:
    """The addresses of the files behind a link that people copy from their browser.

    Args:
        wanted: name of one voice, where the link is that of a collection.

    Raises:
        DownloadFailed: no file can be had by such a link, or there are too many.
    """
    parts = urlsplit(link)
    host = (parts.hostname or "").lower()
    endpoint = f"{parts.scheme}://{parts.netloc}"
    if host in DRIVE:
        return [_drive(link)]
    if host not in HUGGING_FACE and endpoint not in fetch.endpoints():
        return [_of_host(link, host)]
    path = parts.path.strip("/").split("/")
    if len(path) == 1 and host not in HUGGING_FACE and path[0].lower().endswith((*KINDS, ".zip")):
        return [link]
    if path[0] in ("datasets", "spaces") or len(path) < 2:
        raise DownloadFailed(f"{link} is no model repository.", "Give the link of a model or file.")
    repo = "/".join(path[:2])
    if len(path) > 4 and path[2] in ("blob", "resolve"):
        return [f"{endpoint}/{repo}/resolve/" + "/".join(path[3:])]
    under = "/".join(path[4:]) if len(path) > 4 and path[2] == "tree" else ""
    revision = path[3] if len(path) > 3 and path[2] == "tree" else "main"
    names = _listed(f"{endpoint}/api/models/{repo}/tree/{revision}/{under}?recursive=true")
    chosen = _chosen(names, link, wanted)
    if not chosen:
        raise DownloadFailed(f"{link} holds no voice.", "Give the link of one of its files.")
    return [f"{endpoint}/{repo}/resolve/{revision}/{quote(name)}" for name in chosen]


def _of_host(link: str, host: str) -> str:
    """The file behind a share link of the other hosts that people use, or the link as it is."""
    parts = urlsplit(link)
    host = host.removeprefix("www.")
    if host == "pixeldrain.com" and (one := PIXELDRAIN.fullmatch(parts.path)):
        tail = f"file/{one[2]}" if one[1] == "u" else f"list/{one[2]}/zip"
        return f"https://pixeldrain.com/api/{tail}"
    if host == "dropbox.com":
        query = dict(parse_qsl(parts.query)) | {"dl": "1"}
        return urlunsplit(parts._replace(query=urlencode(query), fragment=""))
    if host == "github.com":
        return urlunsplit(parts._replace(path=GITHUB_BLOB.sub(r"\1/raw/", parts.path)))
    if host in ENCRYPTED:
        raise DownloadFailed(
            f"Files of {host} can only be opened in a browser.",
            "Download it there and import the file.",
        )
    return link


def _drive(link: str) -> str:
    matched = DRIVE_ID.search(link)
    number = matched[1] if matched else (parse_qs(urlsplit(link).query).get("id") or [""])[0]
    if not re.fullmatch(r"[\w-]{10,}", number):
        raise DownloadFailed(f"{link} is no link to a file.", "Share the file, not its folder.")
    return f"{DRIVE_FILES}?id={number}&export=download&confirm=t"


def _listed(url: str) -> list[str]:
    """Names of the files in a repository."""
    try:
        with links.get(url, None, fetch.trusted()) as answer:
            if answer.status_code in (401, 403):
                why = links.locked(url, answer.status_code)
                raise DownloadFailed(f"{url} could not be read: {why}.")
            answer.raise_for_status()
            text = answer.raw.read(LISTING_LIMIT_BYTES, decode_content=True)
        rows: Any = json.loads(text)
    except (requests.RequestException, ValueError) as error:
        said = f"{url} could not be read ({type(error).__name__})."
        raise DownloadFailed(said, "Check the link and connection.") from error
    if not isinstance(rows, list):
        return []
    return [str(r.get("path")) for r in rows if isinstance(r, dict) and r.get("type") == "file"]


def _chosen(names: list[str], link: str, wanted: str | None) -> list[str]:
    """Every voice with the indexes, loose or packed; checkpoints of trainings are left out.

    Raises:
        DownloadFailed: more than anybody fetches by mistake; they are listed.
    """
    tails = {name: PurePosixPath(name).name for name in names}
    loose = [n for n, t in tails.items() if t.lower().endswith((".pth", ".safetensors"))]
    loose = [n for n in loose if not tails[n].startswith(("G_", "D_"))]
    known = {_stem(n) for n in loose}  # what is there both loose and packed comes once
    packed = [n for n, t in tails.items() if t.lower().endswith(".zip") and _stem(n) not in known]
    indexes = [n for n, t in tails.items() if t.lower().endswith(".index")]
    voices = loose + packed
    asked = [n for n in voices if wanted and _stem(n) == wanted.lower()]
    if len(asked) == 1:
        voices = asked
    elif len(voices) > MOST_VOICES:
        listed = ", ".join(tails[n] for n in voices[:MOST_LISTED])
        more = f" and {len(voices) - MOST_LISTED} more" if len(voices) > MOST_LISTED else ""
        raise DownloadFailed(
            f"{link} is a collection of {len(voices)} voices: {listed}{more}.",
            "Choose one by its name (--model-name), or give the link of its file.",
        )
    return voices + (indexes if set(voices) & set(loose) else [])


def _stem(name: str) -> str:
    return PurePosixPath(name).stem.lower()


class _Named(Transfer):
    """A transfer of something whose name only the server knows."""

    named = ""

    def _listen(self, answer: requests.Response) -> None:
        super()._listen(answer)
        if said := NAMED.search(answer.headers.get("Content-Disposition", "")):
            self.named = PurePosixPath(unquote(said[1]).replace("\\", "/")).name
        length = answer.headers.get("Content-Length", "")
        if length.isdigit() and int(length) > LIMIT_BYTES:
            raise Unusable(f"it is larger than {LIMIT_BYTES >> 30} GB")


def _fetch(url: str, target: Path, report: Report) -> Found:
    name = unquote(PurePosixPath(urlsplit(url).path).name)

    def watch(done: float, total: float, note: str = "") -> None:
        if done > LIMIT_BYTES:
            raise DownloadFailed(f"{name} is larger than {LIMIT_BYTES >> 30} GB.", "Do not use it.")
        report(done, total, note)

    transfer = _Named(Asset(name, "", ""), target, fetch.trusted(), watch)
    try:
        fetch.with_retries(transfer, url)
    except Unusable as error:
        hint = "Check the link; is it shared publicly?"
        raise DownloadFailed(f"{url} could not be downloaded: {error}.", hint) from error
    return Found(transfer.named or name, target)


def _open(found: Found, folder: Path) -> list[Found]:
    """What kind of file came is told by its content; its name may be anything."""
    with found.path.open("rb") as stream:
        start = stream.read(4)
    suffix = Path(found.name).suffix.lower()
    foreign.refuse(found.path)
    if start[:2] == b"PK" and not is_torch(found.path):
        return unpack(found.path, folder)
    if start in INDEX_STARTS:
        suffix = ".index"
    elif start[:2] in (b"PK", b"\x80\x02"):
        suffix = ".pth"
    if suffix not in KINDS:
        raise DownloadFailed(f"{found.name} is no voice.", "Give a link to a .pth or .zip.")
    path = found.path.replace(found.path.with_suffix(suffix))
    return [Found(Path(found.name).stem + suffix, path)]


def is_torch(path: Path) -> bool:
    """Whether a zip is a model file of torch, rather than an archive of files."""
    with suppress(zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
        return any(name.endswith("/data.pkl") for name in archive.namelist()[:50])
    return False
