"""What a training changes of a network: an adapter on frozen weights, or all of its weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

import torch
from torch import nn

from acetune.adapters import attach, whole
from acetune.adapters.adapter import Facts
from acetune.adapters.quantised import quantise
from acetune.families.family import ModelFamily
from acetune.recipe import Recipe
from acetune.sections import WHOLE


def trainable(
    recipe: Recipe, family: ModelFamily, facts: Facts, device: torch.device, dtype: torch.dtype
) -> tuple[nn.Module, dict[str, nn.Parameter]]:
    """Return the network, and what is trained of it by name: a fresh adapter, or all of it in float32.

    Args:
        recipe: Dropout and seed of the adapter.
        family: Loads the network.
        facts: What is trained.
        device: Where.
        dtype: Number format of weights that stay frozen, or in which quantised ones compute.

    Raises:
        MissingDependency: If a quantised base needs bitsandbytes and it is not installed.
    """
    if facts.kind == WHOLE:
        network = family.load_network(device, torch.float32)
        return network, whole.unfreeze(network)
    form = recipe.compute.quantise
    if form == "none":
        network = family.load_network(device, dtype)
    else:
        network = quantise(family.load_network(torch.device("cpu"), dtype), form, device, dtype)
    return network, attach.attach(network, facts, dropout=recipe.adapter.dropout, seed=recipe.data.seed)


def precision(facts: Facts, device: torch.device, dtype: torch.dtype) -> AbstractContextManager[None]:
    """Return a block in which trained float32 weights compute in another number format; frozen ones have it already."""
    return torch.autocast(device.type, dtype, enabled=facts.kind == WHOLE and dtype != torch.float32)


@contextmanager
def as_base(
    family: ModelFamily, network: nn.Module, facts: Facts, changed: Mapping[str, nn.Parameter]
) -> Iterator[None]:
    """Let a network be inside the block what it was before any training.

    Args:
        family: Loads its weights again where they were trained themselves.
        network: What is trained, or has the adapter on it.
        facts: What is trained.
        changed: The weights that may have left their first values; empty before the first step.
    """
    if facts.kind != WHOLE:
        with at_strength(network, facts, 0.0):
            yield
    elif changed:
        base = dict(family.load_network(torch.device("cpu"), torch.float32).named_parameters())
        with whole.exchanged(changed, base):
            yield
    else:
        yield


@contextmanager
def at_strength(network: nn.Module, facts: Facts, strength: float) -> Iterator[None]:
    """Apply an adapter at another strength inside the block and at 1 after it; its weights are not touched."""
    attach.set_strength(network, facts, strength)
    try:
        yield
    finally:
        attach.set_strength(network, facts, 1.0)
