"""What an adapter's knobs come to: refused where they make no sense together, and counted."""

from __future__ import annotations

from acetune import catalog
from acetune.errors import SettingError
from acetune.planning.memory import NetworkSize
from acetune.sections import AdapterSection

#: Knobs that only some kinds have, by the attribute of the kind, and whether they are set.
_LIMITED = ("dropout", "rslora", "factor")


def check(knobs: AdapterSection, size: NetworkSize) -> None:
    """Make sure that an adapter of these knobs can be made.

    Raises:
        SettingError: If a knob does nothing for this kind, or blocks do not divide a layer's inputs.
    """
    kind = catalog.resolve("adapter", knobs.kind)
    for name in _LIMITED:
        if getattr(knobs, name) and not getattr(kind, name):
            able = [other for other in catalog.names("adapter") if getattr(catalog.resolve("adapter", other), name)]
            raise SettingError("adapter.without", kind=knobs.kind, knob=f"adapter.{name}", able=" or ".join(able))
    if knobs.kind == "oft":
        widths = sorted({inputs for inputs, _ in size.adapter_linears(knobs.targets)})
        odd = next((width for width in widths if width % knobs.rank or width == knobs.rank == 1), None)
        if odd:
            raise SettingError("adapter.blocks", rank=knobs.rank, width=odd)


def parameters(knobs: AdapterSection, size: NetworkSize) -> int:
    """Return the number of trained weights of an adapter."""
    kind = catalog.resolve("adapter", knobs.kind)
    return sum(
        kind.count(inputs, outputs, knobs.rank, knobs.factor) for inputs, outputs in size.adapter_linears(knobs.targets)
    )


def kept_bytes(knobs: AdapterSection, size: NetworkSize, tokens: int, *, recompute: bool) -> int:
    """Return what an adapter keeps for the backward pass beyond LoRA's share, of one block where it is recomputed."""
    kind = catalog.resolve("adapter", knobs.kind)
    every: int = sum(kind.kept(inputs, outputs, tokens) for inputs, outputs in size.adapter_linears(knobs.targets))
    return every // size.layers if recompute else every
