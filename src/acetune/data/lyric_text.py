"""Lyrics in one consistent form: headings, blank lines, punctuation and capitals. Words are never changed.

Punctuation follows the script of its line: full-width in Chinese and Japanese, half-width in any other. A line begins
with a capital letter, and lyrics that shout throughout are put into small letters.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from acetune.data.headings import read_heading, with_headings
from acetune.data.lrc import is_sung

# Full-width letters, digits and signs stand 0xFEE0 above the half-width ones.
_FULL_WIDTH: Final = 0xFEE0
_SIGNS: Final = "!?,:;()"
_TO_HALF: Final = str.maketrans(
    {
        **{chr(ord(sign) + _FULL_WIDTH): sign for sign in f"{_SIGNS}.\"'"},
        **{"、": ",", "。": ".", "｡": ".", "､": ",", "〜": "~", "～": "~"},
        **dict.fromkeys("“”„‟〝〞", '"'),
        **dict.fromkeys("‘’‚‛ʼ´`′", "'"),
    }
)
_TO_FULL: Final = str.maketrans({sign: chr(ord(sign) + _FULL_WIDTH) for sign in _SIGNS})
_LETTERS_TO_HALF: Final = str.maketrans(
    {chr(code + _FULL_WIDTH): chr(code) for code in range(0x21, 0x7F) if chr(code).isalnum()}
)
_SPACES = re.compile(r"[\s\u200b\u2060\ufeff]+")
_NOTES = re.compile("[♩♪♫♬♭♯🎵🎶]")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_KANA = re.compile(r"[\u3040-\u30ff]")
_HANGUL = re.compile(r"[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]")
_DOTS = re.compile(r"[.…。]{2,}|…|・{3,}")
_CASED = ("LATIN", "GREEK", "CYRILLIC", "ARMENIAN")
#: Languages whose small i has its dot as a capital too.
_DOTTED: Final = frozenset({"tr", "az"})
_LEAST_LETTERS = 4
_MOST_ROUNDS = 5


def normalised(lyrics: str, language: str | None = None) -> str:
    """Return lyrics in one consistent form; doing it twice changes nothing.

    Args:
        lyrics: Any text.
        language: Code of what is sung, where it is known: capitals differ between languages.
    """
    for _ in range(_MOST_ROUNDS):
        before, lyrics = lyrics, _tidied(lyrics, language)
        if before == lyrics:
            break
    return lyrics


def is_instrumental(lyrics: str) -> bool:
    """Whether lyrics say nothing but that nobody sings."""
    lines = [line for line in lyrics.splitlines() if line.strip()]
    headings = (read_heading(line) for line in lines)
    return bool(lines) and all(heading is not None and heading.name == "Instrumental" for heading in headings)


def _tidied(lyrics: str, language: str | None) -> str:
    """Return lyrics one round tidier: two signs that come together only now may still be one too many."""
    text = unicodedata.normalize("NFC", "\n".join(lyrics.splitlines()))
    lines = [_SPACES.sub(" ", _NOTES.sub("", line)).strip() for line in text.split("\n")]
    words = [_is_words(line) for line in lines]
    lines = [_punctuated(line) if sung else line for line, sung in zip(lines, words, strict=True)]
    shouts = _shouts([line for line, sung in zip(lines, words, strict=True) if sung])
    lines = [
        _capitalised(line, language, shouts=shouts) if sung else line for line, sung in zip(lines, words, strict=True)
    ]
    return _without_gaps(with_headings("\n".join(lines)))


def _is_words(line: str) -> bool:
    """Whether a line is to be sung."""
    return is_sung(line) and read_heading(line) is None


def _punctuated(line: str) -> str:
    """Return a line with the punctuation of its script, each sign once."""
    line = line.translate(_LETTERS_TO_HALF)
    return _full_width(line) if _is_cjk(line) else _half_width(line)


def _full_width(line: str) -> str:
    """Return a Chinese or Japanese line with full-width signs; those between two digits stay."""
    line = re.sub(r"\s*(?<!\d)([!?,:;]) ?|\s*([!?,:;])(?!\d) ?", r"\1\2", line)
    line = re.sub(r"(?<!\d)[!?,:;()]|[!?,:;()](?!\d)", lambda sign: sign[0].translate(_TO_FULL), line)
    line = re.sub(r"(?<=\w)\.$", "。", line)
    line = _once(_DOTS.sub("……", line))
    return line.replace("，", "、") if _KANA.search(line) else line


def _half_width(line: str) -> str:
    """Return a line of any other script with half-width signs and straight quotes."""
    line = re.sub(r"«\s*|\s*»", '"', line).translate(_TO_HALF)
    line = _once(_DOTS.sub("...", line))
    line = re.sub(r" +(?=,|\.(?!\.))", "", line)
    return re.sub(r"(?<!\d),(?=[^\W\d])", ", ", line).strip()


def _once(line: str) -> str:
    """Return a line without repeated signs; of marks of exclamation and question each kind stays once."""
    line = re.sub(r"([,:;~，、：；～])\1+", r"\1", line)
    return re.sub("[!?！？]{2,}", lambda marks: "".join(dict.fromkeys(marks[0])), line)


def _is_cjk(line: str) -> bool:
    """Whether a line is Chinese or Japanese: at least as many of its characters as of its foreign words."""
    count = len(_CJK.findall(line))
    foreign = len(re.findall(r"[^\W\d_]+", _CJK.sub(" ", line)))
    return count > 0 and count >= foreign and not _HANGUL.search(line)


def _shouts(lines: list[str]) -> bool:
    """Whether most lines have no small letters (Chinese and Japanese ones aside): then capitals are no emphasis."""
    words = ["".join(filter(_is_cased, line)) for line in lines if not _is_cjk(line)]
    cased = [letters[1:] for letters in words if len(letters) >= _LEAST_LETTERS]  # the first is a capital anyway
    return 2 * sum(letters == letters.upper() for letters in cased) > len(cased)


def _capitalised(line: str, language: str | None, *, shouts: bool) -> str:
    """Return a line that begins with a capital, without other capitals where the lyrics shout."""
    if shouts and not _is_cjk(line):
        line = _lower(line, language)
    if language == "en":
        line = re.sub(r"(?<![\w'])i(?=$|[^\w]|'\w)", "I", line)
    first = re.match(r"[\W_]*", line)
    start = first.end() if first else 0
    if start == len(line) or not _is_cased(line[start]) or line[start].isupper():
        return line
    capital = "İ" if line[start] == "i" and language in _DOTTED else line[start].upper()
    return line[:start] + (capital if len(capital) == 1 else line[start]) + line[start + 1 :]


def _lower(line: str, language: str | None) -> str:
    """Return a line in small letters."""
    if language in _DOTTED:
        line = line.replace("İ", "i").replace("I", "ı")
    return unicodedata.normalize("NFC", line.lower())


def _is_cased(letter: str) -> bool:
    """Whether a letter is of a script that has capitals."""
    return letter.isalpha() and unicodedata.name(letter, "").startswith(_CASED)


def _without_gaps(lyrics: str) -> str:
    """Return lyrics without a blank line between a heading and its words."""
    lines = lyrics.split("\n")
    pairs = zip(["", *lines], [*lines[1:], ""], strict=False)
    kept = [line for line, (before, after) in zip(lines, pairs, strict=False) if not _is_gap(line, before, after)]
    return "\n".join(kept)


def _is_gap(line: str, before: str, after: str) -> bool:
    """Whether a line is blank and stands between a heading and words to be sung."""
    return not line and read_heading(before) is not None and bool(after) and read_heading(after) is None
