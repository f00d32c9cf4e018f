"""Language of lyrics: the script first, then a statistical model among the languages of that script.

Only languages that ACE-Step's lyric header knows are told apart (fifty codes); where it cannot be told, the header
says "unknown", which is what a missing language becomes. Lyrics in Latin letters that transcribe another script
(romaji, pinyin) are beyond it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from acetune.annotation.annotator import Guess, Listen, Setup, Song
from acetune.data.track import Source
from acetune.events import Job

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

UNKNOWN: Final = "unknown"

#: Codes of the lyric header by script; `py3langid` has all of them.
LANGUAGES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "latin": (
            "az", "ca", "cs", "da", "de", "en", "es", "fi", "fr", "hr", "ht", "hu", "id", "is", "it", "la", "lt", "ms",
            "nl", "no", "pl", "pt", "ro", "sk", "sr", "sv", "sw", "tl", "tr", "vi",
        ),
        "cyrillic": ("bg", "ru", "sr", "uk"),
        "arabic": ("ar", "fa", "ur"),
        "devanagari": ("hi", "ne", "sa"),
        "han": ("zh", "yue"),
        "kana": ("ja",),
        "hangul": ("ko",),
        "greek": ("el",),
        "hebrew": ("he",),
        "bengali": ("bn",),
        "gurmukhi": ("pa",),
        "tamil": ("ta",),
        "telugu": ("te",),
        "thai": ("th",),
    }
)  # fmt: skip

#: First code points of ranges and the script that begins there; an empty name ends one (Unicode blocks).
_BLOCKS: Final = (
    (0x0041, "latin"), (0x0250, ""), (0x0370, "greek"), (0x0400, "cyrillic"), (0x0530, ""), (0x0590, "hebrew"),
    (0x0600, "arabic"), (0x0700, ""), (0x0750, "arabic"), (0x0780, ""), (0x0900, "devanagari"), (0x0980, "bengali"),
    (0x0A00, "gurmukhi"), (0x0A80, ""), (0x0B80, "tamil"), (0x0C00, "telugu"), (0x0C80, ""), (0x0E00, "thai"),
    (0x0E80, ""), (0x1100, "hangul"), (0x1200, ""), (0x1E00, "latin"), (0x1F00, "greek"), (0x2000, ""),
    (0x3040, "kana"), (0x3100, ""), (0x3130, "hangul"), (0x3190, ""), (0x3400, "han"), (0xA000, ""),
    (0xAC00, "hangul"), (0xD7B0, ""), (0xF900, "han"), (0xFB00, ""), (0xFB50, "arabic"), (0xFE00, ""),
    (0xFE70, "arabic"), (0xFF00, ""), (0xFF21, "latin"), (0xFF5B, ""), (0xFF66, "kana"), (0xFF9E, ""),
    (0x20000, "han"), (0x30000, ""),
)  # fmt: skip
_STARTS: Final = tuple(start for start, _ in _BLOCKS)
_SYLLABIC: Final = frozenset({"han", "kana", "hangul"})

#: What a character says, in Latin letters: the same six lines had 41 to 58 of these where English had 145.
_SYLLABLE: Final = 2.5
#: Fewer letters than this are no evidence, nor is a probability below that (figures in docs/log.md).
_LEAST_LETTERS: Final = 20
_LEAST_PROBABILITY: Final = 0.6
#: A part speaks another language than the whole only if the whole's is this unlikely there; relatives never are.
_FOREIGN: Final = 0.1
#: Probability from which on a whole text needs no second look.
_BEYOND_DOUBT: Final = 0.99
#: Above this share a second language is told.
SECOND_SHARE: Final = 0.2
#: A line of fewer Han characters may be Japanese where other lines have kana.
_LONG_WITHOUT_KANA: Final = 8

_MARK = re.compile(r"\[[^\]]*\]|【[^】]*】|［[^］]*］|<\d+:[\d.:]+>")
_WORD = re.compile(r"[^\W\d_]+")
_VOCABLE = re.compile(
    r"[lndbtshwy]?([aeiou])\1*h*|m+h*|h+m+|y?e+a+h*|wh?o+a+h*|h[ae]y|ay|[oe]y|sh[ao]|du[mn]|yo"
    r"|[啦哦啊呀噢嘿喔耶呜嗚哎欸咿]+"
    r"|(?:[らラるル]|ああ|アア|おお|オオ|うう|ウウ|なな|ナナ|[オウヘ]ー|イェイ|ー)+"
    r"|(?:라|나나|오|아|예|우|워|야|헤이|음)+"
    r"|(?:ла|на|[оаэе]|й)+",
    re.IGNORECASE,
)
#: Syllables of transcribed Japanese and Chinese: 91 to 100 % of their words, at most 62 % of those of any language.
_ROMAJI = re.compile(
    r"(?:(?:[kgnhbpmr]y|sh|ch|ts|[kgsztdnhbpmyrwjf])?[aiueo]|n(?![aiueoy])|([kstp])(?=\1)|t(?=ch))+", re.IGNORECASE
)
_PINYIN = re.compile(
    r"(?:[zcs]h|[bpmfdtnlgkhjqxrzcsyw])?"
    r"(?:[aoeiv]|[ae]i|ao|ou|[aeio]ng?|i?ong|i[aeu]|iao|i?ang?|u[aoien]?|uai|uang?|ve|er)",
    re.IGNORECASE,
)
_TRANSCRIBED: Final = 0.85


@dataclass(frozen=True)
class Verdict:
    """What language lyrics are in.

    Attributes:
        language: A code of `LANGUAGES`, or "unknown".
        confidence: 0 to 1; 0 for "unknown".
        second: The next language where it has more than a fifth of the words.
        share: Of the second language, 0 to 1.
    """

    language: str = UNKNOWN
    confidence: float = 0.0
    second: str | None = None
    share: float = 0.0


class LanguageAnnotator:
    """Finds the language of known lyrics; it reads and does not listen.

    Its source is the signal: a count over the words themselves, which ranks above what a recogniser believed to hear
    and below what a person or a file says.
    """

    name = "language"
    fields = ("language",)
    source = Source.SIGNAL
    pooled = True
    needs = ("lyrics",)

    def missing(self, setup: Setup) -> None:
        """Return None: it needs nothing."""

    def opened(self, setup: Setup, job: Job) -> AbstractContextManager[Listen]:
        """Return a block with a function that tells the language of a song's lyrics."""
        return nullcontext(_listen)


