"""What changes, track by track, as people read differences: a minus before what goes, a plus before what comes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from difflib import unified_diff
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from acetune.data.changes import RowChange
    from acetune.events import Json

#: A preview before a question shows so many tracks.
SHOWN: Final = 20


def difference_lines(changes: Iterable[RowChange]) -> Iterator[str]:
    """Yield the lines of some changes."""
    for change in changes:
        yield change.path
        for column in change.columns:
            yield from _column(column, change.value(column, after=False), change.value(column, after=True))


def result_of(changes: Iterable[RowChange]) -> list[dict[str, Json]]:
    """Return changes for programs: path, and each column before and after."""
    return [
        {
            "path": change.path,
            "columns": {
                column: {"before": change.value(column, after=False), "after": change.value(column, after=True)}
                for column in change.columns
            },
        }
        for change in changes
    ]


def _column(name: str, before: Json, after: Json) -> Iterator[str]:
    """Yield the lines of one column; one that only changed its source has an equal sign."""
    old, new = _lines(before), _lines(after)
    if old == new:
        yield from (f"= {name}: {line}" for line in old[:1])
    elif len(old) > 1 or len(new) > 1:
        yield f"  {name}:"
        yield from (line for line in unified_diff(old, new, lineterm="", n=1) if not line.startswith(("---", "+++")))
    else:
        yield from (f"- {name}: {line}" for line in old)
        yield from (f"+ {name}: {line}" for line in new)


def _lines(value: Json) -> list[str]:
    """Return a value as lines of text; a missing one has none."""
    if value is None:
        return []
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return [", ".join(map(str, value))]
    if isinstance(value, str):
        return value.split("\n")
    return [f"{value:g}" if isinstance(value, float) else json.dumps(value, ensure_ascii=False)]
