"""Verb `annotate`: listen to the songs of a data set and fill in what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from acetune.annotation.annotator import Annotator, Guess, Listen, Setup, Song
from acetune.catalog import resolve
from acetune.data import manifest as manifests
from acetune.data.track import Mark, Skipped, Source, Track
from acetune.errors import DataError, SettingError
from acetune.events import Job, Json, Progress, StageEnded, StageStarted
from acetune.workspace import Workspace

_STAGE: Final = "annotate"


@dataclass(frozen=True)
class AnnotateResult:
    """What annotating did.

    Attributes:
        written: Tracks that got a value.
        kept: Tracks that had all values already and were not opened.
        skipped: Tracks that cannot be read or in which nothing was found.
    """

    written: int
    kept: int
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True)
class _Heard:
    """A guess and who made it."""

    guess: Guess
    source: Source


def annotate(
    dataset: str | Path,
    *,
    annotators: Sequence[str] = ("tempo", "key"),
    overwrite: Sequence[str] = (),
    job: Job | None = None,
) -> AnnotateResult:
    """Fill missing fields of a scanned data set, one track after the other, each at once on the disk.

    Args:
        dataset: The folder of songs.
        annotators: Names of the catalogue.
        overwrite: Fields to find anew where the same or a lower source filled them; what a person or a file said
            always stays.
        job: Whom to report to, and who may stop it between tracks.

    Raises:
        DataError: If the folder was not scanned.
        SettingError: If there is no such annotator, or none that fills a field to overwrite.
        Stopped: If asked to; the tracks that are done stay done.
        DiskFull: If there is no room.
        NotWritable: If the folder may not be written.
    """
    job, dataset = job or Job(), Path(dataset)
    chosen: tuple[Annotator, ...] = tuple(resolve("annotator", name)() for name in annotators)
    _check_overwrite(overwrite, chosen)
    manifest = manifests.load(dataset)
    todo = [(track, wanted) for track in manifest.tracks if (wanted := _wanted(track, chosen, overwrite))]
    job.report(StageStarted(stage=_STAGE, total=len(todo), unit="tracks"))
    skipped: list[Skipped] = []
    with ExitStack() as stack:
        setup = _setup()
        opened = {annotator: stack.enter_context(annotator.opened(setup, job)) for annotator in chosen}
        for done, (track, wanted) in enumerate(todo, start=1):
            job.check_stop(_STAGE)
            try:
                found = _listen(Song(track, manifest.audio(track)), wanted, opened)
            except DataError as reason:
                skipped.append(Skipped(track.path, reason.code, reason.message()))
                job.notice(reason.code, reason.message(), subject=track.path)
            else:
                _append(dataset, track, found, bool(overwrite))
                _notice(track, wanted, found, job)
            job.report(Progress(stage=_STAGE, done=done, total=len(todo), item=track.path))
    manifests.compact(dataset)
    result = AnnotateResult(len(todo) - len(skipped), len(manifest.tracks) - len(todo), tuple(skipped))
    counts: dict[str, Json] = {"written": result.written, "kept": result.kept, "skipped": len(skipped)}
    job.report(StageEnded(stage=_STAGE, result=counts))
    return result


def _check_overwrite(overwrite: Sequence[str], chosen: Sequence[Annotator]) -> None:
    """Refuse a field that nobody would find anew."""
    known = {field for annotator in chosen for field in annotator.fields}
    for field in overwrite:
        if field not in known:
            raise SettingError("annotation.bad_overwrite", field=field, known=", ".join(sorted(known)))


def _wanted(track: Track, chosen: Sequence[Annotator], overwrite: Sequence[str]) -> Mapping[str, Annotator]:
    """Return the fields to find for a track, with who finds them."""
    return {
        field: annotator
        for annotator in chosen
        for field in annotator.fields
        if (said := track.source_of(field)) is None or (field in overwrite and said <= annotator.source)
    }


def _setup() -> Setup:
    """Return what annotators may use."""
    workspace = Workspace.at()
    return Setup(workspace.models, workspace.home / "annotation")


def _listen(song: Song, wanted: Mapping[str, Annotator], opened: Mapping[Annotator, Listen]) -> Mapping[str, _Heard]:
    """Return what the annotators hear in a song.

    Raises:
        DataError: If it cannot be read, or nothing is heard.
    """
    found = {
        field: _Heard(guess, annotator.source)
        for annotator in dict.fromkeys(wanted.values())
        for field, guess in opened[annotator](song).items()
        if field in wanted
    }
    if not found:
        raise DataError("annotation.not_found", path=song.path, fields=", ".join(wanted))
    return found


def _append(dataset: Path, track: Track, found: Mapping[str, _Heard], overwrite: bool) -> None:
    """Put what was heard on the disk."""
    values = {field: heard.guess.value for field, heard in found.items()}
    marks = {field: Mark(heard.source, heard.guess.confidence) for field, heard in found.items()}
    manifests.append_results(dataset, track.path, values, marks, overwrite=overwrite)


def _notice(track: Track, wanted: Mapping[str, Annotator], found: Mapping[str, _Heard], job: Job) -> None:
    """Report what was not found and what the annotators remarked."""
    missing = ", ".join(field for field in wanted if field not in found)
    remarks = [DataError(heard.guess.notice, path=track.path) for heard in found.values() if heard.guess.notice]
    if missing:
        remarks.append(DataError("annotation.not_found", path=track.path, fields=missing))
    for remark in remarks:
        job.notice(remark.code, remark.message(), severity="info", subject=track.path)
