"""Clipping and updating an adapter: ours against one tensor after another: `python benchmarks/optimizer.py`.

AdamW for 384 small matrices (a rank 16 adapter on eight layers of each of 24 blocks) of several widths. "Loop" is
torch's clipping and AdamW tensor by tensor, "fused" torch's own fused form of it, "ours" what a training does: all
numbers in one row. Each begins with the gradients as a backward pass leaves them, so ours pays for gathering them. The
weights are compared after all rounds. ``bytes`` are what ours adds to weights, gradients and moments: the row of
gathered gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

import torch
from timing import Table, arguments, publish, ratio, take_turns
from torch import Tensor, nn

from acetune.flow import randomness
from acetune.sections import OptimSection
from acetune.training.flat import clip
from acetune.training.optim import adamw

TENSORS, RANK, LIMIT = 384, 16, 1.0
KNOBS = OptimSection(lr=1e-3)
COLUMNS = ("width", "numbers", "loop ms", "fused ms", "ours ms", "loop / ours", "fused / ours", "difference", "bytes")


def drawn(width: int, purpose: str) -> list[Tensor]:
    """Return as many matrices as an adapter has, every other one wide."""
    shapes = ((RANK, width), (width, RANK))
    return [randomness.normal(shapes[number % 2], 0, purpose, number) for number in range(TENSORS)]


def one_after_another(parameters: Sequence[nn.Parameter], fused: bool) -> Callable[[], None]:
    """Return what clips and updates with torch alone."""
    optimizer = torch.optim.AdamW(
        parameters, lr=KNOBS.lr, betas=(KNOBS.beta1, KNOBS.beta2), eps=KNOBS.eps, weight_decay=KNOBS.weight_decay,
        foreach=False, fused=fused,
    )  # fmt: skip

    def update() -> None:
        torch.nn.utils.clip_grad_norm_(parameters, LIMIT, foreach=None if fused else False)
        optimizer.step()

    return update


def ours(parameters: Sequence[nn.Parameter]) -> Callable[[], None]:
    """Return what clips and updates as `acetune.training.session.Session` does."""
    optimizer = adamw(parameters, KNOBS)

    def update() -> None:
        clip(optimizer, parameters, LIMIT)
        optimizer.step()
        optimizer.zero_grad()

    return update


def measure(width: int, rounds: int, threads: int) -> tuple[float | str, ...]:
    """Return a row of the table."""
    sets = {name: [nn.Parameter(w) for w in drawn(width, "weights")] for name in ("loop", "fused", "ours")}
    gradients = drawn(width, "gradients")
    updates = {
        "loop": one_after_another(sets["loop"], fused=False),
        "fused": one_after_another(sets["fused"], fused=True),
        "ours": ours(sets["ours"]),
    }

    def run(name: str) -> Callable[[], None]:
        def once() -> None:
            for parameter, gradient in zip(sets[name], gradients, strict=True):
                parameter.grad = gradient
            updates[name]()

        return once

    times = take_turns({name: run(name) for name in updates}, rounds, threads)
    apart = max(float((a - b).detach().abs().max()) for a, b in zip(sets["ours"], sets["loop"], strict=True))
    numbers = sum(parameter.numel() for parameter in sets["ours"])
    milliseconds = (1000 * median(times[name]) for name in updates)
    ratios = (ratio(times[name], times["ours"]) for name in ("loop", "fused"))
    return (width, numbers, *milliseconds, *ratios, apart, 4 * numbers)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    rows = [measure(width, chosen.rounds, chosen.threads) for width in (64, 256, 512, 2048)]
    title = f"AdamW with clipping, {TENSORS} matrices of rank {RANK}, float32; medians of {chosen.rounds}"
    publish([Table(title, COLUMNS, tuple(rows))], chosen.json, chosen.threads)


if __name__ == "__main__":
    main()
