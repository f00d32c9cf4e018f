"""Which tracks are meant: by name, and by what is known of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from fnmatch import fnmatchcase
from typing import Final

from acetune.data.fields import read_field
from acetune.data.rows import value_to_json
from acetune.data.track import Track
from acetune.errors import DataError

#: Columns that every track has, known or not.
_FIELDS: Final = frozenset(field.name for field in fields(Track)) - {"provenance", "extra"}


def select(
    tracks: Sequence[Track], patterns: Sequence[str] = (), where: Mapping[str, str] | None = None
) -> tuple[Track, ...]:
    """Return the tracks that fit one of the patterns and all of the conditions.

    Args:
        tracks: Of a data set.
        patterns: Paths or file names as a shell has them, such as ``live/*`` or ``*.mp3``; none stands for all tracks.
        where: Column to value, whatever the case, with the same wildcards; "" stands for a missing one, and a list such
            as the tags fits if one of its words does.

    Raises:
        DataError: If a pattern fits no track, no track has a column, or no track fits everything.
    """
    for pattern in patterns:
        if not any(_fits(track.path, pattern) for track in tracks):
            raise DataError("edit.no_track", pattern=pattern, count=len(tracks))
    named = [track for track in tracks if not patterns or any(_fits(track.path, pattern) for pattern in patterns)]
    conditions = where or {}
    for column in conditions:
        if column not in _FIELDS and not any(column in track.extra for track in tracks):
            raise DataError("edit.no_column", column=column)
    chosen = tuple(track for track in named if all(_holds(track, *condition) for condition in conditions.items()))
    if not chosen:
        raise DataError("edit.none_fits", conditions=", ".join(f"{name}={value}" for name, value in conditions.items()))
    return chosen


def _fits(path: str, pattern: str) -> bool:
    """Whether a pattern fits a path or its last part; a name with brackets fits itself."""
    return pattern == path or fnmatchcase(path, pattern) or fnmatchcase(path.rpartition("/")[2], pattern)


def _holds(track: Track, column: str, wanted: str) -> bool:
    """Whether a column of a track has a value."""
    value = value_to_json(getattr(track, column)) if column in _FIELDS else None
    value = track.extra.get(column) if value is None else value
    if wanted == "" or value in (None, "", []):
        return wanted == "" and value in (None, "", [])
    said = value if isinstance(value, list) else [value]
    spellings = {wanted.casefold(), _as_stored(column, wanted).casefold()}
    return any(fnmatchcase(_text(one).casefold(), spelling) for one in said for spelling in spellings)


def _as_stored(column: str, wanted: str) -> str:
    """Return a value in the spelling of rows, such as "A minor" for "Am"; as it is where it has none."""
    try:
        return _text(read_field(column, wanted))
    except (ValueError, KeyError):
        return wanted


def _text(value: object) -> str:
    """Return a value as people write it: 120 for 120.0."""
    return f"{value:g}" if isinstance(value, float) else str(value)
