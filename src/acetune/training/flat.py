"""One optimizer update for all parameters at once: their numbers lie in one row, and so do gradients and moments.

An adapter is hundreds of small matrices. Updating and clipping them one after another costs a handful of operations
each, which take longer than their arithmetic (benchmarks/optimizer.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn

from acetune.training.updater import Averaged, Updater

#: Most numbers that are laid in one row: 256 MB in float32. Larger networks have larger tensors and gain nothing.
_MOST: Final = 2**26


class Anchored(nn.Parameter):
    """A parameter whose numbers stay where they are, since others know them by their place."""


def fits(parameters: Sequence[nn.Parameter]) -> bool:
    """Whether parameters can share a row: several of one format that may be moved, and not a whole large network."""
    kinds = {(parameter.dtype, parameter.device) for parameter in parameters}
    if any(isinstance(parameter, Anchored) for parameter in parameters):
        return False
    return len(parameters) > 1 and len(kinds) == 1 and sum(p.numel() for p in parameters) <= _MOST


class Flat:
    """An optimizer that takes each number by itself (such as AdamW), over one row of the numbers of all parameters.

    The parameters become views of the row, and the slots of `state` views of the rows of moments: whoever saves or
    restores them by name finds what a plain optimizer has. A parameter without a gradient counts as one whose
    gradient is zero.

    Args:
        parameters: All of one number format on one device; they keep their values and get another place.
        make: Returns the optimizer of the row; its state begins at zero under the names of ``slots``.
        slots: What it remembers of each number; beside it there is the number of updates, ``step``.
    """

    def __init__(
        self,
        parameters: Sequence[nn.Parameter],
        make: Callable[[list[nn.Parameter]], torch.optim.Optimizer],
        slots: Sequence[str],
    ) -> None:
        self._parameters = parameters
        self._row = nn.Parameter(torch.cat([parameter.detach().reshape(-1) for parameter in parameters]))
        self._gradient = torch.zeros_like(self._row, requires_grad=False)
        self._gradients = self._views(self._gradient)
        self._gathered = False
        for parameter, view in zip(parameters, self._views(self._row.detach()), strict=True):
            parameter.data = view
        self._updates = torch.zeros(len(parameters), device=self._row.device)  # the same number for each
        self._inner: Any = make([self._row])
        self.state: Mapping[Tensor, MutableMapping[str, Any]] = self._remember(slots)

    @property
    def found_inf(self) -> Tensor:
        """1 where the next update must change nothing."""
        found: Tensor = self._inner.found_inf
        return found

    @found_inf.setter
    def found_inf(self, value: Tensor) -> None:
        self._inner.found_inf = value

    @property
    def param_groups(self) -> Sequence[MutableMapping[str, Any]]:
        """The group of the row."""
        groups: Sequence[MutableMapping[str, Any]] = self._inner.param_groups
        return groups

    def clip(self, limit: float) -> Tensor:
        """Scale the gradients of the next update to this norm where theirs is larger; return theirs.

        The rule is that of `torch.nn.utils.clip_grad_norm_`. The parameters' own gradients stay as they are.
        """
        self._gather()
        norm: Tensor = torch.linalg.vector_norm(self._gradient)
        self._gradient.mul_((limit / (norm + 1e-6)).clamp_(max=1.0))
        return norm

    def step(self) -> None:
        """Update the row from the gradients, clipped where `clip` was asked before, unless `found_inf` is 1."""
        self._gather()
        self._row.grad = self._gradient
        self._inner.step()
        self._updates[1:] = self._updates[0]
        self._gathered = False

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        self._gathered = False
        for parameter in self._parameters:
            if set_to_none or parameter.grad is None:
                parameter.grad = None
            else:
                parameter.grad.zero_()

    @torch.no_grad()
    def _gather(self) -> None:
        """Copy the parameters' gradients into the row, once an update."""
        if self._gathered:
            return
        pairs = zip(self._gradients, self._parameters, strict=True)
        found = [(view, parameter.grad) for view, parameter in pairs if parameter.grad is not None]
        if len(found) < len(self._parameters):
            self._gradient.zero_()
        if found:
            torch._foreach_copy_([view for view, _ in found], [gradient for _, gradient in found])
        self._gathered = True

    def _views(self, row: Tensor) -> list[Tensor]:
        """Return the part of a row that is each parameter's, in its shape."""
        parts = torch.split(row, [parameter.numel() for parameter in self._parameters])
        return [part.view(parameter.shape) for part, parameter in zip(parts, self._parameters, strict=True)]

    def _remember(self, slots: Sequence[str]) -> dict[Tensor, MutableMapping[str, Any]]:
        """Give the row's optimizer the state that it would make at its first step; return it by parameter."""
        rows = {slot: torch.zeros_like(self._row, requires_grad=False) for slot in slots}
        self._inner.state[self._row].update({"step": self._updates[0], **rows})
        parts = {"step": self._updates.unbind(), **{slot: self._views(row) for slot, row in rows.items()}}
        return {
            parameter: {slot: views[number] for slot, views in parts.items()}
            for number, parameter in enumerate(self._parameters)
        }


def clip(optimizer: Updater, parameters: Iterable[nn.Parameter], limit: float) -> Tensor:
    """Scale the gradients of an optimizer's next update to this norm where theirs is larger; return theirs."""
    updater = optimizer.inner if isinstance(optimizer, Averaged) else optimizer
    if isinstance(updater, Flat):
        return updater.clip(limit)
    return torch.nn.utils.clip_grad_norm_(list(parameters), limit)
