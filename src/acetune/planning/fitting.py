"""What makes a training smaller, the cheapest first: for a plan that does not fit, and after a failure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from acetune.events import Json
from acetune.recipe import Recipe, changed
from acetune.sections import WHOLE

#: Crops are not halved below this: shorter pieces of songs have no form that could be learned.
_SHORTEST_SECONDS: Final = 10.0
#: Ranks are not halved below this by a plan.
_LOWEST_RANK: Final = 16

#: Knobs that `smaller` changes.
KNOBS: Final = ("data.batch_size", "data.accumulation", "compute.recompute", "data.crop_seconds")

#: Knobs and their new values.
Changes: TypeAlias = Mapping[str, Json]


def smaller(recipe: Recipe) -> Changes | None:
    """Return the next change that saves memory in a run that has begun; None where none is left.

    First smaller micro-batches, as many more of them in a step: the same training, a little slower. Then recomputation,
    half as slow again. Then crops of half the length, which changes what is learned. Nothing here touches the weights
    of the base or the optimizer: a quantised base is the user's to choose.
    """
    return _micro_batches(recipe) or _recomputation(recipe) or _crops(recipe)


def fitting(recipe: Recipe, fits: Callable[[Recipe], bool]) -> Changes | None:
    """Return the fewest changes after which a recipe fits; None where it never does.

    They are those of `smaller`, and a lower rank before shorter crops.

    Args:
        recipe: One that does not fit.
        fits: Whether a recipe does.
    """
    changes: dict[str, Json] = {}
    while step := _micro_batches(recipe) or _recomputation(recipe) or _rank(recipe) or _crops(recipe):
        changes |= step
        recipe = changed(recipe, step)
        if fits(recipe):
            return MappingProxyType(changes)
    return None


def _micro_batches(recipe: Recipe) -> Changes | None:
    """Return micro-batches of half the size, or of one crop, and as many crops in a step as before."""
    size = recipe.data.batch_size
    if size == 1:
        return None
    half = size // 2 if size % 2 == 0 else 1
    return MappingProxyType({"data.batch_size": half, "data.accumulation": recipe.data.accumulation * size // half})


def _recomputation(recipe: Recipe) -> Changes | None:
    """Return that activations are recomputed."""
    return None if recipe.compute.recompute else MappingProxyType({"compute.recompute": True})


def _rank(recipe: Recipe) -> Changes | None:
    """Return half the rank at the same scale."""
    adapter = recipe.adapter
    if adapter.kind == WHOLE or adapter.rank < 2 * _LOWEST_RANK or adapter.rank % 2:
        return None
    return MappingProxyType({"adapter.rank": adapter.rank // 2, "adapter.alpha": adapter.alpha / 2})


def _crops(recipe: Recipe) -> Changes | None:
    """Return crops of half the length."""
    seconds = recipe.data.crop_seconds
    return MappingProxyType({"data.crop_seconds": seconds / 2}) if seconds >= 2 * _SHORTEST_SECONDS else None


def as_flags(changes: Changes) -> str:
    """Return changes as a user types them: ``--compute.recompute true --data.crop_seconds 30``."""
    return " ".join(f"--{knob} {_typed(value)}" for knob, value in changes.items())


def _typed(value: Json) -> str:
    """Return a value as the command line reads it."""
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
