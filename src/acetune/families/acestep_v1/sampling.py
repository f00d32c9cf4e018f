"""How ACE-Step v1 is sampled as its published pipeline does: times, guidance in the middle of the way, spread.

The pipeline's text to music with its usual settings: Euler steps, adaptive projected guidance (arXiv:2410.02416) whose
norms are taken over rows and frames of a latent channel, granularity ("omega") 10.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from acetune.families.acestep_v1.codec import ROWS
from acetune.flow.guidance import Guidance
from acetune.flow.timesteps import shifted

#: Share of the steps that are guided, around the middle (published default).
INTERVAL = 0.5
#: The usual granularity, and what becomes of it: a factor of how velocities differ from their mean.
OMEGA = 10.0
#: Times of the table that the network was trained with.
_TABLE = 1000


def times(steps: int, shift: float) -> Tensor:
    """Return the times of the sampler, from 1 down, without the final 0: (steps,) float32.

    The table of training is shifted, and its ends are spread evenly and shifted again: published so.
    """
    last = shifted(torch.tensor(1 / _TABLE), shift)
    return shifted(torch.linspace(1.0, float(last), steps), shift)


@dataclass
class MiddleGuide:
    """Guides the steps in the middle of a sampling; it has momentum, so each sampling needs its own.

    Args:
        scale: Of the guidance; 1 leaves conditional velocities.
        steps: Of the sampling.
        interval: Share of the steps that are guided.
        decay: How much of the way from `scale` to `least` the guidance goes while it lasts, 0 to 1.
        least: Where a decaying guidance ends.
    """

    scale: float
    steps: int
    interval: float = INTERVAL
    decay: float = 0.0
    least: float = 3.0
    _guidance: Guidance = field(default_factory=lambda: Guidance(1.0), repr=False)

    def __call__(self, step: int, conditional: Tensor, unconditional: Callable[[], Tensor]) -> Tensor:
        """Return the velocity of a step, all shapes (B, T, 128); the other prediction is asked for where it counts."""
        guided = conditional
        start, stop = (int(self.steps * share) for share in ((1 - self.interval) / 2, (1 + self.interval) / 2))
        if self.scale not in (0.0, 1.0) and start <= step < stop:
            way = (step - start) / max(stop - start - 1, 1) * self.decay
            self._guidance.scale = self.scale - (self.scale - self.least) * way
            pair = (_by_channel(velocity) for velocity in (conditional, unconditional()))
            guided = _by_frame(self._guidance(*pair))
        return _spread(guided)


def _spread(velocity: Tensor) -> Tensor:
    """Return a velocity whose differences from its mean are larger by what the granularity says."""
    factor = 0.9 + 0.2 / (1 + math.exp(-0.1 * OMEGA))
    mean = velocity.mean()
    return (velocity - mean) * factor + mean


def _by_channel(flat: Tensor) -> Tensor:
    """Return latents with all rows and frames of a channel in a column: (B, T, 128) -> (B, 16 T, 8)."""
    return flat.view(*flat.shape[:2], -1, ROWS).transpose(-1, -2).flatten(1, 2)


def _by_frame(columns: Tensor) -> Tensor:
    """Undo `_by_channel`."""
    return columns.view(columns.shape[0], -1, ROWS, columns.shape[-1]).transpose(-1, -2).flatten(2)
