"""What can be done to tracks, as words that a person types: ``set caption "warm piano"``, ``tag rock,live``.

What a person sets is the person's and is not replaced by anybody else. A missing text stays missing where something
is done to texts: a word is put in front of captions, and not in the place of captions that nobody wrote.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias

from acetune.catalog import nearest
from acetune.data.by_hand import with_field, with_text
from acetune.data.columns import NAMES, plain
from acetune.data.fields import FIELDS, read_fields, read_tags
from acetune.data.patterns import replacer
from acetune.data.rights import read_consent, read_isrc
from acetune.data.track import Track
from acetune.errors import DataError, SettingError

#: What an operation makes of a track.
Change: TypeAlias = Callable[[Track], Track]

#: Fields that a person can write; the times of lines come with their lyrics.
_WRITTEN: Final = tuple(field for field in FIELDS if field != "line_times")
#: Fields of text, of one or several, in which words can be put and replaced.
TEXTS: Final = ("caption", "tags", "genre", "recaption", "lyrics", "trigger", "owner", "licence")


@dataclass(frozen=True)
class Operation:
    """One way to change tracks.

    Attributes:
        usage: Its words, as help shows them.
        least: Fewest words.
        most: Most words; None for any number.
        make: From its words to what becomes of a track.
    """

    usage: str
    least: int
    most: int | None
    make: Callable[..., Change]


def operation_of(name: str, words: Sequence[str]) -> Change:
    """Return what an operation makes of a track.

    Raises:
        SettingError: If there is no such operation or field, or its words are too few or too many.
        DataError: If a value or a pattern cannot be read.
    """
    known = OPERATIONS.get(name)
    if known is None:
        raise SettingError(
            "edit.no_operation", name=name, known=", ".join(OPERATIONS), hint=nearest(name, tuple(OPERATIONS))
        )
    if len(words) < known.least or (known.most is not None and len(words) > known.most):
        raise SettingError("edit.usage", name=name, usage=known.usage)
    return known.make(*words)


def _set(name: str, *words: str) -> Change:
    """Give a field a value in any spelling that the files beside a song may have."""
    field = _field(name, _WRITTEN)
    text = " ".join(words)
    values = _values(field, text)
    if not values:
        raise DataError("edit.no_value", field=field, value=text)

    def change(track: Track) -> Track:
        for known, value in {field: None, **values}.items():
            track = with_field(track, known, value)
        return track

    return change


def _prepend(name: str, *words: str) -> Change:
    """Put a text in front of a field: a list goes on after a comma, lyrics on a new line."""
    field, text = _field(name, TEXTS), " ".join(words)
    if field == "tags":
        return _tagged(read_tags(text), first=True)
    return lambda track: with_text(track, field, lambda old: _joined(text, old, field))


def _append(name: str, *words: str) -> Change:
    """Put a text behind a field, as `_prepend` does it."""
    field, text = _field(name, TEXTS), " ".join(words)
    if field == "tags":
        return _tagged(read_tags(text))
    return lambda track: with_text(track, field, lambda old: _joined(old, text, field))


def _replace(name: str, old: str, new: str) -> Change:
    """Put one text in the place of another, wherever it stands."""
    field = _field(name, TEXTS)
    if not old:
        raise SettingError("edit.usage", name="replace", usage=OPERATIONS["replace"].usage)
    return lambda track: with_text(track, field, lambda text: text.replace(old, new))


def _regex(name: str, pattern: str, replacement: str) -> Change:
    r"""Replace what a pattern fits; ``\1`` in the replacement is the first group of the pattern."""
    field, change = _field(name, TEXTS), replacer(pattern, replacement)
    return lambda track: with_text(track, field, change)


def _exclude(track: Track) -> Track:
    """Leave a track out of encoding and training."""
    return replace(track, excluded=True)


def _include(track: Track) -> Track:
    """Take a track in again."""
    return replace(track, excluded=False)


def _tag(*words: str) -> Change:
    """Add tags that a track has not, in whatever case."""
    return _tagged(_tags("tag", words))


def _untag(*words: str) -> Change:
    """Take tags away, in whatever case."""
    gone = {tag.casefold() for tag in _tags("untag", words)}
    return lambda track: with_text(track, "tags", lambda tag: "" if tag.casefold() in gone else tag)


def _split(part: str) -> Change:
    """Put a track into training or validation, or leave it to the seed."""
    if part == "none":
        return lambda track: replace(track, split=None)
    return _set("split", part)


def _repeat(count: str) -> Change:
    """Let a track count several times in an epoch."""
    return _set("repeats", count)


def _clear(name: str) -> Change:
    """Make a field missing, so that files and annotators may speak again."""
    field = _field(name, FIELDS)
    return lambda track: with_field(track, field, None)


def _tagged(tags: Iterable[str], *, first: bool = False) -> Change:
    """Return what adds tags to a track, in front or behind; a track without tags gets them."""
    added = tuple(tags)

    def change(track: Track) -> Track:
        known = {tag.casefold() for tag in track.tags or ()}
        new = tuple(tag for tag in added if tag.casefold() not in known)
        old = track.tags or ()
        return with_field(track, "tags", new + old if first else old + new) if new else track

    return change


def _tags(name: str, words: Sequence[str]) -> tuple[str, ...]:
    """Return the tags of words with or without commas between them."""
    tags = read_tags(",".join(words))
    if not tags:
        raise SettingError("edit.usage", name=name, usage=OPERATIONS[name].usage)
    return tags


def _field(name: str, allowed: Sequence[str]) -> str:
    """Return the field that a person calls so.

    Raises:
        SettingError: If there is none, or nothing of the kind can be done to it.
    """
    field = NAMES.get(plain(name), plain(name))
    if field not in allowed:
        raise SettingError(
            "edit.no_field", field=name, known=", ".join(allowed), hint=nearest(plain(name), tuple(NAMES))
        )
    return field


def _values(field: str, text: str) -> Mapping[str, object]:
    """Return the values that a text means for a field; "instrumental" as a language is the flag.

    Raises:
        DataError: If it cannot be read.
    """
    values, findings = read_fields({field: text}, Path())
    for code, reader in (("isrc", read_isrc), ("consent", read_consent)):
        if code in values:
            try:
                values[code] = reader(text)
            except ValueError as cause:
                raise DataError("edit.bad_value", field=field, value=text, example=_EXAMPLES[field]) from cause
    if any(finding.code == "data.sidecar_value" for finding in findings):
        raise DataError("edit.bad_value", field=field, value=text, example=_EXAMPLES.get(field, text))
    return values


def _joined(first: str, second: str, field: str) -> str:
    """Return two texts as one, with a comma or a line's end between them unless they bring one."""
    if field == "lyrics":
        return f"{first.rstrip()}\n{second.lstrip()}"
    has_own = re.search(r"[\s,，、;；.。!！?？:：]$", first) or re.match(r"[\s,，、;；.。!！?？:：]", second)
    return f"{first}{'' if has_own else ', '}{second}"


