"""How quickly things start, each in a fresh process with warm disk caches: `python benchmarks/start.py`."""

from __future__ import annotations

import subprocess
import sys
import time
from statistics import median
from tempfile import TemporaryDirectory

from timing import Table, arguments, publish

_CLOCK = "\nimport sys, time\nprint(time.process_time(), file=sys.stderr)"
_MAIN = "from acetune.cli.main import main; main({})"
STARTS = {
    "python itself": "pass",
    "import acetune": "import acetune",
    "acetune --help": _MAIN.format(["--help"]),
    "acetune train --help": _MAIN.format(["train", "--help"]),
    "acetune runs ls": _MAIN.format(["runs", "ls"]),
}


def start(code: str) -> tuple[float, float]:
    """Return processor and wall seconds of a fresh process."""
    with TemporaryDirectory() as folder:
        before = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", code + _CLOCK], capture_output=True, text=True, check=True, cwd=folder
        )
        wall = time.perf_counter() - before
    return float(done.stderr.split()[-1]), wall


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    chosen = parser.parse_args()
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in STARTS}
    for name, code in [*STARTS.items()] * (chosen.rounds + 1):
        found[name].append(start(code))
    rows = tuple(
        (name, *(1000 * median(column) for column in zip(*times[1:], strict=True)), 1000 * min(times[1:])[0])
        for name, times in found.items()
    )
    columns = ("start", "processor ms", "wall ms", "least processor ms")
    publish([Table(f"Fresh processes, medians of {chosen.rounds}", columns, rows)], chosen.json)


if __name__ == "__main__":
    main()
