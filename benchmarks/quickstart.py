"""Where the time of a quickstart goes, stage by stage: `python benchmarks/quickstart.py`.

Each round is a fresh process in an empty folder, so that songs and the tiny network are made anew. Times come from
its event stream; what lies between two stages (imports, loading, making the network) has rows of its own. A second
table says what importing the libraries costs.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from statistics import median
from tempfile import TemporaryDirectory

from timing import Table, arguments, publish

#: What a quickstart imports, the slow first.
LIBRARIES = ("torch", "transformers", "diffusers", "peft", "accelerate", "scipy.stats", "acetune.walkthrough")
IMPORTS = f"""
import importlib, time
for name in {LIBRARIES}:
    start = time.perf_counter()
    importlib.import_module(name)
    print(name, time.perf_counter() - start)
"""


def stages(threads: int) -> dict[str, float]:
    """Run a quickstart and return the seconds of every stage and of what lies between, in order."""
    with TemporaryDirectory() as folder:
        begun = time.time()
        command = [sys.executable, "-m", "acetune", "quickstart", "--json", "--quiet"]
        done = subprocess.run(
            [*command, "--compute.threads", str(threads)] if threads else command,
            capture_output=True, text=True, check=True, cwd=folder,
        )  # fmt: skip
        ended = time.time()
    events = [json.loads(line) for line in done.stdout.splitlines()]
    return split(events, begun, ended)


def split(events: list[dict[str, object]], begun: float, ended: float) -> dict[str, float]:
    """Return the seconds of every stage and gap of an event stream."""
    found: dict[str, float] = {}
    last = begun
    for event in events:
        if event["kind"] in ("StageStarted", "StageEnded"):
            name, at = str(event["stage"]), float(str(event["time"]))
            label = f"before {name}" if event["kind"] == "StageStarted" else name
            found["report, end" if name.startswith("acetune") else label] = at - last
            last = at
    return {**found, "exit": ended - last, "whole process": ended - begun}


def imports() -> dict[str, float]:
    """Return the seconds that importing each library takes after those before it, in a fresh process."""
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True)
    pairs = [line.split() for line in done.stdout.splitlines()]
    found = {name: float(seconds) for name, seconds in pairs}
    return {**found, "together": sum(found.values())}


def table(title: str, first: str, rounds: list[dict[str, float]]) -> Table:
    """Return medians and extremes of some rounds."""
    rows = tuple(
        (name, median(times), min(times), max(times))
        for name in rounds[0]
        for times in [[found[name] for found in rounds]]
    )
    return Table(title, (first, "seconds", "least", "most"), rows)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="processor threads; torch's own choice if absent")
    chosen = parser.parse_args()
    whole = [stages(chosen.threads) for _ in range(chosen.rounds)]
    libraries = [imports() for _ in range(chosen.rounds)]
    tables = [
        table(f"Quickstart, wall clock, medians of {chosen.rounds}", "stage", whole),
        table("Imports, each after those above it", "library", libraries),
    ]
    publish(tables, chosen.json, chosen.threads or None)


if __name__ == "__main__":
    main()
