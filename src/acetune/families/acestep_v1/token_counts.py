"""Counts the tokens that ACE-Step v1 makes of a track's texts, without torch and transformers.

It speaks up where a checkpoint of v1 is on this machine: whoever has none trains another family, and its limits would
be noise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from acetune.data.lengths import Length
from acetune.data.track import Track
from acetune.errors import MissingDependency
from acetune.families.acestep_v1 import places
from acetune.families.acestep_v1.lyrics import LIMIT, LyricTokenizer
from acetune.families.acestep_v1.variants import VARIANTS

if TYPE_CHECKING:
    from tokenizers import Tokenizer

#: Most text tokens that the network was trained with.
TEXT_LIMIT: Final = 256


@dataclass(frozen=True)
class AceStepV1TokenCounter:
    """The family's `acetune.data.lengths.TokenCounter`."""

    model: str = "ACE-Step v1"

    def too_long(self, songs: Sequence[tuple[Track, Mapping[str, str]]], models: Path) -> Mapping[int, list[Length]]:
        """Return the texts that are cut; see `TokenCounter.too_long`."""
        found = next(filter(None, (places.locate(v, None, models) for v in VARIANTS if not v.embedded)), None)
        if found is None:
            return {}
        from tokenizers import Tokenizer

        captions = Tokenizer.from_file(str(found.root / places.FOLDERS["text"] / "tokenizer.json"))
        words = None if found.vocabulary is None else LyricTokenizer(found.vocabulary)
        lengths = {
            place: [*_captions(captions, texts), *_lyrics(words, track)] for place, (track, texts) in enumerate(songs)
        }
        return {place: long for place, long in lengths.items() if long}


def _captions(tokenizer: Tokenizer, texts: Mapping[str, str]) -> Iterator[Length]:
    """Yield the captions that are cut."""
    for form, text in texts.items():
        tokens = len(tokenizer.encode(text))
        if tokens > TEXT_LIMIT:
            yield Length(form, tokens, TEXT_LIMIT, exact=True)  # type: ignore[arg-type]


def _lyrics(tokenizer: LyricTokenizer | None, track: Track) -> Iterator[Length]:
    """Yield lyrics that are cut; those of a language whose reader is not installed are not counted."""
    lyrics = (track.lyrics or "").strip()
    if tokenizer is None or track.instrumental or not lyrics:
        return
    try:
        tokens = len(tokenizer.ids(lyrics, track.language))
    except MissingDependency:
        return
    if tokens > LIMIT:
        yield Length("lyrics", tokens, LIMIT, exact=True)


COUNTER = AceStepV1TokenCounter()
