"""Songs that a data set holds twice: the same bytes, the same recording in another file, or the same name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from acetune.data.findings import Finding
from acetune.data.hearing import Heard
from acetune.data.track import Track
from acetune.errors import DataError

if TYPE_CHECKING:
    from acetune.audio.fingerprint import Twins


def same_files(tracks: Sequence[Track]) -> Iterator[Finding]:
    """Yield the tracks whose audio is that of an earlier one, byte by byte."""
    first: dict[str, Track] = {}
    for track in tracks:
        if track.audio_sha256 is not None:
            earlier = first.setdefault(track.audio_sha256, track)
            if earlier is not track:
                yield Finding.of("warning", track.path, DataError("check.same_file", other=earlier.path), earlier.path)


def same_names(tracks: Sequence[Track]) -> Iterator[Finding]:
    """Yield the tracks whose name differs from an earlier one's in its ending alone: text files count for both."""
    first: dict[str, Track] = {}
    for track in tracks:
        path = PurePosixPath(track.path)
        earlier = first.setdefault(str(path.with_suffix("")).casefold(), track)
        if earlier is not track:
            yield Finding.of("warning", track.path, DataError("check.same_name", other=earlier.path), earlier.path)


def same_recordings(tracks: Sequence[Track], heard: Mapping[str, Heard]) -> Iterator[Finding]:
    """Yield the tracks that hold the recording of an earlier one in another file."""
    from acetune.audio.fingerprint import find_twins

    one_each = {heard[track.path].sha256: track.path for track in reversed(tracks) if track.path in heard}
    chosen = set(one_each.values())
    paths = [track.path for track in tracks if track.path in chosen]
    earliest: dict[int, Twins] = {}
    for twins in find_twins([heard[path].fingerprint for path in paths]):
        known = earliest.get(twins.second)
        if known is None or twins.first < known.first:
            earliest[twins.second] = twins
    for place, twins in earliest.items():
        problem = DataError("check.same_recording", other=paths[twins.first])
        yield Finding.of("warning", paths[place], problem, twins.errors)
