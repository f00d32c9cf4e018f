"""From noise and conditions to latents, with guidance where a variant wants it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from acetune.families.family import Example, ModelFamily, Part
from acetune.families.variant import Sampling
from acetune.flow import timesteps
from acetune.flow.guidance import Guidance
from acetune.flow.solvers import euler


@torch.inference_mode()
def sample(
    family: ModelFamily,
    network: nn.Module,
    example: Example,
    constants: Part,
    sampling: Sampling,
    after_step: Callable[[], None],
) -> Tensor:
    """Return latents (1, T, C), float32.

    Args:
        family: Collates and predicts.
        network: With or without an adapter.
        example: Its latents are the noise to start from.
        constants: Of the checkpoint.
        sampling: Steps, shift and guidance; guidance 1 asks the network once a step, others twice.
        after_step: Called after each step; may raise to stop.
    """
    device = next(network.parameters()).device
    batch = family.collate([example], constants, device)
    guidance = Guidance(sampling.guidance)
    with_conditions, without = (torch.tensor([dropped], device=device) for dropped in (False, True))

    def velocity(x: Tensor, t: Tensor) -> Tensor:
        found = family.predict(network, batch, x, t, with_conditions)
        if sampling.guidance != 1:
            found = guidance(found, family.predict(network, batch, x, t, without))
        after_step()
        return found

    return euler(velocity, batch.x0, timesteps.schedule(sampling.steps, sampling.shift).to(device))
