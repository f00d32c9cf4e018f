"""How times are spaced for sampling and drawn for training. 1 is noise, 0 is music."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

#: Mean and deviation of the logit-normal draws of ACE-Step 1.5 (its config: timestep_mu, timestep_sigma).
MU, SIGMA = -0.4, 1.0
#: Steps and shift of the turbo checkpoints.
TURBO_STEPS, TURBO_SHIFT = 8, 3.0


def shifted(u: Tensor, shift: float) -> Tensor:
    """Return s u / (1 + (s - 1) u): more time near the noise for a shift above 1 (arXiv:2403.03206, eq. 23)."""
    return shift * u / (1 + (shift - 1) * u)


def schedule(steps: int, shift: float) -> Tensor:
    """Return the times of an Euler sampler, from 1 down, without the final 0: (steps,) float32."""
    return shifted(torch.linspace(1.0, 0.0, steps + 1), shift)[:-1]


def draw(kind: str, generator: torch.Generator, shift: float = TURBO_SHIFT) -> Tensor:
    """Draw one time for training, a float32 scalar.

    Args:
        kind: "acestep" (the larger of two logit-normal draws, as ACE-Step 1.5 was trained), "logit_normal" (one
            draw), "turbo8" (one of the eight times that turbo is sampled at) or "uniform".
        generator: Where the randomness comes from.
        shift: Of the turbo times.
    """
    return _DRAWS[kind](generator, shift)


def quantiles(kind: str, count: int, shift: float = TURBO_SHIFT) -> Tensor:
    """Return the middles of ``count`` equally likely parts of a kind's distribution, ascending, float32.

    For "turbo8" these are its eight times whatever the count.
    """
    if kind == "turbo8":
        return schedule(TURBO_STEPS, shift).flip(0)
    u = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    if kind == "uniform":
        return u.float()
    # P(max of two <= t) = Phi(logit)^2, so the quantile of the larger draw is Phi^-1(sqrt(u)).
    normal = torch.special.ndtri(u.sqrt() if kind == "acestep" else u)
    return torch.sigmoid(MU + SIGMA * normal).float()


def _logit_normal(generator: torch.Generator, shift: float) -> Tensor:
    """Draw sigmoid(N(MU, SIGMA))."""
    return torch.sigmoid(MU + SIGMA * torch.randn((), generator=generator))


def _acestep(generator: torch.Generator, shift: float) -> Tensor:
    """Draw the larger of two logit-normals (ACE-Step 1.5 model code: t and r are sorted, then r := t)."""
    return torch.maximum(_logit_normal(generator, shift), _logit_normal(generator, shift))


def _turbo8(generator: torch.Generator, shift: float) -> Tensor:
    """Draw one of the times that turbo is sampled at."""
    index = torch.randint(TURBO_STEPS, (), generator=generator)
    return schedule(TURBO_STEPS, shift)[index]


def _uniform(generator: torch.Generator, shift: float) -> Tensor:
    """Draw between 0 and 1."""
    return torch.rand((), generator=generator)


_DRAWS: dict[str, Callable[[torch.Generator, float], Tensor]] = {
    "acestep": _acestep,
    "logit_normal": _logit_normal,
    "turbo8": _turbo8,
    "uniform": _uniform,
}
