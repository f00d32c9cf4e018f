"""Files that are whole or absent: atomic writes, content hashes, locks and safe names.

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
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from acetune.errors import AcetuneError, CorruptFile, DiskFull, NotWritable, SettingError

_DRAFT = ".draft-"
_NAME = re.compile(r"[^\W_][\w.-]{0,63}")
_DEVICES = {"con", "prn", "aux", "nul"} | {f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10)}


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


@contextmanager
def draft_file(path: Path) -> Iterator[Path]:
    """Yield a path to write to; it becomes ``path`` if the block succeeds and vanishes if not.

    Raises:
        DiskFull: If there is no room.
        NotWritable: If the folder may not be written.
    """
    draft = path.with_name(path.name + _DRAFT + secrets.token_hex(4))
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield draft
            _flush(draft)
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)


@contextmanager
def draft_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder to fill; it becomes ``path`` if the block succeeds and vanishes if not.

    Raises:
        DiskFull: If there is no room.
        NotWritable: If the parent may not be written, or ``path`` exists.
    """
    draft = path.with_name(path.name + _DRAFT + secrets.token_hex(4))
    with disk_errors(path):
        try:
            draft.mkdir(parents=True)
            yield draft
            for file in draft.rglob("*"):
                if file.is_file():
                    _flush(file)
            if path.exists():
                raise FileExistsError(errno.EEXIST, "exists", str(path))
            os.rename(draft, path)
            _flush_folder(path.parent)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def sweep_drafts(folder: Path) -> None:
    """Remove drafts that a killed process left in this folder."""
    for draft in folder.glob(f"*{_DRAFT}*"):
        if draft.is_dir():
            shutil.rmtree(draft, ignore_errors=True)
        else:
            draft.unlink(missing_ok=True)


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
        if cause.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
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


def check_name(name: str, what: str) -> str:
    """Return a name that is safe as a file name on every system.

    Raises:
        SettingError: If it has separators, leading dots, device names or more than 64 characters.
    """
    if not _NAME.fullmatch(name) or name.rstrip(".") != name or name.split(".")[0].lower() in _DEVICES:
        raise SettingError("files.bad_name", name=name, what=what)
    return name


@dataclass(frozen=True)
class Owner:
    """The process that holds a lock: its number alone could have been given to another one since."""

    pid: int
    started: str
    host: str

    @classmethod
    def here(cls) -> Owner:
        """Return the running process."""
        return cls(os.getpid(), process_started(os.getpid()) or "", socket.gethostname())

    def is_alive(self) -> bool:
        """Whether that process still runs; unknown counts as yes on another host."""
        if self.host != socket.gethostname():
            return True
        return bool(self.started) and process_started(self.pid) == self.started


@contextmanager
def lock(path: Path, code: str) -> Iterator[None]:
    """Hold a lock file; a lock whose process is gone is taken over.

    Raises:
        SettingError: With this code if a living process holds it.
        NotWritable: If the folder may not be written.
    """
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        owner = Owner.here()
        draft = path.with_name(f"{path.name}{_DRAFT}{secrets.token_hex(4)}")
        draft.write_text(json.dumps(vars(owner)), encoding="utf-8")
        try:
            _claim(draft, path, code)
        finally:
            draft.unlink(missing_ok=True)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def lock_owner(path: Path) -> Owner | None:
    """Return the living process that holds a lock, or None."""
    try:
        owner = Owner(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return owner if owner.is_alive() else None


def _claim(draft: Path, path: Path, code: str) -> None:
    """Link a written lock into place; the link is what makes it exclusive."""
    holder = None
    for _ in range(3):
        try:
            _link(draft, path)
            return
        except FileExistsError:
            holder = lock_owner(path)
        if holder is not None:
            break
        _take_away_dead(path)
    raise SettingError(code, pid=holder.pid if holder else "?", host=holder.host if holder else "?", path=path)


def _link(draft: Path, path: Path) -> None:
    """Give a file a second name, which must be free; where the file system has no links, copy it."""
    try:
        os.link(draft, path)
    except FileExistsError:
        raise
    except OSError:  # exFAT and some network shares
        with path.open("xb") as stream:
            stream.write(draft.read_bytes())


def _take_away_dead(path: Path) -> None:
    """Remove the lock of a process that is gone; one that was renewed in this moment is put back."""
    aside = path.with_name(f"{path.name}{_DRAFT}{secrets.token_hex(4)}")
    with suppress(FileNotFoundError):
        os.rename(path, aside)
        if lock_owner(aside) is not None:
            with suppress(FileExistsError):
                _link(aside, path)
        aside.unlink()


def process_started(pid: int) -> str | None:
    """Return when a process started, in a form that is only good for comparison; None if it is gone."""
    if sys.platform == "linux":
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] == "Z" else fields[19]
    if sys.platform == "win32":
        return _started_on_windows(pid)
    answer = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    return answer or None


def _started_on_windows(pid: int) -> str | None:
    """Return the creation time of a process from the Windows kernel."""
    import ctypes

    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009 - absent from the type stubs elsewhere
    handle = kernel.OpenProcess(0x1000, False, pid)  # PROCESS_QUERY_LIMITED_INFORMATION
    if not handle:
        return None
    times = [ctypes.c_uint64() for _ in range(4)]
    code = ctypes.c_uint32()
    known = kernel.GetProcessTimes(handle, *(ctypes.byref(t) for t in times))
    running = kernel.GetExitCodeProcess(handle, ctypes.byref(code)) and code.value == 259  # STILL_ACTIVE
    kernel.CloseHandle(handle)
    return str(times[0].value) if known and running else None


def _flush(file: Path) -> None:
    """Ask the operating system to put a file on the disk now."""
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
