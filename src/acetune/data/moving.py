"""Files of a data set that change their names together, also where the process dies in between.

The plan goes to ``.acetune/moves.json`` before the first file moves and is taken away after the last. Files whose new
name is still another file's go by way of a name that nobody has, first all of them there, then all of them on.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, cast

from acetune.data.rows import to_line
from acetune.data.settings import INNER
from acetune.errors import CorruptFile, DataError
from acetune.events import Json
from acetune.files import disk_errors, read_json, write_bytes

_VERSION: Final = 1


@dataclass(frozen=True)
class Move:
    """One file's way, in paths relative to the data set.

    Attributes:
        old: Where it is.
        new: Where it shall be.
        by_way: A free name in between, where `new` is still another file's; empty where it is not.
    """

    old: str
    new: str
    by_way: str = ""

    def reversed(self) -> Move:
        """Return the way back."""
        return Move(self.new, self.old, self.by_way)


@dataclass(frozen=True)
class Plan:
    """Files that move, and what is to be done to the data set once they have.

    Attributes:
        moves: Each file's way.
        entry: The change of the history that the moves belong to, as JSON.
        backward: Whether that change is being taken back.
        halfway: Whether every file that goes by way of another name has reached it.
    """

    moves: tuple[Move, ...]
    entry: dict[str, Json]
    backward: bool
    halfway: bool = False


def begin(folder: Path, plan: Plan) -> None:
    """Write a plan down; from now on somebody will carry it out.

    Raises:
        DataError: If a file is in the way; nothing was written.
        DiskFull, NotWritable: As the file system says.
    """
    leaving = {_identity(folder / move.old) for move in plan.moves}
    for move in plan.moves:
        there = _identity(folder / move.new)
        if there is not None and there not in leaving:
            raise DataError("edit.rename_taken", path=move.old, name=move.new)
    _write(folder, plan)


def pending(folder: Path) -> Plan | None:
    """Return the plan that nobody has carried out to its end, if there is one.

    Raises:
        CorruptFile: If it cannot be read.
        DataError: If a newer acetune wrote it.
    """
    path = _file(folder)
    if not path.is_file():
        return None
    values = read_json(path)
    try:
        row = dict(cast("dict[str, Json]", values))
        version = row.pop("version")
        if version == _VERSION:
            moves = tuple(Move(**move) for move in cast("list[dict[str, str]]", row.pop("moves")))
            return Plan(moves, **row)  # type: ignore[arg-type]  # as `_write` left it
    except (TypeError, ValueError, KeyError) as cause:
        raise CorruptFile("files.not_json", path=path, cause=repr(cause)) from cause
    raise DataError("data.newer", path=path, version=version, known=_VERSION)


def carry_out(folder: Path, plan: Plan) -> None:
    """Move every file that has not arrived yet; files that a person took away meanwhile are left out.

    Raises:
        DataError: If a file that came since is in the way.
        DiskFull, NotWritable: As the file system says.
    """
    if not plan.halfway:
        for move in plan.moves:
            if move.by_way:
                _move(folder / move.old, folder / move.by_way)
        if any(move.by_way for move in plan.moves):
            _write(folder, replace(plan, halfway=True))
    for move in plan.moves:
        _move(folder / (move.by_way or move.old), folder / move.new)


def end(folder: Path) -> None:
    """Take the plan away: everything it stood for is done."""
    with disk_errors(folder):
        _file(folder).unlink(missing_ok=True)


def with_detours(moves: Sequence[Move], token: str) -> tuple[Move, ...]:
    """Return moves that all go by way of another name, if the new name of any is still that of one that moves too.

    Args:
        moves: Old and new paths.
        token: Makes the names in between new. They keep their endings, so that a scan would know the songs there.
    """
    leaving = {move.old.casefold() for move in moves}
    if not any(move.new.casefold() in leaving - {move.old.casefold()} for move in moves):
        return tuple(moves)
    parts = [move.new.rpartition("/") for move in moves]
    ways = [f"{place}{slash}moving-{token}-{name}" for place, slash, name in parts]
    return tuple(replace(move, by_way=way) for move, way in zip(moves, ways, strict=True))


def _move(old: Path, new: Path) -> None:
    """Move a file onto a name that nobody has; nothing happens where it is gone, or there already."""
    leaving, there = _identity(old), _identity(new)
    if leaving is None:
        return
    if there not in (None, leaving):
        raise DataError("edit.rename_taken", path=old, name=new.name)
    with disk_errors(new):
        os.rename(old, new)


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what two names of one file have in common, such as names that differ in case only; None if it is gone."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _write(folder: Path, plan: Plan) -> None:
    """Put a plan on the disk."""
    write_bytes(_file(folder), to_line({"version": _VERSION, **asdict(plan)}))


def _file(folder: Path) -> Path:
    """Return where the plan of a data set is."""
    return folder / INNER / "moves.json"
