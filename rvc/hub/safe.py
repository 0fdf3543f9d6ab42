"""Open model files that strangers made: they stay data, whatever they try to be.

A pickle is scanned for what it would import before torch reads it, and torch then reads it with
its restricted unpickler. Sizes are checked before anything is allocated.
"""

from __future__ import annotations

import json
import logging
import pickle
import pickletools
import tarfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from rvc.errors import BadInput

if TYPE_CHECKING:
    from torch import Tensor


LOG = logging.getLogger(__name__)
LIMIT_BYTES = 8 << 30
PICKLE_LIMIT_BYTES = 64 << 20
ENTRY_LIMIT = 100_000
METADATA_KEY = "voice"
HINT = "Do not use it unless you know where it comes from."
PACKED = "If a voice is packed in it: `core.py import-voice --source FILE`."
NO_PICKLE = "It holds no pickle of torch; voices end in .pth or .safetensors."
_LEGACY_PICKLES = 5  # magic number, protocol, system, object, storage keys
_REFUSED = {"INST", "OBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4"}
_NEWER = {"STACK_GLOBAL", "FRAME", "MEMOIZE"}  # pickles that torch's own reader does not know
_STORAGES = "Float Double Half BFloat16 Int Long Short Char Byte Bool"
_DTYPES = "float32 float64 float16 bfloat16 int32 int64 int16 int8 uint8 bool"
ALLOWED = frozenset(
    ["collections OrderedDict", "torch Size", "torch device", "_codecs encode"]
    + ["torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_parameter"]
    + [f"torch {kind}Storage" for kind in _STORAGES.split()]
    + [f"torch {kind}" for kind in _DTYPES.split()]
)


def scan(stream: IO[bytes], named: str, allowed: Iterable[str] = ALLOWED) -> bool:
    """Read one pickle's instructions without running them.

    Args:
        allowed: "module name" pairs the pickle may mention.

    Returns:
        whether it can be read as it is; else only without some of its metadata (`extras`).

    Raises:
        BadInput: it would import or build something else, or is no pickle.
    """
    allowed, plain = frozenset(allowed), True
    try:
        for name, what in _loaded(stream):
            if name in _REFUSED or (
                what is not None and what not in allowed and not _harmless(what)
            ):
                raise BadInput(f"{named} is refused: it would load {(what or name)[:80]!r}.", HINT)
            plain = plain and name not in _NEWER and (what is None or what in allowed)
    except (ValueError, KeyError, EOFError, OverflowError, UnicodeError) as error:
        raise BadInput(f"{named} is damaged or no model file.", str(error)[:120]) from error
    return plain


def _loaded(stream: IO[bytes]) -> Iterator[tuple[str, str | None]]:
    """(name, what it would import) of every instruction; what, as "module name", or None.

    Newer pickles import by two texts pushed just before, or remembered from earlier on.
    """
    pushed: list[Any] = [None, None]
    memory: dict[int, Any] = {}
    for code, argument, _ in pickletools.genops(stream):
        what = argument if code.name == "GLOBAL" else None
        if code.name == "STACK_GLOBAL":
            texts = all(isinstance(text, str) for text in pushed)
            what = " ".join(pushed) if texts else "something hidden"
        yield code.name, what
        if code.name == "MEMOIZE":
            memory[len(memory)] = pushed[-1]
        elif code.name in ("PUT", "BINPUT", "LONG_BINPUT"):
            memory[int(argument or 0)] = pushed[-1]
        elif code.name not in ("FRAME", "PROTO"):
            remembered = code.name in ("GET", "BINGET", "LONG_BINGET")
            text = memory.get(int(argument or 0)) if remembered else argument
            said = remembered or "UNICODE" in code.name
            pushed = [pushed[-1], text if said else None]


