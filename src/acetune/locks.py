"""Locks between processes that survive the death of their owner: a lock file that says who holds it."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from acetune.errors import SettingError
from acetune.files import DRAFT, disk_errors, patiently


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
        draft = path.with_name(f"{path.name}{DRAFT}{secrets.token_hex(4)}")
        draft.write_text(json.dumps(vars(owner)), encoding="utf-8")
        try:
            _claim(draft, path, code)
        finally:
            draft.unlink(missing_ok=True)
    try:
        yield
    finally:
        if lock_owner(path) == owner:
            patiently(lambda: path.unlink(missing_ok=True))


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
    aside = path.with_name(f"{path.name}{DRAFT}{secrets.token_hex(4)}")
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
