"""Tensors on the disk: one way to write safetensors, in one file or in shards, with our errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from acetune import files

if TYPE_CHECKING:
    from torch import Tensor

#: Largest file of several, as the hub's own libraries cut them.
SHARD_BYTES: Final = 5_000_000_000


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file; call it on a draft, inside `acetune.files.draft_file` or `draft_folder`.

    Raises:
        OSError: As the file system says (safetensors itself hides the number in a text, so that a full disk would
            look like a fault of ours).
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    try:
        save_file(plain, path, metadata=metadata)
    except SafetensorError as cause:
        number = re.search(r"os error (\d+)", str(cause))
        if number is None:
            raise
        raise OSError(int(number[1]), str(cause), str(path)) from cause


def save_shards(
    folder: Path,
    stem: str,
    tensors: Mapping[str, Tensor],
    metadata: dict[str, str] | None = None,
    most_bytes: int = SHARD_BYTES,
) -> None:
    """Write tensors as diffusers lays them out: ``<stem>.safetensors``, or shards with an index where that is too big.

    Only one file's tensors are copied from their device at a time.

    Args:
        folder: A draft folder that exists.
        stem: Name without ending.
        tensors: On any device.
        metadata: Header of every file.
        most_bytes: Largest file; a tensor that is larger has a file of its own.

    Raises:
        OSError: As `save_tensors`.
    """
    groups = _groups(tensors, most_bytes)
    if len(groups) == 1:
        save_tensors(folder / f"{stem}.safetensors", groups[0], metadata)
        return
    places: dict[str, str] = {}
    for number, group in enumerate(groups, start=1):
        name = f"{stem}-{number:05d}-of-{len(groups):05d}.safetensors"
        save_tensors(folder / name, group, metadata)
        places |= dict.fromkeys(group, name)
    index = {"metadata": {"total_size": sum(map(_size, tensors.values()))}, "weight_map": places}
    files.write_json(folder / _index(stem), index)


def shards(folder: Path, stem: str) -> tuple[Path, ...]:
    """Return the files that `save_shards` wrote; the one file where there is no index.

    Raises:
        CorruptFile: If the index is damaged.
    """
    index = folder / _index(stem)
    content = files.read_json(index) if index.is_file() else {}
    places = content.get("weight_map") if isinstance(content, dict) else None
    names = sorted(set(map(str, places.values()))) if isinstance(places, dict) and places else [f"{stem}.safetensors"]
    return tuple(folder / Path(name).name for name in names)


def _index(stem: str) -> str:
    """Return the name of the file that says which shard has which tensor."""
    return f"{stem}.safetensors.index.json"


def _groups(tensors: Mapping[str, Tensor], most_bytes: int) -> list[dict[str, Tensor]]:
    """Return tensors in their order, in groups of at most so many bytes; at least one group."""
    groups: list[dict[str, Tensor]] = [{}]
    room = most_bytes
    for name, tensor in tensors.items():
        size = _size(tensor)
        if size > room and groups[-1]:
            groups.append({})
            room = most_bytes
        groups[-1][name] = tensor
        room -= size
    return groups


def _size(tensor: Tensor) -> int:
    """Return the bytes of a tensor's elements."""
    return tensor.numel() * tensor.element_size()
