"""Verb `import`: songs with all that other tools wrote about them become a data set."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from acetune.data import manifest as manifests
from acetune.data.arrivals import Arrival, check_destination, forget_empty, take_in
from acetune.data.bare_texts import TxtMeaning
from acetune.data.collecting import Ask, Choices, Collected, choose, collect
from acetune.data.listing import ENCODED_SUFFIX, Listing, list_files
from acetune.data.measuring import Measured
from acetune.data.places import Places
from acetune.data.readings import merge
from acetune.data.saved_rows import is_saved
from acetune.data.scan import ScanResult, scan_with, with_album
from acetune.data.settings import INNER, has_settings, read_settings
from acetune.data.surveying import Song, survey, without
from acetune.data.track import Track
from acetune.errors import DataError
from acetune.events import Job, StageEnded, StageStarted
from acetune.files import content_hash

_STAGE = "scan"


def import_data(
    src: str | Path,
    dest: str | Path | None = None,
    *,
    txt_means: TxtMeaning | None = None,
    columns: Mapping[str, str] | None = None,
    ask: Ask | None = None,
    job: Job | None = None,
) -> ScanResult:
    """Make a data set of songs in whatever layout they are.

    Args:
        src: A folder of songs, a file that describes songs (dataset.json, JSON lines, CSV), a folder of rows that
            `datasets` saved, or a zip archive of any of these.
        dest: Folder to copy the audio to, under safe names; the same import into the same folder goes on where it
            was interrupted, and a further one adds to it. None uses the songs where they are.
        txt_means: What texts are that could be a caption or lyrics.
        columns: Column of a table to the field that it holds, where its name does not say so.
        ask: Whom to ask where nobody can tell; None refuses instead.
        job: Whom to report to, and who may stop it.

    Raises:
        DataError: If there is nothing to import, nobody can tell what texts are, or `dest` may not be used.
        MissingDependency: If `datasets` is needed and not installed.
        SettingError: If `txt_means` is none of the two, or `columns` names what there is not.
        Stopped: If asked to stop.
        DiskFull: If there is no room.
        NotWritable: If a folder may not be written.
    """
    job, source = job or Job(), Path(src)
    choices = choose(txt_means, columns, ask, strict=True)
    if not source.exists():
        raise DataError("import.no_source", path=source)
    packed = source.is_file() and source.suffix.lower() == ".zip"
    if dest is None and packed:
        raise DataError("import.zip_needs_folder", path=source)
    if dest is None:
        return _in_place(source, choices, job)
    folder = Path(dest)
    check_destination(folder, source)
    if not packed:
        return _copy(_source(source), folder, choices, job)
    with _unpacked(source, folder, job) as inside:
        return _copy(replace(_source(inside), own=True), folder, choices, job)


@dataclass(frozen=True)
class _Source:
    """What is imported.

    Attributes:
        root: The folder.
        named: The file that describes the songs, or the folder of saved rows; None for all that is in the folder.
        own: Whether it was unpacked for this import: rows name nothing outside of it, and its files may be moved.
    """

    root: Path
    named: Path | None
    own: bool = False


def _source(path: Path) -> _Source:
    """Return what a path means."""
    absolute = path.absolute()
    return _Source(absolute.parent, absolute) if _describes(path) else _Source(absolute, None)


def _describes(path: Path) -> bool:
    """Whether a path is a file, or a folder of rows that `datasets` saved, in place of a folder of songs."""
    return path.is_file() or is_saved([entry.name for entry in path.iterdir()])


def _in_place(path: Path, choices: Choices, job: Job) -> ScanResult:
    """Use songs where they are."""
    source = _source(path)
    if source.named is not None and (source.named.is_dir() or not list_files(source.root, Job()).audio):
        raise DataError("import.elsewhere", path=path)
    return scan_with(source.root, choices, job, named=source.named)


def _copy(source: _Source, folder: Path, choices: Choices, job: Job) -> ScanResult:
    """Read what there is, measure it, and take it in."""
    known = manifests.read(source.root) if source.named is None else None
    listed = {track.path: track for track in known.tracks} if known else {}
    encoded = {path: _encoded(source.root, track) for path, track in listed.items() if _is_encoded(source.root, path)}
    listing, collected = _read(source, choices, job)
    if not collected.songs and not encoded:
        raise _nothing(source, collected)
    job.report(StageStarted(stage=_STAGE, total=len(collected.songs), unit="files"))
    found = survey(listing, collected, job, _STAGE)
    job.report(StageEnded(stage=_STAGE, result={"songs": len(found.songs), "skipped": len(found.skipped)}))
    if not found.songs and not encoded:
        first = found.skipped[0].reason
        raise DataError("data.none_left", folder=source.root, count=len(found.skipped), first=first)
    arrivals = {name: Arrival(song, listed.get(name)) for name, song in {**found.songs, **encoded}.items()}
    settings = read_settings(source.root if known and has_settings(source.root) else folder)
    settings = with_album(settings, collected.album, folder)
    manifest, added = take_in(arrivals, folder, settings, job, move=source.own)
    ignored = without(found.ignored, encoded)
    return ScanResult(manifest, added, (), found.skipped, ignored, found.readings, found.conflicts)


def _read(source: _Source, choices: Choices, job: Job) -> tuple[Listing, Collected]:
    """Return the files that count, and what they say; a folder is not listed where one file names all songs."""
    if source.named is None:
        listing = list_files(source.root, job)
        return listing, collect(listing, Places(lambda: listing.audio, outside=not source.own), choices)
    places = Places(lambda: list_files(source.root, job).audio, outside=True)
    nothing = Listing(source.root, (), (), (), MappingProxyType({}))
    return nothing, collect(nothing, places, choices, source.named)


def _nothing(source: _Source, collected: Collected) -> DataError:
    """Return why there is nothing to import."""
    from acetune.audio.files import AUDIO_SUFFIXES

    if source.named is not None or collected.sets:
        return DataError("import.no_songs", path=source.named or next(iter(collected.sets)))
    return DataError("data.no_audio", folder=source.root, suffixes=" ".join(sorted(AUDIO_SUFFIXES)))


def _is_encoded(root: Path, path: str) -> bool:
    """Whether a listed track is a song that was encoded elsewhere, and is there."""
    return path.endswith(ENCODED_SUFFIX) and (root / path).is_file()


def _encoded(root: Path, track: Track) -> Song:
    """Return such a song; nothing is to be measured."""
    file = root / track.path
    measured = Measured(track.seconds, track.audio_sha256 or content_hash(file), MappingProxyType({}))
    return Song(file, track.path, measured, merge(()))


@contextmanager
def _unpacked(archive: Path, folder: Path, job: Job) -> Iterator[Path]:
    """Yield a folder with the files of an archive; it is gone afterwards, and so is a data set that got no song."""
    from acetune.data.unpack import unpack

    inside = folder / INNER / "unpacked"
    shutil.rmtree(inside, ignore_errors=True)
    try:
        unpack(archive, inside, job)
        yield inside
    finally:
        shutil.rmtree(inside, ignore_errors=True)
        forget_empty(folder)
