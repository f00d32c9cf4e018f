"""Many files become one folder or one archive, whole or not at all."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from acetune.events import Job, Progress, StageEnded, StageStarted
from acetune.files import draft_file, draft_folder

_STAGE = "export"
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Entry:
    """A file to be: its path inside, with forward slashes, and what it holds: another file's content, or bytes."""

    name: str
    content: Path | bytes

    def size(self) -> int:
        """Return how many bytes it has."""
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size

    def open(self) -> IO[bytes]:
        """Return its content as a stream."""
        return io.BytesIO(self.content) if isinstance(self.content, bytes) else self.content.open("rb")


def fill(entries: Sequence[Entry], folder: Path, job: Job) -> None:
    """Write files into a new folder.

    Raises:
        Stopped: If asked to stop; nothing is left.
        DiskFull: If there is no room.
        NotWritable: If the folder may not be made.
    """
    with draft_folder(folder) as draft:

        def write(entry: Entry) -> None:
            target = draft / entry.name
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as sink:
                _pour(entry, sink, job)

        _each(entries, write, job)


def pack(entries: Sequence[Entry], archive: Path, job: Job) -> None:
    """Write files into a zip archive: audio as it is, texts compressed; equal files give equal archives.

    Raises:
        Stopped: If asked to stop; nothing is left.
        DiskFull: If there is no room.
        NotWritable: If the folder may not be written.
    """
    with draft_file(archive) as draft, ZipFile(draft, "w") as zipped:

        def write(entry: Entry) -> None:
            info = ZipInfo(entry.name)
            info.compress_type = ZIP_DEFLATED if isinstance(entry.content, bytes) else ZIP_STORED
            info.file_size = entry.size()
            info.external_attr = 0o644 << 16
            with zipped.open(info, "w") as sink:
                _pour(entry, sink, job)

        _each(entries, write, job)


def _each(entries: Sequence[Entry], write: Callable[[Entry], None], job: Job) -> None:
    """Write every file and report it."""
    job.report(StageStarted(stage=_STAGE, total=len(entries), unit="files"))
    for done, entry in enumerate(entries, start=1):
        job.check_stop(_STAGE)
        write(entry)
        job.report(Progress(stage=_STAGE, done=done, total=len(entries), item=entry.name))
    job.report(StageEnded(stage=_STAGE, result={"files": len(entries)}))


def _pour(entry: Entry, sink: IO[bytes], job: Job) -> None:
    """Copy a file's content."""
    with entry.open() as source:
        while block := source.read(_BLOCK_BYTES):
            job.check_stop(_STAGE)
            sink.write(block)
