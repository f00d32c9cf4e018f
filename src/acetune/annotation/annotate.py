"""Verb `annotate`: listen to the songs of a data set and fill in what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from acetune import compute
from acetune.annotation import choice
from acetune.annotation.annotator import Annotator, Setup
from acetune.annotation.labels import LABELS, write_labels
from acetune.annotation.prompt import write_template
from acetune.annotation.rounds import AnnotateResult, Round
from acetune.data import manifest as manifests
from acetune.data.selection import select
from acetune.errors import DataError
from acetune.events import Job
from acetune.workspace import Workspace

#: Who works only where the user named a server.
_SERVERS: Final = frozenset({"endpoint", "lyrics-online"})


def annotate(
    dataset: str | Path,
    *,
    annotators: Sequence[str] | None = None,
    overwrite: Sequence[str] = (),
    tracks: Sequence[str] = (),
    setup: Setup | None = None,
    job: Job | None = None,
) -> AnnotateResult:
    """Fill missing fields of a scanned data set; what is found for a track is on the disk at once.

    Args:
        dataset: The folder of songs.
        annotators: Names of the catalogue; None for all that can work here.
        overwrite: Fields to find anew where the same or a lower source filled them, or "all"; what a person or a file
            said always stays.
        tracks: Patterns of paths or file names; none stands for all.
        setup: What annotators may use; None for what lies in the usual workspace.
        job: Whom to report to, and who may stop it between tracks.

    Raises:
        DataError: If the folder was not scanned or a pattern fits no track.
        SettingError: If there is no such annotator, or none that fills a field to overwrite.
        MissingDependency: If an annotator that was named lacks a package or its weights.
        Stopped: If asked to; the tracks that are done stay done.
        DiskFull: If there is no room.
        NotWritable: If the folder may not be written.
    """
    job, setup, dataset = job or Job(), setup or default_setup(), Path(dataset)
    chosen = choice.choose(annotators, setup)
    fields = choice.anew(overwrite, chosen)
    manifest = manifests.load(dataset)
    if annotators is None:
        _tell_models(chosen, job)
    work = Round(manifest, select(manifest.tracks, tracks), setup, job, overwrite=fields)
    for group in choice.passes(chosen):
        work.hear(group)
    if work.found:
        manifests.compact(dataset)
    if annotators is not None:
        _tell_idle(chosen, work)
    return work.result()


def preview(
    dataset: str | Path,
    count: int = 3,
    *,
    annotators: Sequence[str] | None = None,
    tracks: Sequence[str] = (),
    setup: Setup | None = None,
    job: Job | None = None,
) -> AnnotateResult:
    """Return what annotators say about the first tracks, known or not, and write nothing.

    Arguments and errors are those of `annotate`.
    """
    job, setup = job or Job(), setup or default_setup()
    chosen = choice.choose(annotators, setup)
    manifest = manifests.load(Path(dataset))
    some = select(manifest.tracks, tracks)[:count]
    work = Round(manifest, some, setup, job, overwrite=None)
    for group in choice.passes(chosen):
        work.hear(group)
    if annotators is not None:
        _tell_idle(chosen, work)
    return work.result()


def write_lists(home: str | Path | None = None) -> tuple[Path, ...]:
    """Write the tagger's lists and the template of the prompt to where they can be changed; return all their files.

    Files that are there stay as they are.

    Raises:
        DiskFull: If there is no room.
        NotWritable: If the folder may not be written.
    """
    folder = default_setup(home).cache
    write_labels(folder / LABELS)
    return (*sorted((folder / LABELS).glob("*.yaml")), write_template(folder))


def default_setup(home: str | Path | None = None) -> Setup:
    """Return what annotators may use in a workspace, where the user said nothing else."""
    workspace = Workspace.at(home)
    return Setup(
        workspace.models,
        workspace.home / "annotation",
        api_key=compute.environment("API_KEY"),
        offline=compute.offline(),
    )


def _tell_models(chosen: Sequence[Annotator], job: Job) -> None:
    """Say which models nobody asked for are used because they are here."""
    models = ", ".join(each.name for each in chosen if not each.pooled and each.name not in _SERVERS)
    if models:
        job.tell(DataError("annotation.models", models=models), severity="info")


def _tell_idle(chosen: Sequence[Annotator], work: Round) -> None:
    """Say who was asked for and had nothing to go by in any song."""
    for annotator in chosen:
        missing = [name for name in choice.needs(annotator) if not any(getattr(t, name) for t in work.tracks.values())]
        if missing:
            work.job.tell(DataError("annotation.idle", annotator=annotator.name, fields=", ".join(missing)))
