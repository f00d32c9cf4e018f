"""Data sets that the library `datasets` saved to the disk: what the trainer of ACE-Step v1 reads."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from acetune.data.fields import read_field
from acetune.errors import DataError, MissingDependency
from acetune.events import Json

#: Files that mark a folder of saved rows: several parts, or a single one.
MARKS: Final = (("dataset_dict.json",), ("state.json", "dataset_info.json"))


def is_saved(names: list[str]) -> bool:
    """Whether a folder with these files holds saved rows."""
    return any(set(mark) <= set(names) for mark in MARKS)


def read_saved(folder: Path) -> tuple[Mapping[str, Json], ...]:
    """Return the rows of a folder, with the column ``split`` where it has several parts.

    Raises:
        MissingDependency: If `datasets` is not installed.
        DataError: If it cannot be read.
    """
    try:
        from datasets import DatasetDict, load_from_disk
    except ImportError as cause:
        raise MissingDependency("import.no_datasets", folder=folder) from cause
    try:
        saved = load_from_disk(str(folder))
        if not isinstance(saved, DatasetDict):
            return tuple(_rows(saved, {}))
        several = len(saved) > 1
        return tuple(row for name, part in saved.items() for row in _rows(part, _split(name) if several else {}))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as cause:
        raise DataError("import.bad_rows", folder=folder, cause=" ".join(str(cause).split())[:120]) from cause


def _rows(part: Any, split: Mapping[str, Json]) -> Iterator[Mapping[str, Json]]:
    """Yield the rows of one part as JSON has them; audio that is inside of them stays there, its name is kept."""
    from pyarrow import types
    from pyarrow.compute import struct_field

    table = part.with_format("arrow")[:]
    for number, column in enumerate(table.schema):
        if types.is_struct(column.type) and {"bytes", "path"} <= {inner.name for inner in column.type}:
            table = table.set_column(number, column.name, struct_field(table.column(number), "path"))
    for row in table.to_pylist():
        yield {**json.loads(json.dumps(row, default=str)), **split}


def _split(name: str) -> Mapping[str, Json]:
    """Return the column that says which part a row is of; a name that nobody knows says nothing."""
    try:
        read_field("split", name)
    except ValueError:
        return {}
    return {"split": name}
