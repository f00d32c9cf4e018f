import pytest

from acetune.data.track import Track
from acetune.training.prior import GENERAL, prior_caption


def track(**values):
    return Track(path="a.wav", seconds=60, **values)


@pytest.mark.parametrize(
    ("text", "trigger", "expected"),
    [
        ("zx, warm piano", "zx", "warm piano"),
        ("warm piano, ZX", "zx", "warm piano"),
        ("warm piano", "zx", "warm piano"),
        ("a song by zx band with zxylophone", "zx band", "a song by with zxylophone"),
    ],
)
def test_a_clip_is_asked_for_with_the_caption_without_the_trigger(text, trigger, expected):
    assert prior_caption(track(caption=text), trigger, 5) == (expected, True)


def test_tags_and_genre_take_the_place_of_a_caption():
    assert prior_caption(track(tags=("zx", "slow")), "zx", 0) == ("slow", True)
    assert prior_caption(track(genre="jazz"), "zx", 0) == ("jazz", True)


def test_the_tracks_own_trigger_is_taken_out():
    assert prior_caption(track(caption="own, piano", trigger="own"), "zx", 0) == ("piano", True)


@pytest.mark.parametrize(("text", "trigger"), [("warm piano", None), ("zx", "zx"), (None, "zx")])
def test_where_the_caption_is_what_shall_change_a_clip_is_a_general_one(text, trigger):
    assert prior_caption(track(caption=text), trigger, 3) == (GENERAL[3], False)
    assert prior_caption(track(caption=text), trigger, 3 + len(GENERAL)) == (GENERAL[3], False)


def test_an_empty_trigger_of_a_track_stands_for_none():
    assert prior_caption(track(caption="zx, piano", trigger=""), "zx", 3) == (GENERAL[3], False)
