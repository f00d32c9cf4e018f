"""The lyrics of a part of a song, where it is known when its lines begin."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from acetune.data.lrc import is_sung
from acetune.data.track import Track

#: A line lasts until the next one begins, and no longer than this: what follows is played, not sung. A part that goes
#: on for longer without singing has the tags of what is played there.
LONGEST_LINE: Final = 5.0
#: A part of a song has a line if it has this much of it.
_SHARE: Final = 0.5


def has_times(track: Track) -> bool:
    """Whether it is known of every sung line of a track when it begins."""
    sung = sum(is_sung(line) for line in (track.lyrics or "").split("\n"))
    return bool(sung) and not track.instrumental and len(track.line_times or ()) == sung


def lyrics_between(track: Track, start: float, end: float) -> str | None:
    """Return the lyrics that are sung between two times, with the section tags that hold there.

    Args:
        track: Lyrics without times, and those that are sung from first to last, stay as they are.
        start: Of the part, in seconds.
        end: Of the part, in seconds.

    Returns:
        None where nobody sings and no section tag says what is played.
    """
    if track.lyrics is None or track.line_times is None or not has_times(track):
        return None if track.instrumental else track.lyrics
    times = track.line_times
    heard = [place for place, is_heard in enumerate(_heard(times, track.seconds, start, end)) if is_heard]
    if len(heard) == len(times):
        return track.lyrics
    lines = _Lines(track.lyrics)
    if not heard:
        played = lines.tags_before(sum(time < start for time in times))
    else:
        first, last = heard[0], heard[-1]
        opening = lines.before(first) if times[first] - start > LONGEST_LINE else ()
        closing = lines.tags_before(last + 1) if end - times[last] > 2 * LONGEST_LINE else ()
        played = (*(opening or lines.holding(first)), *lines.through(first, last), *closing)
    return "\n".join(played).strip() or None


class _Lines:
    """Lyrics by their sung lines, which are counted from 0."""

    def __init__(self, lyrics: str) -> None:
        self._lines = [line.strip() for line in lyrics.split("\n")]
        self._sung = [place for place, line in enumerate(self._lines) if is_sung(line)]

    def through(self, first: int, last: int) -> tuple[str, ...]:
        """Return everything from one sung line to another."""
        return tuple(self._lines[self._sung[first] : self._sung[last] + 1])

    def before(self, number: int) -> tuple[str, ...]:
        """Return what stands between a sung line and the one before it, if that is more than empty lines."""
        places = (-1, *self._sung, len(self._lines))
        between = tuple(self._lines[places[number] + 1 : places[number + 1]])
        return between if any(between) else ()

    def tags_before(self, number: int) -> tuple[str, ...]:
        """Return the same without the tag under which that sung line stands: it says nothing of what comes before."""
        between = self.before(number)
        if number == len(self._sung):
            return between
        tags = [place for place, line in enumerate(between) if line]
        return between[: tags[-1]] if tags else ()

    def holding(self, number: int) -> tuple[str, ...]:
        """Return the tag under which a sung line stands; nothing where there is none."""
        above = self._lines[: self._sung[number]]
        return tuple([line for line in above if line and not is_sung(line)][-1:])


def _heard(times: tuple[float, ...], seconds: float, start: float, end: float) -> list[bool]:
    """Return which lines a part of a song has; a line of no length counts by its beginning."""
    found = []
    for begin, following in pairwise((*times, max(seconds, times[-1]))):
        stop = begin + min(max(following - begin, 0.0), LONGEST_LINE)
        shared = min(stop, end) - max(begin, start)
        found.append(start <= begin < end if stop == begin else shared >= _SHARE * (stop - begin))
    return found
