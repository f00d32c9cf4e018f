"""A running mean that people can follow with the eye."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass
class RunningMean:
    """Exponential mean without the pull of its start (the bias correction of Adam, arXiv:1412.6980, section 3).

    Attributes:
        memory: Share of the past that one new value leaves.
    """

    memory: float = 0.95
    total: float = 0.0
    weight: float = 0.0

    def add(self, value: float) -> float:
        """Return the mean with this value; a value that is no number changes nothing."""
        if math.isfinite(value):
            self.total = self.memory * self.total + (1 - self.memory) * value
            self.weight = self.memory * self.weight + (1 - self.memory)
        return self.total / self.weight if self.weight else value


def smooth(values: Iterable[float]) -> tuple[float, ...]:
    """Return the running mean at each value, over about a twentieth of them."""
    known = tuple(values)
    mean = RunningMean(memory=1 - 1 / max(3.0, len(known) / 20))
    return tuple(mean.add(value) for value in known)
