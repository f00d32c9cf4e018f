"""What a change did to one row: the columns before and after, so that it can be shown, checked and taken back.

A column is its value together with who said it. Somebody who adds a tempo therefore does not stand in the way of
taking back a caption, and a value that is taken back belongs again to whom it belonged before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from acetune.data.rows import to_line, to_row, to_track
from acetune.data.track import Track
from acetune.events import Json

#: A column: its ``value`` and, where a source is known, its ``mark``, as `metadata.jsonl` has them.
Cell: TypeAlias = Mapping[str, Json]
#: Columns by name; one that is missing has no entry.
Cells: TypeAlias = Mapping[str, Cell]

_FILE: Final = "file_name"
_MARKS: Final = "provenance"


@dataclass(frozen=True)
class RowChange:
    """What a change did to the row of one track.

    Attributes:
        path: The track's path before the change.
        sha256: Content hash of its audio, by which it is found where its path is gone.
        before: The columns that changed, as they were.
        after: The same columns, as they became.
    """

    path: str
    sha256: str | None
    before: Cells
    after: Cells

    @property
    def path_after(self) -> str:
        """The track's path after the change."""
        return str(self.after[_FILE]["value"]) if _FILE in self.after else self.path

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that changed."""
        return tuple({**self.before, **self.after})

    def value(self, column: str, *, after: bool) -> Json:
        """Return the value of a column before or after the change; None where it was missing."""
        return (self.after if after else self.before).get(column, {}).get("value")

    def reversed(self) -> RowChange:
        """Return the change that takes this one back."""
        return RowChange(self.path_after, self.sha256, self.after, self.before)


def version_of(track: Track) -> str:
    """Return 32 hexadecimal digits that change with anything that a track's row says."""
    return hashlib.blake2b(to_line(dict(sorted(to_row(track).items()))), digest_size=16).hexdigest()


def change_between(before: Track, after: Track) -> RowChange:
    """Return what became of a track's row; no columns where the rows are equal."""
    old, new = cells_of(before), cells_of(after)
    names = [name for name in {**old, **new} if not _same(old.get(name), new.get(name))]
    return RowChange(
        before.path,
        before.audio_sha256,
        {name: old[name] for name in names if name in old},
        {name: new[name] for name in names if name in new},
    )


def conflicts(cells: Cells, change: RowChange) -> tuple[str, ...]:
    """Return the columns of a change that are by now neither as they were before it nor as they became."""
    states = ((name, cells.get(name), change.before.get(name), change.after.get(name)) for name in change.columns)
    return tuple(name for name, now, before, after in states if not (_same(now, before) or _same(now, after)))


def has_change(cells: Cells, change: RowChange) -> bool:
    """Whether any column is as a change left it."""
    return any(_same(cells.get(name), change.after.get(name)) for name in change.columns)


def with_change(cells: Cells, change: RowChange) -> dict[str, Cell]:
    """Return columns after a change; those that are neither as before it nor as after it stay."""
    kept = conflicts(cells, change)
    changed = dict(cells)
    for name in change.columns:
        if name in kept:
            continue
        changed.pop(name, None)
        if name in change.after:
            changed[name] = change.after[name]
    return changed


def cells_of(track: Track) -> dict[str, Cell]:
    """Return the columns of a track's row."""
    row = to_row(track)
    marks = row.pop(_MARKS, None)
    cells: dict[str, Cell] = {name: {"value": value} for name, value in row.items()}
    if isinstance(marks, dict):
        cells.update({name: {**cells.get(name, {}), "mark": mark} for name, mark in marks.items()})
    return cells


def track_of(cells: Cells, where: str) -> Track:
    """Return the track of a row given by its columns.

    Raises:
        DataError: Naming `where` if a column has a value that no row can have.
    """
    row = {name: cell["value"] for name, cell in cells.items() if "value" in cell}
    marks = {name: cell["mark"] for name, cell in cells.items() if "mark" in cell}
    return to_track({**row, _MARKS: marks} if marks else row, where)


def _same(one: Cell | None, other: Cell | None) -> bool:
    """Whether two columns are equal in kind too: True is 1 for Python, and not in a row."""
    return one is other or json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
