import pytest

from acetune.planning.steps import (
    MIN_FRAMES,
    crop_length,
    default_steps,
    epoch_steps,
    run_length,
    steps_per_epoch,
    window_length,
)
from acetune.recipe import resolve


def length(per_epoch=10, minutes=30.0, **knobs):
    return run_length(resolve([("test", {"model.variant": "turbo", **knobs})]).recipe, per_epoch, minutes)


@pytest.mark.parametrize(
    ("frames", "wanted", "crop"),
    [
        (6000, 1500, 1500),  # longer songs give the wanted length
        (1500, 1500, 1500),
        (1499, 1500, 1250),  # shorter ones fall on a grid of sixths
        (251, 1500, 250),
        (250, 1500, 250),
        (249, 1500, 248),  # below the grid they are taken whole, but for the odd frame
        (7, 1500, 6),
        (5, 1500, 0),  # nothing worth learning
        (0, 1500, 0),
        (6000, 1501, 1500),  # lengths are multiples of the patch
        (100, 7, 6),
        (100, 5, 0),  # a wish for nothing worth learning
    ],
)
def test_crops_have_the_wanted_length_or_fall_on_a_grid(frames, wanted, crop):
    assert crop_length(frames, wanted, 2) == crop


@pytest.mark.parametrize(
    ("frames", "window"), [(6000, 1200), (9000, 1500), (1500, 300), (750, 150), (31, 6), (29, 0), (0, 0)]
)
def test_a_fifth_of_a_songs_end_is_held_out_and_never_more_than_a_crop(frames, window):
    assert window_length(frames, 1500, 2) == window


def test_a_window_leaves_something_to_train_on():
    assert all(crop_length(n - window_length(n, 1500, 2), 1500, 2) >= MIN_FRAMES for n in range(MIN_FRAMES, 3000))


@pytest.mark.parametrize("batch", [1, 2, 3, 8])
@pytest.mark.parametrize("accumulation", [1, 2, 4])
@pytest.mark.parametrize("songs", [1, 2, 7, 12, 100])
def test_steps_of_an_epoch_follow_the_formula_where_lengths_are_equal(songs, batch, accumulation):
    micro_batches = -(-songs // batch)

    assert steps_per_epoch([1500] * songs, batch, accumulation) == -(-micro_batches // accumulation)


def test_items_are_taken_in_order_until_a_micro_batch_is_full():
    assert epoch_steps([10, 10, 10, 10], [3, 1, 0, 2], 2, 1) == (((3, 1),), ((0, 2),))


def test_lengths_never_mix_and_what_is_left_comes_last():
    assert epoch_steps([10, 20, 10, 20, 10], [0, 1, 2, 3, 4], 2, 2) == (((0, 2), (1, 3)), ((4,),))


def test_the_last_step_may_be_short():
    assert epoch_steps([10] * 3, [0, 1, 2], 1, 2) == (((0,), (1,)), ((2,),))


def test_steps_are_taken_as_they_are():
    found = length(steps=500)

    assert (found.steps, found.epochs, found.steps_per_epoch) == (500, 50.0, 10)


@pytest.mark.parametrize(("epochs", "steps"), [(3, 30), (0.25, 3), (0.001, 1), (1.01, 11)])
def test_epochs_become_whole_steps(epochs, steps):
    assert length(epochs=epochs).steps == steps


@pytest.mark.parametrize(("minutes", "steps"), [(0, 300), (4, 340), (60, 900), (270, 3000), (1e6, 3000)])
def test_without_either_the_amount_of_music_decides(minutes, steps):
    assert default_steps(minutes) == steps
    assert length(minutes=minutes).steps == steps


@pytest.mark.parametrize(("steps", "warmup"), [(60, 6), (400, 40), (1000, 100), (100_000, 100), (9, 0)])
def test_warm_up_is_a_tenth_of_the_run_and_at_most_a_hundred_steps(steps, warmup):
    assert length(steps=steps).warmup == warmup


@pytest.mark.parametrize(("steps", "every"), [(1000, 250), (10, 3), (1, 1)])
def test_a_run_saves_and_validates_four_times(steps, every):
    found = length(steps=steps)

    assert (found.save_every, found.validate_every) == (every, every)


def test_intervals_that_are_chosen_hold():
    found = length(steps=100, **{"schedule.warmup": 0, "guard.save_every": 0, "guard.validate_every": 7})

    assert (found.warmup, found.save_every, found.validate_every) == (0, 0, 7)
