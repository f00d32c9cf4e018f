"""Verb `check`: look through a data set for what makes a training fail or its adapter poor. Nothing is changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

from acetune.catalog import names, resolve
from acetune.data import manifest as manifests
from acetune.data.findings import CheckResult, Finding, count, ranked
from acetune.data.hearing import STAGE, Heard, hear_all
from acetune.data.lengths import length_findings
from acetune.data.listing import ENCODED_SUFFIX, list_files
from acetune.data.manifest import Manifest
from acetune.data.measuring import measure_all
from acetune.data.selection import select
from acetune.data.sound_checks import loudness_findings, sound_findings
from acetune.data.text_checks import text_findings
from acetune.data.track import Track
from acetune.data.twins import same_files, same_names, same_recordings
from acetune.errors import AcetuneError, DataError
from acetune.events import Job
from acetune.workspace import Workspace

#: Why a file cannot be read, by the code of whoever tried.
_UNREADABLE: Final = MappingProxyType(
    {
        "audio.unreadable": "check.unreadable",
        "audio.truncated": "check.truncated",
        "audio.empty": "check.empty",
        "audio.not_finite": "check.not_finite",
        "data.not_readable": "check.not_openable",
        "data.too_short": "check.too_short",
        "workers.crashed": "check.crashed",
        "workers.slow": "check.slow",
    }
)


def check(
    folder: str | Path,
    *,
    tracks: Sequence[str] | None = None,
    audio: bool = True,
    home: str | Path | None = None,
    job: Job | None = None,
    workers: int | None = None,
) -> CheckResult:
    """Return everything that is wrong with a scanned data set, or may be.

    Each recording is decoded once; what it measures is kept beside the data set, so that a second check takes seconds.
    Excluded tracks are not looked at.

    Args:
        folder: The data set.
        tracks: Paths or file names, with wildcards; twins are looked for among these tracks. All where None.
        audio: Whether to listen; without, words and fields alone are checked.
        home: Workspace, in which the tokenizer of published weights may be; without it tokens are estimated.
        job: Hears the progress; can stop between songs.
        workers: Processes that listen; None takes one for each core.

    Raises:
        DataError: If the folder was not scanned, or no track fits.
        Stopped: If asked to; what was heard is kept.
    """
    job, folder = job or Job(), Path(folder)
    manifest = manifests.load(folder)
    chosen = select(manifest.tracks, tracks or ())
    used = tuple(track for track in chosen if not track.excluded)
    heard: Mapping[str, Heard] = {}
    findings: list[Finding] = []
    if audio:
        heard, broken = _listen(manifest, used, job, workers)
        findings += broken
        findings += _sound(used, heard)
        findings += () if tracks else _unlisted(manifest, job)
    findings += _words(manifest, used, heard, Workspace.at(home).models)
    counts = {"tracks": len(used), "excluded": len(chosen) - len(used), "heard": len(heard), **count(findings)}
    return CheckResult(ranked(findings, [track.path for track in manifest.tracks]), MappingProxyType(counts))


def _listen(
    manifest: Manifest, tracks: Sequence[Track], job: Job, workers: int | None
) -> tuple[Mapping[str, Heard], list[Finding]]:
    """Return what the songs measure, and a finding for each that cannot be read; encoded songs have no sound."""
    songs = [track for track in tracks if not track.path.endswith(ENCODED_SUFFIX)]
    missing = [track for track in songs if not manifest.audio(track).is_file()]
    there = [track for track in songs if track not in missing]
    heard, failed = hear_all(manifest, there, job, workers)
    gone = (Finding.of("error", track.path, DataError("check.missing")) for track in missing)
    return heard, [*gone, *(unread(path, error) for path, error in failed.items())]


def _sound(tracks: Sequence[Track], heard: Mapping[str, Heard]) -> Iterator[Finding]:
    """Yield what is wrong with the recordings, each alone and among the others."""
    for track in tracks:
        if track.path in heard:
            yield from sound_findings(track, heard[track.path])
    yield from loudness_findings(heard)
    yield from same_recordings(tracks, heard)


def _words(manifest: Manifest, tracks: Sequence[Track], heard: Mapping[str, Heard], models: Path) -> Iterator[Finding]:
    """Yield what is wrong with words and fields, and with names and bytes."""
    for track in tracks:
        note = heard.get(track.path)
        yield from text_findings(track, manifest.settings, note.artist if note else None)
        yield from _doubts(track)
    yield from length_findings(manifest, tracks, models)
    yield from same_files(tracks)
    yield from same_names(tracks)


def _doubts(track: Track) -> Iterator[Finding]:
    """Yield what may be invented, by those of the catalogue who look for it."""
    for name in names("doubter"):
        for doubt in resolve("doubter", name)(track):
            yield Finding.of("warning", track.path, doubt.problem)


def _unlisted(manifest: Manifest, job: Job) -> Iterator[Finding]:
    """Yield the audio files of a folder that are no tracks: unreadable ones, and those that no scan has seen."""
    listing = list_files(manifest.folder, job)
    listed = {track.path for track in _all_tracks(manifest)}
    files = {str(file): name for file in listing.audio if (name := listing.name(file)) not in listed}
    new, refused = measure_all(files, Job(stop_requested=job.stop_requested), STAGE)
    yield from (unread(name, error) for name, error in refused.items())
    yield from (Finding.of("warning", name, DataError("check.not_listed")) for name in new)


def _all_tracks(manifest: Manifest) -> Iterable[Track]:
    """Return the tracks of a data set, those without a length included."""
    whole = manifests.read(manifest.folder)
    return whole.tracks if whole else manifest.tracks


def unread(path: str, error: AcetuneError) -> Finding:
    """Return the finding about a file that cannot be read."""
    code = _UNREADABLE.get(error.code)
    problem = (
        DataError("check.unreadable", cause=error.message().rstrip("."))
        if code is None
        else DataError(code, **error.params)
    )
    return Finding.of("error", path, problem, str(error.params.get("cause", "")) or None)
