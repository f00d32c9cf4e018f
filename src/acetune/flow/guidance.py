"""Adaptive projected guidance (arXiv:2410.02416), as ACE-Step 1.5 base and sft are sampled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor
from torch.nn import functional as F

#: Official sampler of ACE-Step 1.5 base: momentum, norm threshold; eta is 0 (the parallel part is dropped).
MOMENTUM, THRESHOLD = -0.75, 2.5


class Guide(Protocol):
    """Makes of what a network predicts the velocity of each step of one sampling."""

    def __call__(self, call: int, conditional: Tensor, less: Callable[[str], Tensor]) -> Tensor:
        """Return the velocity (B, T, C) of one call of the solver, counted from 0.

        Args:
            call: Which one.
            conditional: What the network predicts.
            less: Returns what it predicts when it is told less, by a name; costs time when asked.
        """
        ...


@dataclass(frozen=True)
class Course:
    """How one sampling goes.

    Attributes:
        times: From 1 down, without the final 0: (steps,) float32.
        guide: Of this sampling alone; it may remember steps.
        less: Returns the velocity that a network predicts for a batch at x_t and t when it is told less, by the names
            that the guide uses beside "nothing"; None where it uses no others.
    """

    times: Tensor
    guide: Guide
    less: Callable[[Any, Any, Tensor, Tensor, str], Tensor] | None = None


@dataclass
class Guidance:
    """Guidance of one sampling; it has momentum, so each sampling needs its own.

    Args:
        scale: 1 leaves the conditional velocity as it is.
    """

    scale: float
    _running: Tensor | None = field(default=None, repr=False)

    def __call__(self, conditional: Tensor, unconditional: Tensor) -> Tensor:
        """Return the guided velocity; all shapes (B, T, C), norms over T."""
        difference = conditional - unconditional
        if self._running is not None:
            difference = difference + MOMENTUM * self._running
        self._running = difference
        norm = difference.norm(dim=1, keepdim=True)
        difference = difference * (THRESHOLD / norm).clamp(max=1.0)
        wide = difference.double()
        direction = F.normalize(conditional.double(), dim=1)
        orthogonal = wide - (wide * direction).sum(dim=1, keepdim=True) * direction
        guided: Tensor = conditional + (self.scale - 1) * orthogonal.to(conditional.dtype)
        return guided


class EveryStep:
    """Guides every step; a scale of 1 asks for no other prediction."""

    def __init__(self, scale: float) -> None:
        self._guidance = Guidance(scale)

    def __call__(self, call: int, conditional: Tensor, less: Callable[[str], Tensor]) -> Tensor:
        """Return the guided velocity."""
        return conditional if self._guidance.scale == 1 else self._guidance(conditional, less("nothing"))
