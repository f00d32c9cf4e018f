"""Encoded parts by content hash: written once, never changed, always safe to delete."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from acetune import files
from acetune.errors import CorruptFile

if TYPE_CHECKING:
    from torch import Tensor

#: Kinds of parts, each in a folder of its own.
KINDS = ("latents", "text", "lyrics", "constants")


@dataclass(frozen=True)
class Entry:
    """One part on the disk: size in bytes, last use in seconds since 1970."""

    kind: str
    name: str
    bytes: int
    used: float
    path: Path


@dataclass(frozen=True)
class Cache:
    """Parts below one folder."""

    root: Path

    def path(self, kind: str, name: str) -> Path:
        """Return where a part lies."""
        return self.root / kind / name[:2] / f"{name}.safetensors"

    def has(self, kind: str, name: str) -> bool:
        """Whether a part is there."""
        return self.path(kind, name).is_file()

    def write(self, kind: str, name: str, tensors: Mapping[str, Tensor]) -> None:
        """Add a part, whole or not at all.

        Raises:
            DiskFull, NotWritable: As the file system says.
        """
        from safetensors.torch import save_file

        with files.draft_file(self.path(kind, name)) as draft:
            save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, draft)

    def read(self, kind: str, name: str) -> dict[str, Tensor]:
        """Return the tensors of a part, mapped from the disk.

        Raises:
            CorruptFile: If it is damaged; deleting it and encoding again mends that.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        path = self.path(kind, name)
        try:
            tensors: dict[str, Tensor] = load_file(path)
        except (OSError, SafetensorError) as cause:
            raise CorruptFile("encoding.damaged", path=path, cause=cause) from cause
        return tensors


def listing(root: Path) -> Iterator[Entry]:
    """Yield every part in the cache."""
    for kind in KINDS:
        for path in sorted((root / kind).glob("*/*.safetensors")):
            stat = path.stat()
            yield Entry(kind, path.stem, stat.st_size, max(stat.st_mtime, stat.st_atime), path)


def prune(root: Path, *, keep_days: float | None = None) -> int:
    """Delete parts and return the bytes that became free.

    Args:
        root: The cache folder.
        keep_days: Parts used within this many days stay; None deletes everything.
    """
    horizon = time.time() - (keep_days or 0) * 86_400
    freed = 0
    for entry in list(listing(root)):
        if keep_days is None or entry.used < horizon:
            entry.path.unlink(missing_ok=True)
            freed += entry.bytes
    return freed
