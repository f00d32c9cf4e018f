"""Text files as people have them: UTF-8, UTF-16, GBK or Western European, with any line ends.

A guess is said: what is neither UTF-8 nor UTF-16 is read with a finding.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from acetune.errors import DataError

#: No text beside a song is larger; what is was made by mistake.
MOST_BYTES: Final = 64 << 20
_MARKS = (b"\xff\xfe", b"\xfe\xff")
_TWO_HIGH = re.compile(rb"[\x80-\xff]{2}")


@dataclass(frozen=True)
class Text:
    """What a file holds, with plain line ends and no space around, and what had to be guessed."""

    text: str
    findings: tuple[DataError, ...] = ()


def read_text(path: Path) -> Text:
    """Return the text of a file.

    Raises:
        DataError: If it cannot be opened, is too large, or is no text.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DataError("data.sidecar_unreadable", path=path, cause=f"more than {MOST_BYTES >> 20} MB")
        data = path.read_bytes()
    except OSError as cause:
        raise DataError("data.sidecar_unreadable", path=path, cause=cause.strerror) from cause
    return decode(data, path)


def decode(data: bytes, path: Path) -> Text:
    """Return bytes as text.

    Args:
        data: What a file holds.
        path: That file, for the findings.

    Raises:
        DataError: If they are no text in any of the encodings that people have.
    """
    for encoding, finding in _encodings(data):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            findings = (DataError(finding, path=path),) if finding else ()
            return Text("\n".join(text.splitlines()).strip(), findings)
    raise DataError("data.sidecar_unreadable", path=path, cause="neither UTF-8 nor GBK")


def _encodings(data: bytes) -> tuple[tuple[str, str], ...]:
    """Return what to try in turn, and what to say about it.

    Half of the bytes of UTF-16 are zero where the text is Latin. In GBK a high byte is followed by another one in all
    usual characters; where none is, the text is Western European.
    """
    if data[:2] in _MARKS:
        return (("utf-16", ""),)
    if b"\0" in data:
        little = data[1::2].count(0) >= data[::2].count(0)
        return (("utf-16-le" if little else "utf-16-be", "import.no_mark"),)
    guesses = [("gb18030", "data.sidecar_gbk"), ("cp1252", "import.western")]
    return ("utf-8-sig", ""), *(guesses if _TWO_HIGH.search(data) else guesses[::-1])
