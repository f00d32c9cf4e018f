"""Optimizers and learning rates: one function and one catalogue line each."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import redirect_stdout
from io import StringIO
from typing import Any, Final

import torch
from torch import Tensor, nn

from acetune.errors import MissingDependency
from acetune.planning.optimizers import second_memory
from acetune.sections import OptimSection
from acetune.training.flat import Flat, fits
from acetune.training.updater import ScheduleFree, Updater, Waiting

#: Warm restarts of a run that asks for them.
_CYCLES: Final = 4
#: Least size that Adafactor takes weights to have (eps2 of its paper, 1e-3 there): those of networks are below it.
_ANY_SIZE: Final = 1.0


def adamw(parameters: Iterable[nn.Parameter], knobs: OptimSection) -> Updater:
    """Return AdamW (arXiv:1711.05101) in torch's fused form, which can skip an update without asking the host.

    The many small tensors of an adapter are updated as one row.
    """

    def make(found: list[nn.Parameter]) -> Any:
        betas = (knobs.beta1, knobs.beta2)
        return torch.optim.AdamW(
            found, lr=knobs.lr, betas=betas, eps=knobs.eps, weight_decay=knobs.weight_decay, fused=True
        )

    found = list(parameters)
    updater: Updater = Flat(found, make, ("exp_avg", "exp_avg_sq")) if fits(found) else make(found)
    return updater


def adamw_8bit(parameters: Iterable[nn.Parameter], knobs: OptimSection) -> Updater:
    """Return AdamW with moments of 8 bits (arXiv:2110.02861), a quarter of the memory.

    Raises:
        MissingDependency: If bitsandbytes is not installed.
    """
    try:
        from bitsandbytes.optim import AdamW8bit
    except ImportError as cause:
        raise MissingDependency("training.no_8bit") from cause
    betas = (knobs.beta1, knobs.beta2)
    made = AdamW8bit(list(parameters), lr=knobs.lr, betas=betas, eps=knobs.eps, weight_decay=knobs.weight_decay)
    return Waiting([made])


def adafactor(parameters: Iterable[nn.Parameter], knobs: OptimSection) -> Updater:
    """Return Adafactor (arXiv:1804.04235): rows and columns of the second moment in place of all of it.

    Its steps are as large as the rate. By default they would be that times the size of the weights, and the half of an
    adapter that begins at zero would hardly move.
    """
    size = (None, _ANY_SIZE)
    made = torch.optim.Adafactor(list(parameters), lr=knobs.lr, eps=size, weight_decay=knobs.weight_decay)
    return Waiting([made])


def lion(parameters: Iterable[nn.Parameter], knobs: OptimSection) -> Updater:
    """Return Lion (arXiv:2302.06675): the sign of a mean gradient; wants a third to a tenth of AdamW's rate."""
    betas = (knobs.beta1, second_memory(knobs))
    return Waiting([_Lion(list(parameters), knobs.lr, betas, knobs.weight_decay)])


def muon(parameters: Iterable[nn.Parameter], knobs: OptimSection) -> Updater:
    """Return Muon (Jordan 2024) for matrices, scaled to AdamW's rates (arXiv:2502.16982), and AdamW for the rest."""
    found = list(parameters)
    matrices = [parameter for parameter in found if parameter.ndim == 2]
    others = [parameter for parameter in found if parameter.ndim != 2]
    parts: list[torch.optim.Optimizer] = []
    if matrices:
        parts.append(
            torch.optim.Muon(matrices, lr=knobs.lr, weight_decay=knobs.weight_decay, adjust_lr_fn="match_rms_adamw")
        )
    if others:
        betas = (knobs.beta1, knobs.beta2)
        parts.append(
            torch.optim.AdamW(others, lr=knobs.lr, betas=betas, eps=knobs.eps, weight_decay=knobs.weight_decay)
        )
    return Waiting(parts)


