"""Verb `lyrics`: lyrics in one consistent form, and songs that nobody sings known as such."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

from acetune.data.by_hand import with_field, with_text
from acetune.data.editing import Edited, apply, with_change
from acetune.data.history import known
from acetune.data.lyric_text import is_instrumental, normalised
from acetune.data.manifest import Manifest
from acetune.data.selection import select
from acetune.data.track import Track


def lyrics(
    dataset: str | Path,
    *,
    tracks: Sequence[str] = (),
    expected: Mapping[str, str] | None = None,
    dry_run: bool = False,
) -> Edited:
    """Bring lyrics into the form that `acetune.data.lyric_text` describes; `acetune.data.undo` takes it back.

    Lyrics that say only ``[Instrumental]``, and "instrumental" as a language or among the tags, become the flag.

    Args:
        dataset: Folder of a scanned data set.
        tracks: Paths or names with wildcards; all tracks where there are none.
        expected: Path to version of the tracks that somebody saw; only these are changed, and none if one differs now.
        dry_run: Tell what would change, and change nothing.

    Raises:
        SettingError: If another process holds the data set for long.
        DataError: If the data set was not scanned, no track is meant, or one changed since it was seen.
        DiskFull, NotWritable: As the file system says.
    """
    form = cache(normalised)

    def plan(manifest: Manifest) -> Manifest:
        chosen = {track.path for track in select(manifest.tracks, tracks)}
        return with_change(manifest, lambda track: _normalise(track, form), chosen)

    plan(known(dataset))  # what takes its time is done before the data set is held, and known then
    return apply(dataset, ("lyrics",), plan, expected=expected, dry_run=dry_run)


def _normalise(track: Track, form: Callable[[str, str | None], str]) -> Track:
    """Return a track with normalised lyrics."""
    if track.language == "instrumental":
        track = with_field(with_field(track, "language", None), "instrumental", True)
    if track.lyrics is not None and is_instrumental(track.lyrics):
        track = with_field(with_field(track, "lyrics", None), "instrumental", True)
    tagged = "instrumental" in (tag.casefold() for tag in track.tags or ())
    if tagged and track.instrumental is None and track.lyrics is None:
        track = with_field(track, "instrumental", True)
    return with_text(track, "lyrics", lambda text: form(text, track.language))
