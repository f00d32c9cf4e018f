"""Songs that come into a data set: copied one by one under safe names, and listed when all are there.

Each file is whole or absent. What was copied before an interruption is found by its content when the import is run
again, and not copied twice.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from acetune.data import manifest as manifests
from acetune.data.beside import songs_in
from acetune.data.listing import list_files
from acetune.data.manifest import Manifest
from acetune.data.names import ORIGINAL_NAME, free_name, safe_stem
from acetune.data.settings import INNER, DatasetSettings, has_settings, read_settings, write_settings
from acetune.data.surveying import Song
from acetune.data.track import DEFAULTS, DESCRIPTION, Mark, Source, Track
from acetune.errors import DataError
from acetune.events import Job, Progress, StageEnded, StageStarted
from acetune.files import content_hash, disk_errors, draft_file, sweep_drafts
from acetune.locks import lock

_STAGE: Final = "import"


@dataclass(frozen=True)
class Arrival:
    """A song on its way, and what the manifest beside it said, if there was one."""

    song: Song
    listed: Track | None


def check_destination(folder: Path, source: Path) -> None:
    """Raise if songs may not come into a folder.

    Raises:
        DataError: If it holds audio and is no data set of acetune, or one of the two lies inside the other.
    """
    ours, theirs = folder.resolve(), source.resolve()
    if ours == theirs or ours in theirs.parents or theirs in ours.parents:
        raise DataError("import.inside", folder=folder, source=source)
    if folder.exists() and not folder.is_dir():
        raise DataError("data.no_folder", folder=folder)
    if not has_settings(folder) and songs_in(folder):
        raise DataError("import.taken", folder=folder)


def take_in(
    arrivals: Mapping[str, Arrival], folder: Path, settings: DatasetSettings, job: Job, *, move: bool
) -> tuple[Manifest, tuple[str, ...]]:
    """Put songs into a data set and return it, with the paths of those that are new.

    Args:
        arrivals: The songs by their names.
        folder: The data set; made if there is none.
        settings: Its settings, where it has none yet.
        job: Hears of each song; may stop between two of them.
        move: Whether the songs may be taken from where they are.

    Raises:
        Stopped: If asked to stop; a further import goes on from there.
        SettingError: If another process is adding to the data set.
        DiskFull: If there is no room.
        NotWritable: If the folder may not be written.
    """
    with lock(folder / INNER / "adding", "data.locked"):
        if not has_settings(folder):
            write_settings(folder, settings)
        sweep_drafts(folder)
        before = manifests.read(folder)
        listed = {track.path: track for track in before.tracks} if before else {}
        places = _places(arrivals, folder, listed, job)
        _put_all(places, folder, job, move=move)

        def merge(current: Manifest | None) -> Manifest:
            tracks = {track.path: track for track in current.tracks} if current else {}
            new = {path: _track(arrival, path, tracks.get(path)) for path, arrival in places.items()}
            known = current.settings if current else read_settings(folder)
            return Manifest(folder, (*(tracks | new).values(),), _with_trigger(known, settings))

        manifest = manifests.update(folder, merge)
    added = tuple(path for path in places if path not in listed)
    job.report(StageEnded(stage=_STAGE, result={"added": len(added), "tracks": len(manifest.tracks)}))
    return manifest, added


def _put_all(places: Mapping[str, Arrival], folder: Path, job: Job, *, move: bool) -> None:
    """Put every song in its place that is not there yet."""
    job.report(StageStarted(stage=_STAGE, total=len(places), unit="files"))
    for done, (path, arrival) in enumerate(places.items(), start=1):
        job.check_stop(_STAGE)
        if not (folder / path).is_file():
            _put(arrival.song.file, folder / path, move)
        job.report(Progress(stage=_STAGE, done=done, total=len(places), item=path))


def _with_trigger(settings: DatasetSettings, new: DatasetSettings) -> DatasetSettings:
    """Return settings with the trigger of others, where they have none."""
    if settings.trigger is not None or new.trigger is None:
        return settings
    return replace(settings, trigger=new.trigger, trigger_position=new.trigger_position)


def _places(arrivals: Mapping[str, Arrival], folder: Path, listed: Mapping[str, Track], job: Job) -> dict[str, Arrival]:
    """Return path inside the data set to song; the same audio comes once."""
    here = {track.audio_sha256: path for path, track in listed.items() if (folder / path).is_file()}
    listing = list_files(folder, Job())
    found = {name: file for file in listing.audio if (name := listing.name(file)) not in listed}
    here |= {content_hash(file): name for name, file in found.items()}
    taken = {Path(path).stem.casefold() for path in (*listed, *found)}
    places: dict[str, Arrival] = {}
    for name, arrival in arrivals.items():
        sha256 = arrival.song.measured.sha256
        path = here.get(sha256) or free_name(safe_stem(Path(name).stem, sha256), Path(name).suffix, sha256, taken)
        if path in places:
            job.tell(DataError("import.twin", path=name, twin=places[path].song.name), subject=name)
            continue
        here[sha256] = path
        taken.add(Path(path).stem.casefold())
        places[path] = arrival
    return places


def _track(arrival: Arrival, path: str, known: Track | None) -> Track:
    """Return the track of a song under its new name; what the data set's own person said stays."""
    listed = arrival.listed
    if known is not None and listed is not None:
        listed = _filled(known, listed)
    track = arrival.song.on(listed or known, path)
    return replace(track, extra=MappingProxyType({ORIGINAL_NAME: arrival.song.file.name, **track.extra}))


def _filled(known: Track, listed: Track) -> Track:
    """Return a track with what another manifest says of it where nobody said anything or a lower source did."""
    for name in DESCRIPTION:
        known = known.with_value(name, getattr(listed, name), listed.provenance.get(name, Mark(Source.USER)))
    missing = [name for name, value in DEFAULTS.items() if value is None and getattr(known, name) is None]
    extra = MappingProxyType({**listed.extra, **known.extra})
    return replace(known, **{name: getattr(listed, name) for name in missing}, extra=extra)


def _put(source: Path, target: Path, move: bool) -> None:
    """Copy or move a file, all of it or nothing."""
    if move:
        with disk_errors(target):
            os.replace(source, target)
        return
    with draft_file(target) as draft:
        shutil.copyfile(source, draft)


def forget_empty(folder: Path) -> None:
    """Remove a data set that never got a song, if nothing else is in it."""
    if folder.is_dir() and not any(entry.name != INNER for entry in folder.iterdir()):
        shutil.rmtree(folder)
