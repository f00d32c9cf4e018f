"""Counts the tokens that ACE-Step 1.5 makes of a track's texts, without torch and transformers."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
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
        """Return the texts that are cut; see `TokenCounter.too_long`."""
        from tokenizers import Tokenizer

        texts = [text for place, song in enumerate(songs) for text in _texts(place, *song) if _bytes(text) > text.limit]
        published = places.tokenizer_in((models / v.name / "tokenizer" for v in VARIANTS if not v.embedded), models)
        tokenizer = Tokenizer.from_file(str(published or tiny.tokenizer_file()))
        found: dict[int, list[Length]] = {}
        for text, count in _long_ones(texts, tokenizer, exact=published is not None):
            length = Length(text.name, count, text.limit, published is not None)  # type: ignore[arg-type]
            found.setdefault(text.song, []).append(length)
        return found


def _texts(place: int, track: Track, captions: Mapping[str, str]) -> list[_Text]:
    """Return what the model reads of a track."""
    prompts = {form: Prompt.of(track, caption, track.seconds) for form, caption in captions.items()}
    texts = [_Text(place, form, _whole(prompt_text(prompt)), TEXT_LIMIT) for form, prompt in prompts.items()]
    return [*texts, _Text(place, "lyrics", _whole(lyric_text(prompts["caption"])), LYRIC_LIMIT)]


def _whole(text: str) -> str:
    """Return a text without halves of characters, which no tokenizer takes."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _long_ones(texts: Sequence[_Text], tokenizer: Tokenizer, *, exact: bool) -> Iterator[tuple[_Text, int]]:
    """Yield the texts that have more tokens than are read, with their tokens.

    Counting thousands of lyrics takes seconds: most are ruled out by what their words have at most.
    """

    def told(text: _Text, tokens: int) -> int:
        return tokens if exact else _estimate(text.whole, tokens)

    bounds = zip(texts, _bounds(texts, tokenizer), strict=True)
    left = [text for text, most in bounds if told(text, most) > text.limit]
    counts = (len(encoding) for encoding in tokenizer.encode_batch_fast([text.whole for text in left]))
    yield from ((text, told(text, n)) for text, n in zip(left, counts, strict=True) if told(text, n) > text.limit)


def _bounds(texts: Sequence[_Text], tokenizer: Tokenizer) -> Iterator[int]:
    """Yield for each text what it has at most: a token never reaches over a space into the word before.

    A word counts as the larger of what it has with and without a space in front, and each line end as one.
    """
    words = list(dict.fromkeys(word for text in texts for word in text.whole.split()))
    forms = ([f"{space}{word}" for word in words] for space in ("", " "))
    counts = zip(*(tokenizer.encode_batch_fast(form, add_special_tokens=False) for form in forms), strict=True)
    most = {word: max(len(alone), len(after)) for word, (alone, after) in zip(words, counts, strict=True)}
    for text in texts:
        spaces = sum(map(text.whole.count, "\n\t")) + text.whole.count("  ") + 1
        yield sum(map(most.__getitem__, text.whole.split())) + spaces


def _estimate(text: str, tokens: int) -> int:
    """Return about how many tokens a published tokenizer makes where the embedded one makes so many."""
    other = len(text.encode("utf-8")) - len(text.encode("ascii", "ignore"))
    return round(_SHARE_OF_LATIN * max(0, tokens - other) + _SHARE_OF_BYTES * other)


def _bytes(text: _Text) -> int:
    """Return the bytes of a text in the form in which it is tokenised; each token stands for one at least."""
    whole = text.whole if text.whole.isascii() else unicodedata.normalize("NFC", text.whole)
    return len(whole.encode("utf-8"))


COUNTER = AceStepTokenCounter()
