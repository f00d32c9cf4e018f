"""What the training loop asks of an optimizer, for those that do not offer it themselves.

The loop wants three things. A loss that is no number must reach neither weights nor state: an update is skipped where
``found_inf`` is 1. The whole state must come back from the disk to the bit, numbers included. And an optimizer that
averages its weights must say which ones the adapter is used with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final, Protocol

import torch
from torch import Tensor, nn

from acetune.events import Json

#: Slot of the weights that are trained, where others are used.
_TRAINED: Final = "trained"
_GROUP: Final = "group:"


class Updater(Protocol):
    """An optimizer as the training loop knows it; torch's fused ones are.

    Attributes:
        found_inf: 1 where the next update must change nothing.
    """

    found_inf: Tensor

    @property
    def param_groups(self) -> Sequence[MutableMapping[str, Any]]:
        """Parameters with their numbers, the learning rate ``lr`` among them."""
        ...

    @property
    def state(self) -> Mapping[Tensor, MutableMapping[str, Any]]:
        """What it remembers of each parameter, by slot."""
        ...

    def step(self) -> None:
        """Update the parameters from their gradients, unless `found_inf` is 1."""
        ...

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        ...


@dataclass(eq=False)
class Waiting:
    """Optimizers that cannot skip an update by themselves: the device is asked before each.

    Args:
        parts: They share the parameters among them.
    """

    parts: Sequence[torch.optim.Optimizer]
    found_inf: Tensor = field(default_factory=lambda: torch.zeros(()))

    @property
    def param_groups(self) -> Sequence[MutableMapping[str, Any]]:
        """The groups of all parts."""
        return [group for part in self.parts for group in part.param_groups]

    @property
    def state(self) -> Mapping[Tensor, MutableMapping[str, Any]]:
        """The state of all parts; to be changed slot by slot."""
        return {
            parameter: part.state[parameter]
            for part in self.parts
            for parameter in chain.from_iterable(group["params"] for group in part.param_groups)
        }

    def step(self) -> None:
        """Update the parameters, unless `found_inf` is 1."""
        if not bool(self.found_inf):
            for part in self.parts:
                part.step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        for part in self.parts:
            part.zero_grad(set_to_none)


@dataclass(eq=False)
class ScheduleFree(Waiting):
    """A schedule-free optimizer (arXiv:2405.15682): gradients are taken at y, the adapter is used at the average x."""

    def average(self, parameter: Tensor) -> Tensor:
        """Return x of a parameter that holds y = (1 - beta1) z + beta1 x."""
        beta1 = float(self.param_groups[0]["betas"][0])
        z = self.state[parameter].get("z")
        return parameter.detach() if z is None else torch.lerp(parameter.detach(), z, 1 - 1 / beta1)


@dataclass(eq=False)
class Averaged:
    """An optimizer whose weights are used as their running average: average += (1 - decay) (weights - average).

    The decay warms up, min(decay, (1 + n) / (10 + n)) after n updates, so that short runs are not held at their
    beginning (the rule of TensorFlow's ExponentialMovingAverage).

    Args:
        inner: Updates the weights.
        parameters: What it updates.
        decay: Of the average.
    """

    inner: Updater
    parameters: Sequence[nn.Parameter]
    decay: float
    averages: dict[Tensor, Tensor] = field(default_factory=dict)

    @property
    def found_inf(self) -> Tensor:
        """1 where the next update must change nothing."""
        return self.inner.found_inf

    @found_inf.setter
    def found_inf(self, value: Tensor) -> None:
        self.inner.found_inf = value

    @property
    def param_groups(self) -> Sequence[MutableMapping[str, Any]]:
        """The groups of the optimizer."""
        return self.inner.param_groups

    @property
    def state(self) -> Mapping[Tensor, MutableMapping[str, Any]]:
        """The state of the optimizer; the averages are what the adapter is saved as."""
        return self.inner.state

    def step(self) -> None:
        """Update the parameters, unless `found_inf` is 1."""
        if not self.averages:
            self.follow_from_here()
        self.inner.step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        self.inner.zero_grad(set_to_none)

    def follow_from_here(self) -> None:
        """Set the averages to what the parameters are now."""
        self.averages = {parameter: parameter.detach().clone() for parameter in self.parameters}

    @torch.no_grad()
    def follow(self, updates: int) -> None:
        """Move the averages towards the parameters, unless the update was skipped.

        Args:
            updates: Done before the one that has just been.
        """
        decay = min(self.decay, (1 + updates) / (10 + updates))
        share = (1 - decay) * (1 - self.found_inf)
        for parameter, average in self.averages.items():
            average.lerp_(parameter, share.to(average.dtype))

    def average(self, parameter: Tensor) -> Tensor:
        """Return the average of a parameter; before the first update the parameter itself."""
        return self.averages.get(parameter, parameter.detach())


#: Optimizers whose weights are trained in one place and used in another.
_AVERAGING: Final = (ScheduleFree, Averaged)


def used(optimizer: Updater, parameter: nn.Parameter) -> Tensor:
    """Return the weights that the adapter is used with: those that are trained, or their average."""
    return optimizer.average(parameter) if isinstance(optimizer, _AVERAGING) else parameter.detach()


@contextmanager
def in_use(optimizer: Updater, parameters: Mapping[str, nn.Parameter]) -> Iterator[None]:
    """Let the parameters hold the weights that count inside the block, and exactly what they held after it."""
    if not isinstance(optimizer, _AVERAGING):
        yield
        return
    before = {name: parameter.detach().clone() for name, parameter in parameters.items()}
    with torch.no_grad():
        for parameter in parameters.values():
            parameter.copy_(optimizer.average(parameter))
    try:
        yield
    finally:
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(before[name])


def tensors_of(optimizer: Updater, parameters: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
    """Return every tensor of the state as ``name|slot``, and of its groups as ``group:0|slot``, where they are."""
    found = {
        f"{name}|{slot}": value.detach()
        for name, parameter in parameters.items()
        for slot, value in optimizer.state.get(parameter, {}).items()
        if isinstance(value, Tensor)
    }
    if isinstance(optimizer, _AVERAGING):
        found |= {f"{name}|{_TRAINED}": parameter.detach() for name, parameter in parameters.items()}
    for index, group in enumerate(optimizer.param_groups):
        found |= {f"{_GROUP}{index}|{slot}": v.detach() for slot, v in group.items() if isinstance(v, Tensor)}
    return found


def numbers_of(optimizer: Updater, parameters: Mapping[str, nn.Parameter]) -> dict[str, Json]:
    """Return every number of the state under the names of `tensors_of`; Python's floats survive JSON to the bit."""
    places: dict[str, Mapping[str, Any]] = {
        name: optimizer.state.get(parameter, {}) for name, parameter in parameters.items()
    }
    places |= {f"{_GROUP}{index}": group for index, group in enumerate(optimizer.param_groups)}
    return {
        f"{place}|{slot}": value
        for place, slots in places.items()
        for slot, value in slots.items()
        if slot != "lr" and (_is_number(value) or _is_numbers(value))
    }


def put_back(
    optimizer: Updater,
    parameters: Mapping[str, nn.Parameter],
    tensors: Mapping[str, Tensor],
    numbers: Mapping[str, Json],
) -> None:
    """Set the state of a fresh optimizer, and the trained weights where others are used, to what was saved."""
    for key, value in {**numbers, **tensors}.items():
        place, _, slot = key.rpartition("|")
        if place.startswith(_GROUP):
            group = optimizer.param_groups[int(place.removeprefix(_GROUP))]
            group[slot] = value.to(group[slot].device) if isinstance(value, Tensor) else _like(group.get(slot), value)
        elif slot == _TRAINED and isinstance(value, Tensor):
            parameters[place].data.copy_(value)
        else:
            parameter = parameters[place]
            slots = optimizer.state[parameter]
            kept = value.to(parameter.device) if isinstance(value, Tensor) else _like((), value)
            if isinstance(kept, Tensor) and slot in slots:
                slots[slot].copy_(kept)  # it may be a part of a larger tensor
            else:
                slots[slot] = kept


def _is_number(value: object) -> bool:
    """Whether a value is a number that changes as training goes on, and no switch."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_numbers(value: object) -> bool:
    """Whether a value is a tuple of numbers."""
    return isinstance(value, tuple) and bool(value) and all(_is_number(item) for item in value)


def _like(before: object, value: Json) -> object:
    """Return a value as it was before it went through JSON, which knows no tuples."""
    return tuple(value) if isinstance(value, list) else value
