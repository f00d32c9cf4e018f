"""What the rights of a run's songs allow, as the data set says it; nothing here names a song."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from acetune.data import manifest as manifests
from acetune.data.rights import is_refused
from acetune.errors import AcetuneError
from acetune.run import Run
from acetune.sharing.bundle import songs_of


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
    """Return what the data set of a run says now about the songs that the run used."""
    used = [sha for sha, _ in songs_of(run)]
    try:
        tracks = {track.audio_sha256: track for track in manifests.load(Path(run.recipe.data.dataset)).tracks}
    except AcetuneError:
        tracks = {}  # moved or deleted: then nothing is known, which is said
    found = [tracks[sha] for sha in used if sha in tracks]
    return Rights(
        songs=len(used),
        found=len(found),
        refused=sum(map(is_refused, found)),
        licences=dict(Counter(track.licence or "not stated" for track in found).most_common()),
        consented=sum(track.consent is not None and not is_refused(track) for track in found),
    )
