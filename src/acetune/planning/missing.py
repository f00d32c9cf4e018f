"""What a recipe names and this machine lacks, refused before any song is encoded and while the run's name is free."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from acetune import catalog
from acetune.errors import MissingDependency, SettingError, WrongAdapter
from acetune.recipe import Recipe


def refuse_missing(recipe: Recipe, *, begins: bool = True) -> None:
    """Refuse names and files that are not there: what a plan can see as well as a training.

    Args:
        recipe: What to train.
        begins: Whether the run begins; one that goes on has what it started from.

    Raises:
        SettingError: If there is no tracker of a name, or the file of prompts cannot be read or is empty.
        WrongAdapter: If there is nothing where the adapter to start from should be.
    """
    for name in trackers(recipe):
        catalog.known("tracker", name)
    if recipe.preview.every and recipe.preview.prompts is not None:
        captions(Path(recipe.preview.prompts))
    start = recipe.adapter.start
    if begins and start is not None and not Path(start).expanduser().exists():
        raise WrongAdapter("adapter.no_file", path=start)


def refuse_uninstalled(recipe: Recipe) -> None:
    """Raise MissingDependency if the optimizer's package is not installed; a plan may be for another machine."""
    if recipe.optim.name == "adamw-8bit" and find_spec("bitsandbytes") is None:
        raise MissingDependency("training.no_8bit")


def trackers(recipe: Recipe) -> tuple[str, ...]:
    """Return the names of the trackers that a recipe asks for, in order and once each."""
    return tuple(dict.fromkeys(name.strip() for name in recipe.guard.trackers.split(",") if name.strip()))


def captions(path: Path) -> list[str]:
    """Return the captions of a text file, one a line.

    Raises:
        SettingError: If it cannot be read or is empty.
    """
    try:
        lines = [line.strip() for line in path.expanduser().read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as cause:
        raise SettingError("preview.unreadable", path=path, cause=cause) from cause
    found = [line for line in lines if line]
    if not found:
        raise SettingError("preview.empty", path=path)
    return found
