"""Verb `stats`: a data set in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from acetune.data.history import known
from acetune.data.rights import RIGHTS, is_refused
from acetune.data.track import DESCRIPTION, Track

#: What stands for a missing value in a count.
MISSING: Final = ""


@dataclass(frozen=True)
class Spread:
    """How far values lie apart: how many there are, the lowest, the middle one, the highest."""

    count: int
    low: float | None = None
    middle: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Figures:
    """A data set in numbers; excluded tracks are only counted as such.

    Attributes:
        tracks: Tracks that are used.
        excluded: Tracks that are not.
        minutes: Music in the used ones.
        passes: Tracks of one epoch, each as often as it counts.
        captioned: Tracks with a caption, tags or genre.
        with_lyrics: Tracks with lyrics that are sung.
        instrumental: Tracks in which nobody sings.
        languages, keys, timesignatures, licences: Value to number of tracks, the most frequent first; `MISSING` too.
        bpm: Spread of the tempo.
        seconds: Spread of the length.
        splits: Part to number of tracks; `MISSING` are those that the seed decides about.
        sources: Field to who said it to number of tracks.
        rights: Field to number of tracks that have it.
        refused: Tracks that must not be used, by their consent.
    """

    tracks: int
    excluded: int
    minutes: float
    passes: int
    captioned: int
    with_lyrics: int
    instrumental: int
    languages: Mapping[str, int]
    keys: Mapping[str, int]
    timesignatures: Mapping[str, int]
    bpm: Spread
    seconds: Spread
    splits: Mapping[str, int]
    sources: Mapping[str, Mapping[str, int]]
    rights: Mapping[str, int]
    licences: Mapping[str, int]
    refused: int


def stats(dataset: str | Path) -> Figures:
    """Return a data set in numbers; nothing is opened but its manifest.

    Raises:
        DataError: If the folder is missing or was not scanned, or a line is wrong.
    """
    everything = known(dataset).tracks
    tracks = [track for track in everything if not track.excluded]
    return Figures(
        tracks=len(tracks),
        excluded=len(everything) - len(tracks),
        minutes=round(sum(track.seconds for track in tracks) / 60, 2),
        passes=sum(track.repeats for track in tracks),
        captioned=sum(bool(track.caption or track.tags or track.genre) for track in tracks),
        with_lyrics=sum(bool(track.lyrics) and not track.instrumental for track in tracks),
        instrumental=sum(bool(track.instrumental) for track in tracks),
        languages=_count(track.language for track in tracks if not track.instrumental),
        keys=_count(track.keyscale for track in tracks),
        timesignatures=_count(track.timesignature for track in tracks),
        bpm=_spread(track.bpm for track in tracks),
        seconds=_spread(track.seconds for track in tracks),
        splits=_count(track.split for track in tracks),
        sources={name: said for name in DESCRIPTION if (said := _sources(tracks, name))},
        rights={name: sum(getattr(track, name) is not None for track in tracks) for name in RIGHTS},
        licences=_count(track.licence for track in tracks),
        refused=sum(map(is_refused, tracks)),
    )


def _count(values: Iterable[str | None]) -> dict[str, int]:
    """Return how often each value occurs, the most frequent first and equally frequent ones by name."""
    counts = Counter(MISSING if value is None else value for value in values)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _spread(values: Iterable[float | None]) -> Spread:
    """Return the spread of the values that are known."""
    known_ones = sorted(value for value in values if value is not None)
    if not known_ones:
        return Spread(0)
    return Spread(len(known_ones), known_ones[0], median(known_ones), known_ones[-1])


def _sources(tracks: Iterable[Track], name: str) -> dict[str, int]:
    """Return how many tracks have a field from each source."""
    said = [track.source_of(name) for track in tracks]
    return _count(source.name.lower() for source in said if source is not None)
