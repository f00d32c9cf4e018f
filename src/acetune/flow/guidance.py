"""Adaptive projected guidance (arXiv:2410.02416), as ACE-Step 1.5 base and sft are sampled."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor
from torch.nn import functional as F

#: Official sampler of ACE-Step 1.5 base: momentum, norm threshold; eta is 0 (the parallel part is dropped).
MOMENTUM, THRESHOLD = -0.75, 2.5


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
