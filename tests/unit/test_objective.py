import pytest
import torch
from torch.testing import assert_close

from acetune.families.objective import Objective
from acetune.recipe import family_of, resolve


def objective_of(variant, **knobs):
    settings = {"model.variant": variant, **{f"objective.{name}": value for name, value in knobs.items()}}
    return Objective.of(resolve([("test", settings)]).recipe, family_of(variant)[1])


def objective(**changes):
    return Objective(
        **{"timesteps": "acestep", "shift": 3.0, "condition_dropout": 0.0, "weighting": "none", "gamma": 5.0} | changes
    )


@pytest.mark.parametrize(
    ("variant", "timesteps", "shift", "dropout"),
    [
        ("turbo", "turbo8", 3.0, 0.0),
        ("turbo-shift1", "turbo8", 1.0, 0.0),
        ("turbo-shift3", "turbo8", 3.0, 0.0),
        ("turbo-continuous", "acestep", 3.0, 0.0),
        ("base", "acestep", 3.0, 0.15),
        ("sft", "acestep", 3.0, 0.15),
        ("xl-turbo", "turbo8", 3.0, 0.0),
        ("xl-base", "acestep", 3.0, 0.15),
        ("xl-sft", "acestep", 3.0, 0.15),
        ("tiny", "turbo8", 3.0, 0.0),
        ("tiny-base", "acestep", 3.0, 0.15),
    ],
)
def test_what_is_left_open_is_what_the_variant_was_trained_with(variant, timesteps, shift, dropout):
    assert objective_of(variant) == objective(timesteps=timesteps, shift=shift, condition_dropout=dropout)


def test_what_a_recipe_chooses_holds():
    chosen = objective_of("base", timesteps="uniform", condition_dropout=0, weighting="min_snr", min_snr_gamma=3)

    assert chosen == objective(timesteps="uniform", weighting="min_snr", gamma=3.0)


def test_adaptive_times_start_from_the_variants_law_with_what_is_said_of_it():
    chosen = objective_of("base", timesteps="adaptive", timestep_mean=0.5, timestep_sd=2, condition_dropout=0)

    assert chosen == objective(mean=0.5, deviation=2.0, adaptive=True)


@pytest.mark.parametrize("kind", ["acestep", "turbo8", "logit_normal", "uniform"])
def test_a_crop_has_the_same_time_whichever_process_draws_it(kind):
    whole = objective(timesteps=kind).times(42, 7, range(6))

    assert whole.dtype == torch.float32
    assert torch.equal(objective(timesteps=kind).times(42, 7, range(4, 6)), whole[4:])


def test_every_step_and_every_crop_has_its_own_time():
    times = torch.stack([objective().times(42, step, range(4)) for step in range(4)])

    assert times.unique().numel() == 16


@pytest.mark.parametrize(("chance", "low", "high"), [(0.0, 0, 0), (1.0, 2000, 2000), (0.15, 240, 360)])
def test_conditions_are_dropped_by_chance(chance, low, high):
    dropped = objective(condition_dropout=chance).dropped(42, 7, range(2000))

    assert dropped.dtype == torch.bool
    assert low <= int(dropped.sum()) <= high


def test_a_crop_is_dropped_whichever_process_draws_it():
    whole = objective(condition_dropout=0.5).dropped(42, 7, range(20))

    assert torch.equal(objective(condition_dropout=0.5).dropped(42, 7, range(12, 20)), whole[12:])


@pytest.mark.parametrize("kind", ["acestep", "turbo8"])
def test_validation_looks_at_eight_fixed_times_from_below(kind):
    times = objective(timesteps=kind).validation_times()

    assert times.shape == (8,)
    assert (times.diff() > 0).all()


def test_a_loss_is_the_mean_over_frames_and_channels_of_each_crop():
    predicted, target = torch.zeros(2, 3, 4), torch.zeros(2, 3, 4)
    predicted[0, 0, 0] = 12.0
    predicted[1] = 2.0

    assert_close(objective().losses(predicted, target, torch.tensor([0.1, 0.9])), torch.tensor([12.0, 4.0]))


def test_a_loss_is_computed_in_float32():
    predicted = torch.full((1, 2, 2), 3.0, dtype=torch.bfloat16)

    assert objective().losses(predicted, torch.zeros(1, 2, 2), torch.ones(1)).dtype == torch.float32


@pytest.mark.parametrize(
    ("t", "weight"), [(0.1, 5 / 81), (0.2, 5 / 16), (0.31, 1.0), (0.9, 1.0), (1.0, 1.0), (0.0, 5e-6)]
)
def test_min_snr_lowers_the_weight_of_little_noise_only(t, weight):
    losses = objective(weighting="min_snr").losses(torch.ones(1, 2, 2), torch.zeros(1, 2, 2), torch.tensor([t]))

    assert_close(losses, torch.tensor([weight]), atol=1e-7, rtol=1e-5)
