"""A zip archive becomes a folder, whole or not at all; nothing that it says of itself is believed.

Refused before a byte is written: too many or too large files, what grows a hundredfold, names that lead out of the
folder or that two files share on some system, links, encryption and rare compression (its decoders have no bound).
"""

from __future__ import annotations

import io
import re
import stat
import struct
import sys
import unicodedata
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from acetune.data.settings import INNER
from acetune.errors import DataError
from acetune.events import Job, Progress, StageEnded, StageStarted
from acetune.files import DEVICE_NAMES, draft_folder

MOST_ENTRIES: Final = 20_000
MOST_ENTRY_BYTES: Final = 2_000_000_000
MOST_BYTES: Final = 20_000_000_000
MOST_RATIO: Final = 100

_STAGE = "unpack"
_BLOCK_BYTES = 1 << 20
#: The list of files is read at once; 20,000 entries with long names take less.
_MOST_LIST_BYTES = 16 << 20
#: Below this size a ratio means nothing: a text of one word repeated is no bomb.
_SMALL_BYTES = 1 << 14
_MOST_DEPTH = 32
_MOST_NAME_BYTES = 255
_ENCRYPTED_OR_PATCHED = 0x1 | 0x20 | 0x40
_UTF8_NAME = 0x800
_OUTSIDE = re.compile(r"/|[A-Za-z]:|.*[\x00-\x1f\x7f]", re.DOTALL)
_NOT_ON_WINDOWS = re.compile(r'[<>:"|?*]|[. ](/|$)')
#: What operating systems leave in archives.
_JUNK = re.compile(r"(.*/)?(\._[^/]*|\.DS_Store|Thumbs\.db|desktop\.ini)|(.*/)?__MACOSX/.*", re.DOTALL)


def unpack(archive: Path, folder: Path, job: Job) -> None:
    """Fill a new folder with the files of a zip archive; a folder that holds all the others is left out.

    Args:
        archive: The zip file.
        folder: Does not exist before.
        job: Hears of each file; may stop, and nothing is left then.

    Raises:
        DataError: If the folder exists, or the archive is damaged or holds what is refused.
        Stopped: If asked to stop.
        DiskFull: If there is no room.
        NotWritable: If the folder may not be made.
    """
    if folder.exists():
        raise DataError("share.exists", path=folder)
    with _opened(archive) as zipped:
        entries = _checked(zipped.infolist(), archive)
        job.report(StageStarted(stage=_STAGE, total=len(entries), unit="files"))
        with draft_folder(folder) as draft:
            for done, (path, info) in enumerate(entries.items(), start=1):
                _extract(zipped, info, draft / path, job)
                job.report(Progress(stage=_STAGE, done=done, total=len(entries), item=str(path)))
    job.report(StageEnded(stage=_STAGE, result={"files": len(entries)}))


class _Archive(io.FileIO):
    """A file that is read in small parts only, so that a false list of files cannot fill the memory."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes.

        Raises:
            DataError: If far too many are wanted at once.
        """
        if size is not None and size > _MOST_LIST_BYTES:
            raise DataError("share.zip_entries", archive=self.name, most=MOST_ENTRIES)
        return super().read(size) or b""


@contextmanager
def _opened(archive: Path) -> Iterator[ZipFile]:
    """Yield an open archive; what zipfile raises for a damaged one becomes one of our errors."""
    try:
        with _Archive(archive) as stream, ZipFile(stream) as zipped:
            yield zipped
    except OSError as cause:
        raise DataError("share.bad_zip", archive=archive, cause=cause.strerror or cause) from cause
    except (BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, ValueError, OverflowError) as cause:
        reason = _printable(str(cause).rstrip(".")) or "it ends too early"
        raise DataError("share.bad_zip", archive=archive, cause=reason) from cause


def _checked(infos: Sequence[ZipInfo], archive: Path) -> Mapping[PurePosixPath, ZipInfo]:
    """Return the files of an archive by the path that each shall have.

    Raises:
        DataError: If one of them is refused.
    """
    if len(infos) > MOST_ENTRIES:
        raise DataError("share.zip_entries", archive=archive, most=MOST_ENTRIES)
    entries: dict[PurePosixPath, ZipInfo] = {}
    for info in infos:
        path = _path(info, archive)
        _check_kind(info, path, archive)
        if not _is_left_out(info, path):
            if path in entries:
                raise DataError("share.zip_clash", archive=archive, first=path, second=path)
            entries[path] = info
    if not entries:
        raise DataError("share.zip_empty", archive=archive)
    _check_sizes(entries, archive)
    _check_clashes(entries, archive)
    return _without_top(entries)


