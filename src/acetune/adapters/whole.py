"""Training every weight of a network: what comes of it is a model and no adapter.

The weights are trained and kept in float32, whatever format they came in: steps of a usual learning rate are lost in
the rounding of 16 bits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def unfreeze(network: nn.Module) -> dict[str, nn.Parameter]:
    """Let every weight of a network be trained; return them by name, in the network's order."""
    network.requires_grad_(True)
    return dict(network.named_parameters())


@contextmanager
def exchanged(parameters: Mapping[str, nn.Parameter], weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Let a network have other weights inside the block, and exactly what it had after it.

    Args:
        parameters: Of the network.
        weights: As many, by the same names, on any device.
    """
    before = {name: parameter.detach().cpu().clone() for name, parameter in parameters.items()}
    set_weights(parameters, weights)
    try:
        yield
    finally:
        set_weights(parameters, before)


@torch.no_grad()
def set_weights(parameters: Mapping[str, nn.Parameter], weights: Mapping[str, Tensor]) -> None:
    """Copy weights of the same names into a network."""
    for name, parameter in parameters.items():
        parameter.copy_(weights[name])
