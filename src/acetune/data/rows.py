"""A track as one flat row of ``metadata.jsonl``, and back.

The layout is Hugging Face's AudioFolder: the column ``file_name`` names the audio, the others describe it. A
missing value has no column. Columns that acetune does not know are kept as they are, and so is a tempo, key, metre,
language or instrumental that says nothing or cannot be read: it counts as missing. Each mark of the column
``provenance`` holds a digest of its value: a value that a person changed by hand loses its mark and is the person's.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import partial
from pathlib import PurePath
from types import MappingProxyType
from typing import Any

from acetune.data.fields import read_field
from acetune.data.track import Mark, Source, Track
from acetune.errors import DataError
from acetune.events import Json

_FILE = "file_name"
_MARKS = "provenance"
_CHECK = "check"


def to_row(track: Track) -> dict[str, Json]:
    """Return the row of a track: only what is known, unknown columns last."""
    row: dict[str, Json] = {_FILE: track.path}
    for field in fields(Track):
        value = getattr(track, field.name)
        if field.name in _COLUMNS and value != field.default:
            row[field.name] = value_to_json(value)
    if track.provenance:
        row[_MARKS] = {
            name: {**_mark_to_json(mark), _CHECK: _digest(row.get(name))} for name, mark in track.provenance.items()
        }
    return {**row, **{name: value for name, value in track.extra.items() if name not in row}}


def to_track(row: Mapping[str, Json], where: str) -> Track:
    """Return the track of a row; a null is a missing value, and a missing length is 0.

    Raises:
        DataError: Naming `where` and the column if a value is of the wrong kind.
    """
    values: dict[str, Any] = {"seconds": 0.0}
    for name, read in _READERS.items():
        if row.get(name) is not None:
            values[name] = _column(read, name, row[name], where)
    values = {name: value for name, value in values.items() if value is not None}
    if _FILE not in values:
        raise DataError("data.bad_column", where=where, column=_FILE, value=None)
    unread = [name for name in _MUSIC if name not in values and row.get(name) is not None]
    extra = {name: value for name, value in row.items() if name not in _READERS or name in unread}
    values["path"] = values.pop(_FILE)
    marks = {
        name: mark
        for name, (mark, check) in values.pop(_MARKS, {}).items()
        if check is None or check == _digest(value_to_json(values.get(name)))
    }
    return Track(**values, provenance=MappingProxyType(marks), extra=MappingProxyType(extra))


def to_line(row: Mapping[str, object]) -> bytes:
    """Return a row as one line; halves of characters become JSON escapes, for UTF-8 cannot hold them."""
    return (json.dumps(row, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")


def value_to_json(value: Any) -> Json:
    """Return a value of a track as JSON has it."""
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else value


def read_value(name: str, value: Json) -> object:
    """Return the value of one column as `Track` holds it.

    Raises:
        ValueError: If it is of the wrong kind.
        KeyError: If no column has this name.
    """
    return _COLUMNS[name](value)


def marks_to_json(marks: Mapping[str, Mark]) -> dict[str, Json]:
    """Return marks as ``{field: {source, confidence, origin}}``; what is unknown is left out."""
    return {name: _mark_to_json(mark) for name, mark in marks.items()}


def marks_from_json(value: Json) -> Mapping[str, Mark]:
    """Return the marks of such an object.

    Raises:
        ValueError: If it is none.
    """
    return MappingProxyType({name: mark for name, (mark, _) in _checked_marks(value).items()})


def _checked_marks(value: Json) -> dict[str, tuple[Mark, Json]]:
    """Return the marks of an object, each with the digest of the value it was written for."""
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return {name: _checked_mark(mark) for name, mark in value.items()}


def _checked_mark(value: Json) -> tuple[Mark, Json]:
    """Return one mark and its digest, if any."""
    source = _SOURCES.get(str(value.get("source")).lower()) if isinstance(value, dict) else None
    if not isinstance(value, dict) or source is None:
        raise ValueError("no known source")
    confidence, origin = value.get("confidence"), value.get("origin")
    known = None if confidence is None else _number(confidence)
    return Mark(source, known, None if origin is None else _text(origin)), value.get(_CHECK)


def _digest(value: Json) -> str:
    """Return eight hexadecimal digits that change with a value."""
    return f"{zlib.crc32(json.dumps(value).encode()):08x}"


def _mark_to_json(mark: Mark) -> dict[str, Json]:
    """Return one mark as an object."""
    parts = {"source": mark.source.name.lower(), "confidence": mark.confidence, "origin": mark.origin}
    return {name: part for name, part in parts.items() if part is not None}


def _column(read: Callable[[Json], object], name: str, value: Json, where: str) -> object:
    """Return a value of a row, None for music that cannot be read, or say which column of which line is wrong."""
    try:
        return read(value)
    except ValueError as cause:
        if name in _MUSIC:
            return None
        raise DataError("data.bad_column", where=where, column=name, value=str(value)[:80]) from cause


def _path(value: Json) -> str:
    """Return a path that stays inside the data set's folder."""
    path = _text(value)
    place = PurePath(path)
    if not path or "\0" in path or place.anchor or ".." in place.parts:
        raise ValueError("outside the folder")
    return path


