"""Lyrics with times, in the dialects of players."""

from __future__ import annotations

import pytest

from acetune.data.lrc import TimedLyrics, has_stamps, is_sung, parse_lrc, times_for

_PLAIN = "[00:01.50]one two\n[00:03]three"


@pytest.mark.parametrize(
    ("stamp", "seconds"),
    [
        ("00:01.5", 1.5),
        ("00:01.50", 1.5),
        ("00:01.500", 1.5),
        ("00:01:50", 1.5),
        ("01:01", 61.0),
        ("100:00.25", 6000.25),
    ],
)
def test_a_stamp_is_minutes_seconds_and_parts_of_a_second(stamp: str, seconds: float) -> None:
    assert parse_lrc(f"[{stamp}]la") == TimedLyrics("la", (seconds,))


def test_a_line_with_several_stamps_is_sung_several_times() -> None:
    assert parse_lrc("[00:01][00:05]chorus\n[00:03]verse") == TimedLyrics("chorus\nverse\nchorus", (1.0, 3.0, 5.0))


@pytest.mark.parametrize(("offset", "first"), [("+500", 1.0), ("500", 1.0), ("-500", 2.0), ("5000", 0.0)])
def test_a_positive_offset_makes_lines_earlier_and_none_begins_before_the_song(offset: str, first: float) -> None:
    assert parse_lrc(f"[offset:{offset}]\n[00:01.5]la").times == (first,)


def test_headers_are_not_sung() -> None:
    text = "[ti:Title]\n[ar:Artist]\n[al:Album]\n[by:me]\n[length:3:00]\n[re:editor]\n[ve:1]\n[#:note]\n" + _PLAIN

    assert parse_lrc(text) == TimedLyrics("one two\nthree", (1.5, 3.0))


def test_stamps_of_single_words_are_dropped() -> None:
    assert parse_lrc("[00:01.00]<00:01.00>one <00:01.50>two") == TimedLyrics("one two", (1.0,))


def test_section_tags_go_before_the_line_that_follows_and_have_no_time() -> None:
    text = "[00:01][00:05]chorus\n[Verse]\n[00:03]verse"

    assert parse_lrc(text) == TimedLyrics("chorus\n[Verse]\nverse\nchorus", (1.0, 3.0, 5.0))


def test_empty_lines_with_a_time_part_the_lyrics() -> None:
    assert parse_lrc("[00:01]one\n[00:02]\n[00:03]two") == TimedLyrics("one\n\ntwo", (1.0, 3.0))


def test_a_sung_line_without_a_time_leaves_all_lines_without() -> None:
    assert parse_lrc("[00:01]one\ntwo") == TimedLyrics("one\ntwo", None)


def test_a_text_without_stamps_is_plain_lyrics() -> None:
    assert parse_lrc("one\ntwo") == TimedLyrics("one\ntwo", None)


@pytest.mark.parametrize(("text", "stamped"), [(_PLAIN, True), ("[Verse 1]\nla", False), ("la [00:01]", False)])
def test_stamps_are_at_the_beginning_of_a_line(text: str, stamped: bool) -> None:
    assert has_stamps(text) == stamped


@pytest.mark.parametrize(
    ("lyrics", "times"),
    [
        ("one two\nthree", (1.5, 3.0)),
        ("[Verse]\nOne, two!\n\n[Chorus]\nTHREE", (1.5, 3.0)),
        ("one two three", (1.5,)),
        ("one\ntwo three", None),
        ("one two\nfour", None),
        ("one two", None),
    ],
)
def test_times_are_those_of_the_same_words(lyrics: str, times: tuple[float, ...] | None) -> None:
    assert times_for(lyrics, parse_lrc(_PLAIN)) == times


def test_chinese_lines_agree_whatever_their_punctuation() -> None:
    assert times_for("你好，世界\n再见。", parse_lrc("[00:01]你好 世界\n[00:02]再见")) == (1.0, 2.0)


@pytest.mark.parametrize(("line", "sung"), [("la", True), ("[Chorus]", False), ("", False), ("[oh] yes", True)])
def test_a_line_is_sung_unless_it_is_empty_or_a_section_tag(line: str, sung: bool) -> None:
    assert is_sung(line) == sung
