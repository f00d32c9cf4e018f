"""Verb `undo`: take the last change of a data set back, and again for the one before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from acetune.data import history
from acetune.data.changes import Cells, RowChange, cells_of, conflicts, has_change
from acetune.data.editing import listed
from acetune.data.history import Entry
from acetune.data.manifest import Manifest
from acetune.errors import DataError


@dataclass(frozen=True)
class Undone:
    """What was taken back.

    Attributes:
        id: Of the change.
        operation: As it was typed.
        time: When it was done, in seconds since 1970.
        changes: The rows that changed, with their columns before and after the undo.
        gone: Tracks that it had changed and that are not in the data set any more.
    """

    id: str
    operation: str
    time: float
    changes: tuple[RowChange, ...]
    gone: tuple[str, ...]


def undo(
    dataset: str | Path, *, keep_changed: bool = False, expected: str | None = None, dry_run: bool = False
) -> Undone:
    """Take the last change of a data set back that is still there.

    Args:
        dataset: Its folder.
        keep_changed: Leave the columns that somebody changed since as they are, and take the others back.
        expected: Id of the change that somebody saw; nothing is taken back if another one is the last now.
        dry_run: Tell what would be taken back, and change nothing.

    Raises:
        DataError: If there is nothing to take back, or somebody changed the same columns since; nothing changed.
        SettingError: If another process holds the data set for long.
        DiskFull, NotWritable: As the file system says.
    """
    with history.opened(dataset) as manifest:
        entries = list(history.read_entries(manifest.folder))
        while entries and not _is_there(manifest, entries[-1]):
            entries.pop()
        if not entries:
            raise DataError("edit.nothing_to_undo", folder=dataset)
        entry = entries[-1]
        if expected not in (None, entry.id):
            raise DataError("edit.other_change", operation=entry.title)
        if not keep_changed:
            _check_unchanged(manifest, entry)
        if not dry_run:
            history.take_back(manifest, entries)
    return _undone(manifest, entry)


def _undone(manifest: Manifest, entry: Entry) -> Undone:
    """Return what becomes of each track of a change that is taken back."""
    changes, there = [], set()
    for _, cells, change in _rows(manifest, entry):
        kept = conflicts(cells, change)
        before, after = ({n: c for n, c in said.items() if n not in kept} for said in (change.before, change.after))
        changes.append(RowChange(change.path, change.sha256, before, after).reversed())
        there.add(change.path)
    gone = tuple(change.path for change in entry.tracks if change.path not in there)
    return Undone(entry.id, entry.title, entry.time, tuple(changes), gone)


def _is_there(manifest: Manifest, entry: Entry) -> bool:
    """Whether a change was made: its columns are not all as they were before it, whoever changed them since."""
    states = [(cells, change) for _, cells, change in _rows(manifest, entry)]
    states.append((history.settings_of(manifest), entry.settings))
    return any(has_change(cells, change) or conflicts(cells, change) for cells, change in states)


def _check_unchanged(manifest: Manifest, entry: Entry) -> None:
    """Refuse to take a change back where somebody changed the same columns since.

    Raises:
        DataError: Naming tracks and columns.
    """
    changed = [(path, conflicts(cells, change)) for path, cells, change in _rows(manifest, entry)]
    places = [f"{path} ({', '.join(columns)})" for path, columns in changed if columns]
    places += conflicts(history.settings_of(manifest), entry.settings)
    if places:
        raise DataError("edit.undo_changed", operation=entry.title, count=len(places), places=listed(places))


def _rows(manifest: Manifest, entry: Entry) -> Iterator[tuple[str, Cells, RowChange]]:
    """Yield path and columns of the tracks that a change concerns, with what it did to them."""
    concerned = history.located(manifest.tracks, entry.tracks)
    for track in manifest.tracks:
        if track.path in concerned:
            yield track.path, cells_of(track), concerned[track.path]
