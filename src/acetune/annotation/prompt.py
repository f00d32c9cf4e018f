"""A prompt of words between commas, put together by a template that people may change."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from types import MappingProxyType
from typing import Final, TypeAlias

from acetune import files
from acetune.annotation.labels import DIMENSIONS, Dimension
from acetune.catalog import nearest
from acetune.data.track import Track
from acetune.errors import DataError

#: What a template can hold; "others" are tags that no list has.
SLOTS: Final = (*DIMENSIONS, "tempo", "key", "others")

TEMPLATE: Final = "{genre}, {vocal}, {instruments}, {mood}, {timbre}, {era}, {production}, {energy}, {others}"
#: With tempo and key among the words, as prompts of ACE-Step v1 have them.
V1_TEMPLATE: Final = (
    "{genre}, {vocal}, {instruments: and }, {mood: and }, {tempo}, {key}, {timbre}, {era}, {production}, "
    "{energy}, {others}"
)

_ABOUT: Final = f"""\
# How tags are ordered and put together to a prompt. The first line that does not begin with # is the template.
# A stretch between two commas is left out where a slot in it has no value; {{mood: and }} puts "and" between moods.
# Slots: {", ".join(SLOTS)}.
# With tempo and key among the words, as ACE-Step v1 likes it:
# {V1_TEMPLATE}
"""

#: Values by slot; a slot may be missing.
Parts: TypeAlias = Mapping[str, Sequence[str]]

#: Commas and semicolons of Latin, Chinese, Japanese and Arabic writing.
_COMMA = re.compile(r"\s*[,;，、；،؛]\s*")
_FILE: Final = "prompt.txt"


@dataclass(frozen=True)
class _Slot:
    """A place for values, and what stands between them."""

    name: str
    between: str


#: What stands between two commas of a template.
_Piece: TypeAlias = "list[str | _Slot]"


def assemble(parts: Parts, template: str = TEMPLATE) -> str:
    """Return the prompt: nothing twice (in any case or width), and no commas around what is missing.

    A stretch between two commas is left out where one of its slots has no values. Commas are those that the template
    has, also between the values of a slot; ``{mood: and }`` puts "and" between them instead.

    Raises:
        DataError: If the template cannot be read or has a slot that there is not.
    """
    pieces, comma = _read(template)
    return comma.join(_distinct(word for piece in pieces for word in _split(_filled(piece, parts, comma))))


def ordered(parts: Parts, template: str = TEMPLATE) -> tuple[str, ...]:
    """Return the values as single tags in the order of a template; those that it has no slot for are left out.

    Raises:
        DataError: As `assemble`.
    """
    slots = [part.name for piece in _read(template)[0] for part in piece if isinstance(part, _Slot)]
    return tuple(_distinct(word for slot in slots for value in parts.get(slot, ()) for word in _split(value)))


def parts_of(track: Track, dimensions: Sequence[Dimension]) -> Parts:
    """Return what is known of a track by slot; its tags go where the lists have them."""
    homes = {_folded(tag): dimension.name for dimension in dimensions for tag in dimension.tags()}
    parts: dict[str, list[str]] = {slot: [] for slot in SLOTS}
    for tag in track.tags or ():
        parts[homes.get(_folded(tag), "others")].append(tag)
    parts["genre"] = parts["genre"] or [track.genre or ""]
    parts["tempo"] = [] if track.bpm is None else [f"{round(track.bpm)} BPM"]
    parts["key"] = [track.keyscale or ""]
    if track.instrumental:
        parts["vocal"] = ["instrumental"]
    return MappingProxyType({slot: tuple(filter(None, values)) for slot, values in parts.items()})


def read_template(folder: Path) -> str:
    """Return the template in ``prompt.txt`` of a folder: its first line that is no comment; the usual one without it.

    Raises:
        DataError: If the file cannot be read, or its template cannot be used.
    """
    path = folder / _FILE
    if not path.is_file():
        return TEMPLATE
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as cause:
        raise DataError("tagging.bad_template", template=path, cause=str(cause)) from cause
    template = next((line.strip() for line in lines if line.strip() and not line.startswith("#")), TEMPLATE)
    _read(template)
    return template


def write_template(folder: Path) -> Path:
    """Write the usual template to where it can be changed, and return its file; one that is there stays.

    Raises:
        DiskFull: If there is no room.
        NotWritable: If the folder may not be written.
    """
    path = folder / _FILE
    if not path.exists():
        files.write_text(path, f"{_ABOUT}{TEMPLATE}\n")
    return path


def _read(template: str) -> tuple[list[_Piece], str]:
    """Return the pieces of a template, and its comma."""
    pieces: list[_Piece] = [[]]
    commas: list[str] = []
    for literal, slot in _tokens(template):
        first, *others = _COMMA.split(literal)
        pieces[-1].append(first)
        pieces.extend([other] for other in others)
        commas.extend(_COMMA.findall(literal))
        if slot is not None:
            pieces[-1].append(slot)
    return pieces, commas[0] if commas else ", "


def _tokens(template: str) -> Iterator[tuple[str, _Slot | None]]:
    """Yield text and the slot after it, if there is one."""
    try:
        for literal, name, between, conversion in Formatter().parse(template):
            if name is not None and (name not in SLOTS or conversion):
                known = ", ".join(SLOTS)
                raise DataError("tagging.no_slot", template=template, slot=name, known=known, hint=nearest(name, SLOTS))
            yield literal, None if name is None else _Slot(name, between or "")
    except ValueError as cause:
        raise DataError("tagging.bad_template", template=template, cause=str(cause)) from cause


def _filled(piece: _Piece, parts: Parts, comma: str) -> str:
    """Return a piece with its values; nothing where one of its slots has none."""
    texts = []
    for part in piece:
        if isinstance(part, _Slot):
            values = [word for value in parts.get(part.name, ()) for word in _split(value)]
            if not values:
                return ""
            texts.append((part.between or comma).join(values))
        else:
            texts.append(part)
    return "".join(texts)


def _split(text: str) -> list[str]:
    """Return what stands between the commas of a text."""
    return [word for word in _COMMA.split(text.strip()) if word]


def _distinct(words: Iterable[str]) -> Iterable[str]:
    """Return words in their order, each in the spelling in which it came first."""
    spellings: dict[str, str] = {}
    for word in words:
        spellings.setdefault(_folded(word), word)
    return spellings.values()


def _folded(word: str) -> str:
    """Return a word without the differences of case, width and blanks."""
    return " ".join(unicodedata.normalize("NFKC", word).casefold().split())