def _listen(song: Song) -> Mapping[str, Guess]:
    """Return the language of the lyrics; nothing for instrumentals and where it cannot be told."""
    verdict = Verdict() if song.track.instrumental else identify(song.track.lyrics or "")
    if verdict.language == UNKNOWN:
        return {}
    notice = "tagging.mixed_languages" if verdict.second else None
    return {"language": Guess(verdict.language, round(verdict.confidence, 3), notice)}


def identify(lyrics: str) -> Verdict:
    """Return the language that most of the words are in.

    Args:
        lyrics: Lines, with or without section tags.
    """
    votes: defaultdict[str, float] = defaultdict(float)
    belief: defaultdict[str, float] = defaultdict(float)
    for script, parts in _by_script(sung_lines(lyrics)).items():
        for language, probability, weight in _votes(script, parts):
            votes[language] += weight
            belief[language] += weight * probability
    total = sum(votes.values())
    first, *rest = sorted(votes, key=votes.__getitem__, reverse=True) or [UNKNOWN]
    if first == UNKNOWN or total < _LEAST_LETTERS:
        return Verdict()
    confidence = belief[first] / votes[first]
    second = next((code for code in rest if code != UNKNOWN and votes[code] > SECOND_SHARE * total), None)
    return Verdict(first, confidence, second, votes[second] / total if second else 0.0)


def reads_as(text: str, language: str) -> bool:
    """Whether a text as a whole is in a language beyond doubt: a quick look, ten times as fast as `identify`."""
    found, probability = _identifier().classify(text)
    return bool(found == language and probability > _BEYOND_DOUBT)


def sung_lines(lyrics: str) -> tuple[str, ...]:
    """Return the lines that somebody sings: without section tags, times and empty lines."""
    lines = (" ".join(_MARK.sub(" ", line).split()) for line in lyrics.splitlines())
    return tuple(line for line in lines if _WORD.search(line))


def is_vocable(line: str) -> bool:
    """Whether a line has syllables only, such as "la la la", "oh yeah" or "啦啦啦"."""
    words = _WORD.findall(line)
    return bool(words) and all(_VOCABLE.fullmatch(word) for word in words)


