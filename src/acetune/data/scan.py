"""Verb `scan`: find the songs of a folder, measure them and write down what is known."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from acetune.data import manifest as manifests
from acetune.data.manifest import Manifest
from acetune.data.settings import read_settings
from acetune.data.sidecars import Reading, read_sidecars
from acetune.data.track import Mark, Skipped, Source, Track
from acetune.errors import DataError
from acetune.events import Job, Json, Progress, StageEnded, StageStarted
from acetune.files import content_hash

#: Shorter audio is no track.
LEAST_SECONDS: Final = 0.5
#: ACE-Step 1.5 generates up to this length; what comes after it is never used.
MOST_SECONDS: Final = 600.0
_STAGE = "scan"
#: A folder that holds one of these is acetune's own output, not music to learn from.
_OWN_FOLDERS = frozenset({"workspace.json", "recipe.yaml"})


@dataclass(frozen=True)
class ScanResult:
    """What a scan found; paths are relative to the folder.

    Attributes:
        manifest: The data set as it is on the disk now.
        added: Tracks that were not listed before.
        dropped: Tracks that were listed and are not there any more.
        skipped: Audio that cannot be used.
        ignored: Files that are neither audio nor read as text beside it.
    """

    manifest: Manifest
    added: tuple[str, ...]
    dropped: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    ignored: tuple[str, ...]


@dataclass(frozen=True)
class _Song:
    """A measured file and what the files beside it say."""

    path: str
    seconds: float
    sha256: str
    reading: Reading

    def on(self, track: Track | None) -> Track:
        """Return a track as this file has it; what a person said stays."""
        track = track or Track(path=self.path, seconds=self.seconds)
        track = replace(track, path=self.path, seconds=self.seconds, audio_sha256=self.sha256)
        for name, value in self.reading.values.items():
            track = track.with_value(name, value, Mark(Source.FILE), overwrite=True)
        return track


def scan(folder: str | Path, *, job: Job | None = None, strict: bool = False) -> ScanResult:
    """Write the manifest of a folder of songs, or bring it up to date.

    Subfolders are read too; hidden files and acetune's own output are not. What a person wrote into an existing
    manifest stays, unknown columns included, also where a file was moved.

    Args:
        folder: The folder that holds the songs.
        job: Whom to report to, and who may stop it.
        strict: Refuse to go on without the songs that cannot be used; nothing is written then.

    Raises:
        DataError: If there is no folder, no audio, none that can be used, or (strict) one that cannot.
        Stopped: If asked to stop; nothing was written.
        NotWritable: If the folder may not be written.
    """
    job, folder = job or Job(), Path(folder)
    before = manifests.read(folder)
    audio, others = _files(folder, job)
    job.report(StageStarted(stage=_STAGE, total=len(audio), unit="files"))
    songs, skipped = _measure_all(folder, audio, job)
    if skipped and (strict or not songs):
        code = "data.skipped" if songs else "data.none_left"
        raise DataError(code, folder=folder, count=len(skipped), first=skipped[0].reason)

    def merge(current: Manifest | None) -> Manifest:
        settings = current.settings if current else read_settings(folder)
        return Manifest(folder, _merged(current.tracks if current else (), songs, skipped), settings)

    manifest = manifests.update(folder, merge)
    added, dropped = _changes(before.tracks if before else (), songs, skipped, job)
    read = {file for song in songs.values() for file in song.reading.files}
    ignored = tuple(_name(folder, file) for file in others if file not in read)
    result = ScanResult(manifest, added, dropped, skipped, ignored)
    job.report(StageEnded(stage=_STAGE, result=_counts(result)))
    return result


def _files(folder: Path, job: Job) -> tuple[list[Path], list[Path]]:
    """Return the audio of a folder and its other files, in order of their names."""
    from acetune.audio.files import AUDIO_SUFFIXES

    def closed(cause: OSError) -> None:
        _notice(job, DataError("data.not_readable", path=cause.filename, cause=cause.strerror), cause.filename)

    files: list[Path] = []
    for here, folders, names in os.walk(folder, onerror=closed):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and not _is_own(here, name))
        files.extend(Path(here, name) for name in sorted(names) if not name.startswith("."))
    audio = [file for file in files if file.suffix.lower() in AUDIO_SUFFIXES]
    if not audio:
        raise DataError("data.no_audio", folder=folder, suffixes=" ".join(sorted(AUDIO_SUFFIXES)))
    others = [file for file in files if file.suffix.lower() not in AUDIO_SUFFIXES]
    return audio, [file for file in others if file != folder / manifests.MANIFEST]


def _is_own(here: str, name: str) -> bool:
    """Whether a folder holds acetune's own output."""
    return any(os.path.exists(os.path.join(here, name, sign)) for sign in _OWN_FOLDERS)


