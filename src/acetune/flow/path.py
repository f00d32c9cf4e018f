"""The straight path between music and noise. One direction everywhere: t = 0 is music, t = 1 is noise.

Rectified flow (arXiv:2209.03003): x_t = t * noise + (1 - t) * x_0, velocity = noise - x_0.
"""

from __future__ import annotations

from torch import Tensor


def per_example(t: Tensor, like: Tensor) -> Tensor:
    """Return times (B,) shaped to multiply ``like`` (B, ...)."""
    return t.to(like.dtype).reshape(-1, *[1] * (like.ndim - 1))


def noisy(x0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """Return x_t (B, T, C) at times t (B,)."""
    t = per_example(t, x0)
    return t * noise + (1 - t) * x0


def velocity(x0: Tensor, noise: Tensor) -> Tensor:
    """Return the velocity of the path, which does not depend on t."""
    return noise - x0


def music(x_t: Tensor, velocity: Tensor, t: Tensor) -> Tensor:
    """Return the x_0 that a velocity at time t points to."""
    return x_t - per_example(t, x_t) * velocity
