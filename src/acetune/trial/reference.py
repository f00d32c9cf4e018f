"""The numbers that a device should give: the same network on the processor, in more digits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from acetune import compute
from acetune.adapters import attach
from acetune.families.objective import Objective
from acetune.flow import path, randomness
from acetune.trial.bench import Bench

#: Frames of made-up music and the time at which it is looked at.
_FRAMES, _TIME = 64, 0.5
#: Size of the adapter's made-up weights: it must change something, or half of its gradients are nothing.
_SPREAD = 0.05
#: Copies of a network that are in memory at once while it is loaded and widened.
_COPIES = 2


@dataclass(frozen=True)
class Answers:
    """Velocity of the probe, and the gradients of an adapter with made-up weights, on the processor."""

    velocity: Tensor
    gradients: Mapping[str, Tensor]


def digits(parameters: int) -> torch.dtype | None:
    """Return the widest number format in which the processor can hold so many weights; None for none."""
    free = compute.memory(torch.device("cpu"))[1] or 0
    wide = (torch.float64, torch.float32)
    return next((dtype for dtype in wide if _COPIES * parameters * dtype.itemsize < free), None)


def answers(bench: Bench, device: torch.device, dtype: torch.dtype) -> Answers:
    """Return what the network says on a device in a number format."""
    compute.release(device)
    network = bench.family.load_network(device, dtype)
    parameters = attach.attach(network, bench.facts)
    for index, parameter in enumerate(parameters.values()):
        drawn = randomness.normal(tuple(parameter.shape), 0, "selftest weights", index)
        parameter.data = (_SPREAD * drawn).to(device, torch.promote_types(dtype, torch.float32))
    batch = bench.family.probe(_FRAMES, device)
    noise = randomness.normal(tuple(batch.x0.shape), 0, "selftest noise").to(device)
    t = torch.full((1,), _TIME, device=device)
    kept = torch.zeros(1, dtype=torch.bool, device=device)
    velocity = bench.family.predict(network, batch, path.noisy(batch.x0, noise, t), t, kept)
    objective = Objective.of(bench.recipe, bench.family.variant)
    objective.losses(velocity, path.velocity(batch.x0, noise), t).sum().backward()  # type: ignore[no-untyped-call]
    gradients = {name: p.grad.cpu() for name, p in parameters.items() if p.grad is not None}
    return Answers(velocity.detach().cpu(), gradients)


def apart(found: Tensor, wanted: Tensor) -> float:
    """Return the largest difference relative to the largest wanted value."""
    found, wanted = found.double().cpu(), wanted.double().cpu()
    return float((found - wanted).abs().max() / wanted.abs().max().clamp(min=torch.finfo(torch.float32).tiny))
