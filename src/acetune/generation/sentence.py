"""One sentence becomes a request: tempo, key, metre, length, language and voice by rules, the rest is the caption.

No language model is asked: what stands in the sentence is taken as it stands, what does not stays unknown. Numbers go
out of the caption, for the model reads them in fields of their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from acetune.annotation.answers import LANGUAGE_NAMES
from acetune.data.keys import parse_keyscale
from acetune.generation.request import Request

_CHINESE_NAMES: Final = MappingProxyType(
    {"中文": "zh", "国语": "zh", "英文": "en", "英语": "en", "日语": "ja", "日文": "ja", "粤语": "yue", "韩语": "ko",
     "法语": "fr", "德语": "de", "西班牙语": "es"}
)  # fmt: skip
_LANGUAGES: Final = MappingProxyType({**LANGUAGE_NAMES, **_CHINESE_NAMES})
_CASELESS: Final = re.IGNORECASE

_TEMPO: Final = re.compile(r"(?:\b(?:at|around|about)\s+)?(?<![\d.])(\d{2,3}(?:\.\d+)?)\s*(?:bpm|拍每分钟)", _CASELESS)
#: A note is a capital, for "a major" are words of the language, unless it is said to be a key.
_MODE: Final = r"(?:\s?[#b♯♭]|[\s-]?(?i:sharp|flat))?[\s-]?(?i:major|minor|maj|min|大调|小调)(?![a-z])"
_KEY: Final = re.compile(rf"\b(?i:in\s+the\s+key\s+of|key\s+of|in)\s+([A-Ga-g]{_MODE})|(?<!\w)([A-G]{_MODE})")
_METRE: Final = re.compile(r"(?:\bin\s+)?(?<![\d/])([2346]/4|6/8)(?:\s+time)?(?![\d/])", _CASELESS)
_CLOCK: Final = re.compile(r"(?<![\d:])(\d{1,2}):([0-5]\d)(?:\s+(?:long|minutes?))?(?![\d:])", _CASELESS)
_LENGTH: Final = re.compile(
    r"(?:\b(?:for|about)\s+)?(?<![\d.])(\d+(?:\.\d+)?)[\s-]*(seconds?|secs?|minutes?|mins?|秒钟?|分钟?)(?![a-z])(?:\s+long)?"
    r"(?!\s+(?:intro|outro|solo|drop|fade|break|bridge|build|silence|pause|loop))",
    _CASELESS,
)
_TONGUE: Final = re.compile(
    rf"(?:\b(?:sung\s+)?in\s+({'|'.join(LANGUAGE_NAMES)})\b)|({'|'.join(_CHINESE_NAMES)})", _CASELESS
)
_SILENT: Final = re.compile(
    r"\b(?:purely\s+)?instrumental\b|\b(?:no|without(?:\s+any)?)\s+(?:vocals?|voices?|singing)\b|纯音乐|无人声|没有人声",
    _CASELESS,
)
#: What is left of an enumeration when its words are gone.
_DEBRIS: Final = re.compile(r"\s*(?:[,，、;]\s*)+(?=[,，、;.。]|$)|^[\s,，、;.]+|[\s,，、;]+$")
_MINUTES: Final = ("m", "分")


def understood(sentence: str, like: Request) -> Request:
    """Return a request in which a sentence is the caption, and what it says in numbers stands in its fields.

    Args:
        sentence: What somebody wants to hear, in English or Chinese.
        like: Says the rest; what the sentence says comes first.
    """
    said: dict[str, Any] = {}
    left = sentence
    for name, pattern, read in _RULES:
        match = pattern.search(left)
        value = read(match) if match else None
        if match and value is not None and name not in said:
            said[name] = value
            left = f"{left[: match.start()].rstrip()} {left[match.end() :].lstrip(' ')}"
    if _SILENT.search(left):  # which the caption keeps: the network was told so in its captions too
        said = {**said, "lyrics": None, "language": None}
    return replace(like, **{**said, "caption": _tidy(left)})


def _tidy(text: str) -> str:
    """Return a caption without the holes that its numbers left."""
    text = re.sub(r"\s+([,，、;.])", r"\1", " ".join(text.split()))
    return _DEBRIS.sub("", text).strip()


def _seconds(match: re.Match[str]) -> float:
    """Return a length in seconds."""
    return float(match[1]) * (60 if match[2].lower().startswith(_MINUTES) else 1)


def _language(match: re.Match[str]) -> str | None:
    """Return a language code."""
    return _LANGUAGES.get((match[1] or match[2]).lower())


_RULES: Final[tuple[tuple[str, re.Pattern[str], Callable[[re.Match[str]], object]], ...]] = (
    ("bpm", _TEMPO, lambda match: float(match[1])),
    ("keyscale", _KEY, lambda match: parse_keyscale(match[1] or match[2])),
    ("timesignature", _METRE, lambda match: match[1]),
    ("seconds", _CLOCK, lambda match: 60.0 * int(match[1]) + int(match[2])),
    ("seconds", _LENGTH, _seconds),
    ("language", _TONGUE, _language),
)
