import time
from dataclasses import replace
from types import MappingProxyType

import pytest

from acetune.data.operations import OPERATIONS, operation_of
from acetune.data.patterns import replacer
from acetune.data.track import Mark, Source, Track
from acetune.errors import DataError, SettingError

USER, FILE = Mark(Source.USER), Mark(Source.FILE)
SONG = (
    Track(path="a.mp3", seconds=60, repeats=2)
    .with_value("caption", "slow jazz", FILE)
    .with_value("tags", ("Jazz", "slow"), FILE)
    .with_value("lyrics", "[verse]\none\ntwo", FILE)
    .with_value("line_times", (1.0, 2.0), FILE)
)


def done(*words, track=SONG):
    return operation_of(words[0], words[1:])(track)


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [
        (("set", "caption", "warm", "piano"), "caption", "warm piano"),
        (("set", "key", "f# min"), "keyscale", "F# minor"),
        (("set", "keyscale", "8A"), "keyscale", "A minor"),
        (("set", "bpm", "92.5"), "bpm", 92.5),
        (("set", "tempo", "120 bpm"), "bpm", 120.0),
        (("set", "time_signature", "6/8"), "timesignature", "6"),
        (("set", "meter", "7/8"), "timesignature", "7/8"),
        (("set", "language", "en-US"), "language", "en"),
        (("set", "instrumental", "yes"), "instrumental", True),
        (("set", "tags", "rock, live,rock"), "tags", ("rock", "live")),
        (("set", "repeats", "3"), "repeats", 3),
        (("set", "excluded", "true"), "excluded", True),
        (("set", "owner", "Nobody Ltd"), "owner", "Nobody Ltd"),
        (("set", "isrc", "de-a12-26-00001"), "isrc", "DEA122600001"),
        (("set", "consent", "voice,recording"), "consent", "recording, voice"),
        (("set", "license", "CC-BY"), "licence", "CC-BY"),
        (("prepend", "caption", "live"), "caption", "live, slow jazz"),
        (("prepend", "caption", "live: "), "caption", "live: slow jazz"),
        (("append", "caption", ", live"), "caption", "slow jazz, live"),
        (("append", "lyrics", "three"), "lyrics", "[verse]\none\ntwo\nthree"),
        (("prepend", "tags", "live,JAZZ"), "tags", ("live", "Jazz", "slow")),
        (("append", "tags", "live"), "tags", ("Jazz", "slow", "live")),
        (("append", "genre", "jazz"), "genre", None),
        (("replace", "caption", "slow", "fast"), "caption", "fast jazz"),
        (("replace", "caption", "slow jazz", ""), "caption", None),
        (("replace", "tags", "slow", "fast, loud"), "tags", ("Jazz", "fast", "loud")),
        (("regex", "caption", r"(\w+) (\w+)", r"\2 \1"), "caption", "jazz slow"),
        (("regex", "tags", "(?i)^j", "y"), "tags", ("yazz", "slow")),
        (("exclude",), "excluded", True),
        (("include",), "excluded", False),
        (("tag", "live,slow"), "tags", ("Jazz", "slow", "live")),
        (("tag", "live", "slow"), "tags", ("Jazz", "slow", "live")),
        (("untag", "jazz"), "tags", ("slow",)),
        (("untag", "jazz,slow"), "tags", None),
        (("split", "validation"), "split", "validation"),
        (("split", "none"), "split", None),
        (("repeat", "5"), "repeats", 5),
        (("clear", "caption"), "caption", None),
        (("clear", "repeats"), "repeats", 1),
    ],
    ids=str,
)
def test_an_operation_changes_one_field(words, field, value):
    assert getattr(done(*words), field) == value


@pytest.mark.parametrize("words", [("set", "caption", "x"), ("append", "caption", "x"), ("regex", "caption", "s", "z")])
def test_what_a_person_changed_is_the_persons(words):
    assert done(*words).source_of("caption") is Source.USER


def test_a_person_confirms_a_value_by_setting_it():
    assert done("set", "caption", "slow jazz").provenance["caption"] == USER


@pytest.mark.parametrize(
    "words", [("replace", "caption", "rock", "x"), ("regex", "caption", "q", "x"), ("tag", "SLOW")]
)
def test_a_text_that_stays_as_it_is_keeps_its_source(words):
    assert done(*words) is SONG


def test_a_cleared_field_has_no_source_and_may_be_filled_again():
    track = done("clear", "caption")

    assert "caption" not in track.provenance
    assert track.with_value("caption", "found", Mark(Source.MODEL)).caption == "found"


