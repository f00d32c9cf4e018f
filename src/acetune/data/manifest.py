"""A data set on the disk: ``metadata.jsonl`` beside the songs, settings and journal in ``.acetune``.

The manifest is the user's: it may be edited by hand. Results that arrive one by one go to the journal and are
folded into the manifest later, so that no result costs a rewrite of the whole. Whoever reads sees both.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from acetune.data import journal
from acetune.data.rows import to_line, to_row, to_track
from acetune.data.settings import INNER, DatasetSettings, has_settings, read_settings, write_settings
from acetune.data.track import Mark, Track
from acetune.errors import DataError, SettingError
from acetune.events import Json
from acetune.files import write_bytes
from acetune.locks import lock

#: Name of the manifest inside a data set's folder.
MANIFEST: Final = "metadata.jsonl"
_PATIENCE_SECONDS: Final = 10.0


@dataclass(frozen=True)
class Manifest:
    """The ordered tracks of a data set.

    Attributes:
        folder: The data set's folder; the tracks' paths start there.
    """

    folder: Path
    tracks: tuple[Track, ...]
    settings: DatasetSettings

    def audio(self, track: Track) -> Path:
        """Return where a track's audio is."""
        return self.folder / track.path


def load(folder: Path) -> Manifest:
    """Return the data set of a folder, the journal's results included.

    Songs that a person listed and no scan could read have no length; they are left out.

    Raises:
        DataError: If the folder is missing or was not scanned, a newer acetune wrote it, or a line is wrong.
    """
    manifest = read(folder)
    if manifest is None:
        raise DataError("data.not_scanned", folder=folder)
    tracks = tuple(track for track in manifest.tracks if track.seconds > 0)
    unmeasured = len(tracks) < len(manifest.tracks) and not (tracks and has_settings(folder))
    if unmeasured or any(track.audio_sha256 is None for track in tracks):
        raise DataError("data.not_scanned", folder=folder)
    return replace(manifest, tracks=tracks)


def read(folder: Path) -> Manifest | None:
    """Return what is known of a folder, or None; lengths are 0 where a person listed songs unscanned.

    Raises:
        DataError: If the folder is missing, a newer acetune wrote it, or a line is wrong.
    """
    _check(folder)
    settings = read_settings(folder)
    # The journal comes first: if another process folds it in between the two reads, its lines change nothing.
    results = journal.read_results(folder)
    path = folder / MANIFEST
    if not path.is_file():
        return None
    tracks = {track.path: track for track in _tracks(path)}
    for result in results:
        if result.path in tracks:
            tracks[result.path] = result.on(tracks[result.path])
    return Manifest(folder, tuple(tracks.values()), settings)


def save(manifest: Manifest) -> None:
    """Write a data set whole and empty its journal; to change an existing one use `update`.

    Raises:
        DataError: If the folder is missing.
        SettingError: If another process holds the data set for long.
        DiskFull: If there is no room.
        NotWritable: If the folder may not be written.
    """
    with held(manifest.folder):
        write(manifest)


def update(folder: Path, change: Callable[[Manifest | None], Manifest]) -> Manifest:
    """Change the data set of a folder while nobody else can, and return it.

    Args:
        folder: The data set.
        change: Receives what is on the disk now (None where nothing is) and returns what shall be.

    Raises:
        DataError: As `read` raises it.
        SettingError: If another process holds the data set for long.
    """
    with held(folder):
        manifest = change(read(folder))
        write(manifest)
    return manifest


def compact(folder: Path) -> Manifest:
    """Fold the journal into the manifest and return the data set (raises as `load` and `save`)."""
    update(folder, lambda current: current or load(folder))
    return load(folder)


def append_results(
    folder: Path,
    path: str,
    values: Mapping[str, Json | tuple[Json, ...]],
    marks: Mapping[str, Mark],
    *,
    overwrite: bool = False,
) -> None:
    """Put what was found for one track on the disk; on reading, a higher source is never replaced.

    Args:
        folder: The data set.
        path: The track's path.
        values: Field of `DESCRIPTION` to value; None says nothing.
        marks: Who says so, one for each value.
        overwrite: Replace values of an equal source too.

    Raises:
        DataError: If the folder is missing.
        SettingError: If another process holds the data set for long.
        DiskFull: If there is no room.
        NotWritable: If the folder may not be written.
    """
    said = {name: value for name, value in values.items() if value is not None}
    with held(folder):
        journal.append(folder, journal.Result(path, said, {name: marks[name] for name in said}, overwrite))


def write(manifest: Manifest) -> None:
    """Write settings and tracks, then drop the journal: killed in between, its lines change nothing.

    For whoever holds the data set already; everybody else calls `update`.

    Raises:
        DiskFull: If there is no room.
        NotWritable: If the folder may not be written.
    """
    write_settings(manifest.folder, manifest.settings)
    lines = (to_line(to_row(track)) for track in manifest.tracks)
    write_bytes(manifest.folder / MANIFEST, b"".join(lines))
    journal.empty(manifest.folder)


def _tracks(path: Path) -> Iterator[Track]:
    """Yield the tracks of a manifest, each path once; some editors put a byte order mark in front."""
    lines: dict[str, int] = {}
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        raise DataError("data.not_utf8", path=path) from cause
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            where = f"{path}:{number}"
            track = to_track(_row(line, where), where)
            if lines.setdefault(track.path, number) != number:
                raise DataError("data.twice", where=where, track=track.path, first=lines[track.path])
            yield track


def _row(line: str, where: str) -> dict[str, Json]:
    """Return the object of a line."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as cause:
        raise DataError("data.bad_line", where=where, cause=cause) from cause
    if not isinstance(row, dict):
        raise DataError("data.bad_line", where=where, cause="not an object")
    return row


def _check(folder: Path) -> None:
    """Raise if a folder is not there."""
    if not folder.is_dir():
        raise DataError("data.no_folder", folder=folder)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the data set; others hold it for moments, so that a short wait is enough.

    Raises:
        DataError: If the folder is missing.
        SettingError: If another process holds the data set for long.
    """
    _check(folder)
    with ExitStack() as stack:
        _wait(stack, folder, time.monotonic() + _PATIENCE_SECONDS)
        yield


def _wait(stack: ExitStack, folder: Path, until: float) -> None:
    """Enter the lock as soon as it is free."""
    while True:
        try:
            stack.enter_context(lock(folder / INNER / "lock", "data.locked"))
            return
        except SettingError:
            if time.monotonic() > until:
                raise
        time.sleep(0.02)
