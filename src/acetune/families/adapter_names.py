"""Adapters under the official app's names, and reading any adapter file that acetune wrote."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from acetune.adapters import adapter as adapters
from acetune.adapters.adapter import Adapter
from acetune.families.family import FamilyCard
from acetune.recipe import family_of

if TYPE_CHECKING:
    import torch
    from torch import Tensor

#: PEFT's prefix, relative to the network.
PREFIX = "base_model.model."


def official(adapter: Adapter, card: FamilyCard, dtype: torch.dtype) -> dict[str, Tensor]:
    """Return an adapter's weights under official names with PEFT's prefix."""
    return {
        PREFIX + _renamed(name, card.official_name): tensor.to(dtype).contiguous()
        for name, tensor in adapter.weights.items()
    }


def from_official(weights: Mapping[str, Tensor], card: FamilyCard) -> dict[str, Tensor]:
    """Undo `official`."""
    return {_renamed(name.removeprefix(PREFIX), card.network_name): tensor for name, tensor in weights.items()}


def read_adapter(path: Path) -> Adapter:
    """Return the adapter of a file or folder that acetune wrote: universal, PEFT folder or checkpoint.

    Raises:
        WrongAdapter: If it is none of them.
        CorruptFile: If it is damaged.
    """
    inside = ("adapter_model.safetensors", "adapter.safetensors")
    file = next((path / name for name in inside if (path / name).is_file()), path)
    adapter = adapters.load(file)
    card: FamilyCard
    card, _ = family_of(adapter.facts.variant)
    if any(name.startswith(PREFIX) for name in adapter.weights):
        return Adapter(from_official(adapter.weights, card), adapter.facts)
    return adapter


def _renamed(name: str, rename: Callable[[str], str]) -> str:
    """Rename the module in ``<module>.lora_A.weight``."""
    module, marker, rest = name.partition(".lora_")
    return f"{rename(module)}{marker}{rest}"
