"""What a quantised base takes and which trainings it can carry (no torch)."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Final

from acetune import catalog
from acetune.errors import SettingError
from acetune.planning.fitting import Changes, fitting
from acetune.planning.memory import MicroBatch, NetworkSize
from acetune.recipe import Recipe, changed
from acetune.sections import WHOLE

#: Bytes of a quantised weight and of what stands beside each row. nf4: half a byte, one for 64 weights, four for 256 of
#: those; int8: one, and a scale in float32 for every output.
_BYTES: Final = MappingProxyType({"int8": (1.0, 4), "nf4": (0.5 + 1 / 64 + 4 / (64 * 256), 0)})


def frozen_bytes(size: NetworkSize, number: int, form: str) -> int:
    """Return the bytes of a frozen network: the linear layers of its blocks quantised, the rest as it computes.

    Args:
        size: The network.
        number: Bytes of a number that it computes with.
        form: "none", "int8" or "nf4".
    """
    if form == "none":
        return size.parameters * number
    weight, row = _BYTES[form]
    linears = sum(inputs * outputs for inputs, outputs in size.linears)
    rows = sum(outputs for _, outputs in size.linears)
    rest = size.parameters - size.layers * linears
    dequantised = max(inputs * outputs for inputs, outputs in size.linears) * number  # one layer at a time
    return int(rest * number + size.layers * (linears * weight + rows * row) + dequantised)


def kept_bytes(size: NetworkSize, batch: MicroBatch, number: int, form: str) -> int:
    """Return what quantised layers keep for the backward pass, of all blocks: int8 ones their inputs, nf4 ones nothing.

    Three normed streams and the MLP's product are kept by nobody else (read in bitsandbytes 0.50, not measured).
    """
    each = 3 * size.hidden + size.intermediate if form == "int8" else 0
    return size.layers * batch.tokens * number * each


def refuse_uncarried(recipe: Recipe) -> None:
    """Raise SettingError for a kind of training that a quantised base of this format cannot carry."""
    form, kind = recipe.compute.quantise, recipe.adapter.kind
    if form != "none" and form not in _carrying(kind):
        able = [name for name in catalog.names("adapter") if form in _carrying(name)]
        raise SettingError("plan.uncarried", kind=kind, form=form, able=" or ".join(able))


def offer(recipe: Recipe, fits: Callable[[Recipe], bool], *, alone: bool) -> Changes | None:
    """Return a base of fewer bits with which a recipe fits, the nearer to the original first; None where none does.

    Args:
        recipe: One that does not fit.
        fits: Whether a recipe does.
        alone: Whether it must fit without any other change.
    """
    if recipe.compute.quantise != "none":
        return None
    bases = {form: changed(recipe, {"compute.quantise": form}) for form in _carrying(recipe.adapter.kind)}
    for form, smaller in bases.items():
        if fits(smaller):
            return MappingProxyType({"compute.quantise": form})
    more = fitting(bases["nf4"], fits) if "nf4" in bases and not alone else None
    return None if more is None else MappingProxyType({"compute.quantise": "nf4", **more})


def _carrying(kind: str) -> tuple[str, ...]:
    """Return the formats of a base that can carry a kind of adapter; none where all weights are trained."""
    formats: tuple[str, ...] = () if kind == WHOLE else catalog.resolve("adapter", kind).quantised
    return formats
