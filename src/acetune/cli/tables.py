"""Plain columns for people."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence


def align(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return lines whose columns stand below each other; the last column is as wide as it likes."""
    lines = [list(heads), *map(list, rows)] if heads else [list(row) for row in rows]
    if not lines:
        return []
    widths = [max(width(line[column]) for line in lines) for column in range(len(lines[0]) - 1)]
    return ["  ".join([*map(_pad, line[:-1], widths), line[-1]]).rstrip() for line in lines]


def width(text: str) -> int:
    """Return the columns that a text takes in a terminal; Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def shortened(text: str, columns: int) -> str:
    """Return a text on one line that takes at most so many columns; an ellipsis stands for what is left out."""
    line = " ".join(text.split())
    if width(line) <= columns:
        return line
    while width(line) >= columns:
        line = line[:-1]
    return line.rstrip() + "…"


def _pad(text: str, columns: int) -> str:
    """Return a text filled up with spaces."""
    return text + " " * (columns - width(text))


def held_out(difference: float | None, low: float | None, high: float | None) -> list[str]:
    """Return a held-out difference and its interval as two cells; empty where they are not known."""
    interval = "" if low is None or high is None else f"{low:+.4f} .. {high:+.4f}"
    return ["" if difference is None else f"{difference:+.4f}", interval]
