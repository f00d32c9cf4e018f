"""What of a data set may leave this machine, and what stays unless a person says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from acetune.data.track import Track

#: Names of people and of recordings; they leave only with the user's word.
_PRIVATE: Final = ("owner", "isrc", "consent")
#: Columns of other tools that say nothing of anybody.
_HARMLESS = frozenset({"prompt_override"})
#: Column in which other tools may say where lyrics came from.
_LYRICS_FROM: Final = "lyrics_from"
_LRCLIB = "lrclib"


def redacted(track: Track, *, include_private: bool) -> tuple[Track, frozenset[str]]:
    """Return a track as it may leave, and the fields and columns that stay here.

    What is marked as taken from somewhere else, as lyrics from LRCLIB are, always stays: it is not the user's to give.

    Args:
        track: A song.
        include_private: Let names of people, ISRC, consent, and the columns that acetune does not know leave too.
    """
    staying = _borrowed(track)
    if not include_private:
        staying |= {*_PRIVATE, *(track.extra.keys() - _HARMLESS)}
    staying = {name for name in staying if name in track.extra or getattr(track, name, None) is not None}
    nothing: Mapping[str, Any] = {name: None for name in staying if name not in track.extra}
    extra = {name: value for name, value in track.extra.items() if name not in staying}
    marks = {name: mark for name, mark in track.provenance.items() if name not in nothing}
    left = replace(track, **nothing, extra=MappingProxyType(extra), provenance=MappingProxyType(marks))
    return left, frozenset(staying)


def _borrowed(track: Track) -> set[str]:
    """Return the fields whose owners did not let them be passed on; the times of lyrics go with the words."""
    fields = {name for name, mark in track.provenance.items() if mark.origin is not None}
    named = str(track.extra.get(_LYRICS_FROM)).strip().lower() == _LRCLIB
    return fields | {"lyrics", "line_times"} if named or "lyrics" in fields else fields