def prodigy(parameters: Iterable[nn.Parameter], knobs: OptimSection) -> Updater:
    """Return Prodigy (arXiv:2306.06101), which finds the size of its steps: the rate is a factor, 1 is usual."""
    from prodigyopt import Prodigy

    with redirect_stdout(StringIO()):  # it says there what it does, amid our events
        made = Prodigy(
            list(parameters),
            lr=knobs.lr,
            betas=(knobs.beta1, knobs.beta2),
            eps=knobs.eps,
            weight_decay=knobs.weight_decay,
            use_bias_correction=True,
            safeguard_warmup=True,
        )
    return Waiting([made])


def prodigy_schedule_free(parameters: Iterable[nn.Parameter], knobs: OptimSection) -> Updater:
    """Return Prodigy with averaging in place of a schedule (arXiv:2405.15682); wants a constant rate of 1."""
    from prodigyplus import ProdigyPlusScheduleFree

    with redirect_stdout(StringIO()):
        made = ProdigyPlusScheduleFree(
            list(parameters),
            lr=knobs.lr,
            betas=(knobs.beta1, second_memory(knobs)),
            eps=knobs.eps,
            weight_decay=knobs.weight_decay,
            split_groups=False,  # there is one group
        )
    return ScheduleFree([made])


class _Lion(torch.optim.Optimizer):
    """Lion as its paper's program 1 states it."""

    def __init__(
        self, parameters: list[nn.Parameter], lr: float, betas: tuple[float, float], weight_decay: float
    ) -> None:
        super().__init__(parameters, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, parameter.grad, group)

    def _move(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        """Update one parameter and its mean gradient."""
        beta1, beta2 = group["betas"]
        mean = self.state[parameter].setdefault("mean", torch.zeros_like(parameter))
        direction = torch.lerp(gradient, mean, beta1).sign_()
        parameter.mul_(1 - group["lr"] * group["weight_decay"]).add_(direction, alpha=-group["lr"])
        mean.lerp_(gradient, 1 - beta2)


def cosine(step: int, total: int, warmup: int, final: float) -> float:
    """Return the share of the peak learning rate: linear warm-up, then half a cosine down to ``final``.

    Args:
        step: Counted from 0.
        total: Steps of the run.
        warmup: Steps of warm-up.
        final: Share at the last step.
    """
    if step < warmup:
        return (step + 1) / warmup
    return _between(final, (1 + math.cos(math.pi * _progress(step, total, warmup))) / 2)


def cosine_restarts(step: int, total: int, warmup: int, final: float) -> float:
    """Return the share of the peak: warm-up, then four equal half cosines (arXiv:1608.03983; arguments as `cosine`)."""
    if step < warmup:
        return (step + 1) / warmup
    steps = max(total - warmup, 1)
    cycle = math.ceil(steps / _CYCLES)
    place = (step - warmup) % cycle
    length = min(cycle, steps - (step - warmup - place))  # the last cycle may be shorter, and ends with the run
    return _between(final, (1 + math.cos(math.pi * min(place / max(length - 1, 1), 1.0))) / 2)


def linear(step: int, total: int, warmup: int, final: float) -> float:
    """Return the share of the peak: warm-up, then a straight line down to ``final`` (arguments as `cosine`)."""
    if step < warmup:
        return (step + 1) / warmup
    return _between(final, 1 - _progress(step, total, warmup))


def rex(step: int, total: int, warmup: int, final: float) -> float:
    """Return the share of the peak: warm-up, then REX (arXiv:2107.04197, eq. 1), which falls late (as `cosine`)."""
    if step < warmup:
        return (step + 1) / warmup
    left = 1 - _progress(step, total, warmup)
    return _between(final, left / (0.5 + 0.5 * left))


def constant(step: int, total: int, warmup: int, final: float) -> float:
    """Return the share of the peak learning rate: linear warm-up, then 1 (arguments as `cosine`)."""
    return min((step + 1) / max(warmup, 1), 1.0)


def _progress(step: int, total: int, warmup: int) -> float:
    """Return how far a run is between the end of its warm-up and its last step."""
    return min((step - warmup) / max(total - 1 - warmup, 1), 1.0)


def _between(final: float, share: float) -> float:
    """Return the share that lies this far from ``final`` to the peak."""
    return final + (1 - final) * share