def _text(value: Json) -> str:
    """Return text; a whole number is taken as typed."""
    if isinstance(value, str) or type(value) is int:
        return str(value)
    raise ValueError("not text")


def _number(value: Json) -> float:
    """Return a finite number; one in quotes is a number too."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)) or not math.isfinite(float(value)):
        raise ValueError("not a number")
    return float(value)


def _seconds(value: Json) -> float:
    """Return a length of at least 0."""
    seconds = _number(value)
    if seconds < 0:
        raise ValueError("below zero")
    return seconds


def _count(value: Json) -> int:
    """Return a whole number from 1."""
    count = _number(value)
    if count < 1 or count != int(count):
        raise ValueError("not a count")
    return int(count)


def _flag(value: Json) -> bool:
    """Return a truth value."""
    if not isinstance(value, bool):
        raise ValueError("not true or false")
    return value


def _texts(value: Json) -> tuple[str, ...]:
    """Return a list of texts; one text is split at its commas."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if not isinstance(value, list):
        raise ValueError("not a list")
    return tuple(_text(item) for item in value)


def _numbers(value: Json) -> tuple[float, ...]:
    """Return a list of numbers."""
    if not isinstance(value, list):
        raise ValueError("not a list")
    return tuple(_number(item) for item in value)


def _captions(value: Json) -> Mapping[str, str] | None:
    """Return captions by kind; empty ones are missing."""
    if not isinstance(value, dict):
        raise ValueError("not an object")
    kept = {kind: _text(text) for kind, text in value.items() if text not in (None, "")}
    return MappingProxyType(kept) or None


def _split(value: Json) -> str:
    """Return the part of the data set that a person chose."""
    if value not in ("train", "validation"):
        raise ValueError("no such part")
    return str(value)


#: Columns that are read as in the files beside a song: in usual spellings, and missing where they cannot be read.
_MUSIC = ("bpm", "keyscale", "timesignature", "language", "instrumental")

_COLUMNS: Mapping[str, Callable[[Json], object]] = MappingProxyType(
    {
        "seconds": _seconds,
        "caption": _text,
        "tags": _texts,
        "genre": _text,
        "recaption": _captions,
        "lyrics": _text,
        "line_times": _numbers,
        **{name: partial(read_field, name) for name in _MUSIC},
        "trigger": _text,
        "repeats": _count,
        "split": _split,
        "excluded": _flag,
        "owner": _text,
        "isrc": _text,
        "licence": _text,
        "consent": _text,
        "audio_sha256": _text,
    }
)
_READERS: Mapping[str, Callable[[Json], object]] = {_FILE: _path, **_COLUMNS, _MARKS: _checked_marks}
_SOURCES: Mapping[str, Source] = {source.name.lower(): source for source in Source}
#: Every column that acetune writes itself.
OWN_COLUMNS = frozenset(_READERS)
