"""Times that are drawn more often where the loss is high, from a running loss for each part of their distribution.

The parts are equally likely under the variant's own law; for turbo they are its eight times. Half of all draws follow
that law, the others the running losses, so that no part is ever forgotten (the idea is Side-Step's, which splits t
itself and so never comes to it with a batch of one).
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from acetune import compute
from acetune.families.objective import PARTS, Objective
from acetune.flow import randomness

#: Memory of a running loss, and share of draws that follow the losses.
_MEMORY, _SHARE = 0.99, 0.5
#: Steps between two readings of the losses from the device: each is a wait, so chances hold for so many steps.
_BLOCK: Final = 10


class AdaptiveTimes:
    """Draws times and learns from their losses; what it knows is two lists of numbers.

    Args:
        objective: Its law says what the parts are.
        device: Where losses are.
    """

    def __init__(self, objective: Objective, device: torch.device) -> None:
        self._law = objective.law
        self._sums = torch.zeros(2, PARTS, device=device)  # losses and how many, both fading
        self._chances = [1 / PARTS] * PARTS
        self._drawn: Tensor | None = None

    def times(self, seed: int, step: int, indices: range) -> Tensor:
        """Draw t for all crops of a step: (len(indices),) float32."""
        if step % _BLOCK == 0:
            self._chances = self._found()
        parts = [self._part(randomness.unit(seed, "part of t", step, i)) for i in indices]
        self._drawn = torch.tensor(parts)
        places = [
            (part + randomness.unit(seed, "t in part", step, i)) / PARTS for part, i in zip(parts, indices, strict=True)
        ]
        return self._law.at(torch.tensor(places, dtype=torch.float64))

    def learn(self, losses: Tensor, bad: Tensor) -> None:
        """Take the losses (B,) of the times that were drawn last, unless something was no number."""
        assert self._drawn is not None
        where = compute.to_device(torch.nn.functional.one_hot(self._drawn, PARTS).float(), losses.device)
        counts = where.sum(dim=0)
        seen = torch.stack([(where * losses.detach().float()[:, None]).sum(dim=0), counts])
        self._sums = torch.where((bad > 0) | ~seen.isfinite().all(), self._sums, self._sums * _MEMORY**counts + seen)

    @property
    def state(self) -> list[list[float]]:
        """What must be kept to go on exactly: running sums and counts, and the chances that hold now."""
        return [*self._sums.tolist(), self._chances]

    def restore(self, state: list[list[float]]) -> None:
        """Go on from a state."""
        self._sums = torch.tensor(state[:2], device=self._sums.device)
        self._chances = list(state[2])

    def _found(self) -> list[float]:
        """Return the chance of each part; a part that was never drawn has the mean loss of the others."""
        sums, counts = self._sums.double().cpu()
        known = counts > 0
        if not known.any():
            return [1 / PARTS] * PARTS
        losses = sums / counts.clamp(min=torch.finfo(torch.float64).tiny)
        losses = torch.where(known, losses, losses[known].mean())
        chances: list[float] = ((1 - _SHARE) / PARTS + _SHARE * losses / losses.sum()).tolist()
        return chances

    def _part(self, u: float) -> int:
        """Return the part that a number in [0, 1) falls into."""
        for part, chance in enumerate(self._chances):
            if u < chance:
                return part
            u -= chance
        return PARTS - 1
