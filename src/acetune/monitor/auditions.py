"""The part of a report that says what previews sound like: what was asked for (tempo, key, language), or a song."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from acetune.events import Json
from acetune.monitor.evaluation import answers
from acetune.monitor.markup import paragraph, section, table
from acetune.monitor.summary import Summary
from acetune.monitor.words import Words

_FIELDS: Final = ("bpm", "keyscale", "language")
_SIDES: Final = ("before", "after")


def audition(summary: Summary, words: Words) -> str:
    """Return what was heard in the previews of the judged step; empty where nobody listened."""
    found = answers(summary, "audition")
    pieces = _objects(found.get("pieces"))
    if not pieces:
        return ""
    kept = [paragraph(text) for field in _FIELDS for text in _kept(pieces, field, words)]
    heads = [words(f"audition_{name}") for name in ("prompt", "asked", *_SIDES)]
    rows = [row for piece in pieces for row in _rows(piece)]
    parts = (
        _copies(found, words),
        *(kept or [paragraph(words("audition_nothing"))]),
        table(heads, rows),
        paragraph(words("audition_how"), "soft"),
        paragraph(words("audition_unsung"), "soft") if any(map(_is_unsung, pieces)) else "",
    )
    return section(words("audition_title"), *parts)


def _copies(found: Mapping[str, Json], words: Words) -> str:
    """Return which previews are copies or imitations of songs, or that none is."""
    parts = []
    for kind, measure in (("copies", "errors"), ("imitations", "likeness")):
        rows = [
            (str(r.get("piece")), str(r.get("song")), float(str(r.get(measure)))) for r in _objects(found.get(kind))
        ]
        if rows:
            heads = [words(name) for name in ("copies_piece", "song", f"{kind}_{measure}")]
            parts.append(paragraph(words(f"{kind}_some")) + table(heads, rows))
    compared = {"compared": found.get("compared"), "songs": found.get("songs")}
    return "".join(parts) or paragraph(words("copies_none", **compared))


def _kept(pieces: Sequence[Mapping[str, Json]], field: str, words: Words) -> Iterator[str]:
    """Yield how many pieces have what was asked for, with and without the adapter; nothing where nobody asked."""
    found = {side: [_object(_object(piece.get(side)).get("obeys")).get(field) for piece in pieces] for side in _SIDES}
    counts = {side: sum(value is True for value in values) for side, values in found.items()}
    count = sum(value is not None for value in found["after"])
    if count:
        yield words("audition_kept", field=words(field), count=count, **counts)


def _is_unsung(piece: Mapping[str, Json]) -> bool:
    """Whether a language was asked for and nobody listened for it."""
    return bool(_object(piece.get("asked")).get("language")) and _object(piece.get("after")).get("language") is None


def _rows(piece: Mapping[str, Json]) -> Iterator[Sequence[str]]:
    """Yield a row for each thing that was asked for."""
    asked = _object(piece.get("asked"))
    for field in _FIELDS:
        if asked.get(field) is not None:
            heard = [_object(piece.get(side)).get(field) for side in _SIDES]
            cells = [str(value or "-") for value in (asked[field], *heard)]
            yield (str(piece.get("caption")), *cells)


def _object(value: Json) -> Mapping[str, Json]:
    """Return a JSON object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def _objects(value: Json) -> list[Mapping[str, Json]]:
    """Return the objects of a JSON list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
