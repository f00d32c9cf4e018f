"""Alarms: each has a training that sets it off and one that does not."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import torch
from torch import nn

from acetune import catalog
from acetune.events import Event, Job, Noticed, StepDone, Validated
from acetune.sections import OptimSection
from acetune.training import health
from acetune.training.validate import Losses


def step(number: int, loss: float = 0.8, grad_norm: float = 1.0, lr: float = 1e-4) -> StepDone:
    return StepDone(step=number, loss=loss, lr=lr, grad_norm=grad_norm, seconds=0.1)


def validated(number: int, difference: float, low: float | None = None) -> Validated:
    high = None if low is None else 2 * difference - low
    return Validated(
        step=number,
        loss=0.8 + difference,
        base_loss=0.8,
        difference=difference,
        low=low,
        high=high,
        units=4,
        best=False,
    )


def said(events: Iterable[Event], history: Iterable[Event] = ()) -> list[str]:
    heard: list[Event] = []
    job = health.watched(Job(heard.append), history)
    for event in events:
        job.report(event)
    return [event.code for event in heard if isinstance(event, Noticed)]


STEADY = [step(n, 0.8 + 0.3 * (-1) ** n) for n in range(1, 201)]


@pytest.mark.parametrize(
    ("code", "ill", "well"),
    [
        ("health.no_gradient", [step(n, grad_norm=0) for n in range(20)], [step(n, grad_norm=0) for n in range(19)]),
        ("health.divergence", [*STEADY, *(step(n, 1.4) for n in range(201, 260))], STEADY),
        ("health.unchanged", [validated(10, 0.0, 0.0)], [validated(10, -1e-6)]),
        ("health.worse", [validated(10, 0.02, 0.01)], [validated(10, 0.02, -0.01)]),
        (
            "health.plateau",
            [step(1), *(validated(n, -0.02 - n / 1e5, -0.03) for n in range(4))],
            [step(1), *(validated(n, -0.02 - n / 1e3, -0.03) for n in range(4))],
        ),
    ],
)
def test_an_alarm_fires_for_what_is_wrong_and_for_nothing_else(code: str, ill: list[Event], well: list[Event]) -> None:
    assert said(ill) == [code]
    assert said(well) == []


def test_a_loss_that_stands_still_at_the_end_of_a_schedule_is_no_plateau() -> None:
    assert said([step(1), step(2, lr=1e-6), *(validated(n, -0.02, -0.03) for n in range(4))]) == []


def test_an_alarm_is_said_once_and_not_again_when_a_run_goes_on() -> None:
    ill = [step(n, grad_norm=0) for n in range(60)]

    assert said(ill) == ["health.no_gradient"]
    assert said(ill[30:], history=ill[:30]) == []


def test_a_run_that_goes_on_is_watched_as_if_it_had_never_stopped() -> None:
    ill = [step(n, grad_norm=0) for n in range(20)]

    assert said(ill[10:], history=ill[:10]) == ["health.no_gradient"]


def losses(step: int, *values: float) -> Losses:
    names = tuple(f"song {n}" for n in range(len(values)))
    return Losses(step, "songs", (0.5,), names, tuple((value,) for value in values))


@pytest.mark.parametrize(
    ("now", "alarm"),
    [
        ((0.83, 0.72, 0.94, 0.63), True),  # every song rises alike: more than chance
        ((0.83, 0.62, 0.99, 0.55), False),  # some rise and some fall
        ((0.79, 0.69, 0.89, 0.59), False),  # all fall
    ],
)
def test_overfitting_is_a_rise_of_the_held_out_loss_beyond_chance(now: tuple[float, ...], alarm: bool) -> None:
    found = health.overfit(losses(10, 0.8, 0.7, 0.9, 0.6), losses(20, *now))

    assert (found is not None) == alarm


@pytest.mark.parametrize(("now", "alarm"), [((0.9, 0.8), True), ((0.9, 0.69), False)])
def test_with_few_songs_overfitting_is_a_rise_of_each(now: tuple[float, ...], alarm: bool) -> None:
    found = health.overfit(losses(10, 0.8, 0.7), losses(20, *now))

    assert (found is not None) == alarm


def test_an_adapter_whose_weights_stay_as_they_were_is_dead() -> None:
    parameters = {"a.lora_B.weight": nn.Parameter(torch.zeros(3)), "b.lora_B.weight": nn.Parameter(torch.zeros(3))}
    unmoved = health.Unmoved(parameters, start=5)
    with torch.no_grad():
        parameters["a.lora_B.weight"][1] = 1e-30
    found = unmoved.after(25)

    assert found is not None and found.params["names"] == "b.lora_B.weight"
    assert unmoved.after(24) is unmoved.after(26) is None


def test_a_network_may_have_weights_that_are_not_used() -> None:
    parameters = {"used": nn.Parameter(torch.zeros(3)), "unused": nn.Parameter(torch.zeros(3))}
    moving, dead = (health.Unmoved(parameters, start=0, least=1.0) for _ in range(2))
    found = dead.after(health.DEAD_STEPS)
    with torch.no_grad():
        parameters["used"][0] = 1.0

    assert moving.after(health.DEAD_STEPS) is None
    assert found is not None and found.params["count"] == 2


@pytest.mark.parametrize("name", ["prodigy", "prodigy-schedule-free"])
@pytest.mark.parametrize(("rate", "alarm"), [(1e-4, True), (1.0, False)])
def test_an_optimizer_that_finds_no_step_size_is_said(name: str, rate: float, alarm: bool) -> None:
    weight = nn.Parameter(torch.zeros(4, 4))
    optimizer = catalog.resolve("optimizer", name)([weight], OptimSection(name=name, lr=rate))
    estimate = health.Estimate(optimizer, start=0, warmup=10)
    found = []
    for number in range(1, 121):
        weight.grad = (weight.detach() - 3.0).clone()
        optimizer.step()
        found.append(estimate.after(number))

    assert [number for number, finding in enumerate(found, start=1) if finding] == ([110] if alarm else [])


def test_other_optimizers_have_no_step_size_to_find() -> None:
    optimizer = catalog.resolve("optimizer", "adamw")([nn.Parameter(torch.zeros(2))], OptimSection())

    assert health.Estimate(optimizer, start=0, warmup=0).after(100) is None


def test_an_adapter_whose_weights_all_moved_is_alive() -> None:
    parameters = {"a.lora_B.weight": nn.Parameter(torch.zeros(3))}
    unmoved = health.Unmoved(parameters, start=0)
    with torch.no_grad():
        parameters["a.lora_B.weight"][1] = 1e-30

    assert unmoved.after(health.DEAD_STEPS) is None
