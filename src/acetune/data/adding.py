"""Verb `add`: songs from anywhere come into a data set under names that are safe and their own."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeAlias, cast, get_args

from acetune.data import manifest as manifests
from acetune.data.beside import is_song, songs_in, stems_in, with_texts
from acetune.data.collecting import Ask
from acetune.data.listing import list_files
from acetune.data.manifest import Manifest
from acetune.data.measuring import LEAST_SECONDS
from acetune.data.names import ORIGINAL_NAME, free_name, safe_stem
from acetune.data.placing import place
from acetune.data.scan import ScanResult, scan
from acetune.data.settings import INNER, read_settings
from acetune.data.track import Skipped, Track
from acetune.errors import DataError, SettingError
from acetune.events import Job, Json, StageEnded, StageStarted
from acetune.files import content_hash, disk_errors
from acetune.locks import lock
from acetune.workers import LEAST_ITEMS, Done, spread

#: What to do with a folder that already has songs.
Conflict: TypeAlias = Literal["other", "add", "clear"]

_STAGE = "add"
_TASTE_SECONDS = 2.0
#: Reading a header takes a moment; counting the packets of a long raw aac takes seconds.
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class AddResult:
    """What came of adding songs.

    Attributes:
        folder: The data set: the one that was asked for, or another beside it.
        added: File name inside the folder to the path where it came from.
        skipped: Songs that were not taken.
        removed: Where the songs that were there before are now.
        scanned: The data set as it is.
    """

    folder: Path
    added: Mapping[str, str]
    skipped: tuple[Skipped, ...]
    removed: Path | None
    scanned: ScanResult


@dataclass(frozen=True)
class Arrived:
    """Songs that came into a data set: file name inside of it to where it came from, and the rest as in `AddResult`."""

    songs: Mapping[str, Path]
    skipped: tuple[Skipped, ...]
    removed: Path | None


@dataclass(frozen=True)
class _Song:
    """A song that can be taken."""

    source: Path
    seconds: float
    sha256: str


def add(
    files: Iterable[str | Path],
    folder: str | Path,
    *,
    on_conflict: Conflict | None = None,
    move: bool = False,
    ask: Ask | None = None,
    job: Job | None = None,
) -> AddResult:
    """Copy songs and the texts beside them into a data set, which is scanned then.

    Each song is opened in a process of its own before it is taken; one whose bytes are there already is left out.
    Everything is copied before the first file is put in its place, so that a stop changes nothing.

    Args:
        files: Audio files, or folders of them.
        folder: The data set; made if there is none.
        on_conflict: Where the folder has songs: take another name for it, add to them, or put them away first into
            ``.acetune/removed-<time>``.
        move: Delete the originals in the end.
        ask: Asked for `on_conflict` where that is None and the folder has songs.
        job: Whom to report to, and who may stop it.

    Raises:
        DataError: If a file is missing, none can be taken, or the folder has songs and nobody says what to do.
        SettingError: If another process is adding to the data set.
        Stopped: If asked to stop; nothing was changed, unless only the last scan was missing.
        DiskFull: If there is no room.
        NotWritable: If the folder may not be written.
    """
    job, folder = job or Job(), Path(folder)
    sources = _sources(files)
    conflict = _conflict(folder, on_conflict, ask)
    target = _sibling(folder) if conflict == "other" else folder
    arrived = arrive(sources, target, job, clear=conflict == "clear")
    scanned = scan(target, job=job)
    if move:
        _delete_originals([*arrived.songs.values()], target)
    added = MappingProxyType({name: str(source) for name, source in arrived.songs.items()})
    return AddResult(target, added, arrived.skipped, arrived.removed, scanned)


def arrive(sources: Sequence[Path], folder: Path, job: Job, *, clear: bool = False) -> Arrived:
    """Put songs that can be taken into a data set and list them; what the texts beside them say is not read yet.

    Raises:
        DataError: If none can be taken.
        SettingError, Stopped, DiskFull, NotWritable: As `add`.
    """
    if not folder.exists():
        return _arrive(sources, folder, job, clear=False)
    with lock(folder / INNER / "adding", "share.locked"):
        return _arrive(sources, folder, job, clear=clear)


def examine(path: str) -> Json:
    """Return length and content hash of a file whose first seconds can be decoded.

    Raises:
        DataError: If it is no track.
    """
    from acetune.audio.files import AUDIO_SUFFIXES, probe, read

    file = Path(path)
    if not is_song(file):
        raise DataError("share.no_audio", path=path, suffixes=" ".join(sorted(AUDIO_SUFFIXES)))
    seconds = probe(file).seconds
    if seconds < LEAST_SECONDS:
        raise DataError("data.too_short", path=path, seconds=seconds, least=LEAST_SECONDS)
    read(file, max_seconds=_TASTE_SECONDS)
    return [seconds, content_hash(file)]


def _arrive(sources: Sequence[Path], target: Path, job: Job, *, clear: bool) -> Arrived:
    """Take in songs where nobody else does."""
    going = frozenset(with_texts(songs_in(target)) if clear else ())
    known, taken = _hashes(target, going), stems_in(target, going)
    job.report(StageStarted(stage=_STAGE, total=len(sources), unit="files"))
    songs, skipped = _examined(sources, known, job)
    if not songs:
        raise DataError("share.none_added", folder=target, count=len(skipped), first=skipped[0].reason)
    job.report(StageEnded(stage=_STAGE, result={"songs": len(songs), "skipped": len(skipped)}))
    named = _named(songs, taken)
    places = {name: song.source for name, song in named.items()}
    removed = place(places, target, job, clear=clear)
    _list(named, target)
    return Arrived(MappingProxyType(places), skipped, removed)


def _sources(files: Iterable[str | Path]) -> tuple[Path, ...]:
    """Return the files that were named, folders opened, each once."""
    found: dict[Path, Path] = {}
    for path in map(Path, files):
        if not path.exists():
            raise DataError("share.no_file", path=_text(path))
        inside = songs_in(path) if path.is_dir() else (path,)
        if not inside:
            raise DataError("share.no_songs", folder=path)
        found.update({file.resolve(): file for file in inside})
    return tuple(found.values())


def _conflict(folder: Path, chosen: Conflict | None, ask: Ask | None) -> Conflict | None:
    """Return what to do with the songs of a folder; None where it has none."""
    if chosen is not None and chosen not in get_args(Conflict):
        raise SettingError("share.bad_conflict", value=chosen, known=", ".join(get_args(Conflict)))
    if folder.exists() and not folder.is_dir():
        raise DataError("share.no_folder", path=folder)
    count = len(songs_in(folder))
    if not count:
        return None
    occupied = DataError("share.occupied", folder=folder, count=count)
    if chosen is None and ask is None:
        raise occupied
    return chosen or cast("Conflict", ask and ask(occupied, get_args(Conflict)))


def _sibling(folder: Path) -> Path:
    """Return a folder beside this one that does not exist."""
    folder = folder.resolve()
    number = 2
    while (other := folder.with_name(f"{folder.name}-{number}")).exists():
        number += 1
    return other


def _hashes(folder: Path, going: Collection[Path]) -> dict[str, str]:
    """Return content hash to path of the songs that are in a folder and stay there."""
    manifest = manifests.read(folder) if folder.exists() else None
    listed = {track.path: track.audio_sha256 for track in manifest.tracks} if manifest else {}
    listing = list_files(folder, Job())
    staying = {listing.name(file): file for file in listing.audio if file not in going}
    return {listed.get(name) or content_hash(file): name for name, file in staying.items()}


def _examined(sources: Sequence[Path], known: Mapping[str, str], job: Job) -> tuple[list[_Song], tuple[Skipped, ...]]:
    """Return the songs that can be taken and those that cannot, in the order in which they were named."""
    songs: list[_Song] = []
    skipped: list[Skipped] = []
    there = dict(known)
    for source, answer in zip(sources, _answers(sources, job), strict=True):
        error = answer.error
        if error is None:
            song = _Song(source, *cast("tuple[float, str]", answer.result))
            if song.sha256 not in there:
                there[song.sha256] = str(source)
                songs.append(song)
                continue
            error = DataError("share.twin", path=source, twin=there[song.sha256])
        skipped.append(Skipped(_text(source), error.code, error.message()))
        job.tell(error, subject=_text(source))
    return songs, tuple(skipped)


def _answers(sources: Sequence[Path], job: Job) -> list[Done]:
    """Return length and content hash of each file, or why it cannot be taken."""
    answers = {
        str(source): Done(str(source), error=DataError("data.bad_name", path=_text(source)))
        for source in sources
        if _text(source) != str(source)
    }
    items = [str(source) for source in sources if str(source) not in answers]
    workers = min(os.cpu_count() or 1, math.ceil(len(items) / LEAST_ITEMS))
    for done in spread(examine, items, job=job, stage=_STAGE, workers=workers, seconds=_PATIENCE_SECONDS):
        answers[done.item] = done
    return [answers[str(source)] for source in sources]


def _named(songs: Sequence[_Song], taken: set[str]) -> dict[str, _Song]:
    """Return each song by the file name that it gets."""
    named: dict[str, _Song] = {}
    for song in songs:
        name = free_name(safe_stem(song.source.stem, song.sha256), song.source.suffix, song.sha256, taken)
        taken.add(Path(name).stem.casefold())
        named[name] = song
    return named


def _list(named: Mapping[str, _Song], folder: Path) -> None:
    """Write down how the new songs were called; what is known of a song that was there before stays with it."""

    def change(current: Manifest | None) -> Manifest:
        current = current or Manifest(folder, (), read_settings(folder))
        absent = (track for track in current.tracks if track.path in named or not current.audio(track).is_file())
        old = {track.audio_sha256: track for track in absent}
        known = {name: old[song.sha256] for name, song in named.items() if song.sha256 in old}
        replaced = {*named, *(track.path for track in known.values())}
        kept = (track for track in current.tracks if track.path not in replaced)
        new = (_listed(name, song, known.get(name)) for name, song in named.items())
        return Manifest(folder, (*kept, *new), current.settings)

    manifests.update(folder, change)


def _listed(name: str, song: _Song, known: Track | None) -> Track:
    """Return a song as a track, with what was known of its audio."""
    track = known or Track(path=name, seconds=song.seconds)
    extra = MappingProxyType({**track.extra, ORIGINAL_NAME: song.source.name})
    return replace(track, path=name, seconds=song.seconds, audio_sha256=song.sha256, extra=extra)


def _delete_originals(songs: Sequence[Path], target: Path) -> None:
    """Delete songs that were moved and the texts beside them, unless they lie in the data set itself."""
    outside = [song for song in songs if song.is_file() and not song.resolve().is_relative_to(target.resolve())]
    for file in with_texts(outside):
        with disk_errors(file):
            file.unlink(missing_ok=True)


def _text(path: Path) -> str:
    """Return a path as text; bytes that are none become question marks."""
    return str(path).encode("utf-8", "replace").decode("utf-8")
