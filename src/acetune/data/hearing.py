"""What the recordings of a data set measure: each is decoded once and what was found is kept beside the data set.

The notes are lines of ``.acetune/heard.jsonl``, by the hash of the audio, so that a renamed song is known and a
replaced one is not. Deleting the file costs the time of listening again and nothing else.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from acetune.catalog import resolve
from acetune.data.artists import artist_in_tags
from acetune.data.manifest import Manifest
from acetune.data.measuring import MOST_SECONDS
from acetune.data.settings import INNER
from acetune.data.track import Source, Track
from acetune.errors import AcetuneError, DataError, NotWritable
from acetune.events import Job, Json, StageEnded, StageStarted
from acetune.files import append_line, content_hash, disk_errors, write_bytes
from acetune.workers import spread

if TYPE_CHECKING:
    from acetune.audio.faults import Health
    from acetune.audio.fingerprint import Fingerprint
    from acetune.audio.signal import Samples

#: Raised when something is measured in another way; older notes are then ignored.
VERSION: Final = 1
STAGE: Final = "check"

#: What is heard beside the faults, for songs whose file or owner says it: fields of a track.
GUESSED: Final = ("bpm", "keyscale")
_GUESS_RATE_HZ = 22_050


@dataclass(frozen=True)
class Guess:
    """A tempo or key by signal, and how sure it is (0 to 1)."""

    value: float | str
    confidence: float


@dataclass(frozen=True)
class Heard:
    """What a recording measures.

    Attributes:
        sha256: Hash of the file's bytes.
        size: Number of these bytes.
        rate_hz: Its own sample rate.
        channels: Its own channels.
        lufs: Loudness; None for silence and for less than 0.4 s.
        health: Measures of faults.
        fingerprint: By which the same recording is known in another file.
        artist: Who its tags say it is by.
        guesses: Field of `GUESSED` to what the signal says; None where nobody asked.
    """

    sha256: str
    size: int
    rate_hz: int
    channels: int
    lufs: float | None
    health: Health
    fingerprint: Fingerprint
    artist: str | None
    guesses: Mapping[str, Guess] | None


def hear_all(
    manifest: Manifest, tracks: Sequence[Track], job: Job, workers: int | None = None
) -> tuple[Mapping[str, Heard], Mapping[str, AcetuneError]]:
    """Return what tracks measure, and why others cannot be read, by their paths.

    Raises:
        Stopped: If asked to; what was heard so far is kept.
    """
    known = _Notes(manifest, job)
    heard = {track.path: note for track in tracks if (note := known.of(track)) is not None}
    todo = {_item(manifest, track): track.path for track in tracks if track.path not in heard}
    failed: dict[str, AcetuneError] = {}
    if todo:
        job.report(StageStarted(stage=STAGE, total=len(todo), unit="songs"))
    for done in spread(hear, [*todo], job=job.naming(todo), stage=STAGE, workers=workers):
        path = todo[done.item]
        if done.error is not None:
            failed[path] = done.error
        else:
            heard[path] = note = read_note(done.result)
            known.add(note)
    if todo:
        job.report(StageEnded(stage=STAGE, result={"heard": len(todo) - len(failed), "failed": len(failed)}))
    known.tidy()
    return heard, failed


def hear(item: str) -> Json:
    """Return what a recording measures, as JSON can hold it; the work of one process.

    Args:
        item: JSON of the audio's path and of whether tempo and key shall be guessed.

    Raises:
        DataError: If it cannot be read.
    """
    from acetune.audio import files
    from acetune.audio.faults import examine
    from acetune.audio.fingerprint import RATE_HZ, fingerprint
    from acetune.audio.loudness import loudness
    from acetune.audio.signal import resample

    name, guessing = json.loads(item)
    path = Path(name)
    sha256, info = _hash(path), files.probe(path)
    audio = files.read(path, info.rate_hz, min(info.channels, 2), MOST_SECONDS)
    mono = audio.mean(axis=1)
    return _to_json(
        Heard(
            sha256=sha256,
            size=path.stat().st_size,
            rate_hz=info.rate_hz,
            channels=info.channels,
            lufs=loudness(audio, info.rate_hz),
            health=examine(audio, info.rate_hz),
            fingerprint=fingerprint(resample(mono, info.rate_hz, RATE_HZ)),
            artist=artist_in_tags(path),
            guesses=_guesses(resample(mono, info.rate_hz, _GUESS_RATE_HZ)) if guessing else None,
        )
    )


def _hash(path: Path) -> str:
    """Return the hash of a file.

    Raises:
        DataError: If it cannot be opened.
    """
    try:
        return content_hash(path)
    except OSError as cause:
        raise DataError("data.not_readable", path=path, cause=cause.strerror) from cause


def _size(path: Path) -> int | None:
    """Return the bytes of a file; None where it cannot be asked."""
    try:
        return path.stat().st_size
    except OSError:
        return None


def _guesses(mono: Samples) -> dict[str, Guess]:
    """Return what the estimators of the catalogue hear; what they cannot tell is left out."""
    found = {field: resolve("estimator", field)(mono) for field in GUESSED}
    return {field: Guess(getattr(one, field), one.confidence) for field, one in found.items() if one is not None}


def _item(manifest: Manifest, track: Track) -> str:
    """Return what `hear` shall do for a track."""
    return json.dumps([str(manifest.audio(track)), _wants_guesses(track)])


def _wants_guesses(track: Track) -> bool:
    """Whether tempo or key of a track come from somebody who did not listen with our ears."""
    return any(track.source_of(field) not in (None, Source.SIGNAL) for field in GUESSED)


class _Notes:
    """What was heard before, and what is heard now.

    Args:
        manifest: Of the data set.
        job: Is told where nothing can be kept.
    """

    def __init__(self, manifest: Manifest, job: Job) -> None:
        self._manifest = manifest
        self._path = manifest.folder / INNER / "heard.jsonl"
        self._used = {track.audio_sha256 for track in manifest.tracks}
        self._job = job
        self._writable = True
        self._lines = 0
        self._by_hash = {note.sha256: note for note in self._read()}

    def of(self, track: Track) -> Heard | None:
        """Return what is known of a track's audio, if it answers everything that is asked of it.

        A file of another size was replaced since it was scanned: it is heard again, and found out.
        """
        note = self._by_hash.get(track.audio_sha256 or "")
        if note is None or note.size != _size(self._manifest.audio(track)):
            return None
        return None if note.guesses is None and _wants_guesses(track) else note

    def add(self, note: Heard) -> None:
        """Put a note on the disk; where that cannot be, say so once and go on."""
        self._by_hash[note.sha256] = note
        if not self._writable:
            return
        try:
            with disk_errors(self._path):
                self._path.parent.mkdir(exist_ok=True)
            append_line(self._path, note_line(note))
            self._lines += 1
        except NotWritable as error:
            self._writable = False
            self._job.tell(DataError("check.not_kept", path=self._path, cause=error.params["cause"]))

    def tidy(self) -> None:
        """Write the notes anew if most of them are about audio that is gone."""
        kept = [note for sha256, note in self._by_hash.items() if sha256 in self._used]
        if self._writable and self._lines > 2 * len(kept):
            write_bytes(self._path, b"".join(map(note_line, kept)))

    def _read(self) -> Iterator[Heard]:
        """Yield the notes of this version; damaged lines are as good as none."""
        try:
            lines = self._path.read_bytes().splitlines()
        except OSError:
            return
        self._lines = len(lines)
        for line in lines:
            try:
                row = json.loads(line)
                if row["version"] == VERSION:
                    yield read_note(row)
            except (ValueError, KeyError, TypeError):
                continue


def note_line(note: Heard) -> bytes:
    """Return a note as one line."""
    return json.dumps(_to_json(note)).encode() + b"\n"


def _to_json(note: Heard) -> dict[str, Json]:
    """Return a note as JSON can hold it; numbers keep seven digits."""
    health: dict[str, Json] = {name: _short(value) for name, value in asdict(note.health).items()}
    guesses = None if note.guesses is None else {f: [g.value, g.confidence] for f, g in note.guesses.items()}
    return {
        "version": VERSION,
        **{name: getattr(note, name) for name in ("sha256", "size", "rate_hz", "channels", "artist")},
        "lufs": _short(note.lufs),
        "health": health,
        "fingerprint": base64.b64encode(note.fingerprint.astype("<u4").tobytes()).decode("ascii"),
        "guesses": cast("Json", guesses),
    }


def _short(value: float | None) -> float | None:
    """Return a number with the digits that mean something."""
    return value if value is None or isinstance(value, int) else float(f"{value:.7g}")


def read_note(row: Any) -> Heard:
    """Return the note of what `hear` returned.

    Raises:
        ValueError, KeyError, TypeError: If it is none.
    """
    import numpy as np

    from acetune.audio.faults import Health

    guesses = row["guesses"]
    return Heard(
        **{name: row[name] for name in ("sha256", "size", "rate_hz", "channels", "lufs", "artist")},
        health=Health(**row["health"]),
        fingerprint=np.frombuffer(base64.b64decode(row["fingerprint"]), dtype="<u4").astype(np.uint32),
        guesses=None if guesses is None else {field: Guess(*guess) for field, guess in guesses.items()},
    )
