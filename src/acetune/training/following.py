"""Who follows a training besides its run: TensorBoard's files always, services where a recipe names them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from acetune import catalog
from acetune.events import Job
from acetune.planning.missing import trackers
from acetune.recipe import Recipe
from acetune.run import Run

#: The tracker that needs no word.
_ALWAYS = "tensorboard"


@contextmanager
def followed(run: Run, recipe: Recipe, job: Job) -> Iterator[Job]:
    """Yield a job whose events the trackers hear too, until the block ends.

    Raises:
        SettingError: If there is no tracker of a name, or a service refuses.
        MissingDependency: If the package of a service is not installed.
    """
    names = dict.fromkeys((_ALWAYS, *trackers(recipe)))
    with ExitStack() as stack:
        for tracker in [catalog.resolve("tracker", name) for name in names]:
            job = job.also(stack.enter_context(tracker().opened(run, recipe)))
        yield job
