"""Signs that labels were invented: pure functions from a track to a doubt, for whoever checks a data set.

What numbers and fields say against each other is found by `acetune.data.text_checks`; here is what takes a look at the
language of the words, in English, Chinese, Japanese, Korean, Spanish, German and French.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from acetune.annotation.guards import credit_in
from acetune.annotation.language import LANGUAGES, UNKNOWN, identify, is_vocable, reads_as, sung_lines
from acetune.data.lrc import letters_of
from acetune.data.statements import voices_in
from acetune.data.track import Track
from acetune.errors import DataError
from acetune.events import Json

#: Oftener in a row than any chorus comes: recognisers that lost the song repeat until they are cut.
_MOST_LINES, _LONGEST_BLOCK = 8, 4
_MOST_WORDS, _LONGEST_PHRASE = 12, 8
#: A language that is less certain than this does not contradict anybody.
_SURE: Final = 0.8
#: Languages that are hard to tell apart in a few lines, or that singers mix in writing.
_RELATIVES: Final = tuple(map(frozenset, (("zh", "yue"), ("id", "ms"), ("da", "no"), ("hr", "sr"), ("cs", "sk"))))
#: Beats per minute from which on nobody calls a song slow, and below which nobody calls it fast.
_NOT_SLOW, _NOT_FAST = 140.0, 80.0

_AUTHORS = re.compile(
    r"\s*(?:作[词詞曲]|[编編]曲|制作人|製作人|混音|母带|監製|监制|[词詞曲]|작사|작곡|편곡|"
    r"(?:lyrics|music|words|written|composed|produced|arranged)(?: by)?|letra|música|paroles|musique|text|musik)"
    r"(?:\s+by)?\s*[:：/／]\s*\S",
    re.IGNORECASE,
)
_SLOW = re.compile(
    r"(?<!not )(?<!not too )\bslow(?:-paced|-tempo)?\b(?!\W+(?:build|burn|fade|attack|rise|motion|release))"
    r"|\bdown-?tempo\b"
    r"|[慢缓緩](?:节奏|節奏|速|板|歌)|缓慢|緩慢|スロー(?:テンポ|バラード)|ゆっくり|遅いテンポ|느린|느리고|슬로우"
    r"|\blent[oa]s?\b|\blangsame?[rsn]?\b|\blente?s?\b",
    re.IGNORECASE,
)
_FAST = re.compile(
    r"(?<!not )(?<!not too )\bfast(?:-paced|-tempo)?\b(?!\W+(?:decay|attack|fade|release))|\bup-?tempo\b|\bbreakneck\b"
    r"|快(?:节奏|節奏|速|板|歌)|アップテンポ|速いテンポ|ハイテンポ|빠른|빠르고|업템포"
    r"|\br[áa]pid[oa]s?\b|\bschnelle?[rsn]?\b|\brapides?\b",
    re.IGNORECASE,
)
#: Beside what `statements` reads in English and Chinese.
_NO_VOICE = re.compile(
    r"インストゥルメンタル|ボーカルなし|歌なし|보컬 ?없|무보컬|연주곡|\bsin (?:voz|voces|letra)\b|\binstrumental puro\b"
    r"|\bohne (?:gesang|stimme)\b|\brein instrumental\b|\bsans (?:voix|chant|paroles)\b|\bpurement instrumental\b",
    re.IGNORECASE,
)
_VOICE = re.compile(
    r"ボーカル|ヴォーカル|歌声|보컬|노래하|\b(?:voz|voces) (?:femenina|masculina|suave)s?\b|\bcantante\b|\bcantad[oa]\b"
    r"|\b(?:frauen|männer)stimmen?\b|\bgesang\b|\bsänger(?:in)?\b"
    r"|\bvoix (?:féminine|masculine)s?\b|\bchanteu(?:r|se)\b",
    re.IGNORECASE,
)
_WOMAN = re.compile(
    r"\bfemale\b|\bwom[ae]n\b|女[声聲]|女歌手|女性(?:ボーカル|ヴォーカル)|여성|여자|\bfemeninas?\b|\bweibliche?[rsn]?\b"
    r"|\bfrauenstimmen?\b|\bsängerin\b|\bféminines?\b|\bchanteuses?\b",
    re.IGNORECASE,
)
_MAN = re.compile(
    r"\bmale\b|\bm[ae]n\b|男[声聲]|男歌手|男性(?:ボーカル|ヴォーカル)|남성|남자|\bmasculin[oa]s?\b|\bmännliche?[rsn]?\b"
    r"|\bmännerstimmen?\b|\bsänger\b|\bmasculines?\b|\bchanteurs?\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Doubt:
    """Something that may be invented.

    Attributes:
        code: Of its two sentences.
        values: What they name.
    """

    code: str
    values: Mapping[str, Json]

    @property
    def problem(self) -> DataError:
        """The same as an error, which is not raised."""
        return DataError(self.code, **self.values)


def doubts(track: Track) -> Iterator[Doubt]:
    """Yield everything that may be invented about a track."""
    for look in (loop, credit, wrong_language, caption_pace, caption_voice, caption_singer):
        found = look(track)
        if found is not None:
            yield found


def loop(track: Track) -> Doubt | None:
    """Return the words that lyrics repeat oftener than a song does; syllables such as "la la la" may."""
    lines = sung_lines(track.lyrics or "")
    found = _cycle([" ".join(_words(line)) for line in lines], _LONGEST_BLOCK, _MOST_LINES)
    for line in lines:
        found = found or _cycle(_words(line) if " " in line else list(letters_of(line)), _LONGEST_PHRASE, _MOST_WORDS)
    if found is None:
        return None
    parts, times = found
    return _doubt("tagging.loop", text=("" if max(map(len, parts)) == 1 else " ").join(parts)[:80], times=times)


def credit(track: Track) -> Doubt | None:
    """Return a line of the lyrics that nobody sings: a credit of subtitles, or of the authors."""
    for line in sung_lines(track.lyrics or ""):
        if credit_in(line) or _AUTHORS.match(line):
            return _doubt("tagging.credit", text=line[:80])
    return None


def wrong_language(track: Track) -> Doubt | None:
    """Return the language of the lyrics where it is surely not the one that the track has."""
    declared = track.language or UNKNOWN
    if track.instrumental or not any(declared in codes for codes in LANGUAGES.values()):
        return None
    if reads_as(track.lyrics or "", declared):
        return None
    found = identify(track.lyrics or "")
    if found.language == UNKNOWN or found.confidence < _SURE or declared in (found.language, found.second):
        return None
    if any({declared, found.language} <= relatives for relatives in _RELATIVES):
        return None
    return _doubt("tagging.wrong_language", declared=declared, found=found.language)


def caption_pace(track: Track) -> Doubt | None:
    """Return what a caption says of the pace where the tempo is far from it."""
    slow, fast = (pattern.search(_description(track)) for pattern in (_SLOW, _FAST))
    if track.bpm is None or (slow and fast):
        return None
    if slow and track.bpm > _NOT_SLOW:
        return _doubt("tagging.pace", said=slow[0], bpm=track.bpm)
    if fast and track.bpm < _NOT_FAST:
        return _doubt("tagging.pace", said=fast[0], bpm=track.bpm)
    return None


def caption_voice(track: Track) -> Doubt | None:
    """Return what a caption says of voices where the track says otherwise.

    English and Chinese captions are left to `acetune.data.text_checks`.
    """
    text = _description(track)
    if voices_in(text) is not None:
        return None
    none, some = _NO_VOICE.search(text), _VOICE.search(text)
    if none and not track.instrumental and sung_lines(track.lyrics or ""):
        return _doubt("tagging.caption_instrumental", said=none[0])
    if some and not none and track.instrumental:
        return _doubt("tagging.caption_voice", said=some[0])
    return None


def caption_singer(track: Track) -> Doubt | None:
    """Return who sings by the caption and by the tags, where one says a woman alone and the other a man alone."""
    said, tagged = _singer(track.caption or ""), _singer(", ".join(track.tags or ()))
    if said is None or tagged is None or said[0] == tagged[0]:
        return None
    return _doubt("tagging.caption_singer", said=said[1], tagged=tagged[1])


def _singer(text: str) -> tuple[str, str] | None:
    """Return whether a text speaks of a woman or of a man, and the words; None where of neither or both."""
    woman, man = _WOMAN.search(text), _MAN.search(text)
    if bool(woman) == bool(man):
        return None
    return ("woman", woman[0]) if woman else ("man", man[0]) if man else None


def _description(track: Track) -> str:
    """Return the words that describe a track."""
    return "\n".join(filter(None, (track.caption, ", ".join(track.tags or ()))))


def _cycle(parts: Sequence[str], longest: int, most: int) -> tuple[Sequence[str], int] | None:
    """Return the first parts that come oftener than `most` in a row, and how often; syllables do not count.

    Args:
        parts: Lines, words or characters in one spelling.
        longest: Parts of a cycle at most.
        most: Rounds that are no sign of anything.
    """
    for size in range(1, longest + 1):
        run = 0
        for at in range(size, len(parts)):
            run = run + 1 if parts[at] == parts[at - size] else 0
            start = at - size - run + 1
            cycle = parts[start : start + size]
            if run == size * most and not is_vocable(" ".join(cycle)):
                return cycle, _rounds(parts, start, size)
    return None


def _rounds(parts: Sequence[str], start: int, size: int) -> int:
    """Return how often a cycle comes in a row."""
    times = 1
    while parts[start : start + size] == parts[start + times * size : start + (times + 1) * size]:
        times += 1
    return times


def _words(line: str) -> list[str]:
    """Return the words of a line in one spelling."""
    return list(filter(None, map(letters_of, line.split())))


def _doubt(code: str, **values: Json) -> Doubt:
    """Return a doubt."""
    return Doubt(code, MappingProxyType(values))
