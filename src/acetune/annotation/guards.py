"""What recognisers write where nobody sings, taken out again: credits of subtitles, loops, marks of music."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from acetune.data.lrc import is_sung, letters_of

#: Credits and greetings that subtitles end with, on which recognisers were trained.
_CREDITS = re.compile(
    r"amara\.org|subtitles? (by|provided)|(sub)?titles created by|transcri(bed|ption) by|captions? by|closed caption"
    r"|thanks? (you )?(so much )?for (watching|listening|viewing)"
    r"|like and subscribe|please subscribe|subscribe to (the|this|our|my) channel"
    r"|sous-titr(es|age)|untertitel(ung)?\b|subt[íi]tulos|legendas (pela|por)|sottotitoli|ondertiteling|napisy"
    r"|субтитры|редактор субтитров|продолжение следует|спасибо за просмотр|dimatorzok"
    r"|字幕(由|by|:|提供|制作|製作|志愿|志願|组|組)|请不吝|請不吝|打赏|打賞|点赞|點贊|訂閱|订阅|明镜与|優優獨播|谢谢(观看|收看|大家观看)|謝謝(觀看|收看)"
    r"|ご視聴|ご清聴|チャンネル登録|最後までご覧|字幕視聴"
    r"|시청해\s?주셔서|구독과|구독,? ?좋아요|한글\s?자막|자막\s?제공",
    re.IGNORECASE,
)
_NOTES = re.compile(r"[♪♫♬♩🎵🎶]+")
_NOISE = re.compile(r"[(（*<＜][^()（）<>]{0,40}[)）*>＞]")
#: Words for what is heard beside singing.
_NOISE_WORDS = """
    music musik musique música musica музыка 音楽 音乐 音樂 음악 instrumental beat drums playing intro outro 伴奏
    間奏 间奏 applause аплодисменты 拍手 掌声 掌聲 박수 laughter laughs cheering silence
"""
_NOISES = frozenset(_NOISE_WORDS.split())
#: So often a group of up to four lines may come in a row; a loop comes until the model is cut.
_MOST_TIMES, _LONGEST_CYCLE = 6, 4
#: So often a group of up to eight words may come in a row inside a line.
_MOST_WORDS, _LONGEST_PHRASE = 12, 8
#: What is left of a transcript that went round in circles deserves less trust.
_LOOPED_TRUST = 0.5


@dataclass(frozen=True)
class Guarded:
    """Lyrics without what nobody sang.

    Attributes:
        lines: What is left, line by line.
        kept: Places of these lines among those that were given.
        looped: Whether the recogniser went round in circles.
    """

    lines: tuple[str, ...]
    kept: tuple[int, ...]
    looped: bool

    def trust(self, confidence: float | None) -> float | None:
        """Return how sure one may be of what is left; None where that is unknown."""
        return confidence * _LOOPED_TRUST if self.looped and confidence is not None else confidence


def guarded(lines: Sequence[str]) -> Guarded:
    """Return lines without credits, marks of music and noise, and loops cut to a few rounds."""
    plain = [(place, _without_notes(line)) for place, line in enumerate(lines)]
    heard = [(place, line) for place, line in plain if not _is_invented(line) and (line or not lines[place].strip())]
    rounds = _without_loops([line for _, line in heard])
    left = [heard[place] for place in rounds]
    short = [_without_stutter(line) for _, line in left]
    looped = len(left) < len(heard) or any(line != before for line, (_, before) in zip(short, left, strict=True))
    return Guarded(tuple(short), tuple(place for place, _ in left), looped)


def credit_in(line: str) -> str | None:
    """Return the words in a line with which subtitles end and nobody's lyrics do; None where there are none."""
    found = _CREDITS.search(line)
    return found[0] if found else None


def _without_notes(line: str) -> str:
    """Return a line without note signs."""
    return " ".join(_NOTES.sub(" ", line).split()) if _NOTES.search(line) else line.strip()


def _is_invented(line: str) -> bool:
    """Whether a line is a credit, or nothing but a noise in brackets such as (applause)."""
    return credit_in(line) is not None or _NOISE.fullmatch(line) is not None and not _echoes(line)


def _echoes(line: str) -> bool:
    """Whether a line in round brackets is sung all the same, as second voices are written."""
    words = re.findall(r"\w+", line.casefold())
    return line[:1] in "(（" and bool(words) and not _NOISES & set(words)


def _without_loops(lines: Sequence[str]) -> list[int]:
    """Return the places of lines that stay: a cycle that comes too often in a row is heard twice."""
    sung = [place for place, line in enumerate(lines) if is_sung(line)]
    spoken = [letters_of(lines[place]) for place in sung]
    dropped: set[int] = set()
    at = 0
    while at < len(spoken):
        size, times = _cycle(spoken, at)
        if times > _MOST_TIMES:
            dropped.update(sung[at + 2 * size : at + times * size])
        at += size * times if times > _MOST_TIMES else 1
    return [place for place in range(len(lines)) if place not in dropped]


def _cycle(spoken: Sequence[str], at: int) -> tuple[int, int]:
    """Return the length of the cycle of lines that begins at a place, and how often it comes in a row."""
    best = (1, 1)
    for size in range(1, _LONGEST_CYCLE + 1):
        times = 1
        while spoken[at : at + size] == spoken[at + times * size : at + (times + 1) * size]:
            times += 1
        if times > _MOST_TIMES and times * size > best[0] * best[1]:
            best = (size, times)
    return best


def _without_stutter(line: str) -> str:
    """Return a line in which no phrase comes more than a dozen times in a row; a longer row is heard four times."""
    words = line.split()
    cut = _cut_phrases(words)
    if cut != words:
        return " ".join(cut)
    joined = line.replace(" ", "")
    characters = list(joined) if len(words) < len(joined) / 8 else []  # scripts without spaces
    shorter = _cut_phrases(characters)
    return "".join(shorter) if shorter != characters else line


def _cut_phrases(words: list[str]) -> list[str]:
    """Return words without the rounds of a phrase after its fourth, where it comes too often."""
    kept: list[str] = []
    at = 0
    while at < len(words):
        size, times = _phrase(words, at)
        kept += words[at : at + size * min(times, 4)]
        at += size * times
    return kept


def _phrase(words: Sequence[str], at: int) -> tuple[int, int]:
    """Return the length of the phrase that begins at a place and comes too often, and how often; else one word."""
    for size in range(1, _LONGEST_PHRASE + 1):
        times = 1
        while words[at : at + size] == words[at + times * size : at + (times + 1) * size] and at + size <= len(words):
            times += 1
        if times > _MOST_WORDS:
            return size, times
    return 1, 1
