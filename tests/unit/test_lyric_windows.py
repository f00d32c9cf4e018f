import pytest

from acetune.data.lyric_windows import has_times, lyrics_between
from acetune.data.track import Track

LYRICS = """[Intro]

[Verse 1]
one
two

[Guitar Solo]

[Chorus]
three
four
[Outro]"""
TIMES = (10.0, 14.0, 40.0, 44.0)


def song(**changes):
    return Track(**{"path": "a.wav", "seconds": 60.0, "lyrics": LYRICS, "line_times": TIMES} | changes)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (8, 20, "[Verse 1]\none\ntwo"),
        (13, 20, "[Verse 1]\ntwo"),  # a quarter of the first line is left
        (11.5, 20, "[Verse 1]\none\ntwo"),
        (8, 15, "[Verse 1]\none"),
        (0, 15, "[Intro]\n\n[Verse 1]\none"),
        (12, 30, "[Verse 1]\none\ntwo\n\n[Guitar Solo]"),
        (12, 43, "[Verse 1]\none\ntwo\n\n[Guitar Solo]\n\n[Chorus]\nthree"),
        (30, 43, "[Guitar Solo]\n\n[Chorus]\nthree"),
        (38, 50, "[Chorus]\nthree\nfour"),
        (38, 60, "[Chorus]\nthree\nfour\n[Outro]"),
        (42.6, 50, "[Chorus]\nfour"),
        (20, 38, "[Guitar Solo]"),
        (0, 8, "[Intro]"),
        (50, 60, "[Outro]"),
        (0, 60, LYRICS),
        (9, 50, LYRICS),
    ],
)
def test_a_part_has_the_lines_that_are_sung_in_it_under_their_tags(start, end, expected):
    assert lyrics_between(song(), start, end) == expected


def test_a_line_lasts_five_seconds_and_not_the_whole_break():
    assert lyrics_between(song(), 16, 22) == "[Verse 1]\ntwo"
    assert lyrics_between(song(), 18, 36) == "[Guitar Solo]"


def test_where_nobody_sings_and_no_tag_says_so_there_are_no_lyrics():
    assert lyrics_between(song(lyrics="la\nla", line_times=(1.0, 50.0)), 20, 40) is None


def test_the_tag_of_the_next_line_says_nothing_of_the_break_before_it():
    assert lyrics_between(song(lyrics="[Verse]\nla\n[Chorus]\nla", line_times=(1.0, 50.0)), 20, 40) is None


def test_lines_that_begin_together_are_heard_together():
    track = song(lyrics="a\nb\nc", line_times=(10.0, 10.0, 30.0))

    assert lyrics_between(track, 5, 20) == "a\nb"
    assert lyrics_between(track, 20, 40) == "c"


@pytest.mark.parametrize(
    "changes", [{"line_times": None}, {"line_times": TIMES[:-1]}, {"line_times": (), "lyrics": "[Verse]"}]
)
def test_without_a_time_for_each_line_a_part_has_the_whole_lyrics(changes):
    track = song(**changes)

    assert not has_times(track)
    assert lyrics_between(track, 8, 20) == track.lyrics


def test_an_instrumental_has_none():
    assert not has_times(song(instrumental=True))
    assert lyrics_between(song(instrumental=True), 8, 20) is None
