"""Lyrics with times: the ``.lrc`` format and its dialects.

A line may have several stamps, ``[offset:+ms]`` moves all of them to an earlier time, headers such as ``[ar:...]`` say
nothing about the words, and stamps of single words (``<mm:ss.xx>``) are dropped.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

_STAMP = re.compile(r"\s*\[(\d{1,4}):(\d{1,2})(?:[.:](\d{1,3}))?\]")
_WORD_STAMP = re.compile(r"<\d{1,4}:\d{1,2}(?:[.:]\d{1,3})?>")
_OFFSET = re.compile(r"^[ \t]*\[offset:[ \t]*([+-]?\d{1,7})[ \t]*\]", re.IGNORECASE | re.MULTILINE)
_HEADER = re.compile(r"\[(#|[a-z]{2,8}):(.*)\]?", re.IGNORECASE)
_HEADERS = frozenset(
    {"#", "ar", "al", "ti", "au", "by", "length", "offset", "re", "ve", "la", "tool", "lr", "id", "kana"}
)
_SECTION = re.compile(r"\[[^\[\]]+\]")


@dataclass(frozen=True)
class TimedLyrics:
    """Lyrics and when their lines begin.

    Attributes:
        text: The lines, sung ones and section tags, in order of their time.
        times: Seconds of each sung line; None where a line has no stamp.
    """

    text: str
    times: tuple[float, ...] | None


@dataclass(frozen=True)
class _Line:
    """One line and when it begins; `place` keeps lines without a stamp before the one that follows them."""

    seconds: float | None
    place: float
    text: str


def parse_lrc(text: str) -> TimedLyrics:
    """Return the lyrics of a ``.lrc`` text; without any stamp they are plain text."""
    lines = sorted(_lines(text.split("\n"), _offset(text)), key=lambda line: line.place)
    words = "\n".join(line.text for line in lines).strip()
    times = [line.seconds for line in lines if is_sung(line.text)]
    known = tuple(seconds for seconds in times if seconds is not None)
    return TimedLyrics(re.sub(r"\n{3,}", "\n\n", words), known if known and len(known) == len(times) else None)


def has_stamps(text: str) -> bool:
    """Whether a text is lyrics with times."""
    return any(_STAMP.match(line) for line in text.split("\n"))


def is_sung(line: str) -> bool:
    """Whether a line of lyrics is neither empty nor a section tag such as ``[Chorus]``."""
    return bool(line.strip()) and not _SECTION.fullmatch(line.strip())


def letters_of(text: str) -> str:
    """Return the letters and digits of a text in one spelling, whatever their case, width and punctuation."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))


def letters(lyrics: str) -> str:
    """Return the letters and digits of the sung lines, as `letters_of` spells them."""
    return "".join(letters_of(line) for line in lyrics.split("\n") if is_sung(line))


def times_for(lyrics: str, timed: TimedLyrics) -> tuple[float, ...] | None:
    """Return when each sung line of some lyrics begins, in seconds.

    Case, punctuation and section tags may differ, and a line of the lyrics may hold several timed ones.

    Args:
        lyrics: The lyrics that a track has.
        timed: The same words with times.

    Returns:
        None where the words differ, or a line begins where no timed line does.
    """
    sung = [line for line in lyrics.split("\n") if is_sung(line)]
    known = [line for line in timed.text.split("\n") if is_sung(line)]
    if timed.times is None or letters(lyrics) != letters(timed.text):
        return None
    starts = dict(reversed(list(zip(_starts(known), timed.times, strict=True))))
    found = [starts.get(start) for start in _starts(sung)]
    times = tuple(seconds for seconds in found if seconds is not None)
    return times if len(times) == len(sung) else None


def _lines(lines: list[str], offset: float) -> Iterator[_Line]:
    """Yield the lines of a file, one for each stamp, without headers; those without a stamp go before the next one."""
    waiting: list[str] = []
    for line in lines:
        stamps, words = _stamps(line)
        words = " ".join(_WORD_STAMP.sub(" ", words).split())
        if stamps:
            seconds = [max(0.0, stamp - offset) for stamp in stamps]
            yield from (_Line(None, min(seconds), text) for text in waiting)
            yield from (_Line(start, start, words) for start in seconds)
            waiting = []
        elif not _is_header(words):
            waiting.append(words)
    yield from (_Line(None, math.inf, text) for text in waiting)


def _stamps(line: str) -> tuple[list[float], str]:
    """Return the seconds of the stamps in front of a line, and the line behind them."""
    stamps, end = [], 0
    while stamp := _STAMP.match(line, end):
        minutes, seconds, fraction = stamp.groups()
        stamps.append(60.0 * int(minutes) + float(f"{seconds}.{fraction or 0}"))
        end = stamp.end()
    return stamps, line[end:]


def _offset(text: str) -> float:
    """Return how many seconds earlier all lines begin."""
    found = _OFFSET.search(text)
    return int(found[1]) / 1000 if found else 0.0


def _is_header(line: str) -> bool:
    """Whether a line says something about the file."""
    header = _HEADER.match(line)
    return header is not None and header[1].lower() in _HEADERS


def _starts(lines: list[str]) -> list[int]:
    """Return before how many letters each line begins."""
    starts, letters = [], 0
    for line in lines:
        starts.append(letters)
        letters += len(letters_of(line))
    return starts
