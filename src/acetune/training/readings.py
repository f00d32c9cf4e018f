"""What steps measured: kept on the device and read back in blocks, so that no step waits for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from acetune.events import StepDone


@dataclass(frozen=True)
class Reading:
    """What one step measured; tensors stay on the device until they are read in a block.

    Attributes:
        losses: Of each crop, (crops,).
        songs, times: Of each crop; times are on the CPU.
    """

    step: int
    loss: Tensor
    grad_norm: Tensor
    losses: Tensor
    songs: tuple[int, ...]
    times: Tensor
    lr: float
    epoch: int


@dataclass
class Readings:
    """Collects readings and reads them back in blocks: each block is one wait for the device.

    Args:
        every: Steps in a block: 1 where waiting costs nothing.
    """

    every: int
    _waiting: list[Reading] = field(default_factory=list)
    _since: float = field(default_factory=time.perf_counter)

    def restart(self) -> None:
        """Leave the time that something else took out of the next block."""
        self._since = time.perf_counter()

    def add(self, reading: Reading) -> bool:
        """Take a reading; return whether a block is full."""
        self._waiting.append(reading)
        return len(self._waiting) >= self.every

    def take(self) -> list[StepDone]:
        """Return the waiting steps, all read at once."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return []
        values = torch.cat([torch.cat([torch.stack([r.loss, r.grad_norm]), r.losses]).float() for r in waiting])
        rows = iter(values.tolist())
        now = time.perf_counter()
        seconds = (now - self._since) / len(waiting)
        self._since = now
        return [_done(reading, rows, seconds) for reading in waiting]


def _done(reading: Reading, values: Iterator[float], seconds: float) -> StepDone:
    """Return a step as an event, from the next of the values that were read."""
    loss, norm = next(values), next(values)
    pairs = zip(reading.songs, reading.times.tolist(), strict=True)
    crops = [[song, round(t, 6), round(next(values), 6)] for song, t in pairs]
    return StepDone(
        step=reading.step, loss=loss, lr=reading.lr, grad_norm=norm, seconds=seconds, epoch=reading.epoch, crops=crops
    )
