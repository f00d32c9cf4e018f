"""What can be mended safely is mended in a copy of a data set; the original is never touched."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final, cast

from acetune.data import manifest as manifests
from acetune.data.listing import ENCODED_SUFFIX
from acetune.data.manifest import Manifest
from acetune.data.selection import select
from acetune.data.sound_checks import DC
from acetune.data.track import Skipped, Track
from acetune.errors import AcetuneError, DataError, UserError
from acetune.events import Job, Json, StageEnded, StageStarted
from acetune.files import content_hash, disk_errors, draft_folder
from acetune.workers import spread

if TYPE_CHECKING:
    from acetune.audio.signal import Samples

_STAGE: Final = "mend"
#: What is left of the silence at an end, and how much of it there must be.
KEPT_SECONDS, WORTH_SECONDS = 0.2, 0.5
#: A song that is nearer to the target stays as loud as it is.
TOLERANCE_LU: Final = 0.5


@dataclass(frozen=True)
class Mended:
    """What was done to one song.

    Attributes:
        path: Where it is in the copy.
        seconds: How long it is now.
        sha256: Hash of the new file.
        dc: The offset that was subtracted; 0 for none.
        start: Seconds of silence that were cut off its start.
        end: Seconds of silence that were cut off its end.
        gain_db: By how much it is louder.
        missed_db: By how much it stays below the target, because its peaks reach the ceiling.
    """

    path: str
    seconds: float
    sha256: str
    dc: float
    start: float
    end: float
    gain_db: float
    missed_db: float


@dataclass(frozen=True)
class MendResult:
    """What became of a data set.

    Attributes:
        folder: The copy.
        mended: Path in the original to what was done.
        copied: Paths of the songs that needed nothing, or were not asked for.
        skipped: Songs that cannot be read; they were copied as they are.
    """

    folder: Path
    mended: Mapping[str, Mended]
    copied: tuple[str, ...]
    skipped: tuple[Skipped, ...]


def mend(
    folder: str | Path,
    out: str | Path | None = None,
    *,
    tracks: Sequence[str] | None = None,
    lufs: float | None = None,
    job: Job | None = None,
    workers: int | None = None,
) -> MendResult:
    """Write a copy of a data set in which songs have no offset, no silent ends, and one loudness.

    Silence is cut off at the ends only, down to 0.2 s; no limiter is applied, so that a song whose peaks reach -1 dBTP
    stays softer, which is told. Songs that need something become 24-bit flac at their own rate, the others are copied.
    The manifest goes along with all that is known; times of lyric lines move with the start. Text files beside the
    songs stay behind: what they say is in the manifest.

    Args:
        folder: The data set.
        out: The copy; ``<folder>-fixed`` where None.
        tracks: Paths or file names, with wildcards, of the songs to mend; all that are not excluded where None.
        lufs: Target loudness; -14 where None, which is what ACE-Step tends to produce.
        job: Hears of each song; may stop, and there is no copy then.
        workers: Processes; None takes one for each core.

    Raises:
        DataError: If the folder was not scanned, no track fits, or the copy's folder is in use.
        Stopped: If asked to stop.
        DiskFull: If there is no room.
        NotWritable: If the copy's parent may not be written.
    """
    from acetune.audio.loudness import TARGET_LUFS

    job, folder = job or Job(), Path(folder)
    manifests.load(folder)
    manifest = cast("Manifest", manifests.read(folder))
    target = _target(folder, out)
    wanted = {track.path for track in select(manifest.tracks, tracks or ()) if _can_be_mended(manifest, track)}
    with draft_folder(target) as draft:
        order = _Order(manifest, draft, TARGET_LUFS if lufs is None else lufs)
        mended, skipped = _mend_all(order, wanted, job, workers)
        copied = tuple(track.path for track in manifest.tracks if track.path not in mended)
        _copy_all(manifest, copied, draft, job)
        rows = tuple(_carried(track, mended.get(track.path)) for track in manifest.tracks)
        manifests.save(replace(manifest, folder=draft, tracks=rows))
    unread = {skip.path for skip in skipped}
    result = MendResult(target, mended, tuple(path for path in copied if path not in unread), skipped)
    counts = {"mended": len(mended), "copied": len(result.copied), "skipped": len(skipped)}
    job.report(StageEnded(stage=_STAGE, result=dict[str, Json](counts)))
    return result


def mend_song(item: str) -> Json:
    """Write the mended copy of one song, and return what was done; None where it needs nothing.

    Args:
        item: JSON of source, folder and path of the copy, and target loudness.

    Raises:
        DataError: If it cannot be read.
        DiskFull: If there is no room.
    """
    import numpy as np

    from acetune.audio import files
    from acetune.audio.loudness import to_loudness

    source, folder, path, lufs = json.loads(item)
    info = files.probe(Path(source))
    audio = files.read(Path(source), info.rate_hz, min(info.channels, 2))
    offset = audio.mean(axis=0, dtype=np.float64).astype(np.float32)
    dc = float(np.abs(offset).max())
    centred = audio - offset if dc > DC else audio
    start, end = _ends(centred, info.rate_hz)
    kept = centred[start : len(centred) - end]
    levelled = to_loudness(kept, info.rate_hz, lufs)
    if dc <= DC and not start and not end and abs(levelled.gain_db) <= TOLERANCE_LU:
        return None
    place = Path(folder, path)
    files.write(place, levelled.audio, info.rate_hz)
    done = Mended(
        path=path,
        seconds=len(kept) / info.rate_hz,
        sha256=content_hash(place),
        dc=dc if dc > DC else 0.0,
        start=start / info.rate_hz,
        end=end / info.rate_hz,
        gain_db=levelled.gain_db,
        missed_db=levelled.missed_db,
    )
    return cast("Json", asdict(done))


def _ends(audio: Samples, rate_hz: int) -> tuple[int, int]:
    """Return how many silent samples to cut off the start and the end; none of a song that is all silent."""
    from acetune.audio.signal import silent_ends

    ends = silent_ends(audio, rate_hz)
    if sum(ends) >= len(audio) / rate_hz:
        return 0, 0
    start, end = (round((silence - KEPT_SECONDS) * rate_hz) if silence > WORTH_SECONDS else 0 for silence in ends)
    return start, end


def _target(folder: Path, out: str | Path | None) -> Path:
    """Return the folder of the copy, which is not there yet.

    Raises:
        DataError: If it holds something, or lies inside the data set.
    """
    whole = folder.resolve()
    target = Path(out).absolute() if out is not None else whole.with_name(f"{whole.name}-fixed")
    if whole in (target.resolve(), *target.resolve().parents):
        raise DataError("check.copy_inside", out=target, folder=folder)
    with disk_errors(target):
        if target.is_dir() and not any(target.iterdir()):
            target.rmdir()
    if target.exists():
        raise DataError("check.copy_exists", folder=target)
    return target


def _can_be_mended(manifest: Manifest, track: Track) -> bool:
    """Whether a track is a song that is there and used."""
    return not track.excluded and not track.path.endswith(ENCODED_SUFFIX) and manifest.audio(track).is_file()


@dataclass(frozen=True)
class _Order:
    """What shall be mended, where it goes, and how loud it shall be."""

    manifest: Manifest
    draft: Path
    lufs: float

    def item(self, track: Track, path: str) -> str:
        """Return what `mend_song` shall do for a track."""
        return json.dumps([str(self.manifest.audio(track).absolute()), str(self.draft), path, self.lufs])


def _mend_all(
    order: _Order, wanted: set[str], job: Job, workers: int | None
) -> tuple[dict[str, Mended], tuple[Skipped, ...]]:
    """Return what was done to each song that needed something, and those that cannot be read."""
    places = _places(order.manifest.tracks)
    items = {order.item(t, places[t.path]): t.path for t in order.manifest.tracks if t.path in wanted}
    job.report(StageStarted(stage=_STAGE, total=len(items), unit="songs"))
    mended: dict[str, Mended] = {}
    skipped = []
    for done in spread(mend_song, [*items], job=job.naming(items), stage=_STAGE, workers=workers):
        path = items[done.item]
        if done.error is not None:
            skipped.append(_skip(path, done.error, job))
        elif done.result is not None:
            mended[path] = song = Mended(**cast("dict[str, float | str]", done.result))  # type: ignore[arg-type]
            if song.missed_db > TOLERANCE_LU:
                problem = DataError("check.target_missed", path=path, missed=song.missed_db, lufs=order.lufs)
                job.tell(problem, severity="info", subject=path)
    return mended, tuple(skipped)


def _skip(path: str, error: AcetuneError, job: Job) -> Skipped:
    """Tell that a song cannot be read; anything that is not the song's own fault ends the work."""
    if not isinstance(error, UserError):
        raise error
    job.tell(DataError("check.not_mended", path=path), subject=path)
    return Skipped(path, error.code, error.message())


def _places(tracks: Sequence[Track]) -> dict[str, str]:
    """Return where the mended copy of each track goes: a flac of its name that no other track has."""
    taken = {track.path.casefold() for track in tracks}
    places = {}
    for track in tracks:
        path = PurePosixPath(track.path)
        place, number = str(path.with_suffix(".flac")), 1
        while place != track.path and place.casefold() in taken:
            place, number = str(path.with_name(f"{path.stem}-{number}.flac")), number + 1
        places[track.path] = place
        taken.add(place.casefold())
    return places


def _copy_all(manifest: Manifest, paths: Sequence[str], draft: Path, job: Job) -> None:
    """Copy the songs that stay as they are; one that is not there keeps its row."""
    for path in paths:
        job.check_stop(_STAGE)
        source, target = manifest.folder / path, draft / path
        if source.is_file():
            with disk_errors(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)


def _carried(track: Track, mended: Mended | None) -> Track:
    """Return a track as it is in the copy; lines that began in what was cut off begin at the start."""
    if mended is None:
        return track
    times = track.line_times and tuple(max(0.0, time - mended.start) for time in track.line_times)
    return replace(track, path=mended.path, seconds=mended.seconds, audio_sha256=mended.sha256, line_times=times)
