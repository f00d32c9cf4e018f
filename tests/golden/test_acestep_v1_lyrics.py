"""ACE-Step v1's lyric tokens against those recorded from the official code.

The published vocabulary is not part of acetune: ``ACETUNE_TEST_V1_VOCABULARY`` names a copy, and without it these are
skipped. So are lines that need a library of the extra ``v1`` where it is not installed.
"""

from __future__ import annotations

import functools
import json
import os
import re
from pathlib import Path

import official_v1
import pytest

from acetune.errors import MissingDependency
from acetune.families.acestep_v1 import places
from acetune.families.acestep_v1.cleaning import cleaned
from acetune.families.acestep_v1.lyrics import LyricTokenizer, languages_of, simple_tag
from acetune.families.acestep_v1.spelling import LANGUAGES

RECORDED = json.loads((official_v1.FOLDER / "lyrics_tokens.json").read_text(encoding="utf-8"))
LINES = [pytest.param(line, id=f"{line['lang']}-{number}") for number, line in enumerate(RECORDED["encode"])]
SONGS = [pytest.param(song, id=str(number)) for number, song in enumerate(RECORDED["pipeline_tokenize_lyrics"])]


@pytest.fixture(scope="module")
def tokenizer() -> LyricTokenizer:
    named = os.environ.get("ACETUNE_TEST_V1_VOCABULARY")
    if not named:
        pytest.skip("ACETUNE_TEST_V1_VOCABULARY names no copy of the published vocabulary")
    assert places.is_published(Path(named))
    return LyricTokenizer(Path(named))


def installed(action: functools.partial[object]) -> object:
    """Do what may need a library that is not here."""
    try:
        return action()
    except MissingDependency as missing:
        pytest.skip(missing.message())


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_spelled_out_as_recorded(line: dict[str, str]) -> None:
    assert installed(functools.partial(cleaned, line["text"], line["lang"])) == line["preprocessed"]


@pytest.mark.parametrize("line", LINES)
def test_a_line_has_the_recorded_tokens(tokenizer: LyricTokenizer, line: dict[str, object]) -> None:
    assert installed(functools.partial(tokenizer.line, line["text"], line["lang"])) == line["ids"]


@pytest.mark.parametrize("song", SONGS)
def test_a_song_read_line_by_line_has_the_recorded_tokens(tokenizer: LyricTokenizer, song: dict[str, object]) -> None:
    lines = [line.strip() for line in song["text"].split("\n")]
    known = [language if language in LANGUAGES else "en" for language in song["per_line_lang"]]
    languages = ["en" if re.match(r"\[.*?\]", line) else lang for line, lang in zip(lines, known, strict=True)]

    assert installed(functools.partial(tokenizer.joined, lines, languages)) == song["ids"]


@pytest.mark.parametrize(
    ("tag", "simple"),
    [
        ("[Verse 2]", "[verse]"),
        ("[chorus: loud]", "[chorus]"),
        ("[Pre-Chorus]", "[pre-chorus]"),
        ("[instrumental]", "[instrumental]"),
        ("[verses]", "[verses]"),
        ("a [verse 2] inside", "a [verse 2] inside"),
    ],
)
def test_a_tag_with_a_number_becomes_one_that_has_a_token(tag: str, simple: str) -> None:
    assert simple_tag(tag) == simple


@pytest.mark.parametrize(
    ("lines", "language", "read"),
    [
        (["[verse]", "안녕 작은 고양이", "open up the window tonight my friend"], "ko", ["en", "ko", "en"]),
        (["今天的风吹过窗台", ""], None, ["zh", "en"]),
        (["朝の光は", "光"], None, ["ja", "ja"]),
        (["光"], "ja", ["ja"]),
        (["Mañana iré"], "es", ["es"]),
        (["Я пью чай"], None, ["ru"]),
        (["la la la"], None, ["en"]),
        (["Ninapenda muziki sana"], "sw", ["en"]),
    ],
)
def test_a_line_is_read_in_the_language_of_its_letters(lines: list[str], language: str | None, read: list[str]) -> None:
    found = languages_of(lines, language)

    assert found == read
