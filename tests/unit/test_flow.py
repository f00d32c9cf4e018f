import pytest
import torch
from torch.testing import assert_close

from acetune.flow import path, timesteps
from acetune.flow.guidance import THRESHOLD, Guidance
from acetune.flow.solvers import euler

#: The eight times of turbo by shift, as the official handler lists them (without the final 0).
TURBO = {
    1: [1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125],
    2: [1.0, 0.933333, 0.857143, 0.769231, 0.666667, 0.545455, 0.4, 0.222222],
    3: [1.0, 0.954545, 0.9, 0.833333, 0.75, 0.642857, 0.5, 0.3],
}
#: Quantiles of the times that ACE-Step 1.5 was trained with (larger of two draws), and of one draw.
LAWS = {
    "acestep": {0.05: 0.239, 0.25: 0.401, 0.5: 0.536, 0.75: 0.670, 0.95: 0.826},
    "logit_normal": {0.05: 0.115, 0.25: 0.255, 0.5: 0.401, 0.75: 0.568, 0.95: 0.776},
    "uniform": {0.05: 0.05, 0.25: 0.25, 0.5: 0.5, 0.75: 0.75, 0.95: 0.95},
}
CASES = [(kind, share, t) for kind, law in LAWS.items() for share, t in law.items()]


