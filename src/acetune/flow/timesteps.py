"""How times are spaced for sampling and drawn for training. 1 is noise, 0 is music."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Law:
    """How t is distributed in training.

    Attributes:
        kind: "acestep" (the larger of two logit-normal draws, as ACE-Step 1.5 was trained), "logit_normal" (one
            draw), "turbo8" (one of the eight times that turbo is sampled at), "shifted1000" (one logit-normal draw
            among a thousand times that are shifted towards noise, as ACE-Step v1 was trained) or "uniform".
        shift: Of the turbo times and of the thousand.
        mean: Of logit(t) before any shift, for "acestep", "logit_normal" and "shifted1000".
        deviation: The same.
    """

    kind: str
    shift: float = TURBO_SHIFT
    mean: float = MU
    deviation: float = SIGMA

    def draw(self, generator: torch.Generator) -> Tensor:
        """Draw one time, a float32 scalar."""
        return _DRAWS[self.kind](self, generator)

    def at(self, u: Tensor) -> Tensor:
        """Return the quantiles of u, each in [0, 1): float32."""
        if self.kind == "turbo8":
            return schedule(TURBO_STEPS, self.shift).flip(0)[(u * TURBO_STEPS).long()]
        if self.kind == "uniform":
            return u.float()
        # P(max of two <= t) = Phi(logit)^2, so the quantile of the larger draw is Phi^-1(sqrt(u)).
        normal = torch.special.ndtri(u.double().sqrt() if self.kind == "acestep" else u.double())
        t = torch.sigmoid(self.mean + self.deviation * normal)
        return (_one_of_1000(t, self.shift) if self.kind == "shifted1000" else t).float()

    def middles(self, count: int) -> Tensor:
        """Return the middles of so many equally likely parts, ascending; for "turbo8" its eight times always."""
        count = TURBO_STEPS if self.kind == "turbo8" else count
        return self.at((torch.arange(count, dtype=torch.float64) + 0.5) / count)


def _logit_normal(law: Law, generator: torch.Generator) -> Tensor:
    """Draw sigmoid(N(mean, deviation))."""
    return torch.sigmoid(law.mean + law.deviation * torch.randn((), generator=generator))


def _acestep(law: Law, generator: torch.Generator) -> Tensor:
    """Draw the larger of two logit-normals (ACE-Step 1.5 model code: t and r are sorted, then r := t)."""
    return torch.maximum(_logit_normal(law, generator), _logit_normal(law, generator))


def _turbo8(law: Law, generator: torch.Generator) -> Tensor:
    """Draw one of the times that turbo is sampled at."""
    index = torch.randint(TURBO_STEPS, (), generator=generator)
    return schedule(TURBO_STEPS, law.shift)[index]


def _shifted1000(law: Law, generator: torch.Generator) -> Tensor:
    """Draw one of the thousand times by a logit-normal law."""
    return _one_of_1000(_logit_normal(law, generator), law.shift)


def _one_of_1000(t: Tensor, shift: float) -> Tensor:
    """Return the time of ACE-Step v1's table that t falls on: thousandths, rounded up, then shifted."""
    return shifted((1000 * t).ceil().clamp(min=1) / 1000, shift)


def _uniform(law: Law, generator: torch.Generator) -> Tensor:
    """Draw between 0 and 1."""
    return torch.rand((), generator=generator)


_DRAWS: dict[str, Callable[[Law, torch.Generator], Tensor]] = {
    "acestep": _acestep,
    "logit_normal": _logit_normal,
    "shifted1000": _shifted1000,
    "turbo8": _turbo8,
    "uniform": _uniform,
}
