"""Songs of a folder with all that is known of them: measured, and with what their files say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from acetune.data.collecting import Collected
from acetune.data.embedded import state_tags
from acetune.data.listing import Listing
from acetune.data.measuring import MOST_SECONDS, Measured, measure_all
from acetune.data.readings import Conflict, Reading, merge
from acetune.data.sidecars import ENDINGS
from acetune.data.track import DEFAULTS, Mark, Skipped, Source, Track
from acetune.errors import DataError
from acetune.events import Job


@dataclass(frozen=True)
class Song:
    """A measured file and what all files say about it.

    Attributes:
        file: The audio.
        name: Its path inside the folder, with forward slashes.
        measured: Its length and hash.
        reading: What its files say.
    """

    file: Path
    name: str
    measured: Measured
    reading: Reading

    def on(self, track: Track | None, path: str | None = None) -> Track:
        """Return a track as the files have it; what a person said stays.

        Args:
            track: What is known, or None.
            path: Where its audio is, if not under this name.
        """
        path, seconds = path or self.name, self.measured.seconds
        track = replace(
            track or Track(path=path, seconds=seconds), path=path, seconds=seconds, audio_sha256=self.measured.sha256
        )
        for name, value in self.reading.values.items():
            track = _told(track, name, value, overwrite=name not in self.reading.faint)
        return replace(track, extra=MappingProxyType({**self.reading.extra, **track.extra}))


@dataclass(frozen=True)
class FileReading:
    """How a file was read: a name of the tables of layouts."""

    file: str
    layout: str


@dataclass(frozen=True)
class Survey:
    """What a folder holds; names are paths inside of it.

    Attributes:
        songs: Name to song, in order.
        skipped: Audio that cannot be used.
        readings: How each file was read.
        ignored: Files that say nothing, and why: `backup`, `doubtful`, `no_song` or `other`.
        conflicts: Song to where its files did not agree.
    """

    songs: Mapping[str, Song]
    skipped: tuple[Skipped, ...]
    readings: tuple[FileReading, ...]
    ignored: Mapping[str, str]
    conflicts: Mapping[str, tuple[Conflict, ...]]


def survey(listing: Listing, collected: Collected, job: Job, stage: str) -> Survey:
    """Return the songs of a folder; what is to be said of them is told, song by song.

    Args:
        listing: The files of the folder.
        collected: What they say.
        job: Hears findings and progress; may stop the work.
        stage: Name of the work.

    Raises:
        Stopped: If asked to stop.
    """
    for finding in collected.findings:
        job.tell(finding)
    names = {song: listing.name(song) for song in collected.songs}
    readable = {str(song): name for song, name in names.items() if song.as_posix().endswith(name)}
    measured, refused = measure_all(readable, job, stage)
    songs: dict[str, Song] = {}
    skipped: list[Skipped] = []
    for file, name in names.items():
        if name in measured:
            tags = state_tags(file, measured[name].tags)
            reading = merge([*collected.songs[file], *([tags] if tags else [])])
            songs[name] = Song(file, name, measured[name], reading)
            _tell(songs[name], job)
        else:
            reason = refused.get(name, DataError("data.bad_name", path=name))
            skipped.append(Skipped(name, reason.code, reason.message()))
            job.tell(reason, subject=name)
    conflicts = {name: song.reading.conflicts for name, song in songs.items() if song.reading.conflicts}
    _tell_conflicts(conflicts, listing, job)
    read = dict(_read(songs, collected, listing))
    ignored = {listing.name(file): _why(file, collected) for file in listing.others if listing.name(file) not in read}
    readings = tuple(FileReading(file, layout) for file, layout in sorted(read.items()))
    return Survey(songs, tuple(skipped), readings, MappingProxyType(ignored), MappingProxyType(conflicts))


def _told(track: Track, name: str, value: Any, *, overwrite: bool) -> Track:
    """Return a track with a value that a file says, unless a person said another one (or, on request, a file)."""
    default = DEFAULTS[name]
    current = getattr(track, name)
    if default is None or name in track.provenance or current != default:
        return track.with_value(name, value, Mark(Source.FILE), overwrite=overwrite)
    marks = MappingProxyType({**track.provenance, name: Mark(Source.FILE)})
    return replace(track, **{name: value, "provenance": marks}) if value != default else track


def _tell(song: Song, job: Job) -> None:
    """Say what is to be said of a song."""
    seconds = song.measured.seconds
    if seconds > MOST_SECONDS:
        most = round(MOST_SECONDS)
        job.tell(DataError("data.long", path=song.name, seconds=seconds, most=most), subject=song.name)
    for finding in song.reading.findings:
        severity = "info" if finding.code == "import.bad_tags" else "warning"
        job.tell(finding, subject=song.name, severity=severity)


def _tell_conflicts(conflicts: Mapping[str, tuple[Conflict, ...]], listing: Listing, job: Job) -> None:
    """Say where files did not agree: once for each field and pair of kinds of files, with an example."""
    alike: dict[tuple[str, str, str], list[tuple[str, Conflict]]] = defaultdict(list)
    for name, found in conflicts.items():
        for conflict in found:
            kinds = (_kind(conflict.kept_from), _kind(conflict.other_from))
            alike[(conflict.field, *kinds)].append((name, conflict))
    for same in alike.values():
        name, first = same[0]
        kept, other = listing.name(first.kept_from), listing.name(first.other_from)
        said = {"field": first.field, "kept": first.kept, "file": kept, "other": first.other, "other_file": other}
        job.tell(DataError("import.conflict", count=len(same), **said), severity="info", subject=name)


def _kind(file: Path) -> str:
    """Return what files have in common that a tool writes beside each song."""
    return next((ending for ending in ENDINGS if file.name.endswith(ending)), file.suffix)


def _read(songs: Mapping[str, Song], collected: Collected, listing: Listing) -> Iterator[tuple[str, str]]:
    """Yield the name of each file that was read, and how."""
    yield from ((listing.name(file), layout) for file, layout in collected.sets.items())
    for song in songs.values():
        yield from ((listing.name(file), layout) for file, layout in song.reading.layouts.items())


def _why(file: Path, collected: Collected) -> str:
    """Return why a file says nothing."""
    if file.suffix.lower() == ".bak":
        return "backup"
    if file in collected.doubtful:
        return "doubtful"
    return "no_song" if _kind(file) in ENDINGS else "other"


def without(ignored: Mapping[str, str], names: Collection[str]) -> Mapping[str, str]:
    """Return the ignored files without those of these names."""
    return MappingProxyType({name: why for name, why in ignored.items() if name not in names})
