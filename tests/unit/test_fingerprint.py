"""The same recording is known in any coding and wherever it begins; another song is another song."""

from __future__ import annotations

import numpy as np
import pytest

from acetune.audio import files
from acetune.audio.fingerprint import MOST_ERRORS, RATE_HZ, bit_errors, find_twins, fingerprint
from acetune.audio.signal import resample
from acetune.audio.songs import demo_songs, render
from encoder import encode

RATE = 48_000
SONGS = demo_songs()


def printed(audio, rate=RATE):
    return fingerprint(resample(np.ascontiguousarray(audio.mean(axis=1)), rate, RATE_HZ))


@pytest.fixture(scope="module")
def audio():
    """The eight songs of the demo, which share drums and sounds."""
    return [render(song) for song in SONGS]


@pytest.fixture(scope="module")
def prints(audio):
    return [printed(song) for song in audio]


def places(twins):
    return {(pair.first, pair.second) for pair in twins}


def test_eight_songs_are_eight_songs(prints):
    assert find_twins(prints) == ()


@pytest.mark.parametrize("suffix", [".mp3", ".ogg", ".opus", ".m4a"])
def test_a_song_is_known_in_another_format_and_no_other_one(suffix, audio, prints, tmp_path):
    path = encode(tmp_path / f"song{suffix}", audio[2])
    copy = printed(files.read(path))

    assert places(find_twins([*prints, copy])) == {(2, 8)}


@pytest.mark.parametrize("number", range(8))
def test_a_song_is_known_without_its_first_three_seconds_and_softer(number, audio, prints):
    (twins,) = find_twins([*prints, printed(0.4 * audio[number][3 * RATE :])])

    assert (twins.first, twins.second) == (number, 8)
    assert twins.seconds == pytest.approx(3, abs=0.06)
    assert twins.errors < MOST_ERRORS


@pytest.mark.parametrize("number", range(8))
def test_three_seconds_of_a_song_are_known(number, audio, prints):
    excerpt = audio[number][4 * RATE + 777 : 7 * RATE + 777]

    assert places(find_twins([*prints, printed(excerpt)])) == {(number, 8)}


def test_copies_of_copies_are_known_across_formats(audio, tmp_path):
    formats = [printed(files.read(encode(tmp_path / f"song{suffix}", audio[6]))) for suffix in (".mp3", ".ogg", ".m4a")]

    assert places(find_twins(formats)) == {(0, 1), (0, 2), (1, 2)}


def test_a_song_that_is_played_five_percent_faster_is_another_song(audio, prints):
    assert find_twins([*prints, printed(audio[0], round(1.05 * RATE))]) == ()


def test_a_song_that_holds_another_one_is_known_and_tells_where(audio, prints):
    medley = np.concatenate([audio[0], audio[1]])
    found = find_twins([printed(medley), prints[1]])

    assert [(pair.first, pair.second) for pair in found] == [(0, 1)]
    assert found[0].seconds == pytest.approx(len(audio[0]) / RATE, abs=0.06)


def test_songs_that_only_begin_alike_are_two_songs(audio):
    intro = audio[3][: 2 * RATE]
    songs = [printed(np.concatenate([intro, audio[number]])) for number in (0, 1)]

    assert find_twins(songs) == ()


@pytest.mark.parametrize("seconds", [0, 0.1, 0.4, 30])
def test_silence_has_no_twin(seconds):
    silence = fingerprint(np.zeros(round(seconds * RATE_HZ), np.float32))

    assert not silence.any()
    assert find_twins([silence, silence]) == ()


def test_silence_around_songs_is_no_evidence(audio):
    still = np.zeros((20 * RATE, 2), np.float32)
    songs = [printed(np.concatenate([still, audio[number], still])) for number in (0, 1, 2)]

    assert find_twins(songs) == ()


def test_no_songs_have_no_twins():
    assert find_twins([]) == ()


@pytest.mark.parametrize(("offset", "frames"), [(0, 90), (10, 90), (95, 5), (100, 0), (-40, 50), (-90, 0)])
def test_bits_are_compared_where_two_songs_overlap(offset, frames):
    words = np.random.default_rng(0).integers(1, 2**32, 100, dtype=np.uint32)
    rate, count = bit_errors(words, words[10:], offset)

    assert count == frames
    assert (rate == 0) == (offset == 10)


def test_frames_that_say_nothing_are_not_compared():
    words = np.array([1, 0, 0, 0, 7], np.uint32)

    assert bit_errors(words, np.array([1, 0, 5, 0, 7], np.uint32), 0) == (0.0, 2)


def test_thousands_of_songs_are_searched_at_once():
    rng = np.random.default_rng(0)
    songs = [rng.integers(1, 2**32, 400, dtype=np.uint32) for _ in range(2000)]
    flips = np.packbits(rng.random((400, 32)) < 0.1, axis=1).view(np.uint32)[:, 0]
    songs[1999] = (songs[7] ^ flips)[30:]
    found = find_twins(songs)

    assert [(pair.first, pair.second) for pair in found] == [(7, 1999)]
    assert found[0].errors == pytest.approx(0.1, abs=0.01)
