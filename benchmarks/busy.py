"""What other work on the same cores costs a training on a processor: `python benchmarks/busy.py`.

Each trial is a fresh process, as OpenMP reads how its threads wait when it is loaded. Beside half of them run as many
endless loops as there are cores.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from statistics import median

from timing import Table, arguments, publish

SECONDS = 4.0
_TRIAL = f"""
import time, torch
from torch import nn
torch.manual_seed(0)
net = nn.Sequential(*[nn.TransformerEncoderLayer(64, 4, 256, batch_first=True) for _ in range(4)])
optimizer, x = torch.optim.AdamW(net.parameters()), torch.randn(2, 150, 64)
def step():
    optimizer.zero_grad()
    net(x).square().mean().backward()
    optimizer.step()
step()
count, begin = 0, time.perf_counter()
while time.perf_counter() < begin + {SECONDS}:
    step()
    count += 1
print(count / (time.perf_counter() - begin))
"""
WAYS = {
    "threads that spin (OpenMP's default)": {},
    "threads that sleep (ours)": {"OMP_WAIT_POLICY": "passive"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}


def steps_per_second(way: dict[str, str]) -> float:
    """Return the steps per second of a fresh process."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
    done = subprocess.run([sys.executable, "-c", _TRIAL], env=kept | way, capture_output=True, text=True, check=True)
    return float(done.stdout)


@contextmanager
def neighbours(count: int) -> Iterator[None]:
    """Keep so many cores busy inside the block."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    chosen = parser.parse_args()
    found: dict[tuple[str, bool], list[float]] = {}
    for _, (name, busy) in product(range(chosen.rounds), product(WAYS, (False, True))):
        with neighbours(os.cpu_count() or 1 if busy else 0):
            found.setdefault((name, busy), []).append(steps_per_second(WAYS[name]))
    rows = tuple((name, *(median(found[name, busy]) for busy in (False, True))) for name in WAYS)
    publish([Table("steps per second of a small network", ("", "alone", "beside busy loops"), rows)], chosen.json)


if __name__ == "__main__":
    main()