#: How values are written, for those who wrote something else.
_EXAMPLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "bpm": "92.5",
        "keyscale": "F# minor, Am, 8A",
        "timesignature": "4, 3/4, 6/8",
        "language": "en, zh, yue",
        "instrumental": "true, false",
        "repeats": "1, 2, 3",
        "split": "train, validation",
        "excluded": "true, false",
        "isrc": "DE-A12-26-00001",
        "consent": "recording, composition, voice, no",
        "recaption": '{"simplified": "slow piano"}',
    }
)

#: Operation by name.
OPERATIONS: Final[Mapping[str, Operation]] = MappingProxyType(
    {
        "set": Operation("set FIELD VALUE", 2, None, _set),
        "prepend": Operation("prepend FIELD TEXT", 2, None, _prepend),
        "append": Operation("append FIELD TEXT", 2, None, _append),
        "replace": Operation("replace FIELD OLD NEW", 3, 3, _replace),
        "regex": Operation("regex FIELD PATTERN REPLACEMENT", 3, 3, _regex),
        "exclude": Operation("exclude", 0, 0, lambda: _exclude),
        "include": Operation("include", 0, 0, lambda: _include),
        "tag": Operation("tag TAG,TAG", 1, None, _tag),
        "untag": Operation("untag TAG,TAG", 1, None, _untag),
        "split": Operation("split train|validation|none", 1, 1, _split),
        "repeat": Operation("repeat COUNT", 1, 1, _repeat),
        "clear": Operation("clear FIELD", 1, 1, _clear),
    }
)
