"""Section headings for lyrics that have none: a guess from blank lines, repetition and pauses."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

from acetune.data.headings import read_heading, with_headings
from acetune.data.lrc import is_sung

#: Two blocks that share this much of their words are the same section sung again.
_SAME = 0.8
#: A pause ends a section if it is longer than this, and than so many usual lines.
_PAUSE_SECONDS, _PAUSE_LINES = 4.0, 1.8
#: Nobody sings for so long: a section of its own.
_INSTRUMENTAL_SECONDS = 10.0
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W_]+")


@dataclass(frozen=True)
class Sectioned:
    """Lyrics with headings.

    Attributes:
        lyrics: With a heading before each section and a blank line between them.
        line_times: Seconds of each sung line, where known.
        guessed: Whether the headings are acetune's guess.
    """

    lyrics: str
    line_times: tuple[float, ...] | None
    guessed: bool


@dataclass(frozen=True)
class _Block:
    """Lines that belong together, when they begin, and what was made of them."""

    lines: tuple[str, ...]
    times: tuple[float, ...] = ()
    heading: str = ""
    words: Counter[str] = field(default_factory=Counter)


def with_sections(lyrics: str, line_times: Sequence[float] | None = None, seconds: float | None = None) -> Sectioned:
    """Return lyrics with the headings of ACE-Step 1.5: their own in its spelling, or guessed ones.

    Sections end at blank lines, else at pauses. What is sung again is the chorus, what is sung again before each
    chorus the pre-chorus, the others are verses; where nobody sings for ten seconds the music plays.

    Args:
        lyrics: Words, line by line.
        line_times: Seconds of each sung line (`acetune.data.lrc.is_sung`); others than as many say nothing.
        seconds: Length of the song.
    """
    sung = [line for line in lyrics.split("\n") if is_sung(line)]
    times = tuple(line_times) if line_times is not None and len(line_times) == len(sung) else None
    if not sung or any(not is_sung(line) or read_heading(line) for line in lyrics.split("\n") if line.strip()):
        return Sectioned(with_headings(lyrics), _without_headings(sung, times), guessed=False)
    blocks = _named(list(_blocks(lyrics, times)))
    parts = list(_with_music(blocks, seconds)) if times else blocks
    text = "\n\n".join("\n".join((f"[{part.heading}]", *part.lines)) for part in parts)
    return Sectioned(text, times, guessed=True)


def _without_headings(sung: Sequence[str], times: tuple[float, ...] | None) -> tuple[float, ...] | None:
    """Return the times of the lines that stay to be sung once headings such as ``Chorus:`` are known as such."""
    if times is None:
        return None
    return tuple(time for line, time in zip(sung, times, strict=True) if read_heading(line) is None)


def _blocks(lyrics: str, times: tuple[float, ...] | None) -> Iterator[_Block]:
    """Yield the lines between blank lines, or between pauses where there are none or a very long one."""
    usual = _usual_gap(times or ())
    paragraphs = re.split(r"\n\s*\n", lyrics.strip())
    limit = max(_PAUSE_SECONDS, _PAUSE_LINES * usual) if len(paragraphs) == 1 else _INSTRUMENTAL_SECONDS + usual
    place = 0
    for paragraph in paragraphs:
        lines = tuple(line.strip() for line in paragraph.split("\n") if line.strip())
        starts = times[place : place + len(lines)] if times else ()
        place += len(lines)
        cuts = [at for at in range(1, len(starts)) if starts[at] - starts[at - 1] > limit]
        for start, stop in zip((0, *cuts), (*cuts, len(lines)), strict=True):
            yield _Block(lines[start:stop], starts[start:stop], words=_words(lines[start:stop]))


def _usual_gap(times: Sequence[float]) -> float:
    """Return how long a line usually takes; 0 where that is unknown."""
    return median(later - sooner for sooner, later in zip(times, times[1:], strict=False)) if len(times) > 1 else 0.0


def _words(lines: Sequence[str]) -> Counter[str]:
    """Return the words of lines, each character of Chinese and Japanese for itself."""
    return Counter(_WORD.findall(unicodedata.normalize("NFKC", " ".join(lines)).casefold()))


def _named(blocks: Sequence[_Block]) -> list[_Block]:
    """Return blocks with their headings."""
    groups = _groups(blocks)
    counts = Counter(groups)
    most = max(counts.values())
    chorus = max((group for group in counts if counts[group] == most), default=0) if most > 1 else None
    before = {group for group in counts if _leads_to(group, chorus, groups) and counts[group] > 1}
    named, verses = [], 0
    for block, group in zip(blocks, groups, strict=True):
        is_verse = group != chorus and group not in before
        verses += is_verse
        heading = f"Verse {verses}" if is_verse else "Chorus" if group == chorus else "Pre-Chorus"
        named.append(replace(block, heading=heading))
    return named


def _groups(blocks: Sequence[_Block]) -> list[int]:
    """Return for each block the place of the first one that has the same words."""
    groups: list[int] = []
    for at, block in enumerate(blocks):
        same = (groups[other] for other in range(at) if _likeness(block.words, blocks[other].words) >= _SAME)
        groups.append(next(same, at))
    return groups


def _likeness(one: Counter[str], other: Counter[str]) -> float:
    """Return the share of words that two blocks have in common (Dice's coefficient)."""
    total = one.total() + other.total()
    return 2 * (one & other).total() / total if total else 0.0


def _leads_to(group: int, chorus: int | None, groups: Sequence[int]) -> bool:
    """Whether each block of a group stands before a chorus, and none of them first."""
    places = [at for at, other in enumerate(groups) if other == group]
    return chorus not in (None, group) and places[0] > 0 and all(groups[at + 1 : at + 2] == [chorus] for at in places)


def _with_music(blocks: Sequence[_Block], seconds: float | None) -> Iterator[_Block]:
    """Yield blocks and, where nobody sings for long, what the music does."""
    usual = _usual_gap([time for block in blocks for time in block.times])
    sung_until = 0.0
    for block in blocks:
        if block.times[0] - sung_until > _INSTRUMENTAL_SECONDS:
            yield _Block((), heading="Instrumental" if sung_until else "Intro")
        yield block
        sung_until = block.times[-1] + usual
    if seconds is not None and seconds - sung_until > _INSTRUMENTAL_SECONDS:
        yield _Block((), heading="Outro")
