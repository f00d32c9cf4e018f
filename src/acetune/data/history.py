"""Changes of a data set that can be taken back: ``.acetune/history.jsonl``, one a line, the newest last.

A change goes to the history before it goes to the rows. One whose process died in between left no trace in the rows:
there is nothing to take back, and it is passed over.
"""

from __future__ import annotations

import json
import secrets
import shlex
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

from acetune.data import manifest as manifests
from acetune.data import moving
from acetune.data.changes import Cells, RowChange, cells_of, change_between, track_of, with_change
from acetune.data.manifest import Manifest
from acetune.data.moving import Move, Plan
from acetune.data.rows import to_line
from acetune.data.settings import INNER, DatasetSettings
from acetune.data.track import Track
from acetune.errors import DataError
from acetune.events import Json
from acetune.files import append_line, write_bytes

_VERSION: Final = 1


@dataclass(frozen=True)
class Entry:
    """One change of a data set.

    Attributes:
        id: Names it.
        time: When, in seconds since 1970.
        words: What was done, as it was typed, such as "set", "caption" and the new caption.
        tracks: The rows that changed.
        settings: What became of the settings of the whole data set.
        moves: Files that changed their names.
    """

    id: str
    time: float
    words: tuple[str, ...]
    tracks: tuple[RowChange, ...]
    settings: RowChange
    moves: tuple[Move, ...] = ()

    @property
    def title(self) -> str:
        """What was done, as one line that a person could type."""
        return shlex.join(self.words)

    @property
    def is_empty(self) -> bool:
        """Whether nothing changed."""
        return not (self.tracks or self.settings.columns or self.moves)

    def reversed(self) -> Entry:
        """Return the change that takes this one back."""
        return replace(
            self,
            tracks=tuple(change.reversed() for change in self.tracks),
            settings=self.settings.reversed(),
            moves=tuple(move.reversed() for move in self.moves),
        )


@contextmanager
def opened(dataset: str | Path) -> Iterator[Manifest]:
    """Hold a data set and yield what is on the disk, songs without a length included.

    What a process that died while it moved files left undone is done first.

    Raises:
        DataError: If the folder is missing or was not scanned, a newer acetune wrote it, or a line is wrong.
        SettingError: If another process holds the data set for long.
    """
    folder = Path(dataset)
    with manifests.held(folder):
        _finish_moves(folder)
        yield known(folder)


def settle(dataset: str | Path) -> None:
    """Finish what a process that died while it moved files left undone, if there is anything (raises as `opened`)."""
    folder = Path(dataset)
    if moving.pending(folder) is not None:
        with manifests.held(folder):
            _finish_moves(folder)


def known(dataset: str | Path) -> Manifest:
    """Return what is on the disk, songs without a length included (raises as `opened`)."""
    manifest = manifests.read(Path(dataset))
    if manifest is None:
        raise DataError("data.not_scanned", folder=dataset)
    return manifest


def entry_of(before: Manifest, after: Manifest, words: Sequence[str], moves: Sequence[Move] = ()) -> Entry:
    """Return the change between two states of a data set, whose tracks are the same in the same order.

    Args:
        before: As it was.
        after: As it became.
        words: What was done, as it was typed.
        moves: Files that are to change their names.
    """
    pairs = zip(before.tracks, after.tracks, strict=True)
    changes = (change_between(old, new) for old, new in pairs if old is not new)
    old, new = settings_of(before), settings_of(after)
    names = [name for name in new if old[name] != new[name]]
    settings = RowChange("", None, {name: old[name] for name in names}, {name: new[name] for name in names})
    tracks = tuple(change for change in changes if change.columns)
    return Entry(secrets.token_hex(6), time.time(), tuple(words), tracks, settings, tuple(moves))


def commit(after: Manifest, entry: Entry) -> None:
    """Put a change into the history, move its files and write its rows; for whoever has the data set `opened`.

    Raises:
        DataError: If a file is in the way of another; nothing was changed.
        DiskFull, NotWritable: As the file system says.
    """
    if entry.is_empty:
        return
    if entry.moves:
        _move(after.folder, entry, backward=False)
    else:
        append_line(_file(after.folder), _line(entry))
        manifests.write(after)


def take_back(manifest: Manifest, entries: Sequence[Entry]) -> None:
    """Undo the last of these changes, files and rows, and forget it; for whoever has the data set `opened`.

    Columns that somebody changed since stay as they are.

    Args:
        manifest: The data set as it is.
        entries: The history that shall be, and the change to take back.

    Raises:
        DataError: If a file is in the way of another; nothing was changed.
        DiskFull, NotWritable: As the file system says.
    """
    entry = entries[-1]
    if entry.moves:
        write_entries(manifest.folder, entries)
        _move(manifest.folder, entry, backward=True)
    else:
        manifests.write(_with_entry(manifest, entry.reversed()))
        write_entries(manifest.folder, entries[:-1])


