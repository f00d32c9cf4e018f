"""File names that every system takes: ASCII letters, digits, dot, dash and underscore, at most 64 characters.

Chinese is written in pinyin, Latin letters lose their marks. A name in another script keeps only its Latin part, or
is called after the audio's content, so that the same song has the same name in every run.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from itertools import count
from types import MappingProxyType
from typing import Final

from acetune.files import DEVICE_NAMES

#: Column of the manifest that keeps the name a song came with.
ORIGINAL_NAME: Final = "original_name"
#: Leaves room for the digits of twins and for a suffix.
_STEM_CHARACTERS: Final = 48
_LEAST_LATIN_LETTERS = 3
_DIGITS_OF_STEM = 8
_DIGITS_OF_TWIN = 6
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_UNSAFE = re.compile(r"[^A-Za-z0-9.-]+")
#: Files of a data set that describe more than one song.
_SET_FILES = frozenset({"metadata", "dataset"})
#: Latin letters that are no letter with a mark.
_LATIN = MappingProxyType(
    str.maketrans(
        {
            **{"ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "þ": "th", "Þ": "Th"},
            **{"ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "ı": "i", "ə": "e"},
        }
    )
)


def safe_stem(name: str, sha256: str) -> str:
    """Return a name without suffix that is safe as a file name on Linux, Windows and macOS; a safe one stays.

    Args:
        name: What the song is called, without its suffix.
        sha256: Content hash of its audio, which names it where its script has no mapping.
    """
    nameless = f"track-{sha256[:_DIGITS_OF_STEM]}"
    text = unicodedata.normalize("NFC", name)
    plain = _ascii(_pinyin(text))
    if _has_letters(plain):
        plain = _ascii(_HAN.sub(" ", text))
        if sum("a" <= letter <= "z" for letter in plain.lower()) < _LEAST_LATIN_LETTERS:
            return nameless
    stem = _UNSAFE.sub("_", plain).strip("._-")[:_STEM_CHARACTERS].strip("._-") or "track"
    return f"_{stem}"[:_STEM_CHARACTERS] if _is_taken_by_others(stem) else stem


def free_name(stem: str, suffix: str, sha256: str, taken: Collection[str]) -> str:
    """Return a file name whose stem no other file has, in whatever case and with whatever suffix.

    Args:
        stem: A safe stem; digits of the content hash are added where it is taken.
        suffix: With its dot; it becomes lower-case.
        sha256: Content hash of the audio.
        taken: Stems in use, casefolded.
    """
    twin = f"{stem}-{sha256[:_DIGITS_OF_TWIN]}"
    if stem.casefold() not in taken:
        free = stem
    elif twin.casefold() not in taken:
        free = twin
    else:
        free = next(name for number in count(2) if (name := f"{twin}-{number}").casefold() not in taken)
    return free + suffix.lower()


def _pinyin(text: str) -> str:
    """Return a text whose Chinese characters are pinyin."""
    if not _HAN.search(text):
        return text
    from pypinyin import lazy_pinyin

    return "".join(lazy_pinyin(text, errors=lambda other: other))


def _ascii(text: str) -> str:
    """Return a text without marks, wide forms and ligatures; letters of other scripts remain."""
    apart = unicodedata.normalize("NFKD", text.translate(_LATIN))
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


def _has_letters(text: str) -> bool:
    """Whether a text has letters or digits that are not ASCII."""
    return any(letter.isalnum() and not letter.isascii() for letter in text)


def _is_taken_by_others(stem: str) -> bool:
    """Whether Windows keeps a name for a device, or a data set for a file of its own."""
    return stem.split(".")[0].casefold() in DEVICE_NAMES or stem.casefold() in _SET_FILES
