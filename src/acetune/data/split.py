"""Which songs are held out of training, so that the network can be asked about music it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from acetune.data.track import Track
from acetune.errors import DataError, SettingError
from acetune.files import hash_of

#: From this many songs on, whole songs are held out; with fewer, windows of time.
SONGS_FOR_WHOLE: Final = 8
_LEAST_HELD_OUT = 4
_USUAL_SHARE = 0.1


@dataclass(frozen=True)
class Split:
    """The tracks of a data set in two parts, in the data set's order.

    Attributes:
        train: Tracks to learn from.
        validation: Tracks held out whole.
        mode: ``songs`` where whole songs are held out, ``windows`` where parts of the training songs are to be
            held out, ``none`` where nothing is.
    """

    train: tuple[Track, ...]
    validation: tuple[Track, ...]
    mode: Literal["songs", "windows", "none"]


def split(tracks: Sequence[Track], holdout: float | None, seed: int) -> Split:
    """Return the tracks in two parts; equal audio is one song and never lies in both.

    What a person chose for a track holds; the rest is drawn from hash(seed, audio), so that it depends neither on
    the order nor on the other songs. Excluded tracks are in neither part.

    Args:
        tracks: The data set.
        holdout: None for the usual rule (a tenth, at least 4 songs, and exactly the marked songs where a person
            marked some), a share below 1, a number of songs from 1 on, or 0 for no more than was marked.
        seed: The run's seed.

    Raises:
        DataError: If no song would remain for training.
        SettingError: If a number of songs is not whole.
    """
    used = [track for track in tracks if not track.excluded]
    songs = {_song(track) for track in used}
    held = {_song(track) for track in used if track.split == "validation"}
    kept = {_song(track) for track in used if track.split == "train"}
    free = sorted(songs - held - kept, key=lambda song: hash_of(seed, "holdout", song))
    held.update(free[: max(0, _wanted(len(songs), holdout, len(held)) - len(held))])
    train = tuple(track for track in used if _song(track) not in held)
    if not train:
        raise DataError("data.all_held_out", count=len(used))
    mode: Literal["windows", "none"] = "none" if holdout == 0 else "windows"
    return Split(train, tuple(t for t in used if _song(t) in held), "songs" if held else mode)


def _wanted(songs: int, holdout: float | None, marked: int) -> int:
    """Return how many songs to hold out whole."""
    if holdout is not None and holdout >= 1:
        if holdout % 1:
            raise SettingError("data.holdout", value=holdout)
        return int(holdout)
    if songs < SONGS_FOR_WHOLE or holdout == 0:
        return 0
    if holdout is None:
        return marked or max(_LEAST_HELD_OUT, round(_USUAL_SHARE * songs))
    return max(1, round(holdout * songs))


def _song(track: Track) -> str:
    """Return what names a song: its audio where that is known."""
    return track.audio_sha256 or track.path
