"""What the network is asked to do: how t is drawn, how errors are weighted, which conditions are dropped."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from acetune.families.variant import Variant
from acetune.flow import randomness
from acetune.flow.timesteps import MU, SIGMA, TURBO_SHIFT, Law
from acetune.recipe import Recipe

#: Guards of the signal-to-noise ratio at both ends of t.
_T_EDGE, _SNR_MAX = 1e-4, 1e6
#: Parts of the distribution of t that validation and adaptive times look at; turbo has its own eight times.
PARTS = 8


@dataclass(frozen=True)
class Objective:
    """A training objective of straight flow matching.

    Attributes:
        timesteps: A kind of `acetune.flow.timesteps.Law`.
        shift: Of the turbo times.
        condition_dropout: Chance that a crop is shown without its conditions.
        weighting: "none", "x0" (errors in the x_0 that a velocity points to) or "min_snr".
        gamma: Cap of the signal-to-noise ratio.
        mean: Of logit(t).
        deviation: The same.
        adaptive: Whether times with a high loss are drawn more often than the law says.
    """

    timesteps: str
    shift: float
    condition_dropout: float
    weighting: str
    gamma: float
    mean: float = MU
    deviation: float = SIGMA
    adaptive: bool = False

    @classmethod
    def of(cls, recipe: Recipe, variant: Variant) -> Objective:
        """Return the objective of a recipe; what it leaves open is what the variant was trained with."""
        chosen = recipe.objective
        dropout = chosen.condition_dropout
        return cls(
            timesteps=variant.timesteps if chosen.timesteps in ("auto", "adaptive") else chosen.timesteps,
            shift=variant.sampling.shift if variant.timesteps == "turbo8" else TURBO_SHIFT,
            condition_dropout=variant.condition_dropout if dropout is None else dropout,
            weighting=chosen.weighting,
            gamma=chosen.min_snr_gamma,
            mean=chosen.timestep_mean,
            deviation=chosen.timestep_sd,
            adaptive=chosen.timesteps == "adaptive",
        )

    @property
    def law(self) -> Law:
        """How t is distributed."""
        return Law(self.timesteps, self.shift, self.mean, self.deviation)

    def times(self, seed: int, step: int, indices: range) -> Tensor:
        """Draw t for the crops of a step: (len(indices),) float32."""
        return torch.stack([self.law.draw(randomness.generator(seed, "t", step, i)) for i in indices])

    def dropped(self, seed: int, step: int, indices: range) -> Tensor:
        """Draw which crops of a step are shown without conditions: (len(indices),) bool."""
        chance = self.condition_dropout
        return torch.tensor([randomness.unit(seed, "condition dropout", step, i) < chance for i in indices])

    def validation_times(self) -> Tensor:
        """Return the fixed times at which held-out crops are looked at, ascending."""
        return self.law.middles(PARTS)

    def losses(self, predicted: Tensor, target: Tensor, t: Tensor) -> Tensor:
        """Return the loss of each crop, (B,) float32: mean over frames and channels, then weighted by t.

        Args:
            predicted: Velocity of the network (B, T, C).
            target: Velocity of the path (B, T, C).
            t: Times (B,).
        """
        errors = (predicted.float() - target.float()).square().flatten(1).mean(dim=1)
        return errors * self._weights(t) if self.weighting != "none" else errors

    def _weights(self, t: Tensor) -> Tensor:
        """Return the weight of each error: x_0 = x_t - t velocity, so its squared error is t^2 times ours."""
        return t.float().square() if self.weighting == "x0" else self._min_snr(t)

    def _min_snr(self, t: Tensor) -> Tensor:
        """Return min(SNR, gamma) / SNR with SNR = ((1 - t) / t)^2 (arXiv:2303.09556)."""
        t = t.float().clamp(_T_EDGE, 1 - _T_EDGE)
        ratio = ((1 - t) / t).square().clamp(max=_SNR_MAX)
        return ratio.clamp(max=self.gamma) / ratio