def randoms(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def draws(kind, count, **settings):
    generator = torch.Generator().manual_seed(7)
    return torch.stack([timesteps.Law(kind, **settings).draw(generator) for _ in range(count)])


X0, NOISE = randoms(2, 6, 3), randoms(2, 6, 3, seed=1)
T = torch.tensor([0.25, 0.9])


def test_at_zero_there_is_music_and_at_one_there_is_noise():
    assert_close(path.noisy(X0, NOISE, torch.zeros(2)), X0)
    assert_close(path.noisy(X0, NOISE, torch.ones(2)), NOISE)


def test_each_example_has_its_own_time():
    mixed = path.noisy(X0, NOISE, T)

    assert_close(mixed[0], 0.25 * NOISE[0] + 0.75 * X0[0])
    assert_close(mixed[1], 0.9 * NOISE[1] + 0.1 * X0[1])


@pytest.mark.parametrize("kind", ["logit_normal", "acestep"])
def test_logit_normal_times_move_with_mean_and_deviation(kind):
    logits = torch.logit(draws(kind, 4000, mean=1.0, deviation=0.25))
    usual = torch.logit(draws(kind, 4000))

    assert_close(logits, 1.0 + 0.25 * (usual + 0.4), atol=1e-3, rtol=0)
    middle = timesteps.Law(kind, mean=1.0, deviation=0.25).middles(1)
    assert float(torch.sigmoid(logits).quantile(0.5)) == pytest.approx(float(middle), abs=0.01)


def test_the_velocity_is_the_slope_of_the_path():
    later = path.noisy(X0.double(), NOISE.double(), T.double() + 0.01)
    slope = (later - path.noisy(X0.double(), NOISE.double(), T.double())) / 0.01

    assert_close(slope, path.velocity(X0, NOISE).double(), atol=1e-5, rtol=1e-5)


def test_the_velocity_points_back_to_the_music():
    assert_close(path.music(path.noisy(X0, NOISE, T), path.velocity(X0, NOISE), T), X0)


@pytest.mark.parametrize(("shift", "times"), TURBO.items())
def test_the_times_of_turbo_are_the_official_ones(shift, times):
    assert_close(timesteps.schedule(8, shift), torch.tensor(times), atol=1e-6, rtol=0)


@pytest.mark.parametrize("steps", [1, 8, 50])
@pytest.mark.parametrize("shift", [1.0, 3.0, 6.0])
def test_a_schedule_goes_down_from_one_and_leaves_the_zero_out(steps, shift):
    times = timesteps.schedule(steps, shift)

    assert (times.dtype, len(times), float(times[0])) == (torch.float32, steps, 1.0)
    assert (times.diff() < 0).all()
    assert times[-1] > 0


def test_a_shift_of_one_changes_nothing():
    u = torch.linspace(0, 1, 11)

    assert_close(timesteps.shifted(u, 1.0), u)


@pytest.mark.parametrize("kind", LAWS)
@pytest.mark.parametrize("count", [1, 2, 10])
def test_quantiles_are_those_of_the_law(kind, count):
    times = timesteps.Law(kind).middles(count)
    shares = [(n + 0.5) / count for n in range(count)]
    known = {share: t for share, t in LAWS[kind].items() if share in shares}

    assert times.dtype == torch.float32
    assert known
    assert {share: round(float(times[shares.index(share)]), 3) for share in known} == known


@pytest.mark.parametrize(("kind", "share", "t"), CASES)
def test_draws_follow_the_law(kind, share, t):
    assert float(draws(kind, 4000).quantile(share)) == pytest.approx(t, abs=0.015)


def test_turbo_is_drawn_from_its_eight_times_equally_often():
    times, counts = draws("turbo8", 4000).unique(return_counts=True)

    assert_close(times.flip(0), timesteps.schedule(8, 3.0))
    assert counts.min() > 400


def test_turbo_is_drawn_at_the_variants_own_shift():
    assert set(draws("turbo8", 200, shift=1.0).tolist()) == set(TURBO[1])


@pytest.mark.parametrize("count", [1, 8, 50])
def test_quantiles_of_turbo_are_its_eight_times_from_below(count):
    assert_close(timesteps.Law("turbo8", 3.0).middles(count), torch.tensor(TURBO[3][::-1]), atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", [*LAWS, "turbo8"])
def test_a_draw_is_one_number_between_music_and_noise(kind):
    found = draws(kind, 50)

    assert (found.dtype, found.shape) == (torch.float32, (50,))
    assert (found >= 0).all()
    assert (found <= 1).all()


@pytest.mark.parametrize("steps", [1, 3, 8])
@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_euler_is_exact_on_a_straight_path(steps, shift):
    found = euler(lambda x, t: path.velocity(X0, NOISE), NOISE, timesteps.schedule(steps, shift))

    assert_close(found, X0, atol=1e-6, rtol=1e-5)


def test_euler_asks_at_every_time_with_one_time_for_each_example():
    asked = []

    def velocity(x, t):
        asked.append(t)
        return torch.zeros_like(x)

    euler(velocity, NOISE, timesteps.schedule(8, 3.0))

    assert_close(torch.stack(asked), timesteps.schedule(8, 3.0)[:, None].expand(8, 2))


def test_euler_of_a_field_that_grows_with_x_takes_one_factor_a_step():
    found = euler(lambda x, t: x, torch.ones(1, 1, 1), torch.tensor([1.0, 0.5]))

    assert float(found) == pytest.approx(0.25)


def test_a_scale_of_one_leaves_the_velocity_as_it_is():
    assert torch.equal(Guidance(1.0)(X0, NOISE), X0)


def test_where_both_agree_guidance_changes_nothing():
    assert torch.equal(Guidance(7.0)(X0, X0), X0)


def test_guidance_adds_only_what_is_orthogonal_to_the_conditional_velocity():
    moved = Guidance(7.0)(X0, NOISE) - X0

    assert float(moved.abs().max()) > 0.1
    assert_close((moved * X0).sum(dim=1), torch.zeros(2, 3), atol=1e-4, rtol=0)


def test_guidance_is_bounded_by_its_threshold():
    moved = Guidance(7.0)(X0, 100 * NOISE) - X0

    assert float(moved.norm(dim=1).max()) <= 6 * THRESHOLD * 1.0001


def test_guidance_remembers_the_difference_before():
    once, twice = Guidance(7.0), Guidance(7.0)
    twice(X0, NOISE)

    assert not torch.allclose(once(X0, NOISE), twice(X0, NOISE))


def test_each_sampling_starts_without_memory():
    assert torch.equal(Guidance(7.0)(X0, NOISE), Guidance(7.0)(X0, NOISE))


def test_guidance_keeps_the_number_format():
    assert Guidance(7.0)(X0.bfloat16(), NOISE.bfloat16()).dtype == torch.bfloat16
