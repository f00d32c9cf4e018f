"""Optimizers that average: what is trained and what is used are different weights, and both are kept."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from acetune.sections import OptimSection
from acetune.training.optim import adamw, prodigy_schedule_free
from acetune.training.updater import Averaged, in_use, tensors_of, used


@pytest.fixture
def trained() -> tuple[nn.Parameter, object]:
    weight = nn.Parameter(torch.tensor([[3.0, -2.0], [1.0, 0.5]]))
    optimizer = prodigy_schedule_free([weight], OptimSection(lr=1.0))
    for _ in range(60):
        optimizer.zero_grad()
        weight.square().sum().backward()
        optimizer.step()
    return weight, optimizer


def test_the_adapter_is_used_with_the_average_of_a_schedule_free_run(trained) -> None:
    weight, optimizer = trained
    beta1 = optimizer.param_groups[0]["betas"][0]
    z = optimizer.state[weight]["z"]

    torch.testing.assert_close(weight.detach(), (1 - beta1) * z + beta1 * used(optimizer, weight))
    assert not torch.equal(used(optimizer, weight), weight)


def test_looking_at_the_average_leaves_the_trained_weights_as_they_were(trained) -> None:
    weight, optimizer = trained
    before = weight.detach().clone()
    with in_use(optimizer, {"w": weight}):
        inside = weight.detach().clone()

    assert torch.equal(inside, used(optimizer, weight))
    assert torch.equal(weight, before)


def test_a_checkpoint_holds_the_trained_weights_beside_those_that_are_used(trained) -> None:
    weight, optimizer = trained

    assert torch.equal(tensors_of(optimizer, {"w": weight})["w|trained"], weight)


def test_without_averaging_the_trained_weights_are_used() -> None:
    weight = nn.Parameter(torch.ones(2, 2))

    assert torch.equal(used(adamw([weight], OptimSection()), weight), weight)


def test_a_skipped_update_leaves_weights_and_their_average() -> None:
    weight = nn.Parameter(torch.tensor([1.0, 2.0]))
    optimizer = Averaged(adamw([weight], OptimSection(lr=0.1)), [weight], decay=0.5)
    optimizer.found_inf = torch.zeros(())
    weight.square().sum().backward()
    optimizer.step()
    optimizer.follow(0)
    trained, average = weight.detach().clone(), optimizer.average(weight).clone()

    weight.grad = torch.full((2,), float("nan"))
    optimizer.found_inf = torch.ones(())
    optimizer.step()
    optimizer.follow(1)

    assert torch.equal(weight, trained) and torch.equal(optimizer.average(weight), average)
    assert not torch.equal(trained, average)
