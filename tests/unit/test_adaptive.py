import json

import pytest
import torch
from torch.testing import assert_close

from acetune.families.objective import Objective
from acetune.flow.timesteps import Law
from acetune.training.adaptive import AdaptiveTimes

FINE, BAD = torch.zeros(()), torch.ones(())


def adaptive(kind="acestep"):
    return AdaptiveTimes(Objective(kind, 3.0, 0.0, "none", 5.0, adaptive=True), torch.device("cpu"))


def taught(loss_of, kind="acestep", steps=200):
    """Return times that have seen a loss for each t, over so many steps of eight crops."""
    made = adaptive(kind)
    for step in range(steps):
        made.learn(loss_of(made.times(1, step, range(8))), FINE)
    return made


def share_above(made, t):
    return float((made.times(2, 0, range(6000)) > t).float().mean())


@pytest.mark.parametrize("kind", ["acestep", "logit_normal", "uniform", "turbo8"])
def test_before_any_loss_times_follow_the_law(kind):
    found, law = adaptive(kind).times(3, 0, range(6000)), Law(kind)

    assert found.dtype == torch.float32
    assert_close(found.quantile(0.2), law.at(torch.tensor([0.2]))[0], atol=0.02, rtol=0)
    assert_close(found.quantile(0.7), law.at(torch.tensor([0.7]))[0], atol=0.02, rtol=0)


def test_equal_losses_change_nothing():
    assert share_above(taught(torch.ones_like), float(Law("acestep").at(torch.tensor([0.5])))) == pytest.approx(
        0.5, abs=0.02
    )


def test_times_with_a_high_loss_come_more_often_and_none_is_forgotten():
    middle = float(Law("acestep").at(torch.tensor([0.5])))
    made = taught(lambda t: 0.1 + 0.9 * (t > middle))

    # Half of the draws follow the law, the others losses of 0.1 and 1.
    assert share_above(made, middle) == pytest.approx(0.5 * 0.5 + 0.5 * 1.0 / 1.1, abs=0.02)


def test_turbo_is_still_trained_at_its_eight_times():
    made = taught(lambda t: t, "turbo8")

    assert set(made.times(1, 999, range(300)).tolist()) == set(Law("turbo8").middles(8).tolist())


def test_a_process_that_goes_on_draws_what_the_other_would_have():
    whole, half = adaptive(), adaptive()
    for step in range(23):
        whole.learn(whole.times(1, step, range(4)), FINE)
    half.restore(json.loads(json.dumps(whole.state)))
    for step in range(23, 43):
        drawn = [made.times(1, step, range(4)) for made in (whole, half)]
        assert torch.equal(*drawn)
        whole.learn(drawn[0], FINE)
        half.learn(drawn[1], FINE)

    assert whole.state == half.state


def test_crops_of_a_second_micro_batch_draw_their_own_times():
    whole, parts = adaptive(), adaptive()

    assert torch.equal(whole.times(1, 5, range(6))[4:], parts.times(1, 5, range(4, 6)))


@pytest.mark.parametrize(("loss", "bad"), [(1.0, BAD), (float("nan"), FINE)])
def test_nothing_is_learned_from_a_number_that_is_none(loss, bad):
    made = adaptive()
    before = made.state
    made.times(1, 0, range(2))
    made.learn(torch.tensor([0.5, loss]), bad)

    assert made.state == before
