"""Randomness without state: every draw follows from a seed, a purpose, a step and an index.

Nothing needs saving, previews cannot disturb training, and two processes draw what one would.
"""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor


def key(seed: int, purpose: str, *place: int) -> int:
    """Return 63 bits that are unique to these values."""
    text = ":".join([str(seed), purpose, *map(str, place)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator(seed: int, purpose: str, *place: int) -> torch.Generator:
    """Return a fresh CPU generator for one purpose at one place."""
    return torch.Generator().manual_seed(key(seed, purpose, *place))


def normal(shape: tuple[int, ...], seed: int, purpose: str, *place: int) -> Tensor:
    """Return standard normal noise, float32 on the CPU."""
    return torch.randn(shape, generator=generator(seed, purpose, *place))


def unit(seed: int, purpose: str, *place: int) -> float:
    """Return a number in [0, 1) without torch's generators."""
    return (key(seed, purpose, *place) >> 10) / 2**53  # 53 bits: more would round up to 1


def permutation(count: int, seed: int, purpose: str, *place: int) -> list[int]:
    """Return the numbers below ``count`` in random order."""
    order: list[int] = torch.randperm(count, generator=generator(seed, purpose, *place)).tolist()
    return order
