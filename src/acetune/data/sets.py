"""Files that describe many songs: one row of a table for each layout that a tool writes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, get_args

from acetune.data.columns import Row, names_a_file, plain, read_row
from acetune.data.saved_rows import read_saved
from acetune.data.settings import TriggerPosition
from acetune.data.tables import read_table
from acetune.data.texts import read_text
from acetune.errors import AcetuneError, DataError
from acetune.events import Json

#: A person's names of columns, by their plain names.
Columns = Mapping[str, str]
JsonRow = Mapping[str, Json]

#: Columns of the official trainer for lyrics.
_LYRICS: Final = ("lyrics", "raw_lyrics", "formatted_lyrics")


@dataclass(frozen=True)
class SetRow:
    """One row, where it stands, and how often it is repeated (v1 writes a song several times to count it more)."""

    row: Row
    place: str
    count: int


@dataclass(frozen=True)
class Album:
    """What a file says about the whole data set; None where it says nothing."""

    name: str | None = None
    trigger: str | None = None
    trigger_position: TriggerPosition = "prepend"


@dataclass(frozen=True)
class SetFile:
    """A file that describes many songs.

    Attributes:
        path: The file; for saved rows the folder.
        layout: How it was read.
        kind: Whom its rows speak with, one of `readings.ORDER`.
        rows: One for each different row.
        columns: Plain names of all columns.
        album: What it says about the whole.
        findings: Rows that were left out, and guesses.
    """

    path: Path
    layout: str
    kind: str
    rows: tuple[SetRow, ...]
    columns: frozenset[str] = frozenset()
    album: Album = Album()
    findings: tuple[AcetuneError, ...] = ()


@dataclass(frozen=True)
class _Contents:
    """The rows of a file with their places, what it says about the whole, and columns that rows may lack."""

    rows: Sequence[tuple[str, JsonRow]]
    album: Album = Album()
    findings: tuple[AcetuneError, ...] = ()
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class SetLayout:
    """How one kind of file that describes many songs is read.

    Attributes:
        name: A key of the texts of area ``import``.
        suffixes: Which files may be of this kind; none for a folder of saved rows.
        kind: Whom its rows speak with.
        read: From a file to its contents; None where it is something else.
        tools: Who writes such files.
    """

    name: str
    suffixes: tuple[str, ...]
    kind: str
    read: Callable[[Path, Columns], _Contents | None]
    tools: str


def read_set(path: Path, columns: Columns) -> SetFile | None:
    """Return what a file says about many songs, or None if it is no such file.

    Raises:
        DataError: If it is one and cannot be read.
        MissingDependency: If a package is needed to read it.
    """
    layout = layout_of(path)
    contents = layout.read(path, columns) if layout else None
    if layout is None or contents is None:
        return None
    rows = tuple(_different(contents.rows, columns, contents.album))
    names = frozenset(map(plain, (*contents.columns, *(name for _, row in contents.rows for name in row))))
    return SetFile(path, layout.name, layout.kind, rows, names, contents.album, contents.findings)


def layout_of(path: Path) -> SetLayout | None:
    """Return how a file would be read, by its name, or a folder."""
    suffix, is_folder = path.suffix.lower(), path.is_dir()
    return next((row for row in SET_LAYOUTS if (not row.suffixes if is_folder else suffix in row.suffixes)), None)


def _dataset_json(path: Path, columns: Columns) -> _Contents | None:
    """Return the samples of the official trainer and of Side-Step, which also writes them without metadata."""
    text = read_text(path)
    try:
        said = json.loads(text.text)
    except (ValueError, RecursionError) as cause:
        raise DataError("data.sidecar_unreadable", path=path, cause=" ".join(str(cause).split())[:120]) from cause
    samples = said.get("samples") if isinstance(said, dict) else said
    rows = [row for row in samples if isinstance(row, dict)] if isinstance(samples, list) else []
    if not any(names_a_file(name, columns) for row in rows for name in row):
        return None
    metadata = said.get("metadata") if isinstance(said, dict) else None
    album = _album(metadata) if isinstance(metadata, dict) else Album()
    places = [f"sample {number}" for number in range(1, len(rows) + 1)]
    return _Contents(list(zip(places, map(_labelled, rows), strict=True)), album, text.findings)


def _jsonl(path: Path, columns: Columns) -> _Contents | None:
    """Return one row a line, as AudioFolder and many tools have them."""
    text = read_text(path)
    rows: list[tuple[str, JsonRow]] = []
    findings: list[AcetuneError] = list(text.findings)
    for number, line in enumerate(text.text.split("\n"), start=1):
        try:
            row = json.loads(line) if line.strip() else {}
        except (ValueError, RecursionError) as cause:
            findings.append(DataError("data.bad_line", where=f"{path}:{number}", cause=str(cause)[:120]))
            continue
        if isinstance(row, dict) and any(names_a_file(name, columns) for name in row):
            rows.append((f"line {number}", row))
    return _Contents(rows, findings=tuple(findings)) if rows else None


def _spreadsheet(path: Path, columns: Columns) -> _Contents | None:
    """Return the rows of a spreadsheet."""
    table = read_table(path)
    if not table.columns:
        return None
    if any(names_a_file(name, columns, titles=True) for name in table.columns):
        rows = [(f"line {number}", row) for number, row in table.rows]
        return _Contents(rows, findings=table.findings, columns=table.columns)
    finding = DataError("import.no_file_column", path=path, columns=", ".join(table.columns)[:120])
    return _Contents((), findings=(*table.findings, finding), columns=table.columns)


def _saved(path: Path, columns: Columns) -> _Contents:
    """Return rows that `datasets` saved."""
    return _Contents([(f"row {number}", row) for number, row in enumerate(read_saved(path), start=1)])


def _labelled(sample: JsonRow) -> JsonRow:
    """Return a sample without what the official trainer writes where nobody has labelled the song yet."""
    if sample.get("labeled") is not False:
        return sample
    unsaid = {"is_instrumental": True, "language": "unknown", **dict.fromkeys(_LYRICS, "[Instrumental]")}
    return {name: value for name, value in sample.items() if unsaid.get(name) != value}


def _album(metadata: JsonRow) -> Album:
    """Return what the metadata of a data set say."""
    name, trigger = (str(metadata.get(key) or "").strip() or None for key in ("name", "custom_tag"))
    said = metadata.get("tag_position")
    positions: tuple[TriggerPosition, ...] = get_args(TriggerPosition)
    return Album(name, trigger, next((known for known in positions if known == said), "prepend"))


def _different(rows: Sequence[tuple[str, JsonRow]], columns: Columns, album: Album) -> Iterator[SetRow]:
    """Yield each row once with its count; a trigger that all songs have is not repeated for each."""
    keys = [json.dumps(row, sort_keys=True, default=str) for _, row in rows]
    counts = Counter(keys)
    first = dict(reversed(list(zip(keys, rows, strict=True))))
    for key in dict.fromkeys(keys):
        place, said = first[key]
        row = read_row(said, columns)
        if album.trigger is not None and row.fields.get("trigger") == album.trigger:
            row = Row(row.claims, {name: v for name, v in row.fields.items() if name != "trigger"}, row.extra)
        yield SetRow(row, place, counts[key])


#: Files that describe many songs.
SET_LAYOUTS: Final = (
    SetLayout("dataset_json", (".json",), "row", _dataset_json, "ACE-Step 1.5, Side-Step"),
    SetLayout("jsonl", (".jsonl",), "row", _jsonl, "Hugging Face AudioFolder"),
    SetLayout("csv", (".csv", ".tsv"), "csv", _spreadsheet, "Key-BPM-Finder, FL ComfyUI nodes, spreadsheets"),
    SetLayout("saved_rows", (), "row", _saved, "ACE-Step v1, ACETRAINER-UI"),
)
