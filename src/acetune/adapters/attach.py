"""Putting an adapter on a network with PEFT, taking its weights off again, and setting its strength."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import torch
from peft import inject_adapter_in_model
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn

from acetune.adapters import magnitude
from acetune.adapters.adapter import Adapter, Facts, module_of, scale
from acetune.adapters.kinds import kind
from acetune.errors import WrongAdapter
from acetune.flow import randomness

#: PEFT's name of our adapter inside the network.
_SLOT = "default"


def attach(network: nn.Module, facts: Facts, *, dropout: float = 0.0, seed: int = 0) -> dict[str, nn.Parameter]:
    """Put a fresh adapter on a frozen network; it changes nothing until it is trained.

    PEFT would make the adapter in the network's number format and from the global random state; here it is float32
    and follows from the seed.

    Args:
        network: Changed in place.
        facts: Kind, rank, alpha and modules.
        dropout: Chance that an adapter input is dropped while training.
        seed: Of the initial weights.

    Returns:
        Name to trainable parameter, in the network's order.
    """
    inject_adapter_in_model(kind(facts.kind).config(facts, dropout), network, adapter_name=_SLOT)
    parameters = parameters_of(network)
    for index, (name, parameter) in enumerate(parameters.items()):
        parameter.data = _initial(network, facts, name, parameter, (seed, index))
        parameter.requires_grad_(True)
    set_strength(network, facts, 1.0)
    return parameters


def parameters_of(network: nn.Module) -> dict[str, nn.Parameter]:
    """Return the adapter's parameters by the names of `Adapter.weights`."""
    return {_plain(name): parameter for name, parameter in network.named_parameters() if f".{_SLOT}" in name}


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


def load(network: nn.Module, adapter: Adapter, strength: float = 1.0) -> None:
    """Give an attached adapter of this kind the weights and the scale of another (raises as `load_weights`)."""
    load_weights(network, magnitude.absolute(adapter, network).weights)
    set_strength(network, adapter.facts, strength)


def start_from(network: nn.Module, facts: Facts, adapter: Adapter) -> None:
    """Let an attached adapter do what another of its kind does, whatever their alphas (raises as `load_weights`).

    Args:
        network: With an adapter of these facts.
        facts: Of the adapter that it has.
        adapter: The other one.
    """
    load_weights(network, magnitude.absolute(adapter, network).scaled(facts))


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
    load(network, adapter, strength)


def set_strength(network: nn.Module, facts: Facts, strength: float) -> None:
    """Apply the adapter at this strength: 0 is the base network, 1 what was trained."""
    known = kind(facts.kind)
    for name, module in _tuned(network):
        if known.scaled is not None:
            module.scaling[_SLOT] = scale(facts, name) * (1.0 if known.blended else strength)
        if known.blended:
            _blend(module, strength)


def merge(network: nn.Module) -> None:
    """Put what the adapter does into the network's own weights, at the strength it has, and take it off."""
    for _, module in list(_tuned(network)):
        module.merge(adapter_names=[_SLOT])
    detach(network)


def detach(network: nn.Module) -> None:
    """Take the adapter off, leaving the base network as it was."""
    for name, module in list(_tuned(network)):
        parent, _, child = name.rpartition(".")
        setattr(network.get_submodule(parent), child, module.get_base_layer())
    if hasattr(network, "peft_config"):
        del network.peft_config  # else PEFT takes the next adapter for a second one


def _tuned(network: nn.Module) -> Iterator[tuple[str, Any]]:
    """Yield name and module of every layer that has an adapter."""
    for name, module in network.named_modules():
        if isinstance(module, BaseTunerLayer):
            yield name, module


def _blend(module: Any, strength: float) -> None:
    """Let a layer give its output with the adapter by this share, and without it by the rest."""
    if hasattr(module, "blending"):
        module.blending.remove()
        del module.blending
    if strength != 1.0:
        module.blending = module.register_forward_hook(partial(_mixed, strength))


def _mixed(strength: float, module: Any, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    """Return a share of a layer's output with the adapter, the rest without."""
    without: Tensor = module.get_base_layer()(*inputs)
    return torch.lerp(without, output, strength) if strength else without


def _plain(name: str) -> str:
    """Return a parameter's name as PEFT's files have it: without the slot."""
    plain = name.replace(f".{_SLOT}", "")
    return plain.removesuffix(".weight") if plain.endswith("magnitude_vector.weight") else plain


def _initial(network: nn.Module, facts: Facts, name: str, parameter: nn.Parameter, key: tuple[int, int]) -> Tensor:
    """Return the first value of an adapter weight, in float32.

    Zero where the kind says so, the row lengths of W for DoRA, and else uniform in +-1/sqrt(columns) (PEFT's default).
    """
    value = torch.zeros(parameter.shape, dtype=torch.float32)
    if name.endswith("magnitude_vector"):
        return magnitude.lengths(magnitude.frozen(network, module_of(name)))
    if not name.endswith(kind(facts.kind).zero):
        bound = 1 / math.sqrt(parameter.shape[1])
        value.uniform_(-bound, bound, generator=randomness.generator(key[0], "adapter", key[1]))
    return value.to(parameter.device)
