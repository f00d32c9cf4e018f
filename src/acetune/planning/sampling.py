"""How long a network takes to sample a piece, for clips of the base network and for previews."""

from __future__ import annotations

from typing import Final

from acetune.planning.memory import NetworkSize, forward_flops
from acetune.recipe import Recipe, family_of

#: Condition tokens of a usual song: lyrics and caption.
CONDITIONS: Final = 500
#: Seconds of a step, of training or of sampling, that do not depend on its size.
STEP_SECONDS: Final = 0.02


def sampling_seconds(recipe: Recipe, size: NetworkSize, frames: int, steps: int, rate: float) -> float:
    """Return how long one piece takes; with guidance the network is asked twice a step.

    Args:
        recipe: Its variant is read.
        size: Of the network.
        frames: Latent frames of the piece.
        steps: Of sampling.
        rate: Floating point operations a second.
    """
    guided = family_of(recipe.model.variant)[1].sampling.guidance != 1
    once = forward_flops(size, frames // size.patch, CONDITIONS) / rate + STEP_SECONDS
    return steps * (2 if guided else 1) * once
