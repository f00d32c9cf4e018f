"""A data set in numbers, for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from acetune.cli.tables import align
from acetune.monitor.words import Words

if TYPE_CHECKING:
    from acetune.data.figures import Figures, Spread


def figure_lines(figures: Figures, words: Words) -> list[str]:
    """Return names and numbers in two columns, and who said each field below them."""
    lines = align([], [[words(f"figure_{name}"), text] for name, text in _rows(figures, words)])
    sources = [[name, _counts(said, words)] for name, said in figures.sources.items()]
    return [*lines, *([""] if sources else []), *align([], sources)]


def _rows(figures: Figures, words: Words) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each number."""
    for name in ("tracks", "minutes", "excluded", "passes", "captioned", "with_lyrics", "instrumental"):
        yield name, f"{getattr(figures, name):g}"
    for name in ("languages", "keys", "timesignatures", "splits", "licences"):
        yield name, _counts(getattr(figures, name), words, name) or "-"
    for name in ("bpm", "seconds"):
        yield name, _spread(getattr(figures, name))
    yield "rights", _counts(figures.rights, words)
    yield "refused", str(figures.refused)


def _counts(counts: Mapping[str, int], words: Words, kind: str = "") -> str:
    """Return values and how often each occurs; a missing part of the data set is chosen by the seed."""
    missing = words("by_seed" if kind == "splits" else "missing")
    return ", ".join(f"{value or missing} {count}" for value, count in counts.items())


def _spread(spread: Spread) -> str:
    """Return lowest, middle and highest value, and how many there are."""
    if not spread.count:
        return "-"
    return f"{spread.low:g} / {spread.middle:g} / {spread.high:g} ({spread.count})"