def script_of(character: str) -> str:
    """Return the script of a letter; empty for what is no letter of a known script."""
    if not character.isalpha():
        return ""
    place = bisect_right(_STARTS, ord(character)) - 1
    return _BLOCKS[place][1] if place >= 0 else ""


def _by_script(lines: Sequence[str]) -> Mapping[str, list[str]]:
    """Return the parts of lines that each script has; Han beside kana or hangul is of the same words."""
    counts = [Counter(filter(None, map(script_of, line))) for line in lines]
    japanese = sum("kana" in count for count in counts) > sum({*count} == {"han"} for count in counts)
    parts: defaultdict[str, list[str]] = defaultdict(list)
    for line, count in zip(lines, counts, strict=True):
        host = next((script for script in ("kana", "hangul") if script in count), "")
        if japanese and not host and count["han"] < _LONG_WITHOUT_KANA:
            host = "kana"
        for script, part in _split(line, host).items():
            if not is_vocable(part):
                parts[script].append(part)
    return parts


def _split(line: str, host: str) -> Mapping[str, str]:
    """Return what each script has of a line; marks and blanks go with the letter before them.

    Args:
        line: A line.
        host: The script that Han characters of this line belong to; empty for their own.
    """
    parts: defaultdict[str, str] = defaultdict(str)
    current = ""
    for character in line:
        script = script_of(character) or current
        current = host if script == "han" and host else script
        if current:
            parts[current] += character
    return parts


def _votes(script: str, parts: Sequence[str]) -> Iterator[tuple[str, float, float]]:
    """Yield language, probability and weight of blocks of one script."""
    languages = LANGUAGES[script]
    if len(languages) == 1:
        yield languages[0], 1.0, _weight(script, "".join(parts))
        return
    blocks = list(_blocks(script, parts))
    transcribed = _transcribed(blocks) if script == "latin" else ()
    yield from ((UNKNOWN, 0.0, _weight(script, block)) for block in transcribed)
    plain = [block for block in blocks if block not in transcribed]
    whole = _probabilities("\n".join(plain), languages)
    usual = max(whole, key=whole.__getitem__)
    for block in plain:
        here = _probabilities(block, languages)
        best = max(here, key=here.__getitem__)
        weight = _weight(script, block)
        if weight >= _LEAST_LETTERS and here[best] >= _LEAST_PROBABILITY and here[usual] < _FOREIGN:
            yield best, here[best], weight
        else:
            yield (usual if whole[usual] >= _LEAST_PROBABILITY else UNKNOWN), whole[usual], weight


def _blocks(script: str, parts: Sequence[str]) -> Iterator[str]:
    """Yield lines, short ones joined with the next until they are long enough to be evidence."""
    block = ""
    for part in parts:
        block = f"{block}\n{part}" if block else part
        if _weight(script, block) >= _LEAST_LETTERS:
            yield block
            block = ""
    if block:
        yield block


def _transcribed(blocks: Sequence[str]) -> tuple[str, ...]:
    """Return the blocks whose Latin letters stand for Japanese or Chinese; none unless they are most of the lyrics."""
    found = tuple(block for block in blocks if _spells(_ROMAJI, block) or _spells(_PINYIN, block))
    return found if 2 * len(found) > len(blocks) else ()


def _spells(syllables: re.Pattern[str], text: str) -> bool:
    """Whether nearly all words of a text consist of these syllables."""
    words = _WORD.findall(text)
    return sum(map(bool, map(syllables.fullmatch, words))) >= _TRANSCRIBED * len(words)


def _weight(script: str, text: str) -> float:
    """Return how many Latin letters say as much as a text of this script."""
    letters = sum(map(str.isalpha, text))
    return letters * _SYLLABLE if script in _SYLLABIC else letters


def _probabilities(text: str, languages: Sequence[str]) -> Mapping[str, float]:
    """Return the probability of each of these languages; they add up to 1."""
    ranked = {code: value for code, value in _identifier().rank(text) if code in languages}
    total = sum(ranked.values()) or 1.0
    return {code: value / total for code, value in ranked.items()}


@cache
def _identifier() -> LanguageIdentifier:
    """Return the model, restricted to the codes of `LANGUAGES`; it is loaded once in a process (0.15 s, 28 MiB)."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages({code for codes in LANGUAGES.values() for code in codes})
    return identifier
