"""From noise and conditions to latents, with guidance where a variant wants it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from acetune.families.family import Batch, Example, ModelFamily, Part
from acetune.families.variant import Sampling
from acetune.flow import path, randomness
from acetune.flow.solvers import calls, solver


@dataclass(frozen=True)
class Lead:
    """What leads a sampling.

    Attributes:
        first: Conditions of the first steps; its latents are the noise to start from.
        later: Conditions of the steps after those; None where nothing changes.
        switch: How many steps see ``first``, where something changes.
        kept: Music (T, C) that stays as it is outside the window of ``first``; None where all is made.
        seed: Of noise that a solver adds on the way.
    """

    first: Example
    later: Example | None = None
    switch: int = 0
    kept: Tensor | None = None
    seed: int = 0


def sample(
    family: ModelFamily,
    network: nn.Module,
    example: Example,
    constants: Part,
    sampling: Sampling,
    after_step: Callable[[], None],
) -> Tensor:
    """Return latents (1, T, C), float32, that one prompt leads; arguments as of `sample_led`."""
    return sample_led(family, network, Lead(example), constants, sampling, after_step)


@torch.no_grad()  # what sharded weights set up in inference mode could not be trained after it
def sample_led(
    family: ModelFamily,
    network: nn.Module,
    lead: Lead,
    constants: Part,
    sampling: Sampling,
    after_step: Callable[[], None],
) -> Tensor:
    """Return latents (1, T, C), float32.

    Args:
        family: Collates and predicts.
        network: With or without an adapter.
        lead: Conditions, and what stays as it is.
        constants: Of the checkpoint.
        sampling: Steps, shift, guidance and more; guidance 1 asks the network once a step, others oftener.
        after_step: Called after each call of the solver; may raise to stop.
    """
    device = next(network.parameters()).device
    first = family.collate([lead.first], constants, device)
    later = family.collate([lead.later], constants, device) if lead.later else first
    switch = lead.switch if lead.later else calls(sampling.solver, sampling.steps)
    course = family.course(sampling)
    told, untold = (torch.tensor([dropped], device=device) for dropped in (False, True))
    stays = _stays(lead, first)
    done = 0

    def velocity(x: Tensor, t: Tensor) -> Tensor:
        nonlocal done
        batch = first if done < switch else later
        conditional = family.predict(network, batch, x, t, told)

        def less(name: str) -> Tensor:
            if name == "nothing" or course.less is None:
                return family.predict(network, batch, x, t, untold)
            return course.less(network, batch, x, t, name)

        found = course.guide(done, conditional, less)
        done += 1
        after_step()
        return found if stays is None else torch.where(stays[0], stays[1], found)

    def fresh(step: int) -> Tensor:
        return randomness.normal(tuple(first.x0.shape), lead.seed, "noise of a step", step)

    return solver(sampling.solver, fresh)(velocity, first.x0, course.times.to(device))


def _stays(lead: Lead, batch: Batch) -> tuple[Tensor, Tensor] | None:
    """Return where music stays (1, T, 1) and the velocity (1, T, C) that leads the noise there to it."""
    if lead.kept is None or lead.first.window is None:
        return None
    start, stop = lead.first.window
    frames = torch.arange(lead.kept.shape[0], device=batch.x0.device)[None, :, None]
    return (frames < start) | (frames >= stop), path.velocity(lead.kept.to(batch.x0), batch.x0)
