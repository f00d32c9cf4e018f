import numpy as np
import pytest

from acetune.annotation.windows import OVERLAP_SECONDS, joined, middle, split

RATE = 1000


def noise(seconds, quiet=()):
    """Noise with silent seconds at some places."""
    audio = np.random.default_rng(0).standard_normal(round(seconds * RATE)).astype(np.float32)
    for place in quiet:
        audio[round(place * RATE) : round((place + 0.5) * RATE)] = 0
    return audio


@pytest.mark.parametrize("seconds", [0, 5, 30])
def test_a_short_song_is_one_window(seconds):
    (window,) = split(noise(seconds), RATE, 30)

    assert window.start == 0
    assert len(window.audio) == seconds * RATE


@pytest.mark.parametrize("seconds", [31, 60, 61, 200])
def test_windows_cover_the_song_with_overlap_and_none_is_too_long(seconds):
    audio = noise(seconds)
    windows = split(audio, RATE, 30)
    ends = [window.start + len(window.audio) / RATE for window in windows]

    assert max(len(window.audio) for window in windows) <= 30 * RATE
    assert ends[-1] == pytest.approx(seconds)
    assert [end - after.start for end, after in zip(ends, windows[1:], strict=False)] == pytest.approx(
        [OVERLAP_SECONDS] * (len(windows) - 1)
    )


def test_a_window_holds_the_samples_of_its_place():
    audio = noise(70)

    assert all(
        np.array_equal(window.audio, audio[round(window.start * RATE) :][: len(window.audio)])
        for window in split(audio, RATE, 30)
    )


def test_a_song_is_cut_where_it_is_quiet():
    first, second = split(noise(50, quiet=[10, 25]), RATE, 30)

    assert 25 <= second.start + OVERLAP_SECONDS / 2 <= 25.5


@pytest.mark.parametrize(("seconds", "start", "length"), [(20, 0, 20), (30, 0, 30), (50, 10, 30)])
def test_the_middle_of_a_long_song_is_heard(seconds, start, length):
    audio = noise(seconds)

    assert np.array_equal(middle(audio, RATE, 30), audio[start * RATE : (start + length) * RATE])


PARTS = {
    "nothing twice": (["a\nb", "c\nd"], "a\nb\nc\nd"),
    "one line twice": (["a\nb", "b\nc"], "a\nb\nc"),
    "two lines twice": (["a\nb\nc", "b\nc\nd"], "a\nb\nc\nd"),
    "other case and punctuation": (["you, me\nSing it loud!", "sing it loud\nagain"], "you, me\nSing it loud!\nagain"),
    "a heading before it": (["[Verse 1]\na\nb", "[Verse 1]\nb\nc"], "[Verse 1]\na\nb\nc"),
    "a heading after it": (["a\nb", "b\n\n[Chorus]\nc"], "a\nb\n\n[Chorus]\nc"),
    "a line that comes later again": (["a\nb", "c\nb"], "a\nb\nc\nb"),
    "Chinese": (["你好\n世界", "世界。\n再见"], "你好\n世界\n再见"),
    "Japanese": (["歌おう\n海へ", "海へ\n行こう"], "歌おう\n海へ\n行こう"),
    "Korean": (["노래\n바다", "바다!\n하늘"], "노래\n바다\n하늘"),
    "an empty part": (["a", "", "a\nb"], "a\nb"),
    "nothing": (["", ""], ""),
}


@pytest.mark.parametrize(("parts", "whole"), PARTS.values(), ids=PARTS)
def test_what_two_windows_heard_stands_once(parts, whole):
    assert joined(parts) == whole
