"""Songs that are longer than a model hears at once: cut where it is quiet, and put together again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from acetune.audio.signal import Samples
from acetune.data.lrc import letters_of

#: Both sides of a cut hear this much of the other, so that no line is lost.
OVERLAP_SECONDS = 2.0
#: A cut is looked for in this last part of a window.
_SEARCH_SHARE = 0.25
_FRAME_SECONDS = 0.1
#: Lines of one window that may come again at the start of the next: more are not sung in so little time.
_REPEATED_LINES = 2


@dataclass(frozen=True)
class Window:
    """A part of a song: its samples and where they begin, in seconds."""

    start: float
    audio: Samples


def split(audio: Samples, rate_hz: int, seconds: float) -> tuple[Window, ...]:
    """Return windows of mono audio, none longer than so many seconds; a short song is one.

    Each cut lies where the last quarter of a window is quietest; neighbours overlap by `OVERLAP_SECONDS`.

    Args:
        audio: (samples,).
        rate_hz: Its rate.
        seconds: More than twice the overlap.
    """
    size, overlap = round(seconds * rate_hz), round(OVERLAP_SECONDS * rate_hz)
    windows, start = [], 0
    while len(audio) - start > size:
        first = start + round((1 - _SEARCH_SHARE) * size)
        cut = first + _quietest(audio[first : start + size - overlap // 2], rate_hz)
        windows.append(Window(start / rate_hz, audio[start : cut + overlap // 2]))
        start = cut - overlap // 2
    return (*windows, Window(start / rate_hz, audio[start:]))


def middle(audio: Samples, rate_hz: int, seconds: float) -> Samples:
    """Return the middle of a song that is longer than so many seconds, the whole of any other."""
    size = round(seconds * rate_hz)
    start = max(0, (len(audio) - size) // 2)
    return audio[start : start + size]


def joined(parts: Sequence[str]) -> str:
    """Return what was heard in overlapping windows as one text; lines that were heard twice stand once.

    Headings between the last line of one part and the same line at the start of the next go with the repetition.
    """
    lines: list[str] = []
    for part in parts:
        following = part.strip().split("\n") if part.strip() else []
        lines += following[_repeated(lines, following) :]
    return "\n".join(lines).strip()


def most_said(values: Sequence[str | None]) -> str | None:
    """Return what most windows say, the first of equals; None where none says anything."""
    known = [value for value in values if value]
    return max(known, key=known.count) if known else None


def _quietest(audio: Samples, rate_hz: int) -> int:
    """Return the middle of the 0.1 s with the least energy."""
    size = max(1, round(_FRAME_SECONDS * rate_hz))
    frames = audio[: len(audio) // size * size].reshape(-1, size)
    return int(np.argmin(np.square(frames, dtype=np.float32).mean(axis=1))) * size + size // 2 if len(frames) else 0


def _repeated(before: Sequence[str], after: Sequence[str]) -> int:
    """Return how many lines at the start of a part were heard at the end of the one before."""
    said = [_plain(line) for line in before if _plain(line)][-_REPEATED_LINES:]
    sung = [(place, _plain(line)) for place, line in enumerate(after) if _plain(line)]
    for count in range(min(len(said), len(sung)), 0, -1):
        if [line for _, line in sung[:count]] == said[-count:]:
            return sung[count - 1][0] + 1
    return 0


def _plain(line: str) -> str:
    """Return the letters of a line in one spelling; headings have none."""
    return "" if line.strip().startswith("[") else letters_of(line)
