"""What a caption says in words about tempo, key and voices, where it says it without doubt."""

from __future__ import annotations

import re

from acetune.data.keys import parse_keyscale

_NUMBER = r"(\d{2,3}(?:\.\d+)?)"
#: "120 BPM", "118-122 bpm", "bpm: 120", "tempo of 120", "每分钟120拍".
_TEMPO = re.compile(
    rf"(?<![\d.]){_NUMBER}(?:\s*(?:-|–|~|to)\s*{_NUMBER})?\s*-?\s*(?:bpm\b|beats per minute)"
    rf"|\b(?:bpm|tempo)\s*(?:[:=：]|of|is)?\s*{_NUMBER}(?!\d)"
    rf"|每分钟\s*{_NUMBER}\s*拍",
    re.IGNORECASE,
)
#: A key whose mode is written out: "F# minor", "E-flat major", "降B大调", "Am".
_KEY = r"[升降]?\s?[A-G](?:\s?[#♯b♭]|[ -](?:sharp|flat))?[\s-]*(?:major|minor|maj|min|m|大调|小调|大調|小調)"
#: "A major hit" is no key: it must be announced, or stand alone between commas.
_ANNOUNCED = re.compile(
    rf"\b(?:in|key|key of|key is|key[:：])\s*(?:the key of\s+)?({_KEY})(?![A-Za-z#])"
    rf"|(?:^|[,，、;.(])\s*({_KEY})\s*(?=$|[,，、;.)])"
    rf"|([升降]?[A-G][#♯b♭]?\s*[大小][调調])",
    re.MULTILINE,
)
_WITHOUT = r"\b(?:no|without|non|free of)\W+(?:\w+\W+)?"
_NO_VOICE = re.compile(
    rf"{_WITHOUT}(?:vocals?|voices?|singing|lyrics)\b|\bvocal-free\b|\bnon-vocal\b|无人声|没有人声|纯音乐"
    r"|(?:^|[,，、;])\s*(?:purely |fully )?instrumental(?: (?:music|track|piece|version|song))?\s*(?=$|[,，、;.])",
    re.IGNORECASE | re.MULTILINE,
)
_VOICE = re.compile(
    r"\b(?:(?:fe)?male|lead|soft|harsh|clean|raspy|autotuned|soulful|rap)\W+(?:vocals?|voice|singer)\b|\bvocals\b"
    r"|\b(?:sings|singing|sung|singer|vocalist|rapper|rapping)\b|[男女]声|歌手|演唱",
    re.IGNORECASE,
)


def tempi_in(text: str) -> tuple[tuple[float, float], ...]:
    """Return the tempi that a text states, each as the range that it gives."""
    found = []
    for match in _TEMPO.finditer(text):
        numbers = [float(number) for number in match.groups() if number is not None]
        found.append((min(numbers), max(numbers)))
    return tuple(found)


def keys_in(text: str) -> tuple[str, ...]:
    """Return the keys that a text states, in ACE-Step's spelling."""
    said = (next(filter(None, match.groups())) for match in _ANNOUNCED.finditer(text))
    return tuple(key for key in map(parse_keyscale, said) if key is not None)


def voices_in(text: str) -> bool | None:
    """Return whether a text says that somebody sings; None where it says neither."""
    if _NO_VOICE.search(text):
        return False
    return True if _VOICE.search(text) else None
