"""Adaptive projected guidance (arXiv:2410.02416), as ACE-Step 1.5 base and sft are sampled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor
from torch.nn import functional as F

#: Official sampler of ACE-Step 1.5 base: momentum, norm threshold; eta is 0 (the parallel part is dropped).
MOMENTUM, THRESHOLD = -0.75, 2.5


class Guide(Protocol):
    """Makes of what a network predicts the velocity of each step of one sampling."""

    def __call__(self, step: int, conditional: Tensor, unconditional: Callable[[], Tensor]) -> Tensor:
        """Return the velocity (B, T, C) of a step, counted from 0; the other prediction costs time when asked for."""
        ...


@dataclass(frozen=True)
class Course:
    """How one sampling goes.

    Attributes:
        times: From 1 down, without the final 0: (steps,) float32.
        guide: Of this sampling alone; it may remember steps.
    """

    times: Tensor
    guide: Guide


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

    def __call__(self, step: int, conditional: Tensor, unconditional: Callable[[], Tensor]) -> Tensor:
        """Return the guided velocity."""
        return conditional if self._guidance.scale == 1 else self._guidance(conditional, unconditional())
