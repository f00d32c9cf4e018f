"""Tensors in safetensors files, without torch: their headers, their fingerprint; and reading them into torch.

A source of a component is a table from the component's own tensor names to places in files. Building the table
costs a few kilobytes of reading, whatever the size of the weights.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from acetune.errors import DataError
from acetune.events import Json

if TYPE_CHECKING:
    import torch
    from torch import Tensor

#: Bytes of one element, by the names of the safetensors format.
_BYTES = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 1),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
    **dict.fromkeys(("U32", "I32", "F32"), 4),
    **dict.fromkeys(("U64", "I64", "F64"), 8),
}
_FLOATS = {"F16": np.float16, "F32": np.float32, "F64": np.float64}

#: Longest header that safetensors itself accepts.
_LONGEST_HEADER = 100_000_000
_LFS = b"version https://git-lfs"

#: A large tensor is sampled in this many runs of neighbouring elements (few seeks, also on a spinning disk).
_RUNS, _RUN = 8, 512


@dataclass(frozen=True)
class TensorRef:
    """Where one tensor lies: file, its name there, its element format, its shape, first byte and size in bytes."""

    file: Path
    key: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    size: int


@dataclass(frozen=True)
class Source:
    """One component's weights before they are read.

    Attributes:
        config: Arguments of its class.
        tensors: Its own tensor names to places in files.
    """

    config: Mapping[str, object]
    tensors: Mapping[str, TensorRef] = field(repr=False)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of every tensor."""
        return {name: ref.shape for name, ref in self.tensors.items()}


def read_header(path: Path) -> dict[str, TensorRef]:
    """Return every tensor of a safetensors file, having checked that the file is whole.

    Raises:
        DataError: If it is no safetensors file, a Git LFS pointer, or shorter than its header says.
    """
    total = path.stat().st_size
    with path.open("rb") as stream:
        first = stream.read(8)
        length = int.from_bytes(first, "little")
        if first == _LFS[:8]:
            raise DataError("weights.lfs_pointer", path=path)
        if len(first) < 8 or not 2 <= length <= _LONGEST_HEADER:
            raise DataError("weights.not_safetensors", path=path)
        text = stream.read(length)
    if len(text) < length:
        raise DataError("weights.truncated", path=path, found=total, expected=8 + length)
    refs = dict(_refs(path, _parse(path, text), 8 + length))
    end = max((ref.start + ref.size for ref in refs.values()), default=8 + length)
    if total < end:
        raise DataError("weights.truncated", path=path, found=total, expected=end)
    return refs


def read_shards(folder: Path, stem: str) -> dict[str, TensorRef]:
    """Return every tensor of ``<stem>.safetensors``, or of the shards that its index names.

    Raises:
        DataError: If a file is broken, or a shard is not there.
    """
    whole = folder / f"{stem}.safetensors"
    if whole.is_file():
        return read_header(whole)
    refs: dict[str, TensorRef] = {}
    for name in sorted(set(map(str, _index(folder, stem).values()))):
        shard = folder / Path(name).name
        if not shard.is_file():
            raise DataError("weights.missing_shard", path=shard)
        refs.update(read_header(shard))
    return refs


def read_json(path: Path) -> dict[str, Json]:
    """Return a JSON object that came with weights.

    Raises:
        DataError: If the file is missing or no JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as cause:
        raise DataError("weights.bad_json", path=path, cause=cause) from cause
    if not isinstance(value, dict):
        raise DataError("weights.bad_json", path=path, cause="not an object")
    return value


def fingerprint(tensors: Mapping[str, TensorRef]) -> str:
    """Return 32 hexadecimal digits that name these weights, whatever layout or float format they are kept in.

    Hashes sorted names, shapes and values rounded to bfloat16, so that a checkpoint and its bfloat16 copy agree. Of
    a tensor with more than 4096 elements, 8 evenly spread runs of 512 are read: a change of training touches them
    all, and a 10 GB checkpoint takes a second.
    """
    digest = hashlib.blake2b(digest_size=16)
    sampled: dict[str, bytes] = {}
    for file, names in groupby(sorted(tensors, key=lambda n: _place(tensors[n])), key=lambda n: tensors[n].file):
        with file.open("rb") as stream:
            sampled.update((name, _sample(stream, tensors[name])) for name in names)
    for name in sorted(tensors):
        digest.update(f"{name}{list(tensors[name].shape)}".encode())
        digest.update(sampled[name])
    return digest.hexdigest()


def read(tensors: Mapping[str, TensorRef], device: torch.device, dtype: torch.dtype) -> dict[str, Tensor]:
    """Read tensors; floating ones in this dtype. On the CPU in their own format they stay mapped to the file."""
    from safetensors import safe_open

    loaded: dict[str, Tensor] = {}
    for file, names in groupby(sorted(tensors, key=lambda n: _place(tensors[n])), key=lambda n: tensors[n].file):
        with safe_open(file, framework="pt") as stream:
            for name in names:
                tensor: Tensor = stream.get_tensor(tensors[name].key).reshape(tensors[name].shape)
                loaded[name] = tensor.to(device, dtype if tensor.is_floating_point() else tensor.dtype)
    return loaded


def _place(ref: TensorRef) -> tuple[Path, int]:
    """Return where a tensor starts, to read files in order."""
    return ref.file, ref.start


def _parse(path: Path, text: bytes) -> dict[str, dict[str, Json]]:
    """Return the entries of a header."""
    try:
        header = json.loads(text)
        header.pop("__metadata__", None)
    except (ValueError, AttributeError) as cause:
        raise DataError("weights.not_safetensors", path=path) from cause
    entries: dict[str, dict[str, Json]] = header
    return entries


def _refs(path: Path, entries: Mapping[str, Mapping[str, Json]], offset: int) -> Iterator[tuple[str, TensorRef]]:
    """Yield the tensors of a header whose data begins at this byte."""
    for key, entry in entries.items():
        try:
            dtype, shape = str(entry["dtype"]), tuple(map(int, entry["shape"]))  # type: ignore[arg-type]
            start, end = map(int, entry["data_offsets"])  # type: ignore[arg-type]
        except (KeyError, TypeError, ValueError) as cause:
            raise DataError("weights.not_safetensors", path=path) from cause
        yield key, TensorRef(path, key, dtype, shape, offset + start, end - start)


def _index(folder: Path, stem: str) -> Mapping[str, Json]:
    """Return tensor name to shard name of an index file."""
    names = read_json(folder / f"{stem}.safetensors.index.json").get("weight_map")
    if not isinstance(names, dict) or not names:
        raise DataError("weights.bad_json", path=folder / f"{stem}.safetensors.index.json", cause="no weight_map")
    return names


def _sample(stream: BinaryIO, ref: TensorRef) -> bytes:
    """Return the sampled elements of a tensor, as bfloat16 where it is a float."""
    width = _BYTES.get(ref.dtype, 1)
    count = ref.size // width
    starts, length = [0], count
    if count > _RUNS * _RUN:
        starts, length = [i * (count - _RUN) // (_RUNS - 1) for i in range(_RUNS)], _RUN
    parts = []
    for start in starts:
        stream.seek(ref.start + start * width)
        parts.append(stream.read(length * width))
    raw = b"".join(parts)
    if ref.dtype == "BF16":
        return raw
    if ref.dtype not in _FLOATS:
        return ref.dtype.encode() + raw
    bits = np.frombuffer(raw, _FLOATS[ref.dtype]).astype(np.float32).view(np.uint32)
    nearest_even = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return (nearest_even >> np.uint32(16)).astype("<u2").tobytes()
