"""The verb `sweep`: one training for each combination of some knobs' values, compared on the same held-out music."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Final

from acetune.errors import SettingError, TrainingDiverged
from acetune.events import Job
from acetune.files import hash_of
from acetune.monitor.comparing import compare
from acetune.monitor.summary import summarise
from acetune.planning.plan import plan
from acetune.recipe import Recipe, fixed_differences, resolve
from acetune.run import Run
from acetune.training.room import as_made_smaller
from acetune.training.train import train
from acetune.workspace import Workspace

#: More trainings than this are a mistake in the values.
MOST: Final = 64
_LONGEST_NAME: Final = 64


@dataclass(frozen=True)
class Tried:
    """One combination and what came of it.

    Attributes:
        run: Name of the run.
        values: Knob to value.
        state: "done", or "diverged" where the loss was no number at some step.
        verdict: As in the run's report.
        difference: Held-out loss against the base model at the last step; below zero is better.
        low: Of its 95 % interval; None with too few units.
        high: The same.
        adapter: Its final file.
    """

    run: str
    values: Mapping[str, object]
    state: str
    verdict: str
    difference: float | None
    low: float | None
    high: float | None
    adapter: Path | None


def sweep(
    recipe: Recipe,
    over: Mapping[str, Sequence[object]],
    *,
    name: str,
    home: str | Path | None = None,
    job: Job | None = None,
) -> tuple[Tried, ...]:
    """Train once for each combination of values; what is encoded is shared, and finished runs are not done again.

    Args:
        recipe: What all of them have in common.
        over: Knob to its values; short names and aliases are understood.
        name: What the names of the runs begin with.
        home: Workspace folder.
        job: Hears the events of all; can stop.

    Returns:
        The combinations, the lowest difference first.

    Raises:
        SettingError: For unknown knobs, no or too many combinations, one that cannot be trained (before the first is),
            and a run of that name that is another training.
        Others: As `train`; a training that diverges is a result, and the next one goes on.
    """
    job = job or Job()
    runs = Workspace.at(home).runs
    cells = _cells(recipe, over, name)
    steps = [plan(cell, home=home).steps for _, _, cell in cells]
    found = []
    for number, (values, run_name, cell) in enumerate(cells, start=1):
        run = Run(runs / run_name)
        job.tell(SettingError("run.trying", number=number, total=len(cells), run=run_name), severity="info")
        found.append(_tried(run, values, _state(run, cell, steps[number - 1], home, job)))
    ranked = sorted(found, key=lambda tried: (tried.difference is None, tried.difference or 0.0))
    if apart := _judged_by_other_music(ranked, home):
        job.tell(SettingError("run.other_music", first=ranked[0].run, runs=", ".join(apart)))
    return tuple(ranked)


def _cells(
    recipe: Recipe, over: Mapping[str, Sequence[object]], name: str
) -> list[tuple[dict[str, object], str, Recipe]]:
    """Return the values, the run's name and the recipe of every combination."""
    choices = [list(dict.fromkeys(values)) for values in over.values()]
    combinations = list(product(*choices))
    if not over or not 0 < len(combinations) <= MOST:
        raise SettingError("run.combinations", count=len(combinations) if over else 0, most=MOST)
    common = recipe.model_dump(mode="json")
    tried = [dict(zip(over, combination, strict=True)) for combination in combinations]
    names = [_name(name, values) for values in tried]
    cells = []
    for values, run in zip(tried, names, strict=True):
        made = resolve([("sweep", common), ("--over", values)]).recipe
        cells.append((values, run if names.count(run) == 1 else _short_name(name, str(values)), made))
    return cells


def _name(stem: str, values: Mapping[str, object]) -> str:
    """Return a run name that says the values, shortened where it would be too long."""
    told = "-".join(f"{knob.rpartition('.')[2]}{_plain(value)}" for knob, value in values.items())
    whole = f"{stem}-{told}"
    if len(whole) <= _LONGEST_NAME:
        return whole
    return _short_name(stem, told)


def _short_name(stem: str, told: str) -> str:
    """Return a run name that differs wherever what it stands for does."""
    return f"{stem[: _LONGEST_NAME - 9]}-{hash_of(told)[:8]}"


def _plain(value: object) -> str:
    """Return a value with nothing in it that a file name may not have."""
    text = f"{value:.15g}" if isinstance(value, float) else str(value).lower()
    return "".join(letter if letter.isalnum() or letter in ".-" else "_" for letter in text)


def _state(run: Run, recipe: Recipe, steps: int, home: str | Path | None, job: Job) -> str:
    """Train so many steps unless that is done already, and return how it ended."""
    if run.recipe_file.is_file():
        before = summarise(run)
        same = not fixed_differences(before.recipe, as_made_smaller(run, recipe))
        if before.state == "done" and same and before.total == steps:
            return "done"
    try:
        train(recipe, name=run.name, on_existing="resume", home=home, job=job)
    except TrainingDiverged:
        return "diverged"
    return "done"


def _judged_by_other_music(ranked: Sequence[Tried], home: str | Path | None) -> list[str]:
    """Return the runs whose held-out songs, noise or times are not those of the first."""
    judged = [tried.run for tried in ranked if tried.difference is not None]
    if len(judged) < 2:
        return []
    found = compare(judged, home=home)
    units = {one.run: one.verdict.units for one in found.runs}
    alike = {(pair.first, pair.second) for pair in found.pairs if pair.units == units[pair.first] == units[pair.second]}
    return [run for run in judged[1:] if (judged[0], run) not in alike]


def _tried(run: Run, values: Mapping[str, object], state: str) -> Tried:
    """Return what a run's folder says of a combination."""
    summary = summarise(run)
    verdict, adapter = summary.verdict, summary.result.get("adapter")
    if state != "done" or verdict is None:
        return Tried(run.name, values, state, "cannot tell", None, None, None, None)
    return Tried(
        run.name, values, state, verdict.verdict, verdict.difference, verdict.low, verdict.high,
        run.folder / str(adapter) if adapter else None,
    )  # fmt: skip
