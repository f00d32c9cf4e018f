"""Clocks, interleaved runs and tables that the benchmarks share.

The machine may be busy with other things. Work inside one process is therefore measured in processor time of one
thread, its candidates take turns (A B B A), and what is compared are ratios of neighbours.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median


@dataclass(frozen=True)
class Table:
    """What a benchmark found; a cell is a number or a text."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[float | str, ...], ...]

    def __str__(self) -> str:
        """Return the table for people, numbers to the right."""
        cells = [self.columns, *(tuple(map(shown, row)) for row in self.rows)]
        widths = [max(len(row[at]) for row in cells) for at in range(len(self.columns))]
        lines = [
            "  ".join(cell.ljust(width) if at == 0 else cell.rjust(width) for at, (cell, width) in enumerate(pairs))
            for pairs in (list(zip(row, widths, strict=True)) for row in cells)
        ]
        return "\n".join([self.title, *lines])


def shown(cell: float | str) -> str:
    """Return a cell with as many digits as mean something."""
    if isinstance(cell, str):
        return cell
    return f"{cell:.1e}" if 0 < abs(cell) < 1e-3 else f"{cell:,.2f}" if abs(cell) < 100 else f"{cell:,.0f}"


def take_turns(candidates: Mapping[str, Callable[[], object]], rounds: int, threads: int) -> dict[str, list[float]]:
    """Return the seconds of each candidate, round by round; every other round goes backwards.

    Args:
        candidates: Name to what is measured; each is called once beforehand.
        rounds: How often each is measured.
        threads: With one, processor seconds; with more, wall clock (processor seconds would count each thread).
    """
    clock = time.process_time if threads == 1 else time.perf_counter
    for run in candidates.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(rounds):
        for name in list(candidates)[:: -1 if number % 2 else 1]:
            start = clock()
            candidates[name]()
            seconds[name].append(clock() - start)
    return seconds


def ratio(slow: Sequence[float], quick: Sequence[float]) -> float:
    """Return the median of the ratios of neighbours: above 1, the second is quicker."""
    return median(a / b for a, b in zip(slow, quick, strict=True))


def arguments(text: str | None) -> argparse.ArgumentParser:
    """Return a parser with the option that all benchmarks have.

    Args:
        text: The benchmark's docstring.
    """
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the tables and the machine there too")
    return parser


def publish(tables: Sequence[Table], file: Path | None, threads: int | None = None) -> None:
    """Print tables and the machine, and write them as JSON where a file is named."""
    facts = machine(threads)
    print(*tables, " | ".join(f"{name} {value}" for name, value in facts.items()), sep="\n\n")
    if file is not None:
        found = {"machine": facts, "tables": [asdict(table) for table in tables]}
        file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def machine(threads: int | None) -> dict[str, str]:
    """Return what figures depend on, the load of other processes included."""
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": str(os.cpu_count()),
        "threads": str(threads or "as torch chooses"),
        "load": load,
        "python": platform.python_version(),
        "torch": version("torch"),
    }
