"""Results of single tracks, one line each, until they are folded into the manifest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from acetune.data.rows import marks_from_json, marks_to_json, read_value, to_line, value_to_json
from acetune.data.settings import INNER
from acetune.data.track import Mark, Track
from acetune.events import Json
from acetune.files import append_line, disk_errors, patiently


@dataclass(frozen=True)
class Result:
    """Values that one source found for the track of a path.

    Attributes:
        values: Field of `DESCRIPTION` to value.
        marks: Who says so, one for each value.
        overwrite: Whether values of an equal source are replaced too.
    """

    path: str
    values: Mapping[str, object]
    marks: Mapping[str, Mark]
    overwrite: bool = False

    def on(self, track: Track) -> Track:
        """Return the track with these values, except where a higher source spoke."""
        for name, value in self.values.items():
            track = track.with_value(name, value, self.marks[name], overwrite=self.overwrite)
        return track


def append(folder: Path, result: Result) -> None:
    """Put a result on the disk; half a line of a killed process is closed first.

    Raises:
        DiskFull: If there is no room.
        NotWritable: If the folder may not be written.
    """
    values = {name: value_to_json(value) for name, value in result.values.items()}
    append_line(_file(folder), to_line({**vars(result), "values": values, "marks": marks_to_json(result.marks)}))


def read_results(folder: Path) -> tuple[Result, ...]:
    """Return the whole lines of the journal; a half-written one was never acknowledged."""
    try:
        lines = _file(folder).read_bytes().split(b"\n")
    except FileNotFoundError:
        return ()
    return tuple(result for line in lines if (result := _result(line)) is not None)


def empty(folder: Path) -> None:
    """Remove the journal; its results are in the manifest."""
    with disk_errors(folder):
        patiently(lambda: _file(folder).unlink(missing_ok=True))


def _result(line: bytes) -> Result | None:
    """Return the result of a line; None if it is not whole."""
    try:
        row: dict[str, Json] = json.loads(line)
        values = {name: read_value(name, value) for name, value in row["values"].items()}  # type: ignore[union-attr]
        marks = marks_from_json(row["marks"])
        return Result(str(row["path"]), MappingProxyType(values), marks, bool(row["overwrite"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _file(folder: Path) -> Path:
    """Return where the journal of a data set is."""
    return folder / INNER / "journal.jsonl"
