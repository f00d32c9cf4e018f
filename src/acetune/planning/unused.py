"""Knobs that somebody set and that do nothing beside the others of a recipe: nothing is ignored in silence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import Final

from acetune.knobs import flatten
from acetune.planning.optimizers import UNREAD, second_memory
from acetune.recipe import Recipe, family_of

#: Laws of t that have a mean and a deviation.
_NORMAL: Final = ("acestep", "logit_normal")


def unused(recipe: Recipe, *, units: int) -> Iterator[tuple[str, object, str]]:
    """Yield knob, value and the other knob for whose value it does nothing.

    A value that nobody chose, the core's own or that of the variant, is not counted.

    Args:
        recipe: What to train.
        units: Songs or windows that are held out.
    """
    usual = flatten(family_of(recipe.model.variant)[1].recipe)
    values, defaults = flatten(recipe.model_dump()), flatten(Recipe().model_dump())
    for knob, because in {**_of_the_optimizer(recipe), **_of_the_rest(recipe, units)}.items():
        if values[knob] not in (defaults[knob], usual.get(knob, defaults[knob])):
            yield knob, values[knob], f"{because} = {values[because]}"


def _of_the_optimizer(recipe: Recipe) -> dict[str, str]:
    """Return the knobs that the optimizer does not read, each with what decides it."""
    optim = recipe.optim
    unread = {f"optim.{knob}": "optim.name" for knob in UNREAD.get(optim.name, ())}
    return unread if second_memory(optim) == optim.beta2 else {**unread, "optim.beta2": "optim.name"}


def _of_the_rest(recipe: Recipe, units: int) -> dict[str, str]:
    """Return the other knobs that do nothing, each with what decides it."""
    return {knob: because for knob, (idle, because) in _WHEN.items() if idle(recipe)} | (
        {} if units else {"guard.patience": "data.holdout"}
    )


def _has_no_mean(recipe: Recipe) -> bool:
    """Whether the times that are drawn have neither mean nor deviation."""
    chosen = recipe.objective.timesteps
    return (family_of(recipe.model.variant)[1].timesteps if chosen in ("auto", "adaptive") else chosen) not in _NORMAL


_WHEN: Final = MappingProxyType[str, tuple[Callable[[Recipe], bool], str]](
    {
        "adapter.alpha": (lambda recipe: recipe.adapter.kind == "oft", "adapter.kind"),
        "objective.timestep_mean": (_has_no_mean, "objective.timesteps"),
        "objective.timestep_sd": (_has_no_mean, "objective.timesteps"),
        "objective.min_snr_gamma": (lambda recipe: recipe.objective.weighting != "min_snr", "objective.weighting"),
        "schedule.final": (lambda recipe: recipe.schedule.name == "constant", "schedule.name"),
        "data.prior_share": (lambda recipe: not recipe.data.prior, "data.prior"),
        "guard.patience": (lambda recipe: recipe.guard.validate_every == 0, "guard.validate_every"),
    }
)
