"""The verb `data import-tensors`: songs that other trainers have encoded become a data set for ours.

A file of another trainer is a pickle, so that a child process reads it, keeps what is sound, and writes one
safetensors file; ours only moves the files into the data set and lists them. Nothing is in the data set before
everything is read.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from acetune import files
from acetune.data import manifest as manifests
from acetune.data.listing import ENCODED_SUFFIX
from acetune.data.manifest import Manifest
from acetune.data.names import free_name, safe_stem
from acetune.data.settings import has_settings, read_settings
from acetune.data.track import Skipped, Track
from acetune.encoding.conversion import Converted, Request, convert, read_answer, to_text
from acetune.encoding.foreign_folders import ForeignFolder, read_folder
from acetune.errors import AcetuneError, DataError, NotWritable, SettingError, UserError
from acetune.events import Job, Progress, StageEnded, StageStarted
from acetune.workers import spread

_STAGE = "tensors"
#: What can be done with the conditions of other trainers.
CONDITIONS: Final = ("keep", "anew")
#: A child reads so many files in less time than another child takes to start.
_FILES_A_CHILD = 50


@dataclass(frozen=True)
class ImportedTensors:
    """What came of an import.

    Attributes:
        folder: The data set.
        imported: Tracks that are new in it.
        known: Tracks that were there already, from an earlier import of the same files.
        skipped: Files that were left out, and why.
        seconds: Length of the new tracks.
        trainers: How many files each trainer wrote.
        old_lyrics: Songs whose lyrics lack the header that inference gives them.
        leaked: Songs whose file showed the network the answer.
    """

    folder: Path
    imported: tuple[str, ...]
    known: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    seconds: float
    trainers: Mapping[str, int]
    old_lyrics: int
    leaked: int


def import_tensors(
    source: str | Path, dest: str | Path, *, conditions: str = "keep", strict: bool = False, job: Job | None = None
) -> ImportedTensors:
    """Add the songs that another trainer encoded to a data set, which is made if there is none.

    Of each file the latents and the valid rows of its conditions are kept, in the number format that they have.
    Padding, context and timbre of the other trainer are never shown to the network: they come from the checkpoint
    that is trained.

    Args:
        source: Folder of ``.pt`` files of the official app, Side-Step, or the ComfyUI packs SN and FL.
        dest: Folder of the data set; songs and encoded songs may be in it already.
        conditions: "keep" them where they are of the checkpoint that is trained, or encode all text "anew".
        strict: Refuse to go on without the files that cannot be used; nothing is written then.
        job: Hears the progress; can stop, and nothing is written then.

    Raises:
        SettingError: If `conditions` is something else.
        DataError: If there is no encoded song, none that can be used, or (strict) one that cannot.
        Stopped: If asked to.
        DiskFull, NotWritable: As the file system says.
    """
    if conditions not in CONDITIONS:
        raise SettingError("tensors.conditions", value=conditions, known=", ".join(CONDITIONS))
    job, dest = job or Job(), Path(dest)
    folder = _placed(read_folder(Path(source)), dest)
    for finding in folder.findings:
        job.tell(finding, subject=str(source))
    job.report(StageStarted(stage=_STAGE, total=len(folder.files), unit="files"))
    with _workplace(dest) as place:
        songs, failed = _convert_all(folder, place, conditions == "keep", job)
        left_out = {**folder.left_out, **failed}
        for name, reason in left_out.items():
            job.tell(reason, subject=name)
        if left_out and (strict or not songs):
            first = next(iter(left_out.values())).message()
            code = "tensors.skipped" if songs else "tensors.none_left"
            raise DataError(code, folder=source, count=len(left_out), first=first)
        imported, known = _add(songs, dest, folder)
    skipped = tuple(Skipped(name, reason.code, reason.message()) for name, reason in left_out.items())
    _tell(songs, conditions == "keep", job)
    job.report(StageEnded(stage=_STAGE, result={"tracks": len(imported), "skipped": len(skipped)}))
    return ImportedTensors(
        folder=dest,
        imported=tuple(track.path for track in imported),
        known=known,
        skipped=skipped,
        seconds=sum(track.seconds for track in imported),
        trainers=Counter(song.facts.trainer for song in songs),
        old_lyrics=sum(song.facts.old_lyrics for song in songs),
        leaked=sum(song.facts.leaked for song in songs),
    )


def _placed(folder: ForeignFolder, dest: Path) -> ForeignFolder:
    """Return a folder of songs whose trigger goes where the data set's does, if there is one.

    Raises:
        DataError: If there is a data set that cannot be read; it is not added to.
        NotWritable: If a file is in the way.
    """
    if dest.exists() and not dest.is_dir():
        raise NotWritable("files.not_writable", path=dest, cause="it is a file")
    if dest.is_dir():
        manifests.read(dest)
    settled = dest.is_dir() and has_settings(dest)
    position = read_settings(dest).trigger_position if settled else folder.position or "prepend"
    return replace(folder, position=position)


@contextmanager
def _workplace(dest: Path) -> Iterator[Path]:
    """Yield a hidden folder on the data set's disk that is gone afterwards."""
    place = (dest if dest.is_dir() else dest.parent) / f".import{files.DRAFT}{secrets.token_hex(4)}"
    with files.disk_errors(dest):
        place.mkdir(parents=True)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _convert_all(
    folder: ForeignFolder, place: Path, keep: bool, job: Job
) -> tuple[list[Converted], dict[str, UserError]]:
    """Convert files in child processes; return the songs in the folder's order, and why the other files are none."""
    position = folder.position or "prepend"
    requests = {}
    for number, file in enumerate(folder.files):
        request = Request(
            str(file.absolute()), str(place / f"{number}{ENCODED_SUFFIX}"), folder.trigger, position, keep
        )
        requests[to_text(request)] = request
    songs: dict[str, Converted] = {}
    failed: dict[str, UserError] = {}
    silent = Job(stop_requested=job.stop_requested)
    workers = min(os.cpu_count() or 1, 1 + len(requests) // _FILES_A_CHILD)
    for count, done in enumerate(spread(convert, list(requests), job=silent, stage=_STAGE, workers=workers), start=1):
        request = requests[done.item]
        name = Path(request.source).name
        if done.error is None:
            songs[done.item] = read_answer(request, done.result)
        else:
            failed[name] = _reason(done.error, name)
        job.report(Progress(stage=_STAGE, done=count, total=len(requests), item=name))
    return [songs[item] for item in requests if item in songs], failed


def _reason(error: AcetuneError, name: str) -> UserError:
    """Return why a file cannot be used.

    Raises:
        AcetuneError: If the file is not at fault, but the disk for example.
    """
    if not isinstance(error, UserError):
        raise error
    if "item" in error.params:  # the importer's own words mean nothing to people
        return DataError(error.code, **{**error.params, "item": name})
    return error


def _add(songs: Sequence[Converted], dest: Path, folder: ForeignFolder) -> tuple[tuple[Track, ...], tuple[str, ...]]:
    """Move songs into the data set and list them; return the new tracks and the paths of those that were listed."""
    with files.disk_errors(dest):
        dest.mkdir(parents=True, exist_ok=True)
    fresh: dict[str, Track] = {}
    known: list[str] = []

    def change(manifest: Manifest | None) -> Manifest:
        settings = replace(read_settings(dest), trigger_position=folder.position or "prepend")
        manifest = manifest or Manifest(dest, (), settings)
        listed = {track.audio_sha256: track.path for track in manifest.tracks}
        taken = {Path(name).stem.casefold() for name in (*os.listdir(dest), *listed.values())}
        for song in songs:
            sha256 = str(song.track.audio_sha256)
            if sha256 in listed:
                known.append(listed[sha256])
                continue
            name = _free(song, taken)
            with files.disk_errors(dest):
                os.replace(song.file, dest / name)
            fresh[name] = replace(song.track, path=name)
            listed[sha256] = name
        return replace(manifest, tracks=(*manifest.tracks, *fresh.values()))

    manifests.update(dest, change)
    return tuple(fresh.values()), tuple(known)


def _free(song: Converted, taken: set[str]) -> str:
    """Return a file name for a song that no other has, and take it."""
    sha256 = str(song.track.audio_sha256)
    called = Path(str(song.track.extra["original_name"])).stem
    name = free_name(safe_stem(called, sha256), ENCODED_SUFFIX, sha256, taken)
    taken.add(Path(name).stem.casefold())
    return name


def _tell(songs: Sequence[Converted], keep: bool, job: Job) -> None:
    """Say what should be known about songs before they are trained on."""
    for song in songs:
        for finding in song.findings:
            job.tell(finding, subject=song.source)
    signs: dict[str, Callable[[Converted], bool]] = {"tensors.leaked": lambda song: song.facts.leaked}
    if keep:
        signs["tensors.old_lyrics"] = lambda song: song.facts.old_lyrics
        signs["tensors.no_checkpoint"] = lambda song: True
    for code, sign in signs.items():
        meant = [song.source for song in songs if sign(song)]
        if meant:
            job.tell(DataError(code, count=len(meant), first=meant[0]), subject=meant[0])