def _path(info: ZipInfo, archive: Path) -> PurePosixPath:
    """Return the path of an entry inside the folder, composed (NFC) and with forward slashes."""
    name = unicodedata.normalize("NFC", _name(info)).replace("\\", "/")
    path = PurePosixPath(name)
    too_long = any(len(part.encode()) > _MOST_NAME_BYTES for part in path.parts) or len(path.parts) > _MOST_DEPTH
    devices = DEVICE_NAMES.intersection(part.split(".")[0].rstrip().casefold() for part in path.parts)
    unsafe = _OUTSIDE.match(name) or ".." in path.parts or too_long or devices
    if unsafe or (sys.platform == "win32" and _NOT_ON_WINDOWS.search(name.rstrip("/"))):
        raise DataError("share.zip_name", archive=archive, name=_printable(name))
    return path


def _name(info: ZipInfo) -> str:
    """Return the name of an entry; old archives do not say that theirs is UTF-8 or Chinese."""
    if not info.flag_bits & _UTF8_NAME:
        for encoding in ("utf-8", "gb2312"):
            try:
                return info.orig_filename.encode("cp437").decode(encoding)
            except UnicodeError:
                continue
    return info.orig_filename


def _check_kind(info: ZipInfo, path: PurePosixPath, archive: Path) -> None:
    """Refuse links, devices, encryption, and compression whose decoder has no bound."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise DataError("share.zip_link", archive=archive, name=path)
    if info.flag_bits & _ENCRYPTED_OR_PATCHED:
        raise DataError("share.zip_encrypted", archive=archive, name=path)
    if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise DataError("share.zip_method", archive=archive, name=path)


def _is_left_out(info: ZipInfo, path: PurePosixPath) -> bool:
    """Whether an entry is a folder, a lock of another machine, or an operating system's own."""
    is_folder = info.orig_filename.endswith(("/", "\\")) or not path.parts
    return is_folder or path.parts[-2:] == (INNER, "lock") or _JUNK.fullmatch(str(path)) is not None


def _check_sizes(entries: Mapping[PurePosixPath, ZipInfo], archive: Path) -> None:
    """Refuse what would fill the disk."""
    for path, info in entries.items():
        if info.file_size > MOST_ENTRY_BYTES:
            raise DataError("share.zip_entry_size", archive=archive, name=path, most=MOST_ENTRY_BYTES / 1e9)
    total = sum(info.file_size for info in entries.values())
    if total > MOST_BYTES:
        raise DataError("share.zip_size", archive=archive, size=total / 1e9, most=MOST_BYTES / 1e9)
    sizes = [(total, archive.stat().st_size), *((info.file_size, info.compress_size) for info in entries.values())]
    if any(large > MOST_RATIO * max(small, _SMALL_BYTES) for large, small in sizes):
        raise DataError("share.zip_ratio", archive=archive, most=MOST_RATIO)


def _check_clashes(entries: Mapping[PurePosixPath, ZipInfo], archive: Path) -> None:
    """Refuse two files that are one on a system without upper and lower case, and a file that is a folder too."""
    folders = {_folded(parent): parent for path in entries for parent in path.parents if parent.parts}
    seen = dict(folders)
    for path in entries:
        other = seen.setdefault(_folded(path), path)
        if other is not path:
            raise DataError("share.zip_clash", archive=archive, first=other, second=path)


def _folded(path: PurePosixPath) -> str:
    """Return a path as a system without upper and lower case compares it."""
    return unicodedata.normalize("NFC", str(path).casefold())


def _without_top(entries: Mapping[PurePosixPath, ZipInfo]) -> Mapping[PurePosixPath, ZipInfo]:
    """Return the entries without the folder that holds all of them, if there is one."""
    tops = {path.parts[0] if len(path.parts) > 1 else None for path in entries}
    if len(tops) > 1 or None in tops or INNER in tops:
        return entries
    return {PurePosixPath(*path.parts[1:]): info for path, info in entries.items()}


def _extract(zipped: ZipFile, info: ZipInfo, target: Path, job: Job) -> None:
    """Write one file; its length and check sum are compared with what the archive says."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipped.open(info) as source, target.open("xb") as sink:
        while block := source.read(_BLOCK_BYTES):
            job.check_stop(_STAGE)
            sink.write(block)


def _printable(text: str) -> str:
    """Return a text that can be shown in one line."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:120]