def test_a_value_that_could_not_be_read_is_gone_once_a_person_says_better():
    track = replace(SONG, extra=MappingProxyType({"keyscale": "H flat", "mood": "sad"}))

    assert done("set", "key", "Am", track=track).extra == {"mood": "sad"}
    assert done("clear", "key", track=track).extra == {"mood": "sad"}


@pytest.mark.parametrize("words", [("set", "language", "instrumental"), ("set", "lyrics", "[Instrumental]")])
def test_instrumental_as_a_language_or_as_lyrics_is_the_flag(words):
    track = done(*words)

    assert track.instrumental is True
    assert getattr(track, words[1]) is None


def test_times_of_lines_stay_where_the_lines_do():
    fixed = done("replace", "lyrics", "two", "zwei")
    spread = done("set", "lyrics", "[Chorus]\n\nOne,\nTwo!")

    assert fixed.line_times == spread.line_times == (1.0, 2.0)


def test_times_of_lines_go_with_their_lines():
    assert done("append", "lyrics", "three").line_times is None
    assert done("clear", "lyrics").line_times is None


@pytest.mark.parametrize(
    ("words", "origin"),
    [
        (("replace", "lyrics", "two", "zwei"), "lrclib"),
        (("append", "lyrics", "mine"), "lrclib"),
        (("set", "lyrics", "[Verse]\nOne\nmine\ntwo"), "lrclib"),
        (("set", "lyrics", "all of this is mine"), None),
    ],
)
def test_lyrics_that_must_not_leave_are_known_for_that_after_an_edit(words, origin):
    track = SONG.with_value("lyrics", "[verse]\none\ntwo", Mark(Source.FILE, 0.9, "lrclib"), overwrite=True)

    assert done(*words, track=track).provenance["lyrics"] == Mark(Source.USER, origin=origin)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("sett", "caption", "x"), "edit.no_operation"),
        (("set", "caption"), "edit.usage"),
        (("replace", "caption", "x"), "edit.usage"),
        (("replace", "caption", "", "x"), "edit.usage"),
        (("exclude", "caption"), "edit.usage"),
        (("tag", ","), "edit.usage"),
        (("set", "capshun", "x"), "edit.no_field"),
        (("set", "line_times", "x"), "edit.no_field"),
        (("append", "bpm", "1"), "edit.no_field"),
        (("set", "bpm", "fast"), "edit.bad_value"),
        (("set", "bpm", "nan"), "edit.bad_value"),
        (("set", "key", "H flat"), "edit.bad_value"),
        (("set", "language", "english please"), "edit.bad_value"),
        (("set", "isrc", "12345"), "edit.bad_value"),
        (("set", "consent", "perhaps"), "edit.bad_value"),
        (("split", "test2"), "edit.bad_value"),
        (("repeat", "0"), "edit.bad_value"),
        (("repeat", "1.5"), "edit.bad_value"),
        (("set", "bpm", "0"), "edit.no_value"),
        (("set", "caption", "N/A"), "edit.no_value"),
        (("regex", "caption", "(", "x"), "edit.bad_pattern"),
        (("regex", "caption", "((a{999}){999}){999}", "x"), "edit.bad_pattern"),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused_before_anything_changes(words, code):
    with pytest.raises((SettingError, DataError)) as error:
        operation_of(words[0], words[1:])

    assert error.value.code == code
    assert error.value.message() and error.value.remedy()


def test_a_misspelt_field_is_offered_the_nearest():
    with pytest.raises(SettingError, match="Did you mean 'caption'"):
        operation_of("set", ["capshun", "x"])


@pytest.mark.parametrize(("pattern", "text"), [("(a|aa)+$", "a" * 60 + "!"), ("(?:a{1,300}){1,300}b", "a" * 3000)])
def test_a_pattern_that_would_take_for_ever_is_stopped(pattern, text):
    change = replacer(pattern, "x", seconds=0.3)
    started = time.perf_counter()

    with pytest.raises(DataError, match="takes more than"):
        for _ in range(100):
            change(text)
    assert time.perf_counter() - started < 3


@pytest.mark.parametrize("replacement", [r"\2", r"\g<name>", "\\"])
def test_a_replacement_that_names_no_group_is_a_bad_pattern(replacement):
    with pytest.raises(DataError, match="cannot be used"):
        done("regex", "caption", "s", replacement)


def test_every_operation_says_how_it_is_used():
    assert all(known.usage.split()[0] == name for name, known in OPERATIONS.items())
