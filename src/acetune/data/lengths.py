"""How many tokens a model makes of a track's texts, told by each family without torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from acetune.catalog import names, resolve
from acetune.data.captions import forms
from acetune.data.findings import Finding
from acetune.data.manifest import Manifest
from acetune.data.track import Track
from acetune.errors import DataError


@dataclass(frozen=True)
class Length:
    """How long a text is for a model.

    Attributes:
        text: "caption", "tags" (the other form of a caption) or "lyrics".
        tokens: What the model's tokenizer makes of it, with everything that the model puts around it.
        limit: What the model reads; the rest is cut.
        exact: Whether the published tokenizer counted; else it is an estimate.
    """

    text: Literal["caption", "tags", "lyrics"]
    tokens: int
    limit: int
    exact: bool


class TokenCounter(Protocol):
    """What a family offers for counting.

    Attributes:
        model: What people call the family.
    """

    model: str

    def too_long(
        self, songs: Sequence[tuple[Track, Mapping[str, str]]], models: Path
    ) -> Mapping[int, Sequence[Length]]:
        """Return the texts that the model will cut, by the place of their song.

        Args:
            songs: Each track with its captions by form, the trigger in its place.
            models: The workspace's folder of weights, where a published tokenizer may be.
        """
        ...


def length_findings(manifest: Manifest, tracks: Sequence[Track], models: Path) -> Iterator[Finding]:
    """Yield the texts that a model will cut."""
    settings = manifest.settings
    songs = [(track, forms(track, settings.trigger, settings.trigger_position)) for track in tracks]
    for family in names("token counter"):
        counter: TokenCounter = resolve("token counter", family)
        for place, lengths in counter.too_long(songs, models).items():
            for length in lengths:
                yield _finding(tracks[place], length, counter.model)


def _finding(track: Track, length: Length, model: str) -> Finding:
    """Return the finding about a text that is too long, or perhaps."""
    code = f"check.{'lyrics' if length.text == 'lyrics' else 'caption'}_{'long' if length.exact else 'perhaps_long'}"
    problem = DataError(code, tokens=length.tokens, limit=length.limit, model=model)
    return Finding.of("warning" if length.exact else "info", track.path, problem, length.tokens)
