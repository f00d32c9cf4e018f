"""Looking at runs from outside, and stopping them at a chosen moment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from acetune.adapters import adapter as adapters
from acetune.adapters import trained
from acetune.events import Event, Job, StepDone
from acetune.run import Run


def weights(folder: Path) -> dict[str, Tensor]:
    """Return the trained weights of a run's newest checkpoint."""
    last = (folder / "checkpoints" / "last").read_text().strip()
    return dict(trained.load(folder / "checkpoints" / last).weights)


def moments(folder: Path) -> dict[str, Tensor]:
    """Return the optimizer's tensors of a run's newest checkpoint."""
    last = (folder / "checkpoints" / "last").read_text().strip()
    return adapters.read_safetensors(folder / "checkpoints" / last / "optimizer.safetensors")[0]


def same(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    """Whether all tensors are equal to the bit."""
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def losses(folder: Path) -> list[float]:
    """Return the losses that hold, in order."""
    steps = {e.step: e.loss for e in Run(folder).history() if isinstance(e, StepDone)}
    return [steps[number] for number in sorted(steps)]


def stop_after(step: int) -> Job:
    """Return a job that asks to stop once this step is done."""
    seen: list[int] = []

    def listen(event: Event) -> None:
        if isinstance(event, StepDone):
            seen.append(event.step)

    return Job(listen, lambda: bool(seen) and seen[-1] >= step)


def collector() -> tuple[Job, list[Event]]:
    """Return a job and the list it fills."""
    events: list[Event] = []
    return Job(events.append), events


Recipes = Callable[..., object]
