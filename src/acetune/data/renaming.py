"""Verb `rename`: songs get new file names, and the text files beside them go along."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import Formatter
from types import MappingProxyType
from typing import Final

from acetune.data import history
from acetune.data.changes import version_of
from acetune.data.editing import check_unchanged
from acetune.data.history import Entry
from acetune.data.manifest import Manifest
from acetune.data.moving import Move
from acetune.data.names import ORIGINAL_NAME, free_name, safe_stem
from acetune.data.selection import select
from acetune.data.sidecars import Siblings, same
from acetune.data.track import Track
from acetune.errors import DataError, SettingError
from acetune.files import DEVICE_NAMES, content_hash

#: What a pattern may name.
_PARTS: Final = ("stem", "number", "hash", "genre", "bpm", "keyscale", "language")
_DIGITS_OF_HASH = 8
_MOST_BYTES = 200
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')


@dataclass(frozen=True)
class Renamed:
    """What a renaming did, or would do.

    Attributes:
        songs: Old path to new path of the songs.
        moves: Every file that moves, songs and the texts beside them.
        versions: Path to version of these songs as they are on the disk now.
    """

    songs: Mapping[str, str]
    moves: tuple[Move, ...]
    versions: Mapping[str, str]


@dataclass(frozen=True)
class _Group:
    """The tracks of one folder and stem, which share the texts beside them.

    Attributes:
        tracks: In their order.
        number: Place of the first one in the data set, from 1.
        files: The songs and the texts beside them, by what follows the stem.
    """

    tracks: tuple[Track, ...]
    number: int
    files: Mapping[str, Path]

    @property
    def place(self) -> str:
        """The folder inside the data set, with a slash at its end; empty at the top."""
        return "".join(self.tracks[0].path.rpartition("/")[:2])

    @property
    def stem(self) -> str:
        """The name without folder and suffix."""
        return Path(self.tracks[0].path).stem


def rename(
    dataset: str | Path,
    pattern: str | None = None,
    *,
    safe: bool = False,
    tracks: Sequence[str] = (),
    expected: Mapping[str, str] | None = None,
    dry_run: bool = False,
) -> Renamed:
    """Rename songs and the files beside them; `acetune.data.undo` takes it back.

    Songs that differ only in their suffix stay together. A process that dies in between leaves the rest to the next
    one that changes or scans the data set.

    Args:
        dataset: Folder of a scanned data set.
        pattern: New name without suffix, such as ``{number:03}-{stem}``; None for safe names.
        safe: Make names safe on every system (`acetune.data.names`).
        tracks: Paths or names with wildcards; all tracks where there are none.
        expected: Path to version of the tracks that somebody saw; nothing happens if one differs now.
        dry_run: Tell what would move, and move nothing.

    Raises:
        SettingError: If the pattern cannot be used, or another process holds the data set for long.
        DataError: If two songs would have one name, or a name is taken or impossible; nothing moved.
        DiskFull, NotWritable: As the file system says.
    """
    _check(pattern or "")

    def plan(manifest: Manifest) -> tuple[Manifest, Entry]:
        if expected is not None:
            check_unchanged(manifest, expected)
        chosen = {track.path for track in select(manifest.tracks, tracks)}
        groups = [group for group in _groups(manifest) if any(track.path in chosen for track in group.tracks)]
        return _planned(manifest, _stems(manifest, groups, pattern, safe=safe or pattern is None), pattern)

    if dry_run:
        before = history.known(dataset)
        return _renamed(plan(before)[1], before)
    with history.opened(dataset) as before:
        after, entry = plan(before)
        history.commit(after, entry)
    return _renamed(entry, after)


def _check(pattern: str) -> None:
    """Refuse a pattern that names something else than parts of a name.

    Raises:
        SettingError: If it does.
    """
    try:
        fields = [field for field in Formatter().parse(pattern) if field[1] is not None]
        fits = all(name in _PARTS and not how for _, name, _, how in fields)
        fits = fits and all(name == "number" and re.fullmatch(r"0?\d", spec) for _, name, spec, _ in fields if spec)
    except ValueError:
        fits = False
    if not fits:
        raise SettingError("edit.bad_name_pattern", pattern=pattern, known=", ".join(f"{{{part}}}" for part in _PARTS))


def _groups(manifest: Manifest) -> Iterator[_Group]:
    """Yield the songs whose files are there, those of one stem together; each folder is listed once."""
    siblings: dict[str, Siblings] = {}
    claimed: set[Path] = set()
    for members in _by_stem(manifest):
        tracks = tuple(track for _, track in members)
        songs = {audio.suffix: audio for audio in map(manifest.audio, tracks)}
        folder = manifest.audio(tracks[0]).parent
        if str(folder) not in siblings:
            siblings[str(folder)] = Siblings.of(folder, [entry.name for entry in os.scandir(folder) if entry.is_file()])
        texts = siblings[str(folder)].beside(manifest.audio(tracks[0]))
        files = {**{end: text for end, text in texts.items() if text not in claimed}, **songs}
        claimed.update(files.values())
        yield _Group(tracks, members[0][0], files)


def _by_stem(manifest: Manifest) -> Iterable[Sequence[tuple[int, Track]]]:
    """Return numbered tracks of one folder and stem; names that differ in case only are two, where both can be."""
    found: dict[tuple[str, ...], list[tuple[int, Track]]] = {}
    for number, track in enumerate(manifest.tracks, start=1):
        if manifest.audio(track).is_file():
            place, _, name = track.path.rpartition("/")
            stem, suffix = os.path.splitext(name)
            key: tuple[str, ...] = (place, same(stem))
            if any(Path(other.path).suffix == suffix for _, other in found.get(key, ())):
                key = (place, stem, suffix)
            found.setdefault(key, []).append((number, track))
    return found.values()


def _stems(
    manifest: Manifest, groups: Sequence[_Group], pattern: str | None, *, safe: bool
) -> list[tuple[_Group, str]]:
    """Return groups with their new stems.

    Raises:
        DataError: If two would have one, or one is impossible.
    """
    wanted = [(group, _wanted(manifest, group, pattern, safe=safe)) for group in groups]
    wanted.sort(key=lambda pair: pair[1] != pair[0].stem)  # who keeps a name comes before who wants it
    taken = _others(manifest, groups)
    stems: list[tuple[_Group, str]] = []
    for group, stem in wanted:
        there = taken.setdefault(group.place, {})
        if safe:
            stem = free_name(stem, "", _sha256(manifest, group.tracks[0]), set(there))
        first = there.setdefault(same(stem), group.tracks[0].path)
        if first != group.tracks[0].path:
            raise DataError("edit.rename_collision", path=group.tracks[0].path, other=first, name=stem)
        stems.append((group, stem))
    return sorted(stems, key=lambda pair: pair[0].number)


def _others(manifest: Manifest, groups: Sequence[_Group]) -> dict[str, dict[str, str]]:
    """Return folder to stem to path of the other songs and files, whose names nobody can have."""
    leaving = {file for group in groups for file in group.files.values()}
    taken: dict[str, dict[str, str]] = {}
    for place in {group.place for group in groups}:
        for file in (manifest.folder / place).iterdir():
            if file.is_file() and file not in leaving:
                taken.setdefault(place, {})[same(file.stem)] = place + file.name
    return taken


def _wanted(manifest: Manifest, group: _Group, pattern: str | None, *, safe: bool) -> str:
    """Return the stem that a group shall have, as long as nobody else has it.

    Raises:
        DataError: If no file can be called so.
    """
    track = group.tracks[0]
    sha256 = _sha256(manifest, track)
    bpm = "" if track.bpm is None else str(round(track.bpm))
    parts = {name: getattr(track, name) or "" for name in ("genre", "keyscale", "language")}
    known = {**parts, "stem": group.stem, "number": group.number, "hash": sha256[:_DIGITS_OF_HASH], "bpm": bpm}
    stem = group.stem if pattern is None else pattern.format(**known).strip(" -_.")
    if safe:
        return safe_stem(stem, sha256)
    device = stem.split(".")[0].casefold() in DEVICE_NAMES
    if not stem or device or _FORBIDDEN.search(stem) or len(stem.encode("utf-8", "replace")) > _MOST_BYTES:
        raise DataError("edit.bad_file_name", path=track.path, name=stem)
    return stem


def _planned(manifest: Manifest, stems: Sequence[tuple[_Group, str]], pattern: str | None) -> tuple[Manifest, Entry]:
    """Return a data set with new names, and the change that makes it so."""
    moves: list[Move] = []
    new: dict[str, Track] = {}
    for group, stem in stems:
        if stem == group.stem:
            continue
        moves += [Move(group.place + file.name, group.place + stem + end) for end, file in group.files.items()]
        new.update({track.path: _moved(track, group.place + stem) for track in group.tracks})
    tracks = tuple(new.get(track.path, track) for track in manifest.tracks)
    after = replace(manifest, tracks=tracks)
    return after, history.entry_of(manifest, after, ("rename", *([pattern] if pattern else [])), moves)


def _moved(track: Track, path: str) -> Track:
    """Return a track under a new path without suffix, which remembers what it was called first."""
    old = Path(track.path)
    extra = MappingProxyType({ORIGINAL_NAME: old.name, **track.extra})
    return replace(track, path=path + old.suffix, extra=extra)


def _sha256(manifest: Manifest, track: Track) -> str:
    """Return the content hash of a track's audio."""
    return track.audio_sha256 or content_hash(manifest.audio(track))


def _renamed(entry: Entry, now: Manifest) -> Renamed:
    """Return what a renaming did or would do."""
    songs = {change.path: change.path_after for change in entry.tracks}
    paths = {*songs, *songs.values()}
    versions = {track.path: version_of(track) for track in now.tracks if track.path in paths}
    return Renamed(MappingProxyType(songs), entry.moves, MappingProxyType(versions))
