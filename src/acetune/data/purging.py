"""What a data set knows of one song beside its row, and how to make it forget that.

The row goes last: a process that dies in between can be asked again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from acetune.data import history
from acetune.data import manifest as manifests
from acetune.data.beside import is_song, with_texts
from acetune.data.changes import RowChange
from acetune.data.editing import listed
from acetune.data.history import Entry
from acetune.data.settings import INNER
from acetune.data.sidecars import ENDINGS
from acetune.data.track import Track
from acetune.errors import DataError
from acetune.files import content_hash, disk_errors, write_bytes

_SHA256 = re.compile(r"[0-9a-f]{64}")
_HISTORY = "history.jsonl"


@dataclass(frozen=True)
class Traces:
    """What a data set knows of a song.

    Attributes:
        path: Where it is or was, relative to the data set.
        sha256: Content hash of its audio; None for a song that no scan has read.
        listed: Whether a row speaks of it.
        changes: How many changes of the history do.
        notes: How many lines of other files in ``.acetune`` do.
        copies: Files put away in ``.acetune`` that are the song or lie beside it.
        files: The song and the texts beside it, where it lies in the data set.
        twins: Other tracks with the same audio.
    """

    path: str
    sha256: str | None
    listed: bool
    changes: int
    notes: int
    copies: tuple[Path, ...]
    files: tuple[Path, ...]
    twins: tuple[str, ...]


def traces_of(dataset: str | Path, track: str) -> Traces:
    """Return what a data set knows of a song, in its row or from earlier.

    Args:
        dataset: Folder of the data set.
        track: Path or file name, or the content hash of its audio.

    Raises:
        DataError: If nothing is known of such a song, or the name fits several.
    """
    manifest = history.known(dataset)
    entries = history.read_entries(dataset)
    path, sha256 = _named(manifest.tracks, entries, track)
    same = [known.path for known in manifest.tracks if sha256 is not None and known.audio_sha256 == sha256]
    audio = manifest.folder / path
    traces = Traces(
        path=path,
        sha256=sha256,
        listed=any(known.path == path for known in manifest.tracks),
        changes=0,
        notes=sum(len(gone) for _, _, gone in _notes(manifest.folder, sha256)),
        copies=tuple(_copies(manifest.folder, sha256)),
        files=with_texts([audio]) if audio.is_file() else (),
        twins=tuple(other for other in same if other != path),
    )
    return replace(traces, changes=sum(_without(entry, traces) is not entry for entry in entries))


def purge(dataset: str | Path, traces: Traces, *, delete_audio: bool) -> None:
    """Remove what a data set knows of a song; nothing of it can be taken back.

    Args:
        dataset: Folder of the data set.
        traces: What is known.
        delete_audio: Delete the song too, and the texts beside it.

    Raises:
        SettingError: If another process holds the data set for long.
        DiskFull, NotWritable: As the file system says.
    """
    with history.opened(dataset) as manifest:
        entries = history.read_entries(dataset)
        history.write_entries(manifest.folder, [left for entry in entries if (left := _without(entry, traces))])
        for path, kept, gone in _notes(manifest.folder, traces.sha256):
            if gone:
                write_bytes(path, b"".join(kept))
        for file in (*traces.copies, *(traces.files if delete_audio else ())):
            with disk_errors(file):
                file.unlink(missing_ok=True)
        tracks = tuple(track for track in manifest.tracks if track.path != traces.path)
        manifests.write(replace(manifest, tracks=tracks))


def _named(tracks: Sequence[Track], entries: Sequence[Entry], name: str) -> tuple[str, str | None]:
    """Return path and content hash of the song that a person means.

    Raises:
        DataError: If there is none, or several.
    """
    rows = {track.path: track.audio_sha256 for track in tracks}
    changes = [change for entry in entries for change in entry.tracks]
    before = {path: change.sha256 for change in changes for path in (change.path, change.path_after)}
    for known in (rows, before):
        exact = {path: sha256 for path, sha256 in known.items() if path == name}
        found = exact or {path: sha256 for path, sha256 in known.items() if name in (sha256, path.rpartition("/")[2])}
        if len(found) > 1 and (known is rows or len(set(found.values())) > 1):
            raise DataError("edit.several_tracks", name=name, count=len(found), tracks=listed(sorted(found)))
        if found:
            return next(iter(found.items()))
    if _SHA256.fullmatch(name):
        return name, name
    raise DataError("edit.no_track", pattern=name, count=len(tracks))


def _without(entry: Entry, traces: Traces) -> Entry | None:
    """Return a change without a song and the words that were typed for it; None if it was about nothing else."""
    mine = [change for change in entry.tracks if _concerns(change, traces)]
    if not mine:
        return entry
    paths = [path for change in mine for path in (change.path, change.path_after)]
    files = {*paths, *(os.path.splitext(path)[0] + ending for path in paths for ending in ENDINGS)}
    left = replace(
        entry,
        words=entry.words[:1],
        tracks=tuple(change for change in entry.tracks if change not in mine),
        moves=tuple(move for move in entry.moves if move.old not in files),
    )
    return left if left.tracks or left.settings.columns else None


def _concerns(change: RowChange, traces: Traces) -> bool:
    """Whether a change of the history is about a song: under its path, or under another one by its audio."""
    paths = {change.path, change.path_after}
    same = traces.sha256 is not None and change.sha256 == traces.sha256
    return traces.path in paths or (same and not paths & set(traces.twins))


def _notes(folder: Path, sha256: str | None) -> Iterator[tuple[Path, list[bytes], list[bytes]]]:
    """Yield the files of notes beside a data set, with the lines to keep and those that name a song's audio."""
    for path in sorted((folder / INNER).rglob("*.jsonl")):
        if path.name != _HISTORY and sha256 is not None:
            lines = path.read_bytes().splitlines(keepends=True)
            gone = [line for line in lines if sha256.encode() in line]
            yield path, [line for line in lines if line not in gone], gone


def _copies(folder: Path, sha256: str | None) -> Iterator[Path]:
    """Yield songs with this audio that lie in ``.acetune``, such as those put away by `data add`, and their texts."""
    for file in sorted((folder / INNER).rglob("*")):
        if sha256 is not None and file.is_file() and is_song(file) and content_hash(file) == sha256:
            yield from with_texts([file])
