"""Lyrics to tokens of ACE-Step v1: line by line, as its published pipeline does when it generates.

Every line begins with a token for its language: that of the track where its letters are of that script, else one that
its letters and words tell. Lines that are a tag in brackets are English. The published pipeline guesses each line by
another model and is often wrong about short ones; a track that names its language is read as it says.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from acetune.annotation.language import identify, script_of
from acetune.families.acestep_v1.cleaning import cleaned
from acetune.families.acestep_v1.spelling import LANGUAGES

if TYPE_CHECKING:
    from tokenizers import Tokenizer

#: Most tokens that the network was trained with.
LIMIT: Final = 4096
#: A line that begins with a tag.
_TAG = re.compile(r"\[.*?\]")
#: A tag that has a single token, with a number or more words after it.
_NUMBERED = re.compile(
    r"^\[(intro|verse|pre-chorus|chorus|bridge|outro|hook|inst|solo|break|start|end)(?:[\s:\-–]+[^\]]*)?\]$",
    re.IGNORECASE,
)
_SPACE: Final = "[SPACE]"
#: Languages that have a script of their own here; Han is read by what stands around it.
_BY_SCRIPT: Final = {"hangul": "ko", "kana": "ja", "cyrillic": "ru", "arabic": "ar", "devanagari": "hi"}
_OWN_SCRIPT: Final = frozenset((*_BY_SCRIPT.values(), "zh"))


class LyricTokenizer:
    """The published vocabulary and what comes before it.

    Args:
        file: ``vocab.json`` of the published code, or a small one of the same form.
        simple_tags: Whether tags with numbers are written as those that have tokens; see `simple_tag`.
    """

    def __init__(self, file: Path, *, simple_tags: bool = True) -> None:
        from tokenizers import Tokenizer

        self._simple = simple_tag if simple_tags else str

        self._tokenizer: Tokenizer = Tokenizer.from_file(str(file))
        self._start, self._space = self._id("[START]"), self._id(_SPACE)

    def ids(self, lyrics: str, language: str | None) -> list[int]:
        """Return all tokens of lyrics, not cut.

        Args:
            lyrics: Lines, tags in brackets among them; not empty.
            language: Code of their language; None detects it for each line.

        Raises:
            MissingDependency: If the extra ``v1`` is needed and not installed.
        """
        lines = [self._simple(line.strip()) for line in lyrics.split("\n")]
        return self.joined(lines, languages_of(lines, language))

    def joined(self, lines: Sequence[str], languages: Sequence[str]) -> list[int]:
        """Return the tokens of stripped lines, each in its language; a space ends every line."""
        ids: list[int] = [self._start]
        for line, language in zip(lines, languages, strict=True):
            ids += [*(self.line(line, language) if line else ()), self._space]
        return ids

    def _id(self, token: str) -> int:
        """Return the number of a token that every vocabulary has."""
        found: int | None = self._tokenizer.token_to_id(token)
        assert found is not None
        return found

    def line(self, text: str, language: str) -> list[int]:
        """Return the tokens of one line, that of its language first."""
        tag = "zh-cn" if language == "zh" else language
        spelled = f"[{tag}]{cleaned(text, language)}".replace(" ", _SPACE)
        ids: list[int] = self._tokenizer.encode(spelled).ids
        return ids


def simple_tag(line: str) -> str:
    """Return a tag that the vocabulary has for one with a number: "[Verse 2]" is "[verse]"; other lines as they are."""
    found = _NUMBERED.match(line)
    return f"[{found[1].lower()}]" if found else line


def languages_of(lines: Sequence[str], language: str | None) -> list[str]:
    """Return in which language each line is read.

    Args:
        lines: Stripped.
        language: What the track says; None finds out.
    """
    scripts = [_script(line) for line in lines]
    han = language if language in ("zh", "ja") else "ja" if "kana" in scripts else "zh"
    usual = language if language in LANGUAGES and language not in _OWN_SCRIPT else None
    if language is None:
        usual = _known(identify("\n".join(lines)).language, None)
    return [_language(line, script, usual, han) for line, script in zip(lines, scripts, strict=True)]


def _script(line: str) -> str:
    """Return the script of a line: kana where there is any, else the commonest beside Latin letters, else Latin."""
    counts = Counter(filter(None, map(script_of, line)))
    if "kana" in counts:
        return "kana"
    others = [script for script, _ in counts.most_common() if script != "latin"]
    return others[0] if others else "latin"


def _language(line: str, script: str, usual: str | None, han: str) -> str:
    """Return the language of a line; English for tags and for what the vocabulary has no words of."""
    if not line or _TAG.match(line):
        return "en"
    if script == "han":
        return han
    if script != "latin":
        return _BY_SCRIPT.get(script, "en")
    return usual or _known(identify(line).language, "en") or "en"


def _known(language: str, otherwise: str | None) -> str | None:
    """Return a language of Latin letters that the vocabulary has, or something else."""
    return language if language in LANGUAGES and language not in _OWN_SCRIPT else otherwise
