"""Verb `edit`: change many tracks by hand, shown before and taken back after if that is wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from acetune.data import history
from acetune.data.changes import RowChange, version_of
from acetune.data.history import Entry
from acetune.data.manifest import Manifest
from acetune.data.operations import Change, operation_of
from acetune.data.selection import select
from acetune.errors import DataError

#: A message names so many tracks.
_NAMED: Final = 5


@dataclass(frozen=True)
class Edited:
    """What an edit did, or would do.

    Attributes:
        changes: The rows that change, with their columns before and after.
        versions: Path to version of these tracks as they are on the disk now.
    """

    changes: tuple[RowChange, ...]
    versions: Mapping[str, str]


def edit(
    dataset: str | Path,
    operation: str,
    *words: str,
    tracks: Sequence[str] = (),
    where: Mapping[str, str] | None = None,
    expected: Mapping[str, str] | None = None,
    dry_run: bool = False,
) -> Edited:
    """Change tracks by hand; `acetune.data.undo` takes it back.

    Args:
        dataset: Folder of a scanned data set.
        operation: One of `acetune.data.operations.OPERATIONS`, such as "set".
        words: What belongs to it, such as "caption" and "warm piano".
        tracks: Paths or names with wildcards; all tracks where there are none.
        where: Column to value; only tracks that have all of them are meant.
        expected: Path to version of the tracks that somebody saw; only these are changed, and none if one differs now.
        dry_run: Tell what would change, and change nothing.

    Raises:
        SettingError: If there is no such operation or field, or another process holds the data set for long.
        DataError: If a value cannot be read, no track is meant, or a track changed since it was seen.
        DiskFull, NotWritable: As the file system says.
    """
    change = operation_of(operation, words)

    def plan(manifest: Manifest) -> Manifest:
        return with_change(manifest, change, {track.path for track in select(manifest.tracks, tracks, where)})

    return apply(dataset, (operation, *words), plan, expected=expected, dry_run=dry_run)


def with_change(manifest: Manifest, change: Change, paths: set[str]) -> Manifest:
    """Return a data set in which the tracks of these paths are changed."""
    changed = (change(track) if track.path in paths else track for track in manifest.tracks)
    return replace(manifest, tracks=tuple(changed))


def apply(
    dataset: str | Path,
    words: Sequence[str],
    plan: Callable[[Manifest], Manifest],
    *,
    expected: Mapping[str, str] | None = None,
    dry_run: bool = False,
) -> Edited:
    """Change the rows of a data set while nobody else can, and remember how to take it back.

    Args:
        dataset: Its folder.
        words: What the history calls it.
        plan: From the data set as it is to what it shall be.
        expected: Path to version of the tracks that may change.
        dry_run: Tell what would change, and change nothing.

    Raises:
        As `edit`.
    """
    if dry_run:
        before = history.known(dataset)
        return _edited(_planned(before, words, plan, expected)[1], before)
    with history.opened(dataset) as before:
        after, entry = _planned(before, words, plan, expected)
        history.commit(after, entry)
    return _edited(entry, after)


def check_unchanged(manifest: Manifest, expected: Mapping[str, str]) -> None:
    """Refuse to go on if tracks are not as somebody saw them.

    Args:
        manifest: The data set as it is.
        expected: Path to version.

    Raises:
        DataError: Naming the tracks that changed since.
    """
    versions = {track.path: version_of(track) for track in manifest.tracks if track.path in expected}
    changed = [path for path, version in expected.items() if versions.get(path) != version]
    if changed:
        raise DataError("edit.changed_meanwhile", count=len(changed), tracks=listed(changed))


def _planned(
    before: Manifest, words: Sequence[str], plan: Callable[[Manifest], Manifest], expected: Mapping[str, str] | None
) -> tuple[Manifest, Entry]:
    """Return a data set as it shall be, and the change that makes it so (raises as `check_unchanged`)."""
    after = plan(before)
    if expected is not None:
        check_unchanged(before, expected)
        pairs = zip(before.tracks, after.tracks, strict=True)
        after = replace(after, tracks=tuple(new if old.path in expected else old for old, new in pairs))
    return after, history.entry_of(before, after, words)


def _edited(entry: Entry, now: Manifest) -> Edited:
    """Return what a change did or would do."""
    paths = {path for change in entry.tracks for path in (change.path, change.path_after)}
    versions = {track.path: version_of(track) for track in now.tracks if track.path in paths}
    return Edited(entry.tracks, MappingProxyType(versions))


def listed(names: Sequence[str]) -> str:
    """Return names as a message shows them: the first few, and how many more there are."""
    more = f" (+{len(names) - _NAMED})" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
