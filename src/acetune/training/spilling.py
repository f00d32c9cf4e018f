"""Whether the driver moves memory of the card to the main memory, which makes steps many times slower.

NVIDIA's driver for Windows does so, without a word, where a card is full (its *CUDA - Sysmem Fallback Policy*);
elsewhere memory ends with an error that a run goes on from.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Final

import torch

from acetune import compute
from acetune.errors import AcetuneError, OutOfMemory
from acetune.events import Event, Job, StepDone

#: A card with this share of its memory taken or less than the rest of it free is full.
_FULL: Final = 0.95
#: Steps whose median time is compared, and how many times that of the first ones is slow: a spill costs 5 to 20 times.
_STEPS: Final = 30
_SLOWER: Final = 3.0
#: Steps between two looks at the memory.
_EVERY: Final = 10


@dataclass(frozen=True)
class Memory:
    """Bytes of a card: what this program took since it was last asked, all there are, and those that are free."""

    taken: int
    total: int
    free: int


def spilled(looks: tuple[Memory, ...], first: float, now: float, system: str) -> AcetuneError | None:
    """Say if memory of the card lies in the main memory.

    More than the card has was taken at each look, or the card is full and steps became slow.

    Args:
        looks: The latest, the last one last: two, since a preview may have taken what the steps do not.
        first: Seconds of a step at first.
        now: Seconds of a step now.
        system: Platform as `sys.platform` names it; only Windows has such a driver.
    """
    if system != "win32":
        return None
    full = all(look.taken > _FULL * look.total or look.free < (1 - _FULL) * look.total for look in looks)
    beyond = all(look.taken > look.total for look in looks)
    if not (beyond or full and now > _SLOWER * first):
        return None
    taken, total = (f"{size / 1e9:.1f}" for size in (looks[-1].taken, looks[-1].total))
    return OutOfMemory("health.spilled", taken=taken, total=total, seconds=f"{now:.1f}")


@dataclass
class Spill:
    """Looks at the memory every few steps, and says once that it spills.

    Args:
        look: Reads the memory.
        system: As `spilled` takes it.
    """

    look: Callable[[], Memory]
    system: str
    first: list[float] = field(default_factory=list)
    last: deque[float] = field(default_factory=lambda: deque(maxlen=_STEPS))
    looks: deque[Memory] = field(default_factory=lambda: deque(maxlen=2))
    said: bool = False

    def see(self, step: StepDone) -> AcetuneError | None:
        """Take in a step; return what is wrong, unless it was said."""
        self.last.append(step.seconds)
        if len(self.first) < _STEPS:
            self.first.append(step.seconds)
        if self.said or step.step % _EVERY:
            return None
        self.looks.append(self.look())
        if len(self.looks) < 2:
            return None
        found = spilled(tuple(self.looks), median(self.first), median(self.last), self.system)
        self.said = found is not None
        return found


def watched(job: Job, where: torch.device, system: str) -> Job:
    """Return a job that says when memory spills, for steps on a device; the same job where none can."""
    if system != "win32" or compute.peak_bytes(where) is None:
        return job
    compute.forget_peak(where)
    spill = Spill(lambda: _look(where), system)

    def report(event: Event) -> None:
        job.report(event)
        finding = spill.see(event) if isinstance(event, StepDone) else None
        if finding:
            job.tell(finding)

    return Job(report, job.stop_requested)


def _look(where: torch.device) -> Memory:
    """Return what was taken of a card since the last look, and what it has."""
    total, free = compute.memory(where)
    taken = compute.peak_bytes(where)
    compute.forget_peak(where)
    return Memory(taken or 0, total or 0, free or 0)
