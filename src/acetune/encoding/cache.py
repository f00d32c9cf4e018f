"""Encoded parts by content hash: written once, never changed, always safe to delete."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acetune import files
from acetune.errors import CorruptFile
from acetune.storage import save_tensors

if TYPE_CHECKING:
    from torch import Tensor

#: Kinds of parts, each in a folder of its own.
KINDS = ("latents", "context", "text", "lyrics", "constants")
#: Folder of the lists that say which song used which part (`acetune.encoding.uses`).
SONGS = "songs"


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
        with files.draft_file(self.path(kind, name)) as draft:
            save_tensors(draft, tensors)

    def read(self, kind: str, name: str, rows: slice = slice(None)) -> dict[str, Tensor]:
        """Return the tensors of a part, or only these rows of each; nothing else is read from the disk.

        Raises:
            CorruptFile: If it is damaged; deleting it and encoding again mends that.
        """
        with self._opened(kind, name) as part:
            return {key: part.get_slice(key)[rows] for key in part.keys()}  # noqa: SIM118 - no mapping

    def size(self, kind: str, name: str) -> int:
        """Return the bytes of a part.

        Raises:
            CorruptFile: If it is gone.
        """
        path = self.path(kind, name)
        try:
            return path.stat().st_size
        except OSError as cause:
            raise CorruptFile("encoding.damaged", path=path, cause="it is gone") from cause

    def rows(self, kind: str, name: str) -> int:
        """Return how many rows the tensors of a part have (raises as `read`)."""
        with self._opened(kind, name) as part:
            return int(part.get_slice(next(iter(part.keys()))).get_shape()[0])

    @contextmanager
    def _opened(self, kind: str, name: str) -> Iterator[Any]:
        """Open a part."""
        from safetensors import SafetensorError, safe_open

        path = self.path(kind, name)
        try:
            with safe_open(path, "pt") as part:
                yield part
        except (OSError, SafetensorError) as cause:
            raise CorruptFile("encoding.damaged", path=path, cause=cause) from cause


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
            with files.disk_errors(entry.path):
                entry.path.unlink(missing_ok=True)
            freed += entry.bytes
    if keep_days is None:
        with files.disk_errors(root):
            files.remove(root / SONGS)
    return freed
