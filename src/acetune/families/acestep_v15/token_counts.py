"""Counts the tokens that ACE-Step 1.5 makes of a track's texts, without torch and transformers."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from acetune.data.lengths import Length
from acetune.data.track import Track
from acetune.families.acestep_v15 import places, tiny
from acetune.families.acestep_v15.prompts import LYRIC_LIMIT, TEXT_LIMIT, lyric_text, prompt_text
from acetune.families.acestep_v15.variants import VARIANTS
from acetune.families.family import Prompt

if TYPE_CHECKING:
    from tokenizers import Tokenizer

#: The embedded tokenizer has 512 tokens: about two for each that a published one makes of Latin letters, and one for
#: each byte of any other script, of which a published one needs about a quarter. Rules of thumb (Qwen's documentation:
#: three to four letters, one and a half Chinese characters), not measured with the published tokenizer.
_SHARE_OF_LATIN, _SHARE_OF_BYTES = 0.5, 0.25


@dataclass(frozen=True)
class _Text:
    """A text as the model reads it, and whose it is."""

    song: int
    name: str
    whole: str
    limit: int


@dataclass(frozen=True)
class AceStepTokenCounter:
    """The family's `acetune.data.lengths.TokenCounter`."""

    model: str = "ACE-Step 1.5"

    def too_long(self, songs: Sequence[tuple[Track, Mapping[str, str]]], models: Path) -> Mapping[int, list[Length]]:
        """Return the texts that are cut; see `TokenCounter.too_long`.

        A text of fewer bytes than tokens are read is never cut: each token stands for a byte at least.
        """
        from tokenizers import Tokenizer

        texts = [text for place, song in enumerate(songs) for text in _texts(place, *song) if _bytes(text) > text.limit]
        published = places.tokenizer_in((models / v.name / "tokenizer" for v in VARIANTS if not v.embedded), models)
        tokenizer = Tokenizer.from_file(str(published or tiny.tokenizer_file()))
        found: dict[int, list[Length]] = {}
        for text, tokens in zip(texts, _counts(texts, tokenizer, exact=published is not None), strict=True):
            if tokens > text.limit:
                length = Length(text.name, tokens, text.limit, published is not None)  # type: ignore[arg-type]
                found.setdefault(text.song, []).append(length)
        return found


def _texts(place: int, track: Track, captions: Mapping[str, str]) -> list[_Text]:
    """Return what the model reads of a track."""
    prompts = {form: Prompt.of(track, caption, track.seconds) for form, caption in captions.items()}
    texts = [_Text(place, form, prompt_text(prompt), TEXT_LIMIT) for form, prompt in prompts.items()]
    return [*texts, _Text(place, "lyrics", lyric_text(prompts["caption"]), LYRIC_LIMIT)]


def _counts(texts: Sequence[_Text], tokenizer: Tokenizer, *, exact: bool) -> list[int]:
    """Return how many tokens each text has, or about how many."""
    counts = [len(encoding) for encoding in tokenizer.encode_batch_fast([text.whole for text in texts])]
    return counts if exact else [_estimate(text.whole, tokens) for text, tokens in zip(texts, counts, strict=True)]


def _estimate(text: str, tokens: int) -> int:
    """Return about how many tokens a published tokenizer makes where the embedded one makes so many."""
    other = sum(len(letter.encode("utf-8", "replace")) for letter in text if not letter.isascii())
    return round(_SHARE_OF_LATIN * max(0, tokens - other) + _SHARE_OF_BYTES * other)


def _bytes(text: _Text) -> int:
    """Return the bytes of a text in the form in which it is tokenised."""
    return len(unicodedata.normalize("NFC", text.whole).encode("utf-8", "replace"))


COUNTER = AceStepTokenCounter()
