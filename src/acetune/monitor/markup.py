"""Pieces of HTML from plain values; everything that comes in is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def paragraph(text: str, look: str = "") -> str:
    """Return a paragraph; nothing for an empty text."""
    return f"<p{_look(look)}>{escape(text)}</p>" if text else ""


def section(title: str, *parts: str, look: str = "") -> str:
    """Return a titled section of parts that are HTML already; nothing without parts."""
    inside = "".join(parts)
    return f"<section{_look(look)}><h2>{escape(title)}</h2>{inside}</section>" if inside else ""


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Return names and values; pairs with an empty value are left out."""
    rows = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in pairs if value)
    return f"<dl>{rows}</dl>" if rows else ""


def table(heads: Sequence[str], rows: Sequence[Sequence[str | float]], caption: str = "") -> str:
    """Return a table; numbers are aligned to the right."""
    if not rows:
        return ""
    numeric = [isinstance(cell, (int, float)) for cell in rows[0]]
    looks = [' class="number"' if number else "" for number in numeric]
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    head = "".join(f'<th scope="col"{look}>{escape(name)}</th>' for name, look in zip(heads, looks, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{look}>{_cell(cell)}</td>" for cell, look in zip(row, looks, strict=True)) + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def fold(title: str, inside: str) -> str:
    """Return HTML that opens on demand; nothing for nothing."""
    return f"<details><summary>{escape(title)}</summary>{inside}</details>" if inside else ""


def code(text: str) -> str:
    """Return text as it stands."""
    return f"<pre><code>{escape(text)}</code></pre>"


def _look(name: str) -> str:
    """Return a class attribute."""
    return f' class="{escape(name)}"' if name else ""


def _cell(value: str | float) -> str:
    """Return the text of a cell."""
    return f"{value:.6g}" if isinstance(value, float) else escape(str(value))