def _measure_all(folder: Path, audio: Sequence[Path], job: Job) -> tuple[Mapping[str, _Song], tuple[Skipped, ...]]:
    """Return the songs by path, and the files that are none."""
    songs: dict[str, _Song] = {}
    skipped = []
    for done, file in enumerate(audio, start=1):
        job.check_stop(_STAGE)
        name = _name(folder, file)
        try:
            songs[name] = _measure(file, name, job)
        except DataError as reason:
            skipped.append(Skipped(name, reason.code, reason.message()))
            _notice(job, reason, name)
        job.report(Progress(stage=_STAGE, done=done, total=len(audio), item=name))
    return songs, tuple(skipped)


def _measure(file: Path, name: str, job: Job) -> _Song:
    """Return what is known of an audio file.

    Raises:
        DataError: If it is no track.
    """
    from acetune.audio.files import probe

    if not file.as_posix().endswith(name):
        raise DataError("data.bad_name", path=name)
    try:
        seconds, sha256 = probe(file).seconds, content_hash(file)
    except OSError as cause:
        raise DataError("data.not_readable", path=name, cause=cause.strerror) from cause
    if seconds < LEAST_SECONDS:
        raise DataError("data.too_short", path=name, seconds=seconds, least=LEAST_SECONDS)
    if seconds > MOST_SECONDS:
        _notice(job, DataError("data.long", path=name, seconds=seconds, most=round(MOST_SECONDS)), name)
    reading = read_sidecars(file)
    for finding in reading.findings:
        _notice(job, finding, name)
    return _Song(name, seconds, sha256, reading)


def _merged(tracks: Sequence[Track], songs: Mapping[str, _Song], skipped: Sequence[Skipped]) -> tuple[Track, ...]:
    """Return the listed tracks that are still there, in their order, and then the new ones.

    A listed track that was skipped stays as it is: its file may be good again tomorrow, its caption would be lost.
    """
    moved = {old: new for new, old in _moves(tracks, songs).items()}
    unusable = {skip.path for skip in skipped}
    kept: dict[str, Track] = {}
    for track in tracks:
        place = moved.get(track.path, track.path)
        if place in songs or place in unusable:
            kept[place] = songs[place].on(track) if place in songs else track
    return (*kept.values(), *(song.on(None) for song in songs.values() if song.path not in kept))


def _moves(tracks: Sequence[Track], songs: Mapping[str, _Song]) -> dict[str, str]:
    """Return new path to old path of the songs whose audio was listed under a path that is gone."""
    listed = {track.path for track in tracks}
    gone = {track.audio_sha256: track.path for track in tracks if track.path not in songs}
    return {
        song.path: gone.pop(song.sha256) for song in songs.values() if song.path not in listed and song.sha256 in gone
    }


def _changes(
    tracks: Sequence[Track], songs: Mapping[str, _Song], skipped: Sequence[Skipped], job: Job
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the paths that came and those that went, and notice what moved or went."""
    listed = {track.path: None for track in tracks}
    moves = _moves(tracks, songs)
    seen = {*songs, *moves.values(), *(skip.path for skip in skipped)}
    dropped = tuple(path for path in listed if path not in seen)
    for new, old in moves.items():
        _notice(job, DataError("data.moved", path=new, old=old), new, "info")
    for path in dropped:
        _notice(job, DataError("data.gone", path=path), path)
    return tuple(path for path in songs if path not in listed and path not in moves), dropped


def _counts(result: ScanResult) -> dict[str, Json]:
    """Return how many of each there are, and the length of all tracks."""
    return {
        "tracks": len(result.manifest.tracks),
        "seconds": round(sum(track.seconds for track in result.manifest.tracks), 1),
        "added": len(result.added),
        "dropped": len(result.dropped),
        "skipped": len(result.skipped),
        "ignored": len(result.ignored),
    }


def _name(folder: Path, file: Path) -> str:
    """Return a file's path inside the folder; bytes that are no text become question marks."""
    return file.relative_to(folder).as_posix().encode("utf-8", "replace").decode("utf-8")


def _notice(job: Job, finding: DataError, subject: str, severity: str = "warning") -> None:
    """Report a finding."""
    job.notice(finding.code, finding.message(), severity=severity, subject=subject)
