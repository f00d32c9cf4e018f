"""Parameters that are updated as one row: nothing but speed tells them from those that are not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import nn

from acetune.sections import OptimSection
from acetune.training.flat import Flat, clip
from acetune.training.optim import adamw
from acetune.training.updater import Averaged, Updater

KNOBS = OptimSection(lr=0.1)
SHAPES = ((4, 3), (3, 5), (7,))


@pytest.fixture
def parameters() -> list[nn.Parameter]:
    return [nn.Parameter(torch.randn(shape, generator=torch.Generator().manual_seed(1))) for shape in SHAPES]


def plain(parameters: Sequence[nn.Parameter]) -> tuple[list[nn.Parameter], torch.optim.Optimizer]:
    """Return copies, and torch's AdamW tensor by tensor."""
    copies = [nn.Parameter(parameter.detach().clone()) for parameter in parameters]
    return copies, torch.optim.AdamW(
        copies, lr=KNOBS.lr, betas=(KNOBS.beta1, KNOBS.beta2), eps=KNOBS.eps, weight_decay=KNOBS.weight_decay,
        foreach=False,
    )  # fmt: skip


def descend(parameters: Sequence[nn.Parameter], optimizer: Updater, steps: int = 3) -> None:
    """Do some steps towards zero with gradients of norm 1 at most."""
    for _ in range(steps):
        torch.stack([parameter.pow(2).sum() for parameter in parameters]).sum().backward()
        clip(optimizer, parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()


def test_several_tensors_are_updated_as_one_row(parameters: list[nn.Parameter]) -> None:
    optimizer = adamw(parameters, KNOBS)

    assert isinstance(optimizer, Flat)
    assert len({parameter.untyped_storage().data_ptr() for parameter in parameters}) == 1


def test_a_row_is_updated_as_its_tensors_would_be(parameters: list[nn.Parameter]) -> None:
    others, reference = plain(parameters)
    descend(parameters, adamw(parameters, KNOBS))
    descend(others, reference)

    for ours, theirs in zip(parameters, others, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)


def test_the_state_of_a_row_is_that_of_its_tensors(parameters: list[nn.Parameter]) -> None:
    others, reference = plain(parameters)
    optimizer = adamw(parameters, KNOBS)
    descend(parameters, optimizer)
    descend(others, reference)

    ours, theirs = optimizer.state[parameters[1]], reference.state[others[1]]

    assert ours.keys() == theirs.keys()
    torch.testing.assert_close(dict(ours), dict(theirs), rtol=1e-6, atol=1e-6)


def test_the_norm_is_that_of_all_gradients_whether_they_are_averaged_or_not(parameters: list[nn.Parameter]) -> None:
    optimizer = Averaged(adamw(parameters, KNOBS), parameters, decay=0.5)
    torch.stack([parameter.sum() for parameter in parameters]).sum().backward()

    assert float(clip(optimizer, parameters, 1.0)) == pytest.approx((4 * 3 + 3 * 5 + 7) ** 0.5)


def test_a_gradient_that_is_missing_counts_as_zero(parameters: list[nn.Parameter]) -> None:
    others, reference = plain(parameters)
    optimizer = adamw(parameters, KNOBS)
    descend(parameters, optimizer, 1)
    descend(others, reference, 1)
    others[0].grad = torch.zeros_like(others[0])
    descend(parameters[1:], optimizer, 1)
    descend(others[1:], reference, 1)

    torch.testing.assert_close(parameters[0], others[0], rtol=1e-6, atol=1e-6)


def test_a_large_network_keeps_its_tensors(monkeypatch: pytest.MonkeyPatch, parameters: list[nn.Parameter]) -> None:
    monkeypatch.setattr("acetune.training.flat._MOST", 20)

    assert not isinstance(adamw(parameters, KNOBS), Flat)
