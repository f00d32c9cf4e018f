"""What optimizers make of their knobs: rates that are usual, knobs that they read, values that they cannot take."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from acetune.errors import SettingError
from acetune.recipe import Recipe
from acetune.sections import OptimSection

#: Learning rates that people report good results with, by optimizer. Lion's are a third to a tenth of AdamW's
#: (arXiv:2302.06675); Prodigy's is a factor of the step that it finds (arXiv:2306.06101).
USUAL_RATES: Final = MappingProxyType(
    {
        "adamw": (1e-5, 2e-3),
        "adamw-8bit": (1e-5, 2e-3),
        "adafactor": (1e-5, 2e-3),
        "lion": (1e-6, 3e-4),
        "muon": (1e-5, 1e-2),
        "prodigy": (0.1, 3.0),
        "prodigy-schedule-free": (0.1, 3.0),
    }
)
#: Knobs of `acetune.sections.OptimSection` that an optimizer does not read (Muon: for matrices, which adapters are of).
UNREAD: Final = MappingProxyType(
    {"adafactor": ("beta1", "beta2", "eps"), "lion": ("eps",), "muon": ("beta1", "beta2", "eps")}
)
#: Optimizers whose second memory is that of their papers at most; AdamW's 0.999 would hardly move.
_SHORT: Final = ("lion", "prodigy-schedule-free")
_SHORT_MEMORY: Final = 0.99
#: Averages the weights itself, weighed by beta1.
_AVERAGES: Final = "prodigy-schedule-free"


def second_memory(knobs: OptimSection) -> float:
    """Return the beta2 that an optimizer uses."""
    return min(knobs.beta2, _SHORT_MEMORY) if knobs.name in _SHORT else knobs.beta2


def refuse_impossible(recipe: Recipe) -> None:
    """Raise SettingError for what an averaging optimizer cannot do: a second average, or one that weighs nothing."""
    optim = recipe.optim
    if optim.name != _AVERAGES:
        return
    if recipe.adapter.ema:
        raise SettingError("adapter.two_averages", optimizer=optim.name)
    if not optim.beta1:
        raise SettingError("plan.no_average", optimizer=optim.name)
