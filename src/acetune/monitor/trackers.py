"""A run's numbers for services that keep charts of many runs; nothing is sent unless a recipe names one.

What goes out: the run's name, numbers, and the recipe without the paths in it. No caption, lyrics or audio.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from typing import Any, Final

from acetune import files
from acetune.errors import MissingDependency, SettingError
from acetune.events import Event
from acetune.monitor.tensorboard import numbers_of
from acetune.recipe import Recipe
from acetune.run import Run

#: Project of all runs.
_PROJECT: Final = "acetune"
#: Knobs that hold paths of this machine.
_PATHS: Final = frozenset({"data.dataset", "model.path", "adapter.start", "preview.prompts"})
#: Under this name W&B keeps the step: its own counter refuses steps that a resumed run does again.
_STEP: Final = "step"


class WandbTracker:
    """Tracker ``wandb``: Weights & Biases, with the account of `wandb login`; WANDB_MODE=offline sends nothing."""

    name = "wandb"

    @contextmanager
    def opened(self, run: Run, recipe: Recipe) -> Iterator[Callable[[Event], None]]:
        """Yield a listener that logs numbers; a run that is resumed goes on in the same chart.

        Raises:
            MissingDependency: If the package is not installed.
            SettingError: If the service does not let us in.
        """
        wandb = package("wandb")
        settings = wandb.Settings(silent=True, console="off")
        try:
            live = wandb.init(
                project=_PROJECT, name=run.name, id=_identity(run), dir=str(run.folder), resume="allow",
                config=_knobs(recipe), settings=settings,
            )  # fmt: skip
        except wandb.errors.Error as cause:
            raise SettingError("monitor.tracker_refuses", tracker=self.name, cause=str(cause)) from cause
        live.define_metric("*", step_metric=_STEP)
        with live:
            yield _listener(lambda numbers, step: live.log({**numbers, _STEP: step}))


class TrackioTracker:
    """Tracker ``trackio``: a data base on this machine; `trackio show` draws it."""

    name = "trackio"

    @contextmanager
    def opened(self, run: Run, recipe: Recipe) -> Iterator[Callable[[Event], None]]:
        """Yield a listener that logs numbers; a run that is resumed goes on in the same chart.

        Raises:
            MissingDependency: If the package is not installed.
        """
        trackio = package("trackio")
        with redirect_stdout(sys.stderr):  # it prints, and our standard output is for results
            live = trackio.init(
                project=_PROJECT, name=f"{run.name}-{_identity(run)[:4]}", config=_knobs(recipe), resume="allow",
                embed=False, auto_log_cpu=False,
            )  # fmt: skip
        try:
            yield _listener(lambda numbers, step: live.log(dict(numbers), step=step))
        finally:
            with redirect_stdout(sys.stderr):
                trackio.finish()


def package(name: str) -> Any:
    """Import the package of a service.

    Raises:
        MissingDependency: If it is not installed.
    """
    if find_spec(name) is None:
        raise MissingDependency("monitor.tracker_missing", tracker=name)
    from importlib import import_module

    return import_module(name)


def _listener(log: Callable[[Mapping[str, float], int], object]) -> Callable[[Event], None]:
    """Return what passes the numbers of an event on with its step."""

    def listen(event: Event) -> None:
        numbers = numbers_of(event)
        if numbers:
            log(numbers, getattr(event, "step", 0))

    return listen


def _identity(run: Run) -> str:
    """Return what tells a run from others of its name, the same each time it is resumed."""
    return files.hash_of(str(run.folder.resolve()))[:16]


def _knobs(recipe: Recipe) -> dict[str, object]:
    """Return the recipe by section, without paths."""
    content: dict[str, Any] = recipe.model_dump(mode="json", exclude={"version"})
    return {
        section: {name: value for name, value in knobs.items() if f"{section}.{name}" not in _PATHS}
        for section, knobs in content.items()
    }
