"""Songs as files: how long they are, what names them, what their tags say. Each is read in a process of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from acetune.data.embedded import read_tags
from acetune.errors import AcetuneError, DataError
from acetune.events import Job, Json
from acetune.files import content_hash
from acetune.workers import spread

#: Shorter audio is no track.
LEAST_SECONDS: Final = 0.5
#: ACE-Step 1.5 generates up to this length; what comes after it is never used.
MOST_SECONDS: Final = 600.0


@dataclass(frozen=True)
class Measured:
    """What is known of an audio file: its length, the hash of its bytes, and its tags."""

    seconds: float
    sha256: str
    tags: Mapping[str, Json]


def measure(path: str) -> Json:
    """Return length, hash and tags of an audio file, as JSON can hold them.

    Raises:
        DataError: If it is no readable audio.
    """
    from acetune.audio.files import probe

    file = Path(path)
    try:
        return {"seconds": probe(file).seconds, "sha256": content_hash(file), "tags": dict(read_tags(file))}
    except OSError as cause:
        raise DataError("data.not_readable", path=path, cause=cause.strerror) from cause


def measure_all(
    names: Mapping[str, str], job: Job, stage: str
) -> tuple[Mapping[str, Measured], Mapping[str, AcetuneError]]:
    """Return what is known of each song, and why the others are none, by the names of the songs.

    Args:
        names: Path of each song to the name that people know it by.
        job: Hears of each measured song; may stop the work.
        stage: Name of the work.

    Raises:
        Stopped: If asked to stop.
    """
    songs: dict[str, Measured] = {}
    refused: dict[str, AcetuneError] = {}
    for done in spread(measure, [*names], job=job.naming(names), stage=stage):
        name = names[done.item]
        song, error = _read(done.result), _renamed(done.error, name)
        if song is not None and song.seconds < LEAST_SECONDS:
            error = DataError("data.too_short", path=name, seconds=song.seconds, least=LEAST_SECONDS)
        if error is not None:
            refused[name] = error
        elif song is not None:
            songs[name] = song
    return songs, refused


def _read(result: Any) -> Measured | None:
    """Return what a worker found, if it did."""
    return None if result is None else Measured(result["seconds"], result["sha256"], result["tags"])


def _renamed(error: AcetuneError | None, name: str) -> AcetuneError | None:
    """Return an error that calls a song by the name that people know."""
    if error is None:
        return None
    return type(error)(error.code, **{key: name if key in ("path", "item") else v for key, v in error.params.items()})
