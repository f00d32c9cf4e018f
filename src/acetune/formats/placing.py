"""Where a written adapter or model takes its place: after its check, and never over what acetune did not write."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from acetune import files
from acetune.errors import CorruptFile, SettingError
from acetune.families.adapter_names import is_ours
from acetune.families.foreign_files import CONFIG, weights_file

#: The file with our facts in the folder of a whole model.
FACTS: Final = "acetune_facts.json"


@contextmanager
def placed(target: Path) -> Iterator[Path]:
    """Yield a path of the same name to write to; it takes the target's place if the block succeeds, else vanishes.

    Raises:
        SettingError: If something is there that acetune did not write.
        DiskFull, NotWritable: As the file system says.
    """
    refuse(target)
    room = target.with_name(f"{target.name}{files.DRAFT}{secrets.token_hex(4)}")
    try:
        yield room / target.name
        files.swap(room / target.name, target)
    finally:
        shutil.rmtree(room, ignore_errors=True)


def refuse(target: Path, source: Path | None = None) -> None:
    """Raise SettingError where writing would lose what is there: the source, or what acetune did not write.

    Args:
        target: File or folder to write.
        source: File or folder that is read.
    """
    if source is not None:
        read = {place.resolve() for path in (source, weights_file(source)) for place in (path, *path.parents)}
        if target.exists() and target.resolve() in read:
            raise SettingError("formats.onto_itself", path=target)
    if target.exists() and not _replaceable(target):
        raise SettingError("formats.not_ours", path=target)


def _replaceable(target: Path) -> bool:
    """Whether nothing of others is lost with a file or folder: it has our facts, or it is empty or damaged."""
    if not target.is_dir():
        return _is_ours(target, damaged=True)
    if (target / FACTS).is_file() or not any(target.iterdir()):
        return True
    return (target / CONFIG).is_file() and _is_ours(weights_file(target), damaged=False)


def _is_ours(file: Path, *, damaged: bool) -> bool:
    """Whether a file has our facts; the answer for a damaged one is given."""
    try:
        return file.is_file() and is_ours(file)
    except CorruptFile:
        return damaged
