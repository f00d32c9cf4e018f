"""Songs as lists of equal length, one for each kind of fact: what training nodes hand to each other (seed 001).

Written as JSON, or as text with commas in which values that hold commas, quotes or line ends stand in double quotes.
Read in both forms, and as plain text with commas where that can mean one thing only.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Final

from acetune.data.fields import read_fields
from acetune.errors import DataError
from acetune.events import Json

_AUDIO = "audio_files"
_FIELDS = MappingProxyType(
    {
        "captions": "caption",
        "lyrics_list": "lyrics",
        "bpm_list": "bpm",
        "keyscale_list": "keyscale",
        "language_list": "language",
    }
)
_QUOTED = re.compile(r'(^|,)\s*"')
_JSON_OF_TEXTS = re.compile(r'\[\s*"')
#: Seed 001 writes a tempo that shall be detected as 0.
_UNKNOWN_BPM = "0"


@dataclass(frozen=True)
class Lists:
    """Facts of songs in the same order; None where nothing is known."""

    audio_files: tuple[str, ...]
    captions: tuple[str | None, ...]
    lyrics_list: tuple[str | None, ...]
    bpm_list: tuple[float | None, ...]
    keyscale_list: tuple[str | None, ...]
    language_list: tuple[str | None, ...]

    def as_json(self) -> dict[str, Json]:
        """Return each list as JSON has it."""
        return {name: list(getattr(self, name)) for name in LISTS}

    def as_text(self) -> dict[str, str]:
        """Return each list as one text with commas."""
        return {name: _joined(name, getattr(self, name)) for name in LISTS}


#: Names of the lists.
LISTS: Final = tuple(field.name for field in fields(Lists))


@dataclass(frozen=True)
class ListedSong:
    """A song of lists: where its audio is, and field of a track to value; a missing field is absent."""

    audio: Path
    values: Mapping[str, object]


def parse_lists(lists: Mapping[str, str]) -> tuple[ListedSong, ...]:
    """Return the songs of lists that are given as text in any form.

    Args:
        lists: Name of `LISTS` to text; a list may be absent or empty, except that of the audio.

    Raises:
        DataError: If a list has another length than that of the audio, as plain text with commas inside of values
            has, or a value cannot be read.
    """
    audio = parse_list(_AUDIO, lists.get(_AUDIO, ""), None)
    if not audio or not all(audio):
        raise DataError("share.no_audio_files")
    columns = {field: parse_list(name, lists.get(name, ""), len(audio)) for name, field in _FIELDS.items()}
    return tuple(
        ListedSong(Path(path), _values({field: column[number] for field, column in columns.items()}, path))
        for number, path in enumerate(audio)
    )


def parse_list(name: str, text: str, count: int | None) -> tuple[str, ...]:
    """Return the values of one list.

    Args:
        name: Which list, for errors.
        text: JSON, text with quotes, or plain text with commas.
        count: How many there must be; None where any number may.

    Raises:
        DataError: If there are more or fewer, or the text is broken JSON.
    """
    text = text.strip()
    if not text:
        return ("",) * (count or 0)
    values = _json(name, text)
    if values is None:
        values = _quoted(text) or tuple(part.strip() for part in text.split(","))
        if count == 1 != len(values):
            return (text,)
    if count not in (None, len(values)):
        raise DataError("share.list_length", name=name, found=len(values), wanted=count)
    return values


def _json(name: str, text: str) -> tuple[str, ...] | None:
    """Return the values of a JSON list; None if the text is none, as ``[Instrumental],[Instrumental]``."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as cause:
        if _JSON_OF_TEXTS.match(text):
            raise DataError("share.bad_list", name=name, cause=" ".join(str(cause).split())[:120]) from cause
        return None
    if not isinstance(values, list):
        return None
    return tuple("" if value is None else str(value).strip() for value in values)


def _quoted(text: str) -> tuple[str, ...]:
    """Return the values of a text with double quotes; nothing if it is none."""
    if not _QUOTED.search(text):
        return ()
    try:
        records = list(csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True))
    except csv.Error:
        return ()
    return tuple(value.strip() for value in records[0]) if len(records) == 1 else ()


def _joined(name: str, values: tuple[object, ...]) -> str:
    """Return values as one text that is read as the same values again."""
    unknown = _UNKNOWN_BPM if name == "bpm_list" else ""
    texts = [unknown if value is None else _text(value) for value in values]
    plain = _record(texts, all_quoted=False)
    return plain if parse_list(name, plain, None) == tuple(texts) else _record(texts, all_quoted=True)


def _text(value: object) -> str:
    """Return a value as people write it."""
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _record(texts: list[str], *, all_quoted: bool) -> str:
    """Return texts as one line of a table."""
    stream = io.StringIO(newline="")
    csv.writer(stream, quoting=csv.QUOTE_ALL if all_quoted else csv.QUOTE_MINIMAL, lineterminator="").writerow(texts)
    return stream.getvalue()


def _values(row: Mapping[str, Json], audio: str) -> Mapping[str, object]:
    """Return the values of one song."""
    values, findings = read_fields(row, Path(audio))
    for finding in findings:
        if finding.code == "data.sidecar_value":
            raise finding
    return MappingProxyType(values)
