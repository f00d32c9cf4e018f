"""A bare text beside a song: what it is, and what its fields are."""

from __future__ import annotations

import pytest

from acetune.data.bare_texts import layout_of, read_key_values, read_tagged

_SIDE_STEP = """# written by hand
caption: warm piano: slow, soft
  and a second line
genre: jazz
bpm: 92
key: Am
signature: 4/4
language: en
is_instrumental: false
custom_tag: zxband
repeat: 3
prompt_override: genre
artist: somebody
lyrics:
[Verse 1]
he said: go
# one
"""


@pytest.mark.parametrize(
    ("text", "layout"),
    [
        ("caption: x", "key_value"),
        ("\n# comment\nBPM: 90", "key_value"),
        ("Lyrics:\nla", "key_value"),
        ("tags: zxband", "key_value"),
        ("key：Am", "key_value"),
        ("mood: sad", None),
        ("<caption>x</caption>", "tagged"),
        ("words\n[Chorus]\nwords", "txt_lyrics"),
        ("a\nb\nc\nd", "txt_lyrics"),
        ("a, b\nc\nd", None),
        ("a, b", "txt_caption"),
        ("a、b", "txt_caption"),
        ("slow jazz", None),
    ],
)
def test_a_text_is_told_by_the_first_rule_that_fits(text: str, layout: str | None) -> None:
    assert layout_of(text, (), None) == layout


@pytest.mark.parametrize(("meaning", "layout"), [("caption", "txt_caption"), ("lyrics", "txt_lyrics")])
def test_what_a_person_says_decides_only_what_nobody_can_tell(meaning: str, layout: str) -> None:
    assert layout_of("slow jazz", (), meaning) == layout
    assert layout_of("a, b", (), meaning) == "txt_caption"


@pytest.mark.parametrize(
    ("beside", "layout"),
    [
        ({".lyrics"}, "txt_caption"),
        ({".lyrics.txt"}, "txt_caption"),
        ({".caption.txt"}, "txt_lyrics"),
        ({"_prompt.txt"}, "txt_lyrics"),
        ({".lyrics", ".caption.txt"}, None),
        ({".json"}, None),
    ],
)
def test_the_companion_of_a_named_file_is_what_that_lacks(beside: set[str], layout: str | None) -> None:
    assert layout_of("slow jazz", beside, None) == layout


def test_fields_of_side_step_are_read_with_unknown_ones_and_lyrics_last() -> None:
    assert read_key_values(_SIDE_STEP) == {
        "caption": "warm piano: slow, soft\n  and a second line",
        "genre": "jazz",
        "bpm": "92",
        "key": "Am",
        "signature": "4/4",
        "language": "en",
        "is_instrumental": "false",
        "custom_tag": "zxband",
        "repeat": "3",
        "prompt_override": "genre",
        "artist": "somebody",
        "lyrics": "[Verse 1]\nhe said: go\n# one",
    }


def test_lyrics_run_until_the_next_known_field() -> None:
    assert read_key_values("lyrics: first\nhe said: go\nbpm: 90") == {
        "lyrics": "first\nhe said: go",
        "bpm": "90",
        "trigger": "",
    }


@pytest.mark.parametrize(
    ("text", "trigger"),
    [("tags: zx", "zx"), ("tags: zx\ntrigger: ab", "ab"), ("caption: a\ntags: zx, live", "zx, live")],
)
def test_the_tags_of_side_step_are_a_trigger(text: str, trigger: str) -> None:
    row = read_key_values(text)

    assert row["trigger"] == trigger
    assert "tags" not in row


def test_tags_of_ai_toolkit_are_read() -> None:
    text = (
        "<CAPTION>\nA song, fast\n</CAPTION>\n<LYRICS>\n[Verse]\nI <3 you\n</LYRICS>\n<BPM>120</BPM>\n"
        "<KEYSCALE>F# minor</KEYSCALE>\n<TIMESIGNATURE>3</TIMESIGNATURE>\n<DURATION>200</DURATION>\n"
        "<LANGUAGE>en</LANGUAGE>"
    )

    assert read_tagged(text) == {
        "caption": "A song, fast",
        "lyrics": "[Verse]\nI <3 you",
        "bpm": "120",
        "keyscale": "F# minor",
        "timesignature": "3",
        "duration": "200",
        "language": "en",
    }


def test_a_tag_that_is_not_closed_ends_at_the_next_one() -> None:
    assert read_tagged("<CAPTION>a song\n<LYRICS>la\n<BPM/>") == {"caption": "a song", "lyrics": "la", "bpm": ""}
