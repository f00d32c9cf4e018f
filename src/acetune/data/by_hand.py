"""What becomes of a track when a person gives it a value: the value is the person's, and nobody below replaces it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from acetune.data.fields import read_tags
from acetune.data.lrc import TimedLyrics, is_sung, times_for
from acetune.data.track import DEFAULTS, DESCRIPTION, Mark, Source, Track


def with_field(track: Track, name: str, value: Any, *, derived: bool = False) -> Track:
    """Return a track whose field a person gave this value; None makes it missing, or what it is by default.

    Times of lyric lines stay where they hold for the new lyrics too. Where the old value had to be minded for where it
    came from, one that still has half of its words must be, too.

    Args:
        track: As it is.
        name: Of the field.
        value: The new value.
        derived: Whether it was made from the old one, so that it comes from the same place.
    """
    if name == "lyrics" and track.line_times is not None:
        track = with_field(track, "line_times", _times(track, value), derived=True)
    extra = MappingProxyType({column: said for column, said in track.extra.items() if column != name})
    marks = {field: mark for field, mark in track.provenance.items() if field != name}
    if value is None:
        value = DEFAULTS[name]
    elif name in DESCRIPTION:
        old = track.provenance.get(name)
        comes_from = old is not None and (derived or _words_kept(getattr(track, name), value))
        marks[name] = Mark(Source.USER, origin=old.origin if old is not None and comes_from else None)
    return replace(track, **{name: value, "extra": extra, "provenance": MappingProxyType(marks)})


def with_text(track: Track, name: str, change: Callable[[str], str]) -> Track:
    """Return a track whose texts of one field went through a function; what stays equal keeps its source.

    A missing text stays missing, and one that becomes empty is missing from then on.
    """
    value = getattr(track, name)
    if value is None:
        return track
    if name == "tags":
        changed: Any = read_tags(",".join(change(tag) for tag in value))
    elif name == "recaption":
        changed = MappingProxyType({kind: said for kind, text in value.items() if (said := change(text).strip())})
    else:
        changed = change(value).strip()
    return track if changed == value else with_field(track, name, changed or None, derived=True)


def _words_kept(old: object, new: object) -> bool:
    """Whether at least half of the words of a text stood in an earlier one."""
    before, after = (set(str(text).casefold().split()) for text in (old, new))
    return 2 * len(before & after) >= len(after) > 0


def _times(track: Track, lyrics: str | None) -> tuple[float, ...] | None:
    """Return the times of a track's lines that hold for new lyrics: of the same words, or of as many lines."""
    if lyrics is None or track.line_times is None or _sung(track.lyrics or "") != len(track.line_times):
        return None
    times = times_for(lyrics, TimedLyrics(track.lyrics or "", track.line_times))
    if times is not None:
        return times
    return track.line_times if _sung(lyrics) == len(track.line_times) else None


def _sung(lyrics: str) -> int:
    """Return how many lines of lyrics are sung."""
    return sum(map(is_sung, lyrics.split("\n")))
