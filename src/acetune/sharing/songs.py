"""The songs that a run used, as its own list names them; private, so that only hashes of them ever leave."""

from __future__ import annotations

from pydantic import BaseModel, ValidationError

from acetune import files
from acetune.errors import CorruptFile
from acetune.run import Run


class Song(BaseModel):
    """A song of a run.

    Attributes:
        path: In its data set.
        audio_sha256: Content hash of its audio.
        part: "train" or "validation".
    """

    path: str
    audio_sha256: str | None
    part: str


class _List(BaseModel):
    """What tracks.json holds."""

    tracks: tuple[Song, ...]


def songs_in(run: Run) -> tuple[Song, ...]:
    """Return the songs of a run in the order of the training; none where it wrote none down.

    Raises:
        CorruptFile: If its list of songs is damaged.
    """
    if not run.tracks_file.is_file():
        return ()
    try:
        return _List.model_validate(files.read_json(run.tracks_file)).tracks
    except ValidationError as cause:
        raise CorruptFile("files.not_json", path=run.tracks_file, cause=cause.errors()[0]["msg"]) from cause