def read_entries(dataset: str | Path) -> tuple[Entry, ...]:
    """Return the changes of a data set, the oldest first; a half-written one was never made.

    Raises:
        DataError: If a newer acetune wrote one of them.
    """
    path = _file(Path(dataset))
    lines = path.read_bytes().split(b"\n") if path.is_file() else []
    return tuple(entry for line in lines if (entry := _entry(line, path)) is not None)


def write_entries(folder: Path, entries: Iterable[Entry]) -> None:
    """Replace the history, all of it or nothing; for whoever has the data set `opened`.

    Raises:
        DiskFull, NotWritable: As the file system says.
    """
    write_bytes(_file(folder), b"".join(map(_line, entries)))


def located(tracks: Iterable[Track], changes: Iterable[RowChange]) -> dict[str, RowChange]:
    """Return the path that a track has now to the change that concerns it; tracks that are gone are left out.

    Args:
        tracks: The rows as they are.
        changes: Of the history; each is looked for under its paths, and by its audio where a person moved it since.
    """
    by_path: dict[str, Track] = {}
    by_audio: dict[str | None, list[Track]] = {}
    for track in tracks:
        by_path[track.path] = track
        by_audio.setdefault(track.audio_sha256, []).append(track)
    found: dict[str, RowChange] = {}
    for change in changes:
        same = by_audio.get(change.sha256, [])
        named = [track for track in same if track.path in (change.path, change.path_after)]
        at_path = [by_path[change.path]] if change.path in by_path else []
        candidates = named or (same if len(same) == 1 and change.sha256 else []) or at_path
        if candidates:
            found[candidates[0].path] = change
    return found


def settings_of(manifest: Manifest) -> Cells:
    """Return the settings of a data set as columns."""
    return {name: {"value": value} for name, value in vars(manifest.settings).items()}


def _with_entry(manifest: Manifest, entry: Entry) -> Manifest:
    """Return a data set after a change; one that was made already changes nothing."""
    changes = located(manifest.tracks, entry.tracks)
    where = str(_file(manifest.folder))
    tracks = tuple(
        track_of(with_change(cells_of(track), changes[track.path]), where) if track.path in changes else track
        for track in manifest.tracks
    )
    cells = with_change(settings_of(manifest), entry.settings)
    settings = DatasetSettings(**{name: cast("Any", cell["value"]) for name, cell in cells.items()})
    return Manifest(manifest.folder, tracks, settings)


def _move(folder: Path, entry: Entry, *, backward: bool) -> None:
    """Carry out a change with files that move, so that a process which dies in between leaves it to the next one."""
    moves = (entry.reversed() if backward else entry).moves
    detours = moving.with_detours(moves, secrets.token_hex(2))
    moving.begin(folder, Plan(detours, cast("dict[str, Json]", asdict(entry)), backward))
    _finish_moves(folder)


def _finish_moves(folder: Path) -> None:
    """Carry out the moves that are planned, write the rows and the history that belong to them, and drop the plan."""
    plan = moving.pending(folder)
    if plan is None:
        return
    moving.carry_out(folder, plan)
    entry = _entry_from_json(plan.entry)
    manifest = manifests.read(folder)
    if manifest is not None:
        manifests.write(_with_entry(manifest, entry.reversed() if plan.backward else entry))
    others = [other for other in read_entries(folder) if other.id != entry.id]
    write_entries(folder, others if plan.backward else [*others, entry])
    moving.end(folder)


def _line(entry: Entry) -> bytes:
    """Return a change as one line."""
    return to_line({"version": _VERSION, **asdict(entry)})


def _entry(line: bytes, path: Path) -> Entry | None:
    """Return the change of a line; None if it is not whole."""
    try:
        values = json.loads(line)
        version = values.pop("version")
        if version == _VERSION:
            return _entry_from_json(values)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    raise DataError("data.newer", path=path, version=version, known=_VERSION)


def _entry_from_json(values: Mapping[str, Any]) -> Entry:
    """Return a change as `asdict` gave it."""
    return Entry(
        **{
            **values,
            "words": tuple(values["words"]),
            "tracks": tuple(RowChange(**change) for change in values["tracks"]),
            "settings": RowChange(**values["settings"]),
            "moves": tuple(Move(**move) for move in values["moves"]),
        }
    )


def _file(folder: Path) -> Path:
    """Return where the history of a data set is."""
    return folder / INNER / "history.jsonl"
