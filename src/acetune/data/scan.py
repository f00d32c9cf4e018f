"""Verb `scan`: find the songs of a folder, measure them and write down what is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from acetune.data import history
from acetune.data import manifest as manifests
from acetune.data.bare_texts import TxtMeaning
from acetune.data.collecting import Choices, choose, collect
from acetune.data.listing import ENCODED_SUFFIX, Listing, list_files
from acetune.data.manifest import Manifest
from acetune.data.places import Places
from acetune.data.readings import Conflict
from acetune.data.sets import Album
from acetune.data.settings import DatasetSettings, has_settings, read_settings
from acetune.data.surveying import FileReading, Song, Survey, survey, without
from acetune.data.track import Skipped, Track
from acetune.errors import DataError
from acetune.events import Job, Json, StageEnded, StageStarted

_STAGE: Final = "scan"


@dataclass(frozen=True)
class ScanResult:
    """What a scan found; paths are relative to the folder.

    Attributes:
        manifest: The data set as it is on the disk now.
        added: Tracks that were not listed before.
        dropped: Tracks that were listed and are not there any more.
        skipped: Audio that cannot be used.
        ignored: Files that say nothing, and why: `backup`, `doubtful`, `no_song` or `other`.
        readings: How each file was read.
        conflicts: Track to where its files did not agree.
    """

    manifest: Manifest
    added: tuple[str, ...]
    dropped: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    ignored: Mapping[str, str]
    readings: tuple[FileReading, ...]
    conflicts: Mapping[str, tuple[Conflict, ...]]


def scan(
    folder: str | Path,
    *,
    job: Job | None = None,
    strict: bool = False,
    txt_means: TxtMeaning | None = None,
    columns: Mapping[str, str] | None = None,
) -> ScanResult:
    """Write the manifest of a folder of songs, or bring it up to date.

    Subfolders are read too; hidden files and acetune's own output are not. Files beside the songs and files that
    describe many songs are read in the layouts of all known tools. What a person wrote into an existing manifest
    stays, unknown columns included, also where a file was moved.

    Args:
        folder: The folder that holds the songs.
        job: Whom to report to, and who may stop it.
        strict: Refuse to go on without the songs that cannot be used; nothing is written then.
        txt_means: What texts are that could be a caption or lyrics; without it they are not used.
        columns: Column of a table to the field that it holds, where its name does not say so.

    Raises:
        DataError: If there is no folder, no audio, none that can be used, or (strict) one that cannot.
        SettingError: If `txt_means` is none of the two, or `columns` names what there is not.
        Stopped: If asked to stop; nothing was written.
        NotWritable: If the folder may not be written.
    """
    return scan_with(Path(folder), choose(txt_means, columns), job or Job(), strict=strict)


def scan_with(
    folder: Path, choices: Choices, job: Job, *, strict: bool = False, named: Path | None = None
) -> ScanResult:
    """Scan a folder, with somebody to ask (the rest is as in `scan`).

    Args:
        folder: The folder that holds the songs.
        choices: How doubts are decided.
        job: Whom to report to, and who may stop it.
        strict: Refuse to go on without the songs that cannot be used.
        named: A file, by its absolute path, that must be among those that describe the songs.
    """
    history.settle(folder)
    before = manifests.read(folder)
    listing = list_files(folder, job)
    encoded = _encoded(before.tracks if before else (), listing)
    _check_audio(listing, encoded)
    collected = collect(listing, Places(lambda: listing.audio, outside=False), choices)
    if named is not None and named not in collected.sets:
        about = (finding for finding in collected.findings if finding.params.get("path") == named)
        raise next(about, DataError("import.no_set", path=named))
    job.report(StageStarted(stage=_STAGE, total=len(collected.songs), unit="files"))
    found = survey(listing, collected, job, _STAGE)
    if found.skipped and (strict or not (found.songs or encoded)):
        code = "data.skipped" if found.songs else "data.none_left"
        raise DataError(code, folder=folder, count=len(found.skipped), first=found.skipped[0].reason)

    def merge(current: Manifest | None) -> Manifest:
        settings = with_album(current.settings if current else read_settings(folder), collected.album, folder)
        return Manifest(folder, _merged(current.tracks if current else (), found, encoded), settings)

    manifest = manifests.update(folder, merge)
    added, dropped = _changes(before.tracks if before else (), found, encoded, job)
    ignored = without(found.ignored, encoded)
    result = ScanResult(manifest, added, dropped, found.skipped, ignored, found.readings, found.conflicts)
    job.report(StageEnded(stage=_STAGE, result=counts(result)))
    return result


def with_album(settings: DatasetSettings, album: Album, folder: Path) -> DatasetSettings:
    """Return settings with what files say about the whole data set; what is set already stays."""
    if settings.trigger is None and album.trigger is not None:
        settings = replace(settings, trigger=album.trigger, trigger_position=album.trigger_position)
    if album.name is not None and not has_settings(folder):
        settings = replace(settings, name=album.name)
    return settings


def counts(result: ScanResult) -> dict[str, Json]:
    """Return how many of each there are, and the length of all tracks."""
    return {
        "tracks": len(result.manifest.tracks),
        "seconds": round(sum(track.seconds for track in result.manifest.tracks), 1),
        "added": len(result.added),
        "dropped": len(result.dropped),
        "skipped": len(result.skipped),
        "ignored": len(result.ignored),
    }


def _encoded(tracks: Sequence[Track], listing: Listing) -> frozenset[str]:
    """Return the listed tracks whose file is no audio but a song that was encoded elsewhere, and is there."""
    files = {listing.name(file) for file in listing.others if file.suffix == ENCODED_SUFFIX}
    return frozenset(track.path for track in tracks if track.path in files)


def _check_audio(listing: Listing, encoded: frozenset[str]) -> None:
    """Raise if there is nothing to scan."""
    from acetune.audio.files import AUDIO_SUFFIXES

    if not listing.audio and not encoded:
        raise DataError("data.no_audio", folder=listing.root, suffixes=" ".join(sorted(AUDIO_SUFFIXES)))


def _merged(tracks: Sequence[Track], found: Survey, encoded: frozenset[str]) -> tuple[Track, ...]:
    """Return the listed tracks that are still there, in their order, and then the new ones.

    A listed track that was skipped stays as it is: its file may be good again tomorrow, its caption would be lost.
    """
    moved = {old: new for new, old in _moves(tracks, found.songs).items()}
    as_they_are = {skip.path for skip in found.skipped} | encoded
    kept: dict[str, Track] = {}
    for track in tracks:
        place = moved.get(track.path, track.path)
        if place in found.songs or place in as_they_are:
            kept[place] = found.songs[place].on(track) if place in found.songs else track
    return (*kept.values(), *(song.on(None) for song in found.songs.values() if song.name not in kept))


def _moves(tracks: Sequence[Track], songs: Mapping[str, Song]) -> dict[str, str]:
    """Return new path to old path of the songs whose audio was listed under a path that is gone."""
    listed = {track.path for track in tracks}
    gone = {track.audio_sha256: track.path for track in tracks if track.path not in songs}
    new = {name: song.measured.sha256 for name, song in songs.items() if name not in listed}
    return {name: gone.pop(sha256) for name, sha256 in new.items() if sha256 in gone}


def _changes(
    tracks: Sequence[Track], found: Survey, encoded: frozenset[str], job: Job
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the paths that came and those that went, and tell what moved or went."""
    listed = {track.path: None for track in tracks}
    moves = _moves(tracks, found.songs)
    seen = {*found.songs, *moves.values(), *(skip.path for skip in found.skipped), *encoded}
    dropped = tuple(path for path in listed if path not in seen)
    for new, old in moves.items():
        job.tell(DataError("data.moved", path=new, old=old), subject=new, severity="info")
    for path in dropped:
        job.tell(DataError("data.gone", path=path), subject=path)
    return tuple(path for path in found.songs if path not in listed and path not in moves), dropped
