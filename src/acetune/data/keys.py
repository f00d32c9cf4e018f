"""Musical keys as people and programs write them, in ACE-Step's spelling.

ACE-Step 1.5 accepts a letter A-G, nothing or ``#`` or ``b``, and ``major`` or ``minor``: "C major", "F# minor". A
person's choice between D# and Eb is kept.
"""

from __future__ import annotations

import re

# Tonics by fifths from C major and A minor; enharmonic choices as the detector makes them.
_MAJOR = ("C", "G", "D", "A", "E", "B", "F#", "Db", "Ab", "Eb", "Bb", "F")
_MINOR = ("A", "E", "B", "F#", "C#", "G#", "Eb", "Bb", "F", "C", "G", "D")
_CAMELOT_OF_C = 8
_GERMAN = {"dur": "major", "moll": "minor"}
_MODES = {
    **_GERMAN,
    **dict.fromkeys(("major", "maj", "大调", "大調"), "major"),
    **dict.fromkeys(("m", "minor", "min", "小调", "小調"), "minor"),
}
_KEY = re.compile(r"([a-h])(#|b|is|es|s)?[\s:_-]*([a-z]+|[大小][调調])?", re.IGNORECASE)
_WHEEL = re.compile(r"0?([1-9]|1[0-2])\s*([abdm])", re.IGNORECASE)
_SIGNS = (
    (re.compile(r"[\s-]*(?:♯|sharp)", re.IGNORECASE), "#"),
    (re.compile(r"[\s-]*(?:♭|flat)", re.IGNORECASE), "b"),
    (re.compile(r"^升\s*([A-G])", re.IGNORECASE), r"\1#"),
    (re.compile(r"^降\s*([A-G])", re.IGNORECASE), r"\1b"),
    (re.compile(r"\s+#"), "#"),
)


def parse_keyscale(text: str) -> str | None:
    """Return a key in ACE-Step's spelling, or None where it cannot be read for sure.

    Reads "Am", "A min", "a-moll", "fis-moll", "F# Minor", "B♭ maj", "8A" (Camelot), "1m" (Open Key), "降B大调". A
    capital letter alone is major; a small one alone could mean either and is not read.
    """
    plain = text.strip()
    for pattern, sign in _SIGNS:
        plain = pattern.sub(sign, plain)
    if wheel := _WHEEL.fullmatch(plain):
        return _on_wheel(int(wheel[1]), wheel[2].lower())
    if key := _KEY.fullmatch(plain):
        return _spelled(key[1], (key[2] or "").lower(), key[3])
    return None


def _on_wheel(number: int, letter: str) -> str:
    """Return a key of the Camelot wheel (A minor, B major) or of Open Key (m minor, d major), both by fifths."""
    fifths = (number - (_CAMELOT_OF_C if letter in "ab" else 1)) % 12
    return f"{_MINOR[fifths]} minor" if letter in "am" else f"{_MAJOR[fifths]} major"


def _spelled(letter: str, sign: str, word: str | None) -> str | None:
    """Return a key given by letter, sign and mode; H, -is and -es are German."""
    mode = _mode(letter, word)
    german = (word or "").lower() in _GERMAN
    if mode is None or (not german and (letter in "hH" or sign not in ("", "#", "b"))):
        return None
    tonic = letter.upper()
    if german and tonic == "B" and not sign:
        sign = "b"
    tonic = "B" if tonic == "H" else tonic
    if sign == "s" and tonic not in "AE":
        return None
    return f"{tonic}{'#' if sign in ('#', 'is') else 'b' if sign else ''} {mode}"


def _mode(letter: str, word: str | None) -> str | None:
    """Return major or minor; "M" and "m" differ, and so do a capital and a small letter alone."""
    if word is None:
        return "major" if letter.isupper() else None
    return "major" if word == "M" else _MODES.get(word.lower())


def is_same(one: str, other: str) -> bool:
    """Whether two keys in ACE-Step's spelling sound alike: D# minor is Eb minor."""
    return one.partition(" ")[2] == other.partition(" ")[2] and _pitch_class(one) == _pitch_class(other)


def are_close(one: str, other: str) -> bool:
    """Whether two keys are easily taken for each other: relatives, parallels, neighbours on the circle of fifths."""
    distance = (_relative_major(one) - _relative_major(other)) % 12
    return distance in (0, 5, 7) or _pitch_class(one) == _pitch_class(other)


def _pitch_class(keyscale: str) -> int:
    """Return the semitones of a tonic above C."""
    return ("C D EF G A B".index(keyscale[0]) + keyscale.count("#") - keyscale[1:].count("b")) % 12


def _relative_major(keyscale: str) -> int:
    """Return the pitch class of the major key that has the same notes."""
    return (_pitch_class(keyscale) + (3 if keyscale.endswith("minor") else 0)) % 12
