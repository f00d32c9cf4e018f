"""Memory of a card that the driver moves to the main memory: said on Windows, once, and for nothing else."""

from __future__ import annotations

import pytest
import torch

from acetune.errors import AcetuneError
from acetune.events import Job, StepDone
from acetune.training import spilling
from acetune.training.spilling import Memory, Spill, spilled

GB = 10**9
ROOMY, FULL, BEYOND = Memory(6 * GB, 8 * GB, GB), Memory(7 * GB, 8 * GB, GB // 10), Memory(9 * GB, 8 * GB, 0)


@pytest.mark.parametrize(
    ("looks", "now", "system", "alarm"),
    [
        ((FULL, FULL), 2.0, "win32", True),  # a full card, and steps became slow
        ((BEYOND, BEYOND), 0.5, "win32", True),  # slow from the first step on
        ((FULL, FULL), 0.6, "win32", False),  # full, and as quick as ever
        ((ROOMY, ROOMY), 2.0, "win32", False),  # slow for another reason
        ((BEYOND, ROOMY), 2.0, "win32", False),  # a preview took it
        ((BEYOND, BEYOND), 9.0, "linux", False),
    ],
)
def test_memory_spills_where_a_card_is_full_and_steps_are_slow(
    looks: tuple[Memory, ...], now: float, system: str, alarm: bool
) -> None:
    assert (spilled(looks, 0.5, now, system) is not None) == alarm


def watched(seconds: list[float], memory: Memory) -> list[tuple[int, AcetuneError]]:
    """Return what is said after which step."""
    spill = Spill(lambda: memory, "win32")
    steps = [StepDone(step=n, loss=1.0, lr=1.0, grad_norm=1.0, seconds=s) for n, s in enumerate(seconds, start=1)]
    return [(step.step, found) for step in steps if (found := spill.see(step))]


def test_steps_that_become_slow_on_a_full_card_are_said_once_with_what_helps() -> None:
    ((step, found),) = watched([0.5] * 60 + [5.0] * 100, FULL)

    assert step == 80  # when half of the last thirty were slow
    assert "7.0 GB taken of 8.0" in found.message() and "5.0 s" in found.message()
    assert "Prefer No Sysmem Fallback" in found.remedy()


def test_a_slow_first_step_and_a_pause_are_no_spill() -> None:
    assert watched([9.0] + [0.5] * 60 + [9.0] * 5 + [0.5] * 60, FULL) == []


@pytest.mark.parametrize("system", ["linux", "win32"])
def test_nothing_is_watched_on_the_processor(system: str) -> None:
    job = Job()

    assert spilling.watched(job, torch.device("cpu"), system) is job
