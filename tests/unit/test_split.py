from dataclasses import replace

import pytest

from acetune.data.split import split
from acetune.data.track import Track
from acetune.errors import DataError, SettingError


def songs(count):
    return tuple(Track(path=f"{n}.wav", seconds=60, audio_sha256=f"{n:064x}") for n in range(count))


def paths(tracks):
    return {track.path for track in tracks}


@pytest.mark.parametrize(("count", "held"), [(8, 4), (20, 4), (50, 5), (100, 10)])
def test_from_eight_songs_on_a_tenth_and_at_least_four_are_held_out(count, held):
    parts = split(songs(count), None, 0)

    assert (len(parts.train), len(parts.validation), parts.mode) == (count - held, held, "songs")


@pytest.mark.parametrize("holdout", [None, 0.2])
def test_with_fewer_songs_all_train_and_windows_are_held_out(holdout):
    parts = split(songs(7), holdout, 0)

    assert (len(parts.train), parts.validation, parts.mode) == (7, (), "windows")


@pytest.mark.parametrize(("holdout", "held"), [(0.25, 5), (0.01, 1), (3, 3), (19, 19)])
def test_a_share_or_a_number_of_songs_can_be_asked_for(holdout, held):
    assert len(split(songs(20), holdout, 0).validation) == held


def test_a_number_of_songs_is_held_out_whole_from_a_small_set_too():
    parts = split(songs(5), 2, 0)

    assert (len(parts.validation), parts.mode) == (2, "songs")


def test_zero_holds_nothing_out():
    parts = split(songs(20), 0, 0)

    assert (len(parts.train), parts.validation, parts.mode) == (20, (), "none")


def test_the_choice_follows_the_seed():
    choices = {frozenset(paths(split(songs(20), None, seed).validation)) for seed in range(8)}

    assert len(choices) > 4


def test_the_choice_does_not_depend_on_the_order():
    tracks = songs(20)

    assert paths(split(tracks[::-1], None, 7).validation) == paths(split(tracks, None, 7).validation)


def test_both_parts_keep_the_order_of_the_data_set():
    parts = split(songs(20), None, 7)
    order = [int(track.path[:-4]) for track in parts.train]

    assert order == sorted(order)


def test_the_songs_a_person_marked_are_the_ones_held_out():
    tracks = songs(20)
    marked = tuple(replace(t, split="validation") if t.path in ("3.wav", "5.wav") else t for t in tracks)

    assert paths(split(marked, None, 0).validation) == {"3.wav", "5.wav"}


def test_a_number_is_filled_up_beside_the_marked_songs():
    marked = (replace(songs(20)[0], split="validation"), *songs(20)[1:])
    parts = split(marked, 6, 0)

    assert len(parts.validation) == 6
    assert "0.wav" in paths(parts.validation)


def test_a_song_marked_for_training_is_never_held_out():
    marked = tuple(replace(track, split="train") for track in songs(12)[:9]) + songs(12)[9:]

    assert paths(split(marked, None, 0).validation) == {"9.wav", "10.wav", "11.wav"}


def test_where_every_song_is_marked_for_training_windows_are_held_out():
    marked = tuple(replace(track, split="train") for track in songs(12))

    assert split(marked, None, 0).mode == "windows"


@pytest.mark.parametrize("seed", range(6))
def test_equal_audio_never_lies_in_both_parts(seed):
    tracks = songs(10)
    copies = tuple(replace(track, path=f"copy-{track.path}") for track in tracks)
    parts = split(tracks + copies, None, seed)

    assert not {t.audio_sha256 for t in parts.train} & {t.audio_sha256 for t in parts.validation}
    assert len(parts.validation) == 2 * 4


def test_a_copy_of_a_held_out_song_is_held_out_too():
    tracks = songs(9)
    pair = (replace(tracks[0], split="validation"), replace(tracks[0], path="copy.wav", split="train"))

    assert paths(split(pair + tracks[1:], None, 0).validation) == {"0.wav", "copy.wav"}


def test_excluded_tracks_are_in_neither_part_and_do_not_count():
    tracks = (replace(songs(8)[0], excluded=True), *songs(8)[1:])
    parts = split(tracks, None, 0)

    assert len(parts.train) == 7
    assert parts.mode == "windows"


def test_holding_out_every_song_is_refused():
    with pytest.raises(DataError, match="All 5 songs"):
        split(songs(5), 5, 0)


def test_half_a_song_is_refused():
    with pytest.raises(SettingError, match="holdout = 1.5 is neither a share"):
        split(songs(20), 1.5, 0)
