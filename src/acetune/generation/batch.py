"""Many pieces from one file: a row each, in JSON lines, a table, YAML, or a caption a line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, cast

import yaml

from acetune import files
from acetune.catalog import nearest
from acetune.data.tables import read_table
from acetune.errors import AcetuneError, SettingError
from acetune.events import Json
from acetune.generation.request import Request
from acetune.generation.sentence import understood


def _several(read: Callable[[str], object]) -> Callable[[Json], object]:
    """Return what reads a list, or a text with commas."""

    def reading(value: Json) -> object:
        entries = value if isinstance(value, list) else str(value).split(",")
        return tuple(read(str(entry).strip()) for entry in entries)

    return reading


def _number(value: Json) -> float:
    """Return a number that was written as one or as text."""
    return float(str(value))


def _text(value: Json) -> str:
    """Return a text; JSON's numbers are one too."""
    return str(value)


#: What a row may say, and how it is read.
_READERS: Final[Mapping[str, Callable[[Json], object]]] = MappingProxyType(
    {
        **dict.fromkeys(("caption", "sentence", "lyrics", "language", "keyscale", "timesignature"), _text),
        **dict.fromkeys(("task", "source", "name", "solver", "guide", "against"), _text),
        **dict.fromkeys(("bpm", "seconds", "start", "end", "cover_strength", "shift", "guidance"), _number),
        **dict.fromkeys(("guidance_lyrics", "guidance_interval"), _number),
        "steps": lambda value: int(str(value)),
        **dict.fromkeys(("seed", "seeds"), _several(int)),
        **dict.fromkeys(("strength", "strengths"), _several(float)),
        **dict.fromkeys(("track", "tracks"), _several(str)),
    }
)
_PLURALS: Final = MappingProxyType({"seed": "seeds", "strength": "strengths", "track": "tracks"})


def read_requests(path: Path, like: Request) -> tuple[Request, ...]:
    """Return a request for each row of a file.

    Args:
        path: JSON lines, .json or .yaml with a list, .csv or .tsv with headers, or .txt with a caption a line. Rows
            have the names of `Request`, or a ``sentence`` in place of a caption; sources lie beside the file.
        like: Says what a row leaves open.

    Raises:
        SettingError: If it cannot be read, is empty, or a row says something unknown.
        DataError: If a table is damaged.
    """
    found = tuple(_request(row, path, place, like) for place, row in enumerate(_rows(path), start=1))
    if not found:
        raise SettingError("generation.no_prompts", path=path)
    return found


def _rows(path: Path) -> Iterable[Mapping[str, Json]]:
    """Return the rows of a file, empty ones left out (raises as `read_requests`)."""
    kind = path.suffix.lower()
    try:
        if kind in (".csv", ".tsv"):
            return _table(path)
        text = path.expanduser().read_text(encoding="utf-8-sig")
        if kind in (".yaml", ".yml", ".json"):
            rows = yaml.safe_load(text) or []
            if not isinstance(rows, list):
                raise ValueError("it is no list")
            return cast("Iterable[Mapping[str, Json]]", rows)
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return [{"caption": line} for line in lines] if kind == ".txt" else [json.loads(line) for line in lines]
    except AcetuneError:
        raise
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as cause:
        raise SettingError("generation.bad_prompts", path=path, cause=" ".join(str(cause).split())) from cause


def _table(path: Path) -> Sequence[Mapping[str, Json]]:
    """Return the rows of a table.

    Raises:
        DataError: If a row has more cells than there are headers: it would be lost.
    """
    table = read_table(path)
    for finding in table.findings:
        if finding.code == "import.row_too_long":
            raise finding
    return [row for _, row in table.rows]


def _request(row: Mapping[str, Json], path: Path, place: int, like: Request) -> Request:
    """Return the request of one row."""
    if not isinstance(row, Mapping):
        raise SettingError("generation.bad_prompts", path=path, cause=f"row {place} is {row!r}")
    said: dict[str, Any] = {}
    for name, value in row.items():
        if name not in _READERS:
            hint = nearest(str(name), tuple(_READERS))
            raise SettingError("generation.unknown_column", path=path, name=name, hint=hint, known=", ".join(_READERS))
        if value in (None, ""):
            continue
        try:
            said[_PLURALS.get(name, name)] = _READERS[name](value)
        except ValueError as cause:
            raise SettingError("generation.bad_cell", path=path, place=place, name=name, value=value) from cause
    if "source" in said:
        said["source"] = path.parent / said["source"]
    if "name" in said:
        files.check_name(said["name"], "piece")
    sentence = said.pop("sentence", None)
    return replace(like if sentence is None else understood(sentence, like), **said)
