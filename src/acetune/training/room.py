"""What happens when a device's memory does not suffice for a step: the run goes on from there with what takes less."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from acetune import compute
from acetune.errors import OutOfMemory
from acetune.events import Job, Noticed
from acetune.knobs import flatten
from acetune.planning import fitting
from acetune.recipe import Recipe, changed
from acetune.run import Run
from acetune.training import validate

T = TypeVar("T")


class NoRoomError(Exception):
    """The memory did not suffice for a step, counted from 1, of so many; what was done before it is saved."""

    def __init__(self, step: int, steps: int) -> None:
        super().__init__(step, steps)
        self.step, self.steps = step, steps


def until_it_fits(work: Callable[[Recipe], T], recipe: Recipe, run: Run, job: Job) -> T:
    """Return what a training with this recipe returns, or with one that takes less, from the step that failed on.

    Args:
        work: Trains from the newest checkpoint on, whose settings may differ from the recipe's in what saves memory.
        recipe: To begin with.
        run: Where.
        job: Hears what was changed.

    Raises:
        OutOfMemory: If nothing is left to try.
    """
    while True:
        try:
            return work(recipe)
        except NoRoomError as failure:
            step, steps = failure.step, failure.steps  # the failure itself holds all that fills the memory
        recipe = _smaller(run, recipe, (step, steps), job)
        compute.release(compute.device(recipe.compute.device))


def _smaller(run: Run, recipe: Recipe, at: tuple[int, int], job: Job) -> Recipe:
    """Return the recipe of a run that had no room at a step of so many, made smaller.

    Raises:
        OutOfMemory: If nothing is left to try.
    """
    changes = fitting.smaller(recipe)
    if changes is None:
        raise OutOfMemory("training.memory", device=recipe.compute.device)
    flags = fitting.as_flags(changes)
    job.tell(OutOfMemory("training.smaller", device=recipe.compute.device, step=at[0], changes=flags))
    if "data.crop_seconds" in changes:
        validate.forget(run)  # losses of longer crops cannot be compared
    return changed(recipe, {**changes, "schedule.steps": at[1]})


def as_made_smaller(run: Run, recipe: Recipe) -> Recipe:
    """Return a recipe with what a run gave up for want of memory, so that whoever asks for it again can go on."""
    if not any(isinstance(event, Noticed) and event.code == "training.smaller" for event in run.events()):
        return recipe
    now = flatten(run.recipe.model_dump(mode="json"))
    return changed(recipe, {knob: now[knob] for knob in fitting.KNOBS})
