"""The laws of steps: every item once, one length in a micro-batch, and as many steps as were promised."""

import math

from hypothesis import given
from hypothesis import strategies as st

from acetune.planning.steps import MIN_FRAMES, crop_length, epoch_steps, pieces, steps_per_epoch, window_length

lengths = st.lists(st.integers(1, 5), min_size=1, max_size=40)
few = st.integers(1, 6)
epochs = lengths.flatmap(lambda crops: st.tuples(st.just(crops), st.permutations(range(len(crops))), few, few))
frames, wanted = st.integers(0, 20_000), st.integers(12, 4000)
multiples = st.sampled_from([1, 2, 4])


@given(epochs)
def test_an_epoch_shows_every_item_exactly_once(epoch):
    crops = epoch[0]
    seen = [item for step in epoch_steps(*epoch) for micro_batch in step for item in micro_batch]

    assert sorted(seen) == list(range(len(crops)))


@given(epochs)
def test_a_micro_batch_has_one_length_and_is_not_too_large(epoch):
    crops, _, batch_size, _ = epoch
    micro_batches = [micro_batch for step in epoch_steps(*epoch) for micro_batch in step]

    assert all(len({crops[item] for item in micro_batch}) == 1 for micro_batch in micro_batches)
    assert all(1 <= len(micro_batch) <= batch_size for micro_batch in micro_batches)


@given(epochs)
def test_every_step_but_the_last_is_full(epoch):
    sizes = [len(step) for step in epoch_steps(*epoch)]

    assert sizes[:-1] == [epoch[3]] * (len(sizes) - 1)
    assert 1 <= sizes[-1] <= epoch[3]


@given(epochs)
def test_the_promised_number_of_steps_holds_in_every_order(epoch):
    crops, _, batch_size, accumulation = epoch

    assert len(epoch_steps(*epoch)) == steps_per_epoch(crops, batch_size, accumulation)


@given(st.integers(1, 500), few, few)
def test_equal_lengths_give_the_formula_that_people_know(songs, batch_size, accumulation):
    expected = math.ceil(math.ceil(songs / batch_size) / accumulation)

    assert steps_per_epoch([1500] * songs, batch_size, accumulation) == expected


@given(frames, wanted, multiples)
def test_a_crop_fits_into_its_song_and_is_a_multiple(frames, wanted, multiple):
    length = crop_length(frames, wanted, multiple)

    assert length % multiple == 0
    assert length == 0 or MIN_FRAMES <= length <= min(frames, wanted)
    assert length or frames < MIN_FRAMES + multiple


@given(frames, wanted, multiples)
def test_a_held_out_window_is_no_larger_than_a_fifth(frames, wanted, multiple):
    length = window_length(frames, wanted, multiple)

    assert length % multiple == 0
    assert 0 <= length <= min(frames / 5, wanted)


@given(st.lists(frames, max_size=100), wanted, multiples)
def test_songs_shorter_than_the_crop_have_few_lengths(songs, wanted, multiple):
    grid = max(wanted // multiple * multiple // 6 // multiple * multiple, multiple)
    crops = {crop_length(song, wanted, multiple) for song in songs if song >= grid}

    assert len(crops) <= 8


@given(epochs, st.integers(1, 9))
def test_processes_that_share_a_step_show_each_crop_once_in_its_place(epoch, size):
    for step in epoch_steps(*epoch):
        shared = [piece for rank in range(size) for piece in pieces(step, rank, size)]
        shown = [(p.first + i, item) for p in shared for i, item in enumerate(p.items)]

        assert shown == list(enumerate(item for micro_batch in step for item in micro_batch))


@given(epochs, st.integers(1, 9))
def test_shares_of_a_step_differ_by_one_crop_at_most(epoch, size):
    for step in epoch_steps(*epoch):
        counts = [sum(len(p.items) for p in pieces(step, rank, size)) for rank in range(size)]

        assert max(counts) - min(counts) <= 1


@given(epochs)
def test_a_process_alone_takes_the_micro_batches_as_they_are(epoch):
    for step in epoch_steps(*epoch):
        assert tuple(piece.items for piece in pieces(step)) == step
