"""Text files beside a song: the layouts of ACE-Step v1 and 1.5, and a bare ``.txt`` that cannot be mistaken.

Where several files speak of one field, ``<stem>.json`` counts before the files named after a field, and those before
a bare ``<stem>.txt``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from acetune.data.fields import Fields, read_fields, read_tags
from acetune.errors import DataError

_SECTION = re.compile(r"^\[[^\[\]]+\]\s*$", re.MULTILINE)
_KEY_VALUE = re.compile(
    r"(caption|genre|bpm|tempo|key|keyscale|scale|signature|time_?signature|sig|lang|language|is_instrumental"
    r"|instrumental|custom_tag|trigger|tags|repeats?|prompt_override|duration|lyrics)\s*:",
    re.IGNORECASE,
)
_COMMA = re.compile("[,，、]")
_SHORT_LINE = 80
_LINES_OF_LYRICS = 4


@dataclass(frozen=True)
class Reading:
    """What the files beside a song say.

    Attributes:
        values: Field of `DESCRIPTION` to value; a missing field is absent.
        findings: What could not be read or had to be guessed.
        files: The files that were looked at.
    """

    values: Mapping[str, object]
    findings: tuple[DataError, ...]
    files: tuple[Path, ...]


def read_sidecars(audio: Path) -> Reading:
    """Return what the files beside a song say; nothing is ever raised for a damaged one."""
    findings: list[DataError] = []
    files: list[Path] = []
    said: dict[str, object] = {}
    for ending, reader in _READERS.items():
        path = audio.with_name(audio.stem + ending)
        if path.is_file():
            files.append(path)
            try:
                fields, found = read_fields(reader(_text(path, findings), path), path)
            except DataError as finding:
                findings.append(finding)
            else:
                findings.extend(found)
                said = {**fields, **said}
    return Reading(MappingProxyType(said), tuple(findings), tuple(files))


def _text(path: Path, findings: list[DataError]) -> str:
    """Return the text of a file: UTF-8, UTF-16 if it says so, else GBK with a finding."""
    try:
        data = path.read_bytes()
    except OSError as cause:
        raise DataError("data.sidecar_unreadable", path=path, cause=cause.strerror) from cause
    marked = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    for encoding in (marked, "gb18030"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding == "gb18030":
            findings.append(DataError("data.sidecar_gbk", path=path))
        return "\n".join(text.splitlines()).strip()
    raise DataError("data.sidecar_unreadable", path=path, cause="neither UTF-8 nor GBK")


def _json(text: str, path: Path) -> Fields:
    """Return the fields of a JSON object."""
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as cause:
        raise DataError("data.sidecar_unreadable", path=path, cause=cause) from cause
    if not isinstance(row, dict):
        raise DataError("data.sidecar_unreadable", path=path, cause="not a JSON object")
    return row


def _lyrics(text: str, path: Path) -> Fields:
    """Return a text as lyrics."""
    return {"lyrics": text}


def _caption(text: str, path: Path) -> Fields:
    """Return a text as a caption."""
    return {"caption": text}


def _prompt(text: str, path: Path) -> Fields:
    """Return v1's comma-separated tags, which are its caption too."""
    return {"caption": text, "tags": list(read_tags(text))}


def _bare(text: str, path: Path) -> Fields:
    """Return a bare text as what it must be: lyrics, or a caption."""
    lines = [line for line in text.split("\n") if line.strip()]
    if not lines:
        return {}
    first = next((line for line in lines if not line.startswith("#")), "")
    if _KEY_VALUE.match(first) or "<caption>" in text.lower():
        raise DataError("data.txt_foreign", path=path)
    if _SECTION.search(text) or sum(len(line) <= _SHORT_LINE for line in lines) >= _LINES_OF_LYRICS:
        return {"lyrics": text}
    if len(lines) == 1 and _COMMA.search(text):
        return {"caption": text}
    raise DataError("data.txt_ambiguous", path=path)


#: What a file's ending says, the most trusted first.
_READERS = MappingProxyType(
    {
        ".json": _json,
        ".lyrics.txt": _lyrics,
        "_lyrics.txt": _lyrics,
        ".caption.txt": _caption,
        "_prompt.txt": _prompt,
        ".txt": _bare,
    }
)