def _scan_zip(path: Path, allowed: frozenset[str], limit: int) -> bool:
    """Whether every pickle in it can be read as it is; see `scan`."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if len(entries) > ENTRY_LIMIT or sum(e.file_size for e in entries) > limit:
            raise BadInput(f"{path} unpacks to more than any model has.", HINT)
        if any(e.compress_type != zipfile.ZIP_STORED for e in entries):
            raise BadInput(f"{path} is a compressed archive, not a model file.", PACKED)
        pickles = [e for e in entries if e.filename.endswith(".pkl")]
        main = [e for e in pickles if e.filename.endswith("/data.pkl")]
        if len(main) != 1 or any(e.file_size > PICKLE_LIMIT_BYTES for e in pickles):
            raise BadInput(f"{path} is not a model file of torch.", "Is it an archive with one?")
        plain = True
        for entry in pickles:
            with archive.open(entry) as stream:
                plain = scan(stream, str(path), allowed) and plain
    return plain


def _scan_legacy(path: Path, allowed: frozenset[str]) -> bool:
    """The same for the files of torch before 1.6: pickles in a row, then the numbers."""
    if tarfile.is_tarfile(path):
        raise BadInput(f"{path} is a tar archive, not a model file.", PACKED)
    with path.open("rb") as stream:
        return all([scan(stream, str(path), allowed) for _ in range(_LEGACY_PICKLES)])


def _read_safetensors(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get(METADATA_KEY, "{}"))
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError, RecursionError) as error:
        raise BadInput(f"{path} is damaged or no safetensors file.", str(error)[:120]) from error
    return {**metadata, "weight": tensors} if isinstance(metadata, dict) else {"weight": tensors}


def load(path: Path | str, extra: Iterable[str] = (), limit: int = LIMIT_BYTES) -> Any:
    """The content of a `.pth`, `.pt`, `.bin` or `.safetensors` file, on the CPU.

    Args:
        extra: further "module name" pairs allowed in the pickle; the caller must have made them
            known to torch (`torch.serialization.safe_globals`).
        limit: bytes the file may hold.

    Returns:
        what was saved; for safetensors its metadata with the tensors under `weight`.

    Raises:
        BadInput: missing, too large, damaged, or it would run code.
    """
    path = Path(path)
    if not path.is_file():
        raise BadInput(f"{path} does not exist.", "Check the path.")
    try:
        if path.stat().st_size > limit:
            raise BadInput(f"{path} is larger than {limit >> 20} MB.", HINT)
        if path.suffix == ".safetensors":
            return _read_safetensors(path)
        return _read_pickle(path, ALLOWED | frozenset(extra), limit)
    except BadInput:
        from rvc.hub import foreign

        foreign.refuse(path)  # it may be no model at all
        raise


def _read_pickle(path: Path, allowed: frozenset[str], limit: int) -> Any:
    """Scan, then load with torch's restricted unpickler."""
    import torch

    try:
        if zipfile.is_zipfile(path):
            plain = _scan_zip(path, allowed, limit)
        else:
            with path.open("rb") as stream:
                if stream.read(1) not in (b"\x80", b""):
                    raise BadInput(f"{path} is damaged or no model file.", NO_PICKLE)
            plain = _scan_legacy(path, allowed)
        if not plain:
            return _without_extras(path, allowed)
        return torch.load(path, map_location="cpu", weights_only=True)
    except (
        pickle.UnpicklingError,
        zipfile.BadZipFile,
        RuntimeError,
        EOFError,
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        NotImplementedError,
        AssertionError,
        RecursionError,
    ) as error:
        reason = (str(error).splitlines() or [""])[0]
        raise BadInput(f"{path} is damaged or no model file.", reason[:160]) from error


def _harmless(name: str) -> bool:
    from rvc.hub import extras

    return name in extras.HARMLESS


def _without_extras(path: Path, allowed: frozenset[str]) -> Any:
    from rvc.hub import extras

    content, found = extras.load(path, allowed)
    if found:
        LOG.warning("%s: left out, as it is not needed: %s.", path, ", ".join(sorted(set(found))))
    return content


def check_tensors(tensors: Any, named: str, limit: int = LIMIT_BYTES) -> dict[str, Tensor]:
    """Prove that a mapping holds plain, finite tensors of honest size.

    Raises:
        BadInput: anything else; the message names the entry.
    """
    import torch

    if not isinstance(tensors, Mapping) or not tensors:
        raise BadInput(f"{named} holds no weights.", "It is not a model file.")
    total, out = 0, {}
    for key, value in tensors.items():
        what = f"{named}: weight {str(key)[:80]!r}"
        if not isinstance(key, str) or not isinstance(value, torch.Tensor):
            raise BadInput(f"{what} is a {type(value).__name__}, not a tensor.", HINT)
        if value.layout != torch.strided or value.is_quantized or value.is_complex():
            raise BadInput(f"{what} has an unusual form.", HINT)
        size = value.numel() * value.element_size()
        total += size
        if size > value.untyped_storage().nbytes() or total > limit:
            raise BadInput(f"{what} claims more numbers than the file holds.", HINT)
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise BadInput(f"{what} holds numbers that are not finite.", "The file is damaged.")
        out[key] = value.detach()
    return out
