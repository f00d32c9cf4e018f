"""From noise to music: Euler's method over a list of times."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor


def euler(velocity: Callable[[Tensor, Tensor], Tensor], noise: Tensor, times: Tensor) -> Tensor:
    """Integrate from t = times[0] down to 0.

    Args:
        velocity: Called with x_t (B, T, C) and t (B,); returns the velocity (B, T, C).
        noise: x at the first time.
        times: Descending, without the final 0: (steps,).

    Returns:
        x at t = 0.
    """
    x = noise
    ends = [*times.tolist()[1:], 0.0]
    for t, end in zip(times, ends, strict=True):
        x = x - (float(t) - end) * velocity(x, t.to(x.device).expand(x.shape[0]))
    return x
