"""What files of any layout say about a song, in the form that `Track` holds.

Files write "N/A", 0 or nothing for what they do not know: all of these are missing values.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from acetune.data.keys import parse_keyscale
from acetune.errors import DataError
from acetune.events import Json

#: What a file says, by the names of `DESCRIPTION`.
Fields: TypeAlias = Mapping[str, Json]

_NOTHING = frozenset({"", "n/a", "na", "none", "null", "unknown", "[edit this]"})
_METRES = MappingProxyType({"2/4": "2", "3/4": "3", "4/4": "4", "6/8": "6"})
_KNOWN_METRES = frozenset(_METRES.values())
_TRUTH = MappingProxyType(
    {**dict.fromkeys(("true", "yes", "y", "1", "是"), True), **dict.fromkeys(("false", "no", "n", "0", "否"), False)}
)
_PARTS = MappingProxyType(
    {"train": "train", **dict.fromkeys(("validation", "valid", "val", "dev", "test"), "validation")}
)


def read_fields(fields: Fields, path: Path) -> tuple[dict[str, object], tuple[DataError, ...]]:
    """Return the values of `Track` and a finding for each one that cannot be read.

    Fields that acetune does not know say nothing. ``[instrumental]`` as lyrics, as language or among the tags makes
    a song instrumental; empty lyrics are only missing.

    Args:
        fields: What a file says.
        path: That file, for the findings.
    """
    values: dict[str, object] = {}
    findings = []
    for name in _READERS:
        raw = fields.get(name)
        try:
            values[name] = read_field(name, raw)
        except ValueError:
            findings.append(DataError("data.sidecar_value", path=path, field=name, value=str(raw)[:80]))
    metre = values.get("timesignature")
    if metre is not None and metre not in _KNOWN_METRES:
        findings.append(DataError("data.unusual_metre", path=path, value=metre))
    known = {name: value for name, value in values.items() if value is not None}
    return _with_instrumental(known), tuple(findings)


def read_field(name: str, raw: Json) -> object:
    """Return the value of one field; None where the file says that it does not know.

    Raises:
        ValueError: If it cannot be read.
        KeyError: If no field has this name.
    """
    if raw is None or str(raw).strip().lower() in _NOTHING:
        return None
    return _READERS[name](raw)


def read_tags(text: str) -> tuple[str, ...]:
    """Return the tags of a text with commas, without empty and repeated ones."""
    return tuple(dict.fromkeys(tag.strip() for tag in re.split("[,，、]", text) if tag.strip()))


def _with_instrumental(values: dict[str, object]) -> dict[str, object]:
    """Return the values with `instrumental` where lyrics, language or tags say so, unless the file denies it."""
    spoken = {name: value for name, value in values.items() if not _says_instrumental(name, value)}
    tags = values.get("tags")
    tagged = isinstance(tags, tuple) and "instrumental" in (tag.lower() for tag in tags)
    return {"instrumental": True, **spoken} if tagged or len(spoken) < len(values) else spoken


def _says_instrumental(name: str, value: object) -> bool:
    """Whether a field holds nothing but the mark of an instrumental."""
    return name in ("lyrics", "language") and str(value).strip("[] ").lower() == "instrumental"


def _text(raw: Json) -> str:
    """Return text without space around it, and with question marks for halves of characters."""
    if not isinstance(raw, str):
        raise ValueError("not text")
    return raw.strip().encode("utf-8", "replace").decode("utf-8")


def _tags(raw: Json) -> tuple[str, ...] | None:
    """Return tags given as a list or as text with commas."""
    if isinstance(raw, list):
        raw = ",".join(_text(tag) for tag in raw)
    return read_tags(_text(raw)) or None


def _bpm(raw: Json) -> float | None:
    """Return beats per minute, also with a decimal comma; 0 says nothing."""
    bpm = float(str(raw).lower().removesuffix("bpm").replace(",", "."))
    if not math.isfinite(bpm) or bpm < 0:
        raise ValueError("no tempo")
    return bpm or None


def _keyscale(raw: Json) -> str:
    """Return a key in ACE-Step's spelling."""
    key = parse_keyscale(_text(raw))
    if key is None:
        raise ValueError("no key")
    return key


def _metre(raw: Json) -> str:
    """Return a metre that the model knows as its number, any other as written."""
    text = str(raw).replace(" ", "")
    if not re.fullmatch(r"\d+(/\d+)?", text):
        raise ValueError("no metre")
    return _METRES.get(text, text)


def _language(raw: Json) -> str:
    """Return the language of a code such as "en", "yue" or "zh-CN"."""
    code = re.fullmatch(r"([a-z]{2,3}|instrumental)([-_]\w+)?", _text(raw).lower())
    if code is None:
        raise ValueError("no language code")
    return code[1]


def _flag(raw: Json) -> bool:
    """Return a truth value in any usual spelling."""
    flag = _TRUTH.get(str(raw).strip().lower())
    if flag is None:
        raise ValueError("neither true nor false")
    return flag


def _captions(raw: Json) -> Mapping[str, str] | None:
    """Return captions by kind, given as an object or as its JSON text; empty ones are missing."""
    try:
        said = json.loads(raw) if isinstance(raw, str) else raw
    except RecursionError as cause:
        raise ValueError("too deep") from cause
    if not isinstance(said, dict):
        raise ValueError("not an object")
    kept = {kind: text for kind, caption in said.items() if (text := _text("" if caption is None else caption))}
    return MappingProxyType(kept) or None


def _times(raw: Json) -> tuple[float, ...]:
    """Return seconds that are given as a list."""
    if not isinstance(raw, list):
        raise ValueError("not a list")
    times = tuple(float(str(second)) for second in raw)
    if not all(math.isfinite(second) and second >= 0 for second in times):
        raise ValueError("no times")
    return times


def _count(raw: Json) -> int:
    """Return a whole number from 1."""
    count = float(str(raw))
    if not math.isfinite(count) or count < 1 or count != int(count):
        raise ValueError("not a count")
    return int(count)


def _part(raw: Json) -> str:
    """Return the part of the data set that a song belongs to."""
    part = _PARTS.get(_text(raw).lower())
    if part is None:
        raise ValueError("no such part")
    return part


_READERS: Mapping[str, Callable[[Json], object]] = MappingProxyType(
    {
        "caption": _text,
        "tags": _tags,
        "genre": _text,
        "recaption": _captions,
        "lyrics": _text,
        "line_times": _times,
        "bpm": _bpm,
        "keyscale": _keyscale,
        "timesignature": _metre,
        "language": _language,
        "instrumental": _flag,
        "trigger": _text,
        "repeats": _count,
        "split": _part,
        "excluded": _flag,
        "owner": _text,
        "isrc": _text,
        "licence": _text,
        "consent": _text,
    }
)
#: What a file can say about a song.
FIELDS = tuple(_READERS)
