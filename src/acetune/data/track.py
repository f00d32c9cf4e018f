"""One song: where it is, what it sounds like, and who says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import IntEnum
from types import MappingProxyType
from typing import Any, Final

from acetune.events import Json


class Source(IntEnum):
    """Who said a value; a lower source never replaces a higher one."""

    MODEL = 1
    ASR = 2
    SIGNAL = 3
    FILE = 4
    USER = 5


@dataclass(frozen=True)
class Mark:
    """Where a value came from.

    Attributes:
        source: Who said it.
        confidence: How sure that source was, 0 to 1; None where it cannot say.
        origin: Name of the place that it was taken from, where its owner must be minded ("lrclib"); None elsewhere.
    """

    source: Source
    confidence: float | None = None
    origin: str | None = None


#: Fields that describe the music; each may be missing (None) and may carry a `Mark`.
DESCRIPTION = (
    "caption",
    "tags",
    "genre",
    "recaption",
    "lyrics",
    "line_times",
    "bpm",
    "keyscale",
    "timesignature",
    "language",
    "instrumental",
    "trigger",
)


@dataclass(frozen=True, kw_only=True)
class Track:
    """One song of a data set. None means missing and stays None through every format.

    Attributes:
        path: Audio file, relative to the data set's folder, with forward slashes.
        seconds: Length of the audio.
        recaption: Further captions by kind, such as "simplified" or "expanded" (v1's name for them).
        line_times: Start of each lyric line in seconds, where known.
        bpm: Beats per minute; decimals allowed.
        keyscale: ACE-Step's spelling, such as "C major" or "F# minor".
        timesignature: "2", "3", "4" or "6" in conditions; other metres are kept as written.
        language: A language code, or "unknown".
        instrumental: Whether nobody sings.
        trigger: Activation word of this track; the data set's own where None.
        repeats: How often the track counts in one epoch.
        split: "train", "validation" or None (decided by the seed).
        excluded: Left out of encoding and training.
        audio_sha256: Content hash of the audio file.
        provenance: Field name to `Mark`.
        extra: Columns of the manifest that acetune does not know; they survive every operation.
    """

    path: str
    seconds: float
    caption: str | None = None
    tags: tuple[str, ...] | None = None
    genre: str | None = None
    recaption: Mapping[str, str] | None = None
    lyrics: str | None = None
    line_times: tuple[float, ...] | None = None
    bpm: float | None = None
    keyscale: str | None = None
    timesignature: str | None = None
    language: str | None = None
    instrumental: bool | None = None
    trigger: str | None = None
    repeats: int = 1
    split: str | None = None
    excluded: bool = False
    owner: str | None = None
    isrc: str | None = None
    licence: str | None = None
    consent: str | None = None
    audio_sha256: str | None = None
    provenance: Mapping[str, Mark] = field(default_factory=lambda: MappingProxyType({}))
    extra: Mapping[str, Json] = field(default_factory=lambda: MappingProxyType({}))

    def source_of(self, name: str) -> Source | None:
        """Return who said a field; None where it is missing.

        A value without a mark was written by a person into the manifest.
        """
        if getattr(self, name) is None:
            return None
        mark = self.provenance.get(name)
        return mark.source if mark else Source.USER

    def with_value(self, name: str, value: Any, mark: Mark, *, overwrite: bool = False) -> Track:
        """Return a track whose field has this value, unless a higher source spoke already.

        Args:
            name: One of `DESCRIPTION`.
            value: The new value; None changes nothing.
            mark: Who says so.
            overwrite: Replace a value of an equal source too (a person's only by a person).
        """
        current = self.source_of(name)
        if value is None or (current is not None and _keeps(current, mark.source, overwrite)):
            return self
        provenance = MappingProxyType({**self.provenance, name: mark})
        return replace(self, **{name: value, "provenance": provenance})


#: Field to the value that it has where nobody says anything.
DEFAULTS: Final[Mapping[str, Any]] = MappingProxyType({known.name: known.default for known in fields(Track)})


def _keeps(current: Source, new: Source, overwrite: bool) -> bool:
    """Whether a value of source `current` stays when `new` speaks."""
    return current > new or (current == new and not overwrite)


@dataclass(frozen=True)
class Skipped:
    """A track that a stage left out: a stable code and its sentence."""

    path: str
    code: str
    reason: str
