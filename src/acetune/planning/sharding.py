"""What devices hold of a network that they hold together, and which trainings that can carry (no torch)."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Final

from acetune.errors import SettingError
from acetune.planning.fitting import Changes
from acetune.planning.memory import NetworkSize
from acetune.recipe import Recipe, changed
from acetune.sections import WHOLE

#: Optimizers that treat each number of a weight by itself: its rows can be updated apart from each other.
_ELEMENTWISE: Final = ("adamw", "lion")
_MASTER: Final = 4  # bytes of a number that is trained


def holders(recipe: Recipe) -> int:
    """Return how many devices hold one copy of what is trained."""
    return recipe.compute.devices if recipe.compute.shard else 1


def passing_bytes(size: NetworkSize) -> int:
    """Return what a device holds for a while of weights that are not its own.

    They are a block at work and the one that comes next, the gradients of one, and what stands outside blocks with its
    gradients, all in float32.
    """
    block = sum(inputs * outputs for inputs, outputs in size.linears)
    return _MASTER * (3 * block + 2 * (size.parameters - size.layers * block))


def refuse_undivided(recipe: Recipe) -> None:
    """Raise SettingError for a training whose weights cannot be held by several devices together."""
    if not recipe.compute.shard:
        return
    if recipe.adapter.kind != WHOLE:
        raise SettingError("plan.shard_kind", kind=recipe.adapter.kind)
    if recipe.optim.name not in _ELEMENTWISE:
        raise SettingError("plan.shard_optimizer", optimizer=recipe.optim.name, able=" or ".join(_ELEMENTWISE))


def offer_shards(recipe: Recipe, fits: Callable[[Recipe], bool]) -> Changes | None:
    """Return that the devices hold the weights together, where that is what makes a recipe fit.

    Args:
        recipe: One that does not fit.
        fits: Whether a recipe does.
    """
    asked = recipe.compute.shard or recipe.compute.devices == 1
    if asked or recipe.adapter.kind != WHOLE or recipe.optim.name not in _ELEMENTWISE:
        return None
    changes: Changes = MappingProxyType({"compute.shard": True})
    return changes if fits(changed(recipe, changes)) else None
