"""Published weights on this machine: where the hub's client keeps them, whether they are whole. No torch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from acetune import files
from acetune.errors import DataError
from acetune.events import Job, Progress
from acetune.families.tensors import read_header, read_json, read_shards
from acetune.families.variant import Repository

#: What a download leaves beside its files: their sizes and hashes as the hub stated them.
RECORD = ".acetune-hub.json"


def is_complete(folder: Path, stem: str) -> bool:
    """Whether a folder has ``<stem>.safetensors`` or all its shards, every file of its full length."""
    try:
        return bool(read_shards(folder, stem))
    except (DataError, OSError):
        return False


def is_hub_id(path: Path) -> bool:
    """Whether a path that is not on the disk could be ``owner/name`` on the hub."""
    return re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", path.as_posix()) is not None


def cached_file(repository: str, name: str) -> Path | None:
    """Return a file of a repository from the hub's cache, or None."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repository, name)
    return Path(found) if isinstance(found, str) else None


def cached_snapshot(repository: str) -> Path | None:
    """Return the newest snapshot of a repository in the hub's cache; None if there is none."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repository, local_files_only=True))
    except LocalEntryNotFoundError:
        return None


def target_of(repository: Repository, models: Path) -> Path:
    """Return the folder that a repository's files go to, so that all of them form the official layout.

    A repository whose files are at its top gets a folder of its own name; one with folders is spread as it is.
    """
    flat = any("/" not in pattern for pattern in repository.patterns)
    folder = models / "checkpoints"
    return folder / repository.id.rpartition("/")[2] if flat else folder


def verify(places: Iterable[Path], job: Job) -> tuple[Path, ...]:
    """Check weight files: readable, whole, and the bytes that the hub stated where a download recorded them.

    Args:
        places: Files, or folders that are searched.
        job: Hears of progress; can stop it.

    Returns:
        The files that were checked.

    Raises:
        DataError: For the first file that is damaged.
    """
    found = sorted({file for place in places for file in ([place] if place.is_file() else place.rglob("*.*"))})
    checked = [file for file in found if file.suffix == ".safetensors" or file.name == "silence_latent.pt"]
    for done, file in enumerate(checked):
        job.check_stop("verify")
        job.report(Progress(stage="verify", done=done, total=len(checked), item=file.name))
        if file.suffix == ".safetensors":
            read_header(file)
        _compare(file)
    return tuple(checked)


def in_gb(size: int) -> str:
    """Return a size in words."""
    return f"{size / 1e9:.2f} GB" if size >= 1e7 else f"{size / 1e6:.2f} MB"


def _compare(file: Path) -> None:
    """Compare a file with what the hub stated, where that was recorded.

    Raises:
        DataError: If its size or its bytes differ.
    """
    for folder in file.parents[:2]:
        record = folder / RECORD
        stated = read_json(record).get(file.relative_to(folder).as_posix()) if record.is_file() else None
        if isinstance(stated, Mapping):
            if stated["size"] != file.stat().st_size or stated["sha256"] not in (None, files.content_hash(file)):
                raise DataError("weights.damaged", path=file)
            return
