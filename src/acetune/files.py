"""Files that are whole or absent: atomic writes, content hashes and safe names.

A reader never sees half a file: everything is written to a draft beside its target, flushed to the disk and
renamed. Nothing is ever renamed onto an existing folder.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from acetune.errors import AcetuneError, CorruptFile, DiskFull, NotWritable, SettingError

#: Part of the name of everything that is being written.
DRAFT = ".draft-"
#: Windows lets nobody replace or delete a file while somebody reads it, which takes moments.
_PATIENCE_SECONDS = 2.0 if sys.platform == "win32" else 0.0
_NAME = re.compile(r"[^\W_][\w.-]{0,63}")
#: Names that Windows keeps for itself, whatever their suffix.
DEVICE_NAMES = frozenset({"con", "prn", "aux", "nul"} | {f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10)})


def write_text(path: Path, text: str) -> None:
    """Replace a file by this text, all of it or nothing.

    Raises:
        DiskFull: If there is no room.
        NotWritable: If the folder may not be written.
    """
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, data: bytes) -> None:
    """Replace a file by these bytes, all of them or nothing (raises as `write_text`)."""
    with draft_file(path) as draft:
        draft.write_bytes(data)


def write_json(path: Path, value: object) -> None:
    """Replace a file by a JSON document, all of it or nothing (raises as `write_text`)."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def read_json(path: Path) -> object:
    """Return a JSON document that acetune wrote.

    Raises:
        CorruptFile: If the file is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as cause:
        raise CorruptFile("files.not_json", path=path, cause=cause) from cause


def append_line(path: Path, line: bytes) -> None:
    """Add a line to a file and put it on the disk now; half a line of a killed process is ended first.

    Args:
        path: The file; it need not exist, its folder must.
        line: With its end.

    Raises:
        DiskFull: If there is no room.
        NotWritable: If the folder may not be written.
    """
    with disk_errors(path), path.open("a+b") as stream:
        stream.write(line if _ends_whole(path) else b"\n" + line)
        stream.flush()
        os.fsync(stream.fileno())


@contextmanager
def draft_file(path: Path) -> Iterator[Path]:
    """Yield a path to write to; it becomes ``path`` if the block succeeds and vanishes if not.

    Raises:
        DiskFull: If there is no room.
        NotWritable: If the folder may not be written.
    """
    draft = path.with_name(path.name + DRAFT + secrets.token_hex(4))
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            draft.touch()
            mode = draft.stat().st_mode
            yield draft
            _flush(draft, mode)
            patiently(lambda: os.replace(draft, path))
        finally:
            draft.unlink(missing_ok=True)


@contextmanager
def draft_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder to fill; it becomes ``path`` if the block succeeds and vanishes if not.

    Raises:
        DiskFull: If there is no room.
        NotWritable: If the parent may not be written, or ``path`` exists.
    """
    draft = path.with_name(path.name + DRAFT + secrets.token_hex(4))
    with disk_errors(path):
        try:
            draft.mkdir(parents=True)
            mode = draft.stat().st_mode & 0o666
            yield draft
            for file in draft.rglob("*"):
                if file.is_file():
                    _flush(file, mode)
            if path.exists():
                raise FileExistsError(errno.EEXIST, "exists", str(path))
            os.rename(draft, path)
            _flush_folder(path.parent)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def swap(draft: Path, target: Path) -> None:
    """Let a file or folder take the place of another, which is gone then, or still there if that fails.

    Args:
        draft: What is written, in a folder that nobody else uses, on the target's disk.
        target: Where it belongs; nothing need be there.

    Raises:
        DiskFull, NotWritable: As the file system says.
    """
    with disk_errors(target):
        if not target.is_dir():
            patiently(lambda: os.replace(draft, target))
            return
        old = draft.with_name(f"{draft.name}{DRAFT}old")
        os.rename(target, old)
        try:
            os.rename(draft, target)
        except OSError:
            os.rename(old, target)
            raise
        shutil.rmtree(old, ignore_errors=True)


def sweep_drafts(folder: Path) -> None:
    """Remove drafts that a killed process left in this folder."""
    for draft in folder.glob(f"*{DRAFT}*"):
        if draft.is_dir():
            shutil.rmtree(draft, ignore_errors=True)
        else:
            draft.unlink(missing_ok=True)


def patiently(act: Callable[[], None], seconds: float = _PATIENCE_SECONDS) -> None:
    """Do something to a file, and again as long as the system refuses it and there is time left."""
    until = time.monotonic() + seconds
    while True:
        try:
            act()
            return
        except PermissionError:
            if time.monotonic() >= until:
                raise
        time.sleep(0.02)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn what the operating system says about a full or closed disk into our errors.

    Raises:
        DiskFull: Where the block met a full disk or an exhausted quota.
        NotWritable: Where the block met a closed or read-only folder.
    """
    try:
        yield
    except AcetuneError:
        raise
    except OSError as cause:
        if cause.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull("files.disk_full", path=path, free=_free_text(path)) from cause
        if cause.errno in (
            errno.EACCES,
            errno.ENOENT,
            errno.EPERM,
            errno.EROFS,
            errno.ENOTDIR,
            errno.EEXIST,
            errno.EISDIR,
            errno.ENAMETOOLONG,
        ):
            raise NotWritable("files.not_writable", path=path, cause=cause.strerror) from cause
        raise


def content_hash(path: Path) -> str:
    """Return the SHA-256 of a file's bytes in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def hash_of(*parts: object) -> str:
    """Return 32 hexadecimal digits that name these values; equal values, equal name."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.blake2b(text.encode("utf-8"), digest_size=16).hexdigest()


def chance_of(*parts: object) -> float:
    """Return a number in [0, 1) that is drawn from these values; equal values, equal number."""
    return int(hash_of(*parts)[:13], 16) / 16**13  # 52 bits: all that a float holds below 1


def check_name(name: str, what: str) -> str:
    """Return a name that is safe as a file name on every system.

    Raises:
        SettingError: If it has separators, leading dots, device names or more than 64 characters.
    """
    if not _NAME.fullmatch(name) or name.rstrip(".") != name or name.split(".")[0].lower() in DEVICE_NAMES:
        raise SettingError("files.bad_name", name=name, what=what)
    return name


def _ends_whole(path: Path) -> bool:
    """Whether a file is empty or its last line has an end."""
    with path.open("rb") as stream:
        if stream.seek(0, os.SEEK_END) == 0:
            return True
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) == b"\n"


def _flush(file: Path, mode: int) -> None:
    """Put a file on the disk now, with the user's usual permissions (safetensors makes files private)."""
    file.chmod(mode)
    with file.open("rb+") as stream:
        os.fsync(stream.fileno())


def _flush_folder(folder: Path) -> None:
    """Put a folder's entries on the disk now, where the system can."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _free_text(path: Path) -> str:
    """Return the free space near a path for a message."""
    here = next((p for p in (path, *path.parents) if p.exists()), Path("."))
    return f"{shutil.disk_usage(here).free / 1e9:.1f} GB"


def remove(path: Path) -> None:
    """Delete a file or a folder; nothing happens where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
