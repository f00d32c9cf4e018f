"""Spreadsheets saved as text."""

from __future__ import annotations

from pathlib import Path

import pytest

from acetune.data.tables import Table, read_table
from acetune.errors import DataError


def table(folder: Path, text: str | bytes) -> Table:
    path = folder / "songs.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_table(path)


def rows(found: Table) -> list[dict[str, str]]:
    return [dict(row) for _, row in found.rows]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_is_the_one_between_the_headers(tmp_path: Path, delimiter: str) -> None:
    found = table(tmp_path, delimiter.join(("File", "BPM")) + "\n" + delimiter.join(("a.mp3", "90")))

    assert rows(found) == [{"File": "a.mp3", "BPM": "90"}]


def test_quotes_hold_commas_and_lines(tmp_path: Path) -> None:
    found = table(tmp_path, 'File,Tags,Lyrics\r\na.mp3,"rock, live","one\r\ntwo ""three"""\r\n')

    assert rows(found) == [{"File": "a.mp3", "Tags": "rock, live", "Lyrics": 'one\ntwo "three"'}]


def test_a_delimiter_inside_of_a_quoted_header_is_none(tmp_path: Path) -> None:
    assert rows(table(tmp_path, '"a,b,c";File\n1;x.mp3')) == [{"a,b,c": "1", "File": "x.mp3"}]


def test_empty_rows_empty_headers_and_missing_cells_are_nothing(tmp_path: Path) -> None:
    assert rows(table(tmp_path, ",File,BPM,File\n1,a.mp3\n,,\n2,b.mp3,9,c.mp3\n")) == [
        {"File": "a.mp3"},
        {"File": "b.mp3", "BPM": "9"},
    ]


def test_a_row_with_too_many_cells_lacks_quotes_and_is_left_out(tmp_path: Path) -> None:
    found = table(tmp_path, "File,Tags\na.mp3,rock, live\nb.mp3,pop,\n")

    assert rows(found) == [{"File": "b.mp3", "Tags": "pop"}]
    assert [(finding.code, finding.params["line"]) for finding in found.findings] == [("import.row_too_long", 2)]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "gbk"])
def test_a_table_may_have_the_encodings_of_spreadsheet_programs(tmp_path: Path, encoding: str) -> None:
    assert rows(table(tmp_path, "File,备注\na.mp3,慢歌".encode(encoding))) == [{"File": "a.mp3", "备注": "慢歌"}]


def test_a_cell_without_end_is_an_error_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        table(tmp_path, 'File,Lyrics\na.mp3,"' + "x" * 200_000)

    assert error.value.code == "import.bad_table"


def test_an_empty_file_has_no_columns(tmp_path: Path) -> None:
    assert table(tmp_path, "").columns == ()
