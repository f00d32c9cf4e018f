"""What the rights of a run's songs allow, as the data set says it; nothing here names a song."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from acetune.data import manifest as manifests
from acetune.data.rights import is_refused
from acetune.data.track import Track
from acetune.errors import DataError
from acetune.run import Run
from acetune.sharing.songs import Song, songs_in


@dataclass(frozen=True)
class Rights:
    """What is said about the songs of a run.

    Attributes:
        songs: How many were trained on or held out.
        found: How many of them the data set still has.
        refused: How many must not be used.
        licences: Licence to number of songs; "not stated" too.
        consented: How many have somebody's consent.
    """

    songs: int
    found: int
    refused: int
    licences: Mapping[str, int]
    consented: int


def rights_of(run: Run) -> Rights:
    """Return what the data set of a run says now about the songs that the run used.

    Raises:
        CorruptFile: If the run's list of songs is damaged.
        DataError: If the data set is there and cannot be read.
    """
    used, rows = songs_in(run), _Rows(_tracks(run))
    found = [track for track in map(rows.same, used) if track]
    refused = [any(map(is_refused, rows.perhaps(song))) for song in used]
    return Rights(
        songs=len(used),
        found=len(found),
        refused=sum(refused),
        licences=dict(Counter(track.licence or "not stated" for track in found).most_common()),
        consented=sum(track.consent is not None and not is_refused(track) for track in found),
    )


class _Rows:
    """The rows of a data set, to be asked which are those of a song."""

    def __init__(self, tracks: Iterable[Track]) -> None:
        self._at: dict[str, Track] = {}
        self._with: dict[str, list[Track]] = {}
        for track in tracks:
            self._at[track.path] = track
            if track.audio_sha256:
                self._with.setdefault(track.audio_sha256, []).append(track)

    def perhaps(self, song: Song) -> list[Track]:
        """Return every row that may be of a song: those of the same audio, and the one in its place."""
        return [*self._with.get(song.audio_sha256 or "", ()), *filter(None, [self._at.get(song.path)])]

    def same(self, song: Song) -> Track | None:
        """Return the row of a song: the one in its place if its audio can be the same, else one of the same audio."""
        here = self._at.get(song.path)
        if here and None in (here.audio_sha256, song.audio_sha256):
            return here
        of_it = self._with.get(song.audio_sha256 or "", [])
        return here if here in of_it else next(iter(of_it), None)


def _tracks(run: Run) -> tuple[Track, ...]:
    """Return the rows of a run's data set; none where its folder is gone (raises as `rights_of`)."""
    data = run.recipe.data
    if not data.dataset or not data.folder.is_dir():
        return ()  # moved or deleted: then nothing is known, which is said
    manifest = manifests.read(data.folder)
    if manifest is None:
        raise DataError("data.not_scanned", folder=data.folder)
    return manifest.tracks
