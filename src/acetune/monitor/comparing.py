"""Verb `compare`: trainings side by side, and song by song where they held out the same music."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from acetune.errors import SettingError
from acetune.knobs import flatten
from acetune.monitor.summary import Summary, Verdict, summarise
from acetune.run import Run
from acetune.workspace import Workspace


@dataclass(frozen=True)
class Compared:
    """One of the runs.

    Attributes:
        run: Its name.
        state: As `acetune.monitor.summary.Summary` has it.
        steps: That are done.
        loss: Of the last step.
        verdict: On held-out music, with its difference from the base model.
    """

    run: str
    state: str
    steps: int
    loss: float | None
    verdict: Verdict


@dataclass(frozen=True)
class Pair:
    """Two runs that were judged by the same music, the same noise and the same base model.

    Attributes:
        first, second: Their names.
        difference: Mean held-out loss of the second minus that of the first; below zero the second is better.
        better: Units in which the second is better.
        units: Held-out songs or windows that both have.
    """

    first: str
    second: str
    difference: float
    better: int
    units: int


@dataclass(frozen=True)
class Comparison:
    """What tells runs apart.

    Attributes:
        runs: In the order asked for.
        pairs: Those that can be compared unit by unit.
        knobs: Knobs that differ, with the value of each run.
    """

    runs: tuple[Compared, ...]
    pairs: tuple[Pair, ...]
    knobs: Mapping[str, tuple[object, ...]]


def compare(runs: Sequence[str | Path], *, home: str | Path | None = None) -> Comparison:
    """Compare two or more trainings; finished or not.

    Args:
        runs: Names or folders.
        home: The workspace that has them.

    Raises:
        SettingError: If there are less than two, or no such run.
        CorruptFile: If one of their files is damaged.
    """
    if len(runs) < 2:
        raise SettingError("monitor.compare_one", count=len(runs))
    workspace = Workspace.at(home)
    found = [summarise(Run(workspace.find_run(run))) for run in runs]
    pairs = (_pair(*two) for two in combinations(found, 2))
    return Comparison(tuple(map(_compared, found)), tuple(pair for pair in pairs if pair), _differing(found))


def _compared(summary: Summary) -> Compared:
    """Return a run as its folder tells it."""
    loss = summary.steps[-1].loss if summary.steps else None
    return Compared(summary.run.name, summary.state, summary.step, loss, summary.verdict or Verdict())


def _pair(first: Summary, second: Summary) -> Pair | None:
    """Return two runs compared by the units of which both measured the same base loss; None where there are none."""
    before = {unit.name: unit for unit in first.units}
    both = [(before[unit.name], unit) for unit in second.units if unit.name in before]
    same = [(one, two) for one, two in both if math.isclose(one.base, two.base, rel_tol=1e-6)]
    if not same:
        return None
    changes = [two.now - one.now for one, two in same]
    better = sum(change < 0 for change in changes)
    return Pair(first.run.name, second.run.name, sum(changes) / len(changes), better, len(changes))


def _differing(found: Sequence[Summary]) -> Mapping[str, tuple[object, ...]]:
    """Return the knobs that differ between runs."""
    recipes = [flatten(summary.recipe.model_dump(mode="json")) for summary in found]
    values = {
        knob: tuple(recipe.get(knob) for recipe in recipes) for knob in dict.fromkeys(k for r in recipes for k in r)
    }
    return {knob: several for knob, several in values.items() if any(value != several[0] for value in several)}
