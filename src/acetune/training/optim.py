"""Optimizers and learning rates: one function and one catalogue line each."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

from acetune.recipe import OptimSection


def adamw(parameters: Iterable[nn.Parameter], knobs: OptimSection) -> torch.optim.Optimizer:
    """Return AdamW (arXiv:1711.05101) in torch's fused form, which can skip an update without asking the host."""
    return torch.optim.AdamW(
        list(parameters),
        lr=knobs.lr,
        betas=(knobs.beta1, knobs.beta2),
        eps=knobs.eps,
        weight_decay=knobs.weight_decay,
        fused=True,
    )


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
    progress = min((step - warmup) / max(total - 1 - warmup, 1), 1.0)
    return final + (1 - final) * (1 + math.cos(math.pi * progress)) / 2


def constant(step: int, total: int, warmup: int, final: float) -> float:
    """Return the share of the peak learning rate: linear warm-up, then 1 (arguments as `cosine`)."""
    return min((step + 1) / max(warmup, 1), 1.0)
