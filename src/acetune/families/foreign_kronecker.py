"""LoKr of other trainers, brought to the matrices that PEFT has: w1 whole, w2 whole or in two by its rank."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from acetune.adapters.adapter import module_of
from acetune.adapters.kinds import factors
from acetune.errors import WrongAdapter
from acetune.families.foreign_files import ForeignFile

if TYPE_CHECKING:
    from torch import Tensor


def kronecker(raw: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, int]]:
    """Return LoKr's weights as PEFT shapes them, and the rank of each layer that makes PEFT shape them so.

    PEFT cuts w2 in two where the rank is below half of its longer side; a matrix that another trainer cut beyond that
    is multiplied out.

    Args:
        raw: By our names.
    """
    weights: dict[str, Tensor] = {}
    ranks: dict[str, int] = {}
    for module in dict.fromkeys(map(module_of, raw)):
        weights[f"{module}.lokr_w1"] = _whole(raw, f"{module}.lokr_w1")
        b = raw.get(f"{module}.lokr_w2_b")
        second = _whole(raw, f"{module}.lokr_w2")
        least = -(-max(second.shape) // 2)
        if b is not None and b.shape[0] < max(second.shape) / 2:
            weights |= {f"{module}.lokr_w2_{part}": raw[f"{module}.lokr_w2_{part}"] for part in "ab"}
            ranks[module] = b.shape[0]
        else:
            weights[f"{module}.lokr_w2"] = second
            ranks[module] = least
    return weights, ranks


def factor_of(file: ForeignFile, weights: Mapping[str, Tensor], sizes: Mapping[str, tuple[int, int]]) -> int | None:
    """Return the factor that gives every layer's w1 its shape; None for pairs nearest to a square.

    Args:
        file: May say it, and is named in errors.
        weights: As `kronecker` returned them.
        sizes: Inputs and outputs of the network's layers.

    Raises:
        WrongAdapter: If no one factor does.
    """
    shapes = {module_of(name): tuple(value.shape) for name, value in weights.items() if name.endswith(".lokr_w1")}
    told = file.said.get("decompose_factor")
    said = told if isinstance(told, int) else -1
    guesses = {side for shape in shapes.values() for side in shape} | ({said} if said > 0 else set())
    for guess in (None, *sorted(guesses)):
        cut = {name: tuple(factors(width, guess)[0] for width in reversed(sizes[name])) for name in shapes}
        if cut == shapes:
            return guess
    raise WrongAdapter("adapter.foreign_kind", path=file.path)


def _whole(raw: Mapping[str, Tensor], name: str) -> Tensor:
    """Return one of the two matrices, multiplied out where it was cut."""
    if name in raw:
        return raw[name]
    product: Tensor = raw[f"{name}_a"] @ raw[f"{name}_b"]
    return product
