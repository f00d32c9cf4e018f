"""From noise to music over a list of times: Euler's method, Heun's, and one that adds fresh noise after each step."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise

from torch import Tensor

#: The velocity (B, T, C) at x_t (B, T, C) and t (B,).
Velocity = Callable[[Tensor, Tensor], Tensor]
#: Takes a velocity, noise and times, all as `euler`.
Solver = Callable[[Velocity, Tensor, Tensor], Tensor]


def solver(name: str, fresh: Callable[[int], Tensor]) -> Solver:
    """Return the solver of this name: euler, heun or pingpong.

    Args:
        name: Of the solver.
        fresh: Returns noise (B, T, C) for a step, counted from 0.
    """
    solvers: dict[str, Solver] = {"euler": euler, "heun": heun, "pingpong": partial(pingpong, fresh=fresh)}
    return solvers[name]


def calls(name: str, steps: int) -> int:
    """Return how often a solver asks for the velocity."""
    return 2 * steps - 1 if name == "heun" else steps


def euler(velocity: Velocity, noise: Tensor, times: Tensor) -> Tensor:
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
        x = x - (float(t) - end) * velocity(x, _each(t, x))
    return x


def heun(velocity: Velocity, noise: Tensor, times: Tensor) -> Tensor:
    """Integrate as `euler`, each step with the mean of the velocities at its two ends; the last has one end."""
    x = noise
    for t, end in pairwise(times):
        first = velocity(x, _each(t, x))
        second = velocity(x - (t - end) * first, _each(end, x))
        x = x - (t - end) * (first + second) / 2
    return x - times[-1] * velocity(x, _each(times[-1], x))


def pingpong(velocity: Velocity, noise: Tensor, times: Tensor, fresh: Callable[[int], Tensor]) -> Tensor:
    """Guess the music at each time and go on from it with fresh noise of the next; arguments as of `euler`."""
    x = noise
    ends = [*times.tolist()[1:], 0.0]
    for step, (t, end) in enumerate(zip(times, ends, strict=True)):
        music = x - t * velocity(x, _each(t, x))
        x = (1 - end) * music + end * fresh(step).to(x) if end else music
    return x


def _each(t: Tensor, x: Tensor) -> Tensor:
    """Return one time for each crop, (B,)."""
    return t.to(x.device).expand(x.shape[0])
