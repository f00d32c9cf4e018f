"""The laws of crops: every round shows the whole song, nothing much more often than anything else, always the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acetune.planning.crops import ROUNDS, Cuts, spread
from acetune.planning.steps import MIN_FRAMES

songs = st.builds(
    Cuts.of,
    frames=st.integers(MIN_FRAMES, 400),
    wanted=st.integers(12, 120),
    multiple=st.sampled_from([1, 2, 4]),
    windows=st.booleans(),
).filter(lambda cuts: cuts.crop)
numbers = st.integers(0, 10_000)


def coverage(cuts, starts):
    """Return how often each frame is seen."""
    return [sum(start <= frame < start + cuts.crop for start in starts) for frame in range(cuts.frames)]


@given(songs, numbers)
def test_a_round_shows_every_frame_once_or_twice(cuts, number):
    seen = coverage(cuts, cuts.starts(number))

    assert (min(seen), max(seen) <= 2) == (1, True)


@given(songs, numbers)
def test_a_crop_lies_in_the_song_on_the_grid(cuts, number):
    starts = cuts.starts(number)

    assert len(starts) == cuts.visits
    assert all(start % cuts.multiple == 0 and 0 <= start <= cuts.frames - cuts.crop for start in starts)


@given(songs, st.integers(0, 99), st.integers(0, 9))
def test_the_visits_of_a_round_are_its_crops_in_some_order(cuts, seed, number):
    first = number * cuts.visits
    visited = [cuts.start(visit, seed, 3) for visit in range(first, first + cuts.visits)]

    assert sorted(visited) == sorted(cuts.starts(number))


@given(songs, st.integers(0, 99), numbers)
def test_only_known_crops_are_shown_where_their_lyrics_are_encoded(cuts, seed, visit):
    assert (cuts.start(visit, seed, 0, ROUNDS), cuts.crop) in cuts.crops()


@given(songs)
def test_a_held_out_end_is_in_no_crop(cuts):
    ends = [start for start, _ in cuts.crops() if start == cuts.frames]

    assert all(start + cuts.crop <= cuts.frames for number in range(9) for start in cuts.starts(number))
    assert bool(ends) == bool(cuts.window)


@pytest.mark.parametrize("visits", [4, 40])
def test_a_song_of_four_crops_is_seen_equally_often(visits):
    cuts = Cuts(frames=6000, crop=1500, window=0, multiple=2)

    assert set(coverage(cuts, [cuts.start(visit, 1, 0) for visit in range(visits)])) == {visits // 4}


def test_the_seed_orders_the_crops_and_moves_none():
    cuts = Cuts(frames=5000, crop=1500, window=0, multiple=2)
    one, two = ([cuts.start(visit, seed, 0) for visit in range(40)] for seed in (1, 2))

    assert one != two
    assert sorted(one) == sorted(two)
    assert len(set(one)) > 20


@pytest.mark.parametrize(("frames", "starts"), [(400, (0, 150, 300)), (250, (0, 150)), (100, (0,)), (3, ())])
def test_a_held_out_song_is_looked_at_from_end_to_end(frames, starts):
    assert tuple(start for start, _ in spread(frames, 100, 2)) == starts
