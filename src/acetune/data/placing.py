"""Songs go into a folder together with the texts beside them, all of them or none."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from pathlib import Path

from acetune.data.beside import is_song, texts_of, with_texts
from acetune.data.listing import list_files
from acetune.data.manifest import MANIFEST
from acetune.data.settings import INNER
from acetune.events import Job, Progress, StageEnded, StageStarted
from acetune.files import disk_errors, draft_folder, remove

_COPY = "copy"
_INCOMING = "incoming-"
_BLOCK_BYTES = 8 << 20


def place(songs: Mapping[str, Path], target: Path, job: Job, *, clear: bool) -> Path | None:
    """Put songs and their texts into a folder, and return where those are that were there before.

    Everything is copied before the first file is put in its place. One process at a time may do this to a folder.

    Args:
        songs: Path of each song by the file name that it gets; no other file has its stem.
        target: The folder; made if there is none.
        job: Hears of each song; may stop, and nothing was changed then.
        clear: Put away what is there into ``.acetune/removed-<time>``.

    Raises:
        Stopped: If asked to stop.
        DiskFull: If there is no room.
        NotWritable: If the folder may not be written.
    """
    if not target.exists():
        with draft_folder(target) as draft:
            _copy_all(songs, draft, job)
        return None
    for left in (target / INNER).glob(f"{_INCOMING}*"):  # of a process that was killed
        remove(left)
    incoming = target / INNER / f"{_INCOMING}{secrets.token_hex(4)}"
    with draft_folder(incoming) as draft:
        _copy_all(songs, draft, job)
    with disk_errors(target):
        removed = _clear(target) if clear else None
        for file in sorted(incoming.iterdir(), key=is_song):  # a song without its texts is never seen
            file.rename(target / file.name)
        incoming.rmdir()
    return removed


def _copy_all(songs: Mapping[str, Path], folder: Path, job: Job) -> None:
    """Copy songs and their texts under their new names."""
    job.report(StageStarted(stage=_COPY, total=len(songs), unit="files"))
    texts = texts_of(songs.values())
    for done, (name, song) in enumerate(songs.items(), start=1):
        stem = Path(name).stem
        for ending, text in texts[song].items():
            _copy(text, folder / (stem + ending), job)
        _copy(song, folder / name, job)
        job.report(Progress(stage=_COPY, done=done, total=len(songs), item=name))
    job.report(StageEnded(stage=_COPY, result={"files": len(songs)}))


def _copy(source: Path, target: Path, job: Job) -> None:
    """Copy a file, a stop in the middle included."""
    with source.open("rb") as reader, target.open("xb") as writer:
        while block := reader.read(_BLOCK_BYTES):
            job.check_stop(_COPY)
            writer.write(block)


def _clear(folder: Path) -> Path:
    """Put songs, their texts and a copy of the manifest away and return where they are."""
    listing = list_files(folder, Job())
    away = folder / INNER / f"removed-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    away.mkdir(parents=True)
    if (folder / MANIFEST).is_file():
        (away / MANIFEST).write_bytes((folder / MANIFEST).read_bytes())
    for file in with_texts(listing.audio):
        place = away / file.relative_to(listing.root)
        place.parent.mkdir(parents=True, exist_ok=True)
        file.rename(place)
    return away
