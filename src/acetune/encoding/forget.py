"""Verb `forget`: remove what acetune keeps of one song, and tell what was made from it.

Adapters cannot be made to forget: the runs that used the song are listed, and a person decides about them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from acetune.annotation.annotate import default_setup
from acetune.annotation.lrclib import LYRICS, kept_about
from acetune.annotation.titles import title_of
from acetune.data.purging import Traces, purge, traces_of
from acetune.encoding import uses
from acetune.encoding.cache import Cache, Entry
from acetune.errors import CorruptFile, DataError
from acetune.events import Job
from acetune.files import disk_errors
from acetune.run import Run
from acetune.workspace import Workspace


@dataclass(frozen=True)
class Lineage:
    """A run that a song went into.

    Attributes:
        run: Its name.
        folder: Where it lies.
        part: ``train``, or ``validation`` where the song was only held out.
        adapters: Files of weights that were made from it.
    """

    run: str
    folder: Path
    part: str
    adapters: tuple[Path, ...]


@dataclass(frozen=True)
class Forgotten:
    """What was removed, or would be.

    Attributes:
        traces: What the data set knew.
        parts: How many encoded parts of the cache were only this song's.
        bytes: Their size.
        heard: Files that annotators keep of it in the workspace: vectors, downloaded lyrics.
        deleted: The song's files, where they were to be deleted.
        runs: The runs that used it, the oldest first.
    """

    traces: Traces
    parts: int
    bytes: int
    heard: tuple[Path, ...]
    deleted: tuple[Path, ...]
    runs: tuple[Lineage, ...]


def forget(
    dataset: str | Path,
    track: str,
    *,
    delete_audio: bool = False,
    dry_run: bool = False,
    home: str | Path | None = None,
    job: Job | None = None,
) -> Forgotten:
    """Remove everything that is kept of a song but its adapters; this cannot be taken back.

    That is its row, results, history, notes and encoded parts, and what annotators keep in the workspace.

    Args:
        dataset: Folder of the data set.
        track: Path or file name, or the content hash of its audio.
        delete_audio: Delete the song too, and the texts beside it; else they stay, and a scan lists the song again.
        dry_run: Tell what would be removed, and remove nothing.
        home: Workspace whose cache and runs are looked through.
        job: Hears what could not be told.

    Raises:
        DataError: If nothing is known of such a song, or the name fits several.
        SettingError: If another process holds the data set for long.
        DiskFull, NotWritable: As the file system says; asked again, it goes on.
    """
    job = job or Job()
    workspace = Workspace.at(home)
    traces = traces_of(dataset, track)
    cache = Cache(workspace.cache)
    only = () if traces.sha256 is None or traces.twins else uses.used_only_by(cache, traces.sha256)
    heard = tuple(_heard(default_setup(home).cache, Path(dataset) / traces.path, traces.sha256))
    runs = () if traces.sha256 is None else _lineage(workspace, traces.sha256, job)
    _tell(traces, cache, job, stays=bool(traces.files) and not delete_audio)
    if not dry_run:
        if traces.sha256 is not None and not traces.twins:
            uses.delete(cache, traces.sha256, only)
        for file in heard:
            with disk_errors(file):
                file.unlink(missing_ok=True)
        purge(dataset, traces, delete_audio=delete_audio)
    size = sum(entry.bytes for entry in only)
    return Forgotten(traces, len(only), size, heard, traces.files if delete_audio else (), runs)


def _heard(folder: Path, audio: Path, sha256: str | None) -> Iterator[Path]:
    """Yield what annotators keep of a song: files named by its audio, and lyrics that were downloaded by its title."""
    if sha256 is not None:
        yield from sorted(path for path in folder.rglob(f"*{sha256}*") if path.is_file())
    title = title_of(audio)
    if title is not None:
        yield from kept_about(folder / LYRICS, title)


def _lineage(workspace: Workspace, sha256: str, job: Job) -> tuple[Lineage, ...]:
    """Return the runs that used a song; those that cannot tell are reported."""
    found = []
    for run in map(Run, workspace.list_runs()):
        try:
            part = run.used(sha256)
        except CorruptFile as damage:
            job.tell(damage, subject=run.name)
            continue
        if part is not None:
            inside = (f for f in run.checkpoints.rglob("*.safetensors") if not f.name.startswith("optimizer"))
            weights = sorted([*run.adapters.rglob("*.safetensors"), *inside])
            found.append(Lineage(run.name, run.folder, part, tuple(weights)))
        elif not run.tracks_file.is_file():
            job.tell(DataError("edit.unknown_songs", run=run.name), severity="info", subject=run.name)
    return tuple(found)


def _tell(traces: Traces, cache: Cache, job: Job, *, stays: bool) -> None:
    """Report what keeps a song from being forgotten whole."""
    for twin in traces.twins:
        job.tell(DataError("edit.twin", path=traces.path, twin=twin), subject=traces.path)
    if stays:
        job.tell(DataError("edit.audio_stays", path=traces.path), subject=traces.path)
    strangers: tuple[Entry, ...] = uses.unlisted(cache)
    if strangers:
        job.tell(DataError("edit.unlisted_parts", count=len(strangers), cache=cache.root))
