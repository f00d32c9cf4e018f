"""What files say about a song, one statement a file, and what counts where several speak."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from acetune.data.columns import Row
from acetune.data.fields import read_fields
from acetune.data.keys import is_same
from acetune.data.lrc import TimedLyrics, has_stamps, letters, parse_lrc, times_for
from acetune.errors import AcetuneError
from acetune.events import Json

#: Kinds of sources, the most trusted first.
ORDER: Final = ("row", "json", "named", "bare", "csv", "lrc", "tags")
_SHOWN_CHARACTERS = 80


@dataclass(frozen=True)
class Statement:
    """What one file says about one song.

    Attributes:
        file: The file; for a row of a table the table.
        layout: How it was read, a name of the tables of layouts.
        kind: One of `ORDER`.
        values: Field to value; a missing field is absent.
        extra: Columns that acetune does not know.
        findings: What could not be read or had to be guessed.
        timed: Its lyrics with times, where it has any.
    """

    file: Path
    layout: str
    kind: str
    values: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    extra: Mapping[str, Json] = field(default_factory=lambda: MappingProxyType({}))
    findings: tuple[AcetuneError, ...] = ()
    timed: TimedLyrics | None = None


@dataclass(frozen=True)
class Conflict:
    """Two files that do not agree: what counts, what does not, and who says so."""

    field: str
    kept: str
    kept_from: Path
    other: str
    other_from: Path


@dataclass(frozen=True)
class Reading:
    """What all files say about a song.

    Attributes:
        values: Field to value; a missing field is absent.
        extra: Columns that acetune does not know.
        findings: What could not be read or had to be guessed.
        conflicts: Where files did not agree.
        layouts: How each file was read.
        faint: Fields that only the least trusted kind names: they fill gaps, and replace nothing that was known before.
    """

    values: Mapping[str, object]
    extra: Mapping[str, Json]
    findings: tuple[AcetuneError, ...]
    conflicts: tuple[Conflict, ...]
    layouts: Mapping[Path, str]
    faint: frozenset[str] = frozenset()


def state(row: Row, file: Path, layout: str, kind: str, findings: tuple[AcetuneError, ...] = ()) -> Statement:
    """Return what a row says: its values read, its unreadable ones found, its lyrics without stamps."""
    values, found = read_fields(row.fields, file)
    timed, lyrics = None, values.get("lyrics")
    if isinstance(lyrics, str) and (kind == "lrc" or has_stamps(lyrics)):
        timed = parse_lrc(lyrics)
        values, _ = read_fields({**row.fields, "lyrics": timed.text}, file)
    return Statement(file, layout, kind, MappingProxyType(values), row.extra, (*findings, *found), timed)


def merge(statements: Sequence[Statement]) -> Reading:
    """Return what counts of all that is said: the first kind of `ORDER` that names a field.

    The times of lyrics count wherever their words are those of the chosen lyrics.
    """
    ranked = sorted(statements, key=lambda said: ORDER.index(said.kind))
    values: dict[str, object] = {}
    speakers: dict[str, Statement] = {}
    extra: dict[str, Json] = {}
    conflicts: list[Conflict] = []
    for said in ranked:
        conflicts += [c for name in said.values if name in speakers if (c := _conflict(name, speakers[name], said))]
        values = {**said.values, **values}
        speakers = {**dict.fromkeys(said.values, said), **speakers}
        extra = {**said.extra, **extra}
    if speakers.get("line_times") is not speakers.get("lyrics"):
        values.pop("line_times", None)
    findings = tuple(finding for said in ranked for finding in said.findings)
    layouts = {said.file: said.layout for said in ranked}
    faint = frozenset(name for name, said in speakers.items() if said.kind == ORDER[-1])
    return Reading(_with_times(values, ranked), MappingProxyType(extra), findings, tuple(conflicts), layouts, faint)


def _with_times(values: Mapping[str, object], ranked: Sequence[Statement]) -> Mapping[str, object]:
    """Return the values with the times of their lyrics, where some file has them."""
    lyrics = values.get("lyrics")
    if not isinstance(lyrics, str) or "line_times" in values:
        return MappingProxyType(dict(values))
    found = (times_for(lyrics, said.timed) for said in ranked if said.timed is not None)
    times = next((times for times in found if times is not None), None)
    return MappingProxyType({**values, **({"line_times": times} if times else {})})


def _conflict(name: str, first: Statement, other: Statement) -> Conflict | None:
    """Return what two files say, if they do not say the same."""
    kept, said = first.values[name], other.values[name]
    if name in _UNARGUED or _spelled(name, kept) == _spelled(name, said):
        return None
    if name == "keyscale" and is_same(str(kept), str(said)):
        return None
    return Conflict(name, _shown(kept), first.file, _shown(said), other.file)


#: A table may count a song twice where its own file counts it once, and each file has times of its own lyrics.
_UNARGUED = frozenset({"repeats", "line_times"})


def _spelled(name: str, value: object) -> object:
    """Return a value so that equal statements are equal: tempo as the model reads it, text by its letters."""
    if isinstance(value, float) and name == "bpm":
        return round(value)
    if isinstance(value, tuple):
        return sorted(str(part).casefold() for part in value)
    if isinstance(value, str) and name == "lyrics":
        return letters(value) or value.casefold()
    if isinstance(value, str) and name != "keyscale":
        return "".join(letter for letter in value.casefold() if letter.isalnum())
    return value


def _shown(value: object) -> str:
    """Return the beginning of a value in one line."""
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return " ".join(text.split())[:_SHOWN_CHARACTERS]
