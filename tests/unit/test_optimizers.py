"""What a learning rate means to each optimizer: how far weights move."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from acetune import catalog
from acetune.planning.optimizers import USUAL_RATES
from acetune.sections import OptimSection
from acetune.training.flat import Anchored


def moved(name: str, rate: float, steps: int = 100) -> float:
    """Return how far weights that begin at zero went, a step and in rates, under a gradient of one direction."""
    weight = nn.Parameter(torch.zeros(8, 8))
    optimizer = catalog.resolve("optimizer", name)([weight], OptimSection(name=name, lr=rate, weight_decay=0.0))
    optimizer.found_inf = torch.zeros(())
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        weight.grad = 1 + 0.1 * torch.randn(8, 8, generator=generator)
        optimizer.step()
    return float(weight.detach().square().mean().sqrt()) / steps / rate


@pytest.mark.parametrize("name", ["adamw", "adafactor", "lion", "muon"])
def test_weights_that_begin_at_zero_move_by_about_the_rate_in_a_step(name: str) -> None:
    low, high = USUAL_RATES[name]

    assert 0.05 < moved(name, (low * high) ** 0.5) < 2


@pytest.mark.parametrize("name", [name for name in catalog.names("optimizer") if name != "adamw-8bit"])
def test_an_optimizer_says_nothing_amid_the_events(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    catalog.resolve("optimizer", name)([nn.Parameter(torch.zeros(2, 2))], OptimSection(name=name))

    assert capsys.readouterr().out == ""


def test_weights_that_others_know_by_their_place_stay_there() -> None:
    weights = [Anchored(torch.ones(2, 2)), Anchored(torch.ones(3))]
    places = [weight.data_ptr() for weight in weights]
    catalog.resolve("optimizer", "adamw")(weights, OptimSection())

    assert [weight.data_ptr() for weight in weights] == places
