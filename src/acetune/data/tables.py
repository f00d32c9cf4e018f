"""Spreadsheets saved as text: commas, semicolons or tabs, quotes around what holds them, any encoding."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from acetune.data.texts import read_text
from acetune.errors import DataError

_DELIMITERS: Final = ("\t", ";", ",")


@dataclass(frozen=True)
class Table:
    """The rows of a spreadsheet.

    Attributes:
        columns: The headers, as they are written.
        rows: Column to cell, with the line in which the row ends.
        findings: Rows that were left out, and guesses.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[int, Mapping[str, str]], ...]
    findings: tuple[DataError, ...]


def read_table(path: Path) -> Table:
    """Return the rows below the line of headers; a row with more cells than that is left out, for it lacks quotes.

    Raises:
        DataError: If it is no text, or a quote never ends.
    """
    text = read_text(path)
    lines = csv.reader(io.StringIO(text.text, newline=""), delimiter=_delimiter(text.text))
    try:
        cells = [(lines.line_num, line) for line in lines if any(map(str.strip, line))]
    except csv.Error as cause:
        raise DataError("import.bad_table", path=path, line=lines.line_num, cause=cause) from cause
    header = [name.strip() for name in cells[0][1]] if cells else []
    rows: list[tuple[int, Mapping[str, str]]] = []
    findings: list[DataError] = list(text.findings)
    for number, line in cells[1:]:
        if any(map(str.strip, line[len(header) :])):
            findings.append(DataError("import.row_too_long", path=path, line=number, cells=len(line), row=len(header)))
        else:
            rows.append((number, _filled(header, line)))
    return Table(tuple(header), tuple(rows), tuple(findings))


def _filled(header: Sequence[str], line: Sequence[str]) -> Mapping[str, str]:
    """Return the cells that have a header; of two equal headers the first counts."""
    row: dict[str, str] = {}
    for name, cell in zip(header, line, strict=False):
        if name:
            row.setdefault(name, cell.strip())
    return row


def _delimiter(text: str) -> str:
    """Return what stands most often between the headers, outside of quotes."""
    outside = "".join(text.partition("\n")[0].split('"')[::2])
    return max(_DELIMITERS, key=outside.count)
