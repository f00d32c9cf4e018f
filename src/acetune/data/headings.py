"""Section headings of lyrics, in the spellings that people use, read and written as ACE-Step 1.5 knows them.

1.5 was trained on short tags with capital letters such as ``[Verse 1]``, ``[Pre-Chorus]`` and ``[Chorus - anthemic]``
with a blank line before each. What stands in brackets and is no known heading stays as it is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

_WORDS = {
    "Intro": "intro; introduction; opening|前奏; 引子; 序曲|イントロ|인트로; 전주|introducción|вступление; интро",
    "Verse": "verse; vers; v|主歌; 第段; 段; 第段主歌; 主歌第段|aメロ; ヴァース; バース|벌스; 절; 버스"
    "|estrofa; verso; couplet; strophe; strofa; estrofe; куплет",
    "Pre-Chorus": "pre-chorus; pre chorus; prechorus; pre-refrain; lift|导歌; 導歌; 预副歌; 預副歌; 副歌前; 前副歌"
    "|bメロ; プレコーラス|프리코러스; 프리 코러스|pre-estribillo; pré-refrain; pré-refrão; предприпев; предпріпев",
    "Chorus": "chorus; refrain; hook; final chorus; last chorus|副歌; 最后副歌; 最後副歌"
    "|サビ; 大サビ; 落ちサビ; 落サビ; ラスサビ; コーラス|후렴; 후렴구; 코러스; 싸비; 사비"
    "|estribillo; coro; ritornello; refrão; refrain; kehrvers; припев; приспів",
    "Post-Chorus": "post-chorus; post chorus; postchorus|副歌后; 副歌後; 后副歌; 後副歌|ポストコーラス|포스트코러스",
    "Bridge": "bridge; middle 8; middle eight|桥段; 橋段; 桥; 橋; 过渡段; 過渡段; 过渡; 過渡|cメロ; dメロ; ブリッジ"
    "|브릿지; 브리지|puente; pont; brücke; ponte; бридж",
    "Interlude": "interlude|间奏; 間奏|간주|interludio; interlúdio; zwischenspiel; проигрыш",
    "Instrumental": "instrumental; instrumental break; inst; music|纯音乐; 純音樂; 器乐; 器樂; 伴奏"
    "|インスト; インストゥルメンタル|연주|instrumentale; инструментал",
    "Solo": "solo|独奏; 獨奏|ソロ|솔로|соло",
    "Break": "break; breakdown|间断|ブレイク|브레이크",
    "Rap": "rap|说唱; 說唱|ラップ|랩|рэп",
    "Spoken": "spoken; spoken word; narration|念白; 独白; 獨白; 旁白; 口白|セリフ; 台詞; 語り|내레이션; 나레이션; 대사",
    "Drop": "drop",
    "Build": "build; build up; build-up; buildup",
    "Ad-lib": "ad-lib; ad lib; adlib; ad-libs; ad libs; adlibs",
    "Outro": "outro; ending; coda|尾奏; 结尾; 結尾; 尾声; 尾聲; 结束; 結束|アウトロ; 後奏; エンディング|아웃트로; 후주"
    "|final; outro; кода; концовка; аутро",
}
#: Heading in any spelling to its name.
_NAMES: Mapping[str, str] = MappingProxyType(
    {word.strip(): name for name, words in _WORDS.items() for word in re.split(r"[;|]", words)}
)
#: Names that follow the name of an instrument, as in "[Guitar Solo]".
_PLAYED = ("Solo", "Interlude", "Break", "Intro", "Outro", "Rap")
_NUMERALS: Mapping[str, int] = MappingProxyType(
    {"一": 1, "二": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
    | {"i": 1, "ii": 2, "iii": 3, "iv": 4, "v": 5, "one": 1, "two": 2, "three": 3, "four": 4}
)
# Full-width forms are ordinary ones by now (NFKC); CJK brackets stay.
_BRACKETS = re.compile(r"[\[【〔](?P<square>[^\[\]【】〔〕]+)[\]】〕]:?|[({<](?P<round>[^(){}<>]+)[)}>]:?")
_MARKED = re.compile(r"(?:\*\*|__|#+ )?(?P<inside>[^:]{1,30}?)\s*(?P<colon>:)?(?:\*\*|__)?")
_DETAIL = re.compile(r"\s+[-–—]\s+|\s*[:|,、]\s*")
_NUMBER = re.compile(r"(\d+)|(?<=[第歌段メ])\s*([一二三四五六七八九])|\s(i{1,3}|iv|v|one|two|three|four)$")


@dataclass(frozen=True)
class Heading:
    """A section's heading.

    Attributes:
        name: As 1.5 spells it, without number; an instrument may come first, as in "Guitar Solo".
        number: Of the verse or chorus, where one is said.
        detail: What follows a dash, such as "anthemic"; empty where nothing does.
    """

    name: str
    number: int | None = None
    detail: str = ""

    def __str__(self) -> str:
        number = "" if self.number is None else f" {self.number}"
        return f"[{self.name}{number}{' - ' if self.detail else ''}{self.detail}]"


def read_heading(line: str) -> Heading | None:
    """Return the heading that a line is; None for words to be sung and for brackets that say something else.

    Square and CJK brackets, round ones, ``Chorus:``, ``**Chorus**`` and a known word with a number are read; a known
    word alone in a line is not, for it may be sung.
    """
    text = unicodedata.normalize("NFKC", line).strip()
    bracketed = _BRACKETS.fullmatch(text)
    if bracketed:
        return _known(bracketed["square"] or bracketed["round"])
    marked = _MARKED.fullmatch(text)
    if marked is None:
        return None
    found = _known(marked["inside"])
    is_said = marked["colon"] or text.startswith(("**", "__", "#"))
    return found if found and (is_said or found.number is not None) and not found.detail else None


def with_headings(lyrics: str) -> str:
    """Return lyrics with every heading in 1.5's spelling and a blank line before it; words stay as they are.

    Verses without any number are numbered in their order if there are several.
    """
    lines = [(line.strip(), read_heading(line)) for line in lyrics.split("\n")]
    verses = [heading for _, heading in lines if heading and heading.name == "Verse"]
    counts = len(verses) > 1 and all(verse.number is None for verse in verses)
    done: list[str] = []
    count = 0
    for line, heading in lines:
        if heading and heading.name == "Verse" and counts:
            count += 1
            heading = replace(heading, number=count)
        if heading and done and done[-1]:
            done.append("")
        if line or (done and done[-1]):
            done.append(str(heading) if heading else line)
    return "\n".join(done).strip()


def _known(inside: str) -> Heading | None:
    """Return the heading that a text names, with or without number, instrument and detail."""
    first, *details = _DETAIL.split(inside.strip(), maxsplit=1)
    separator = inside.strip()[len(first) :].lstrip()[:1]
    number, bare = _number(first)
    name = _NAMES.get(bare) or _with_instrument(bare)
    if name is None:
        return None
    detail = details[0].strip() if details and separator != ":" else ""  # after a colon come singers
    return Heading(name, number if name in ("Verse", "Chorus", "Pre-Chorus", "Bridge") else None, detail)


def _number(text: str) -> tuple[int | None, str]:
    """Return the number in a heading and the heading without it, in small letters."""
    small = " ".join(text.lower().replace("(", " ").replace(")", " ").split())
    if small in _NAMES:
        return None, small
    found = _NUMBER.search(small)
    if found is None:
        return None, small
    said = next(group for group in found.groups() if group)
    bare = (small[: found.start()] + small[found.end() :]).strip(" #.")
    return _NUMERALS.get(said) or int(said), bare


def _with_instrument(text: str) -> str | None:
    """Return the name of a section that an instrument plays, such as "Guitar Solo"."""
    words = text.split()
    name = _NAMES.get(words[-1]) if len(words) in (2, 3) else None
    return f"{' '.join(words[:-1]).title()} {name}" if name in _PLAYED else None
