"""What the tags inside an audio file say: lyrics, tempo, key, genre, recording code."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from acetune.data.columns import Row
from acetune.data.lrc import has_stamps
from acetune.data.readings import Statement, state
from acetune.errors import DataError
from acetune.events import Json

if TYPE_CHECKING:
    from tinytag import TinyTag

#: Name of this layout, a key of the texts of area ``import``.
LAYOUT: Final = "embedded"
#: Tag to field; tinytag has the same names for every container.
_TAGS: Final = (("lyrics", "lyrics"), ("bpm", "bpm"), ("initial_key", "keyscale"), ("isrc", "isrc"))
#: Genres that programs write when they know none.
_NO_GENRE: Final = frozenset({"other", "misc", "default", "unknown genre"})


def open_tags(path: Path) -> TinyTag:
    """Return the tags of a file.

    Raises:
        ValueError: If they cannot be read, whatever the library says about it.
    """
    from tinytag import TinyTag, TinyTagException

    try:
        return TinyTag.get(path, duration=False)
    except (TinyTagException, OSError, ValueError, LookupError, TypeError, ArithmeticError, struct.error) as cause:
        raise ValueError(" ".join(str(cause).split())[:120] or type(cause).__name__) from cause


def read_tags(path: Path) -> Mapping[str, Json]:
    """Return what the tags of a file say, by acetune's names of fields; nothing where they cannot be read.

    Of several lyrics those with times count, then the first.
    """
    try:
        tag = open_tags(path)
    except ValueError as cause:
        return {"unreadable": str(cause)}
    said: dict[str, Json] = {field: _best(tag.other.get(name) or []) for name, field in _TAGS}
    said["genre"] = tag.genre if (tag.genre or "").strip().lower() not in _NO_GENRE else None
    return {name: value for name, value in said.items() if value}


def state_tags(file: Path, tags: Mapping[str, Json]) -> Statement | None:
    """Return what the tags of a file state; None where they say nothing."""
    if "unreadable" in tags:
        finding = DataError("import.bad_tags", path=file, cause=tags["unreadable"])
        return Statement(file, LAYOUT, "tags", findings=(finding,))
    return state(Row(fields=tags), file, LAYOUT, "tags") if tags else None


def _best(values: Sequence[object]) -> str | None:
    """Return the one of several values of a tag that says most."""
    texts = [str(value) for value in values if str(value).strip("\0 \n")]
    return next((text for text in texts if has_stamps(text)), texts[0] if texts else None)
