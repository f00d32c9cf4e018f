"""Putting an adapter on a network with PEFT, taking its weights off again, and setting its strength."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn

from acetune.adapters.adapter import Adapter, Facts, scale
from acetune.errors import WrongAdapter
from acetune.flow import randomness

#: PEFT's name of our adapter inside the network.
_SLOT = "default"


def attach(network: nn.Module, facts: Facts, *, dropout: float = 0.0, seed: int = 0) -> dict[str, nn.Parameter]:
    """Put a fresh adapter on a frozen network; it changes nothing until B leaves zero.

    PEFT would make the adapter in the network's number format and from the global random state; here it is float32
    and follows from the seed.

    Args:
        network: Changed in place.
        facts: Rank, alpha and modules.
        dropout: Chance that an adapter input is dropped while training.
        seed: Of the initial A.

    Returns:
        Name to trainable parameter, in the network's order.
    """
    config = LoraConfig(
        r=facts.rank,
        lora_alpha=facts.alpha,
        use_rslora=facts.rslora,
        lora_dropout=dropout,
        target_modules=list(facts.modules),
        bias="none",
    )
    inject_adapter_in_model(config, network, adapter_name=_SLOT)
    parameters = parameters_of(network)
    for index, (name, parameter) in enumerate(parameters.items()):
        parameter.data = _initial(name, parameter, seed, index)
        parameter.requires_grad_(True)
    set_strength(network, facts, 1.0)
    return parameters


def parameters_of(network: nn.Module) -> dict[str, nn.Parameter]:
    """Return the adapter's parameters by the names of `Adapter.weights`."""
    return {
        name.replace(f".{_SLOT}.", "."): parameter
        for name, parameter in network.named_parameters()
        if f".{_SLOT}." in name
    }


def load_weights(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Set the weights of an attached adapter, all of them.

    Raises:
        WrongAdapter: If names or shapes do not match one to one; nothing is changed then.
    """
    parameters = parameters_of(network)
    wrong = sorted(parameters.keys() ^ weights.keys())
    wrong += [name for name in parameters.keys() & weights.keys() if parameters[name].shape != weights[name].shape]
    if wrong:
        matched = len(parameters.keys() & weights.keys())
        raise WrongAdapter("adapter.mismatch", matched=matched, total=len(parameters), first=wrong[0])
    for name, parameter in parameters.items():
        parameter.data.copy_(weights[name])


def attach_trained(network: nn.Module, adapter: Adapter, strength: float = 1.0) -> None:
    """Put a trained adapter on a frozen network, frozen too.

    Raises:
        WrongAdapter: If the network lacks one of its modules, or a shape differs.
    """
    modules = dict(network.named_modules())
    missing = [name for name in adapter.facts.modules if not isinstance(modules.get(name), nn.Linear)]
    if missing:
        total = len(adapter.facts.modules)
        raise WrongAdapter("adapter.mismatch", matched=total - len(missing), total=total, first=missing[0])
    for parameter in attach(network, adapter.facts).values():
        parameter.requires_grad_(False)
    load_weights(network, adapter.weights)
    set_strength(network, adapter.facts, strength)


def set_strength(network: nn.Module, facts: Facts, strength: float) -> None:
    """Apply the adapter at this strength: 0 is the base network, 1 what was trained."""
    for module in network.modules():
        if isinstance(module, LoraLayer):
            module.scaling[_SLOT] = strength * scale(facts)


def detach(network: nn.Module) -> None:
    """Take the adapter off, leaving the base network as it was."""
    for name, module in list(network.named_modules()):
        if isinstance(module, LoraLayer):
            parent, _, child = name.rpartition(".")
            setattr(network.get_submodule(parent), child, module.get_base_layer())


def _initial(name: str, parameter: nn.Parameter, seed: int, index: int) -> Tensor:
    """Return the first value of an adapter weight: B zero, A uniform in +-1/sqrt(in) (as PEFT's default)."""
    value = torch.zeros(parameter.shape, dtype=torch.float32)
    if ".lora_A." in name:
        bound = 1 / math.sqrt(parameter.shape[1])
        value.uniform_(-bound, bound, generator=randomness.generator(seed, "adapter", index))
    return value.to(parameter.device)
