"""Adapters under the official app's names, and reading adapter files: ours, and those of other trainers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from acetune.adapters import adapter as adapters
from acetune.adapters import trained
from acetune.adapters.adapter import Adapter, module_of
from acetune.errors import WrongAdapter
from acetune.families.family import FamilyCard
from acetune.families.foreign_adapters import foreign_adapter
from acetune.recipe import family_of
from acetune.sections import WHOLE

if TYPE_CHECKING:
    from torch import Tensor

#: PEFT's prefix, relative to the network.
PREFIX = "base_model.model."
#: Prefix of the LyCORIS library, whose names have underscores for dots.
_LYCORIS = "lycoris_"


def official(adapter: Adapter, card: FamilyCard) -> dict[str, Tensor]:
    """Return an adapter's weights under official names with PEFT's prefix."""
    return {PREFIX + _renamed(name, card.official_name): tensor for name, tensor in adapter.weights.items()}


def from_official(weights: Mapping[str, Tensor], card: FamilyCard) -> dict[str, Tensor]:
    """Undo `official`."""
    return {_renamed(name.removeprefix(PREFIX), card.network_name): tensor for name, tensor in weights.items()}


def lycoris(adapter: Adapter, card: FamilyCard) -> dict[str, Tensor]:
    """Return an adapter's weights under official names as the LyCORIS library writes them."""
    flat = _flat_names(adapter.facts.modules, card)
    return {_renamed(name, lambda module: flat[module]): tensor for name, tensor in adapter.weights.items()}


def from_lycoris(weights: Mapping[str, Tensor], modules: tuple[str, ...], card: FamilyCard) -> dict[str, Tensor]:
    """Undo `lycoris` for an adapter of these modules; the scale is inside, so that alpha says nothing."""
    ours = {flat: module for module, flat in _flat_names(modules, card).items()}
    return {
        _renamed(name, lambda module: ours.get(module, module)): tensor
        for name, tensor in weights.items()
        if not name.endswith(".alpha")
    }


def read_adapter(path: Path, variant: str | None = None) -> Adapter:
    """Return the adapter of a file or folder: universal, PEFT folder or checkpoint.

    Args:
        path: Where it is.
        variant: What a file or PEFT folder of another trainer was trained on; None refuses those.

    Raises:
        WrongAdapter: If it is none of them, or a whole model.
        CorruptFile: If it is damaged.
    """
    if (path / "model_index.json").is_file() or (path / trained.NETWORK).is_dir():
        raise WrongAdapter("adapter.whole_model", path=path)
    inside = ("adapter_model.safetensors", "adapter.safetensors")
    file = next((path / name for name in inside if (path / name).is_file()), path)
    card: FamilyCard
    if variant and adapters.HEADER not in adapters.read_header(file):
        card, known = family_of(variant)
        return foreign_adapter(path, adapters.read_safetensors(file)[0], known.name, card)
    adapter = adapters.load(file)
    if adapter.facts.kind == WHOLE:
        raise WrongAdapter("adapter.whole_model", path=path)
    card, _ = family_of(adapter.facts.variant)
    if any(name.startswith(PREFIX) for name in adapter.weights):
        return Adapter(from_official(adapter.weights, card), adapter.facts)
    if any(name.startswith(_LYCORIS) for name in adapter.weights):
        return Adapter(from_lycoris(adapter.weights, adapter.facts.modules, card), adapter.facts)
    return adapter


def _flat_names(modules: tuple[str, ...], card: FamilyCard) -> dict[str, str]:
    """Return the LyCORIS name of each module; it cannot be undone without the list, for names have underscores too."""
    return {module: _LYCORIS + card.official_name(module).replace(".", "_") for module in modules}


def _renamed(name: str, rename: Callable[[str], str]) -> str:
    """Rename the module in ``<module>.lora_A.weight``."""
    module = module_of(name)
    return rename(module) + name.removeprefix(module)
