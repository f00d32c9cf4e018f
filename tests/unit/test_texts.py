"""Text files in the encodings that people have."""

from __future__ import annotations

from pathlib import Path

import pytest

from acetune.data.texts import decode, read_text
from acetune.errors import DataError

_HERE = Path("a.txt")


@pytest.mark.parametrize(
    ("text", "encoding", "findings"),
    [
        ("Beyoncé, 爵士", "utf-8", []),
        ("Beyoncé, 爵士", "utf-8-sig", []),
        ("Beyoncé, 爵士", "utf-16", []),
        ("Beyonce, live", "utf-16-le", ["import.no_mark"]),
        ("Beyonce, live", "utf-16-be", ["import.no_mark"]),
        ("爵士，慢歌", "gbk", ["data.sidecar_gbk"]),
        ("Beyoncé, naïve", "cp1252", ["import.western"]),
        ("naïve", "cp1252", ["import.western"]),
    ],
)
def test_a_text_is_read_and_a_guess_is_said(text: str, encoding: str, findings: list[str]) -> None:
    found = decode(text.encode(encoding), _HERE)

    assert (found.text, [finding.code for finding in found.findings]) == (text, findings)


def test_line_ends_are_plain_and_space_around_is_gone() -> None:
    assert decode(b" a\r\nb\rc\n\n", _HERE).text == "a\nb\nc"


@pytest.mark.parametrize("data", [b"\x81\xff\xff", b"\xff\xfe\x00", b"\x00\x00\x00\x00", b"ab\x00\xff\x80"])
def test_what_is_no_text_is_an_error(data: bytes) -> None:
    with pytest.raises(DataError) as error:
        decode(data, _HERE)

    assert error.value.code == "data.sidecar_unreadable"


def test_a_file_that_is_far_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a.txt").open("wb") as stream:
        stream.truncate(65 << 20)

    with pytest.raises(DataError, match="more than 64 MB"):
        read_text(tmp_path / "a.txt")


def test_a_missing_file_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        read_text(tmp_path / "a.txt")

    assert error.value.code == "data.sidecar_unreadable"
