import pytest

from acetune.data.captions import forms, trigger_of, with_trigger
from acetune.data.track import Track

POSITIONS = ["prepend", "append", "replace"]
SONG = Track(path="a.wav", seconds=60)


def track(**values):
    return Track(path="a.wav", seconds=60, **values)


@pytest.mark.parametrize(
    ("position", "expected"), [("prepend", "zx, warm piano"), ("append", "warm piano, zx"), ("replace", "zx")]
)
def test_the_trigger_stands_where_it_was_asked_to(position, expected):
    assert with_trigger("warm piano", "zx", position) == expected


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("trigger", [None, ""])
def test_without_a_trigger_the_text_stays(position, trigger):
    assert with_trigger("warm piano", trigger, position) == "warm piano"


@pytest.mark.parametrize("position", POSITIONS)
def test_without_a_text_there_is_the_trigger_alone(position):
    assert with_trigger("", "zx", position) == "zx"


@pytest.mark.parametrize("position", ["prepend", "append"])
@pytest.mark.parametrize("text", ["zx, warm piano", "warm piano, zx", "ZX , warm piano", "warm, zx, piano", "zx"])
def test_a_trigger_that_is_there_already_is_not_repeated(position, text):
    assert with_trigger(text, "zx", position) == text


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("trigger", ["zx", "zx band", "zx, lofi", "曲"])
def test_placing_twice_is_placing_once(position, trigger):
    once = with_trigger("warm piano", trigger, position)

    assert with_trigger(once, trigger, position) == once


@pytest.mark.parametrize("text", ["zxylophone solo", "jazz"])
def test_a_trigger_inside_another_word_does_not_count(text):
    assert with_trigger(text, "zx", "prepend") == f"zx, {text}"


def test_a_track_with_caption_and_tags_offers_both():
    offered = forms(track(caption="warm piano", tags=("piano", "slow")), "zx", "prepend")

    assert offered == {"caption": "zx, warm piano", "tags": "zx, piano, slow"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"tags": ("piano", "slow"), "genre": "jazz"}, "piano, slow"),
        ({"genre": "jazz"}, "jazz"),
        ({"tags": (), "genre": "jazz"}, "jazz"),
        ({}, ""),
    ],
)
def test_without_a_caption_tags_then_genre_take_its_place(values, expected):
    assert forms(track(**values), None, "prepend") == {"caption": expected}


def test_a_track_of_which_nothing_is_known_has_the_trigger():
    assert forms(SONG, "zx", "append") == {"caption": "zx"}


def test_the_tracks_own_trigger_goes_before_the_data_sets():
    assert forms(track(caption="piano", trigger="own"), "zx", "prepend") == {"caption": "own, piano"}


@pytest.mark.parametrize(("own", "expected"), [("mine", "mine"), (None, "usual"), ("", "")])
def test_the_trigger_of_a_track_comes_before_that_of_the_data_set(own, expected):
    assert trigger_of(track(trigger=own), "usual") == expected


def test_a_track_with_an_empty_trigger_is_shown_without_one():
    assert forms(track(caption="warm", tags=("piano",), trigger=""), "usual", "prepend") == {
        "caption": "warm",
        "tags": "piano",
    }
