"""Other programs that are installed here and load what was exported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from acetune.adapters.adapter import Adapter
from acetune.families.family import FamilyCard
from acetune.trial.reference import apart


def peft_apart(network: nn.Module, adapter: Adapter, card: FamilyCard, folder: Path) -> float:
    """Return how far PEFT's own loader is from the adapter: the largest difference of a layer's weight change.

    Args:
        network: Has the adapter attached.
        adapter: LoRA; its facts name the layers.
        card: Knows their official names.
        folder: What the exporter ``peft`` wrote.
    """
    from peft import PeftModel

    theirs = PeftModel.from_pretrained(_official(network, adapter, card), str(folder)).base_model.model
    return max(
        apart(_change(theirs.get_submodule(card.official_name(module))), _change(network.get_submodule(module)))
        for module in adapter.facts.modules
    )


def _official(network: nn.Module, adapter: Adapter, card: FamilyCard) -> nn.Module:
    """Return a module with the frozen layers of a network under official names."""
    shell = nn.Module()
    for module in adapter.facts.modules:
        *parents, last = card.official_name(module).split(".")
        place = shell
        for name in parents:
            if name not in dict(place.named_children()):
                place.add_module(name, nn.Module())
            place = place.get_submodule(name)
        layer: Any = network.get_submodule(module)
        place.add_module(last, layer.get_base_layer())
    return shell


def _change(layer: Any) -> Tensor:
    """Return what the adapter of a layer adds to its weights."""
    change: Tensor = layer.get_delta_weight(layer.active_adapters[0]).detach()
    return change
