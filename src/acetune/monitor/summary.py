"""What a run's folder tells: its state, its curves and its verdict, for the report and for lists of runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeVar

from acetune.events import Event, Json, Noticed, PreviewReady, StageEnded, StageStarted, StepDone, Validated
from acetune.files import read_json
from acetune.recipe import Recipe
from acetune.run import Run

_STAGE = "train"
_Kind = TypeVar("_Kind", bound=Event)


@dataclass(frozen=True)
class Verdict:
    """Whether a training helped on music that was held out.

    Attributes:
        verdict: "learned", "worse" or "cannot tell".
        reason: Why, as a stable phrase.
        mode: What was held out: "songs", "windows" of seen songs, or "none".
        best_step: Step of the best checkpoint.
        step: Step that was judged: the last one.
        difference: Held-out loss against the base model at that step; below zero is better.
        low, high: 95 % interval of the difference; None where there are too few units.
        units: Number of held-out songs or windows.
    """

    verdict: str = "cannot tell"
    reason: str = "no validation"
    mode: str = "none"
    best_step: int | None = None
    step: int | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    units: int = 0


@dataclass(frozen=True)
class Unit:
    """One held-out song or window: mean loss of the base model and at the step that was judged."""

    name: str
    base: float
    now: float


@dataclass(frozen=True)
class Summary:
    """A run as its folder tells it.

    Attributes:
        state: new, training, done, stopped, failed, or interrupted (its process is gone and said nothing).
        step, total: How far it is; total None where nobody said.
        result: What the last end of the training reported.
        plan: What was planned.
    """

    run: Run
    recipe: Recipe
    state: str
    started: float | None
    total: int | None
    steps: tuple[StepDone, ...]
    validations: tuple[Validated, ...]
    previews: tuple[PreviewReady, ...]
    notices: tuple[Noticed, ...]
    result: Mapping[str, Json]
    plan: Mapping[str, Json]
    verdict: Verdict | None
    units: tuple[Unit, ...]

    @property
    def step(self) -> int:
        """The last finished step."""
        return self.steps[-1].step if self.steps else 0


def summarise(run: Run) -> Summary:
    """Read a run's folder; anything but the recipe may be missing.

    Raises:
        CorruptFile: If one of its JSON files is damaged.
        SettingError: If its recipe cannot be used by this acetune.
    """
    history = run.history()
    starts = _of(StageStarted, history)
    begun = [event for event in starts if event.stage == _STAGE]
    verdict = _verdict(run)
    return Summary(
        run=run,
        recipe=run.recipe,
        state=_state(run, history),
        started=begun[0].time if begun else None,
        total=begun[-1].total if begun else None,
        steps=_of(StepDone, history),
        validations=_of(Validated, history),
        previews=_of(PreviewReady, history),
        notices=_of(Noticed, history),
        result=_result(history),
        plan=_object(run.folder / "plan.json"),
        verdict=verdict,
        units=_units(run, verdict),
    )


def _of(kind: type[_Kind], history: tuple[Event, ...]) -> tuple[_Kind, ...]:
    """Return the events of one kind."""
    return tuple(event for event in history if isinstance(event, kind))


def _state(run: Run, history: tuple[Event, ...]) -> str:
    """Return what a run is doing."""
    if run.owner() is not None:
        return "training"
    marks = [e for e in history if isinstance(e, (StageStarted, StageEnded)) and e.stage == _STAGE]
    if not marks:
        return "new"
    return marks[-1].outcome if isinstance(marks[-1], StageEnded) else "interrupted"


def _result(history: tuple[Event, ...]) -> Mapping[str, Json]:
    """Return what the last end of the training reported."""
    ends = [event.result for event in _of(StageEnded, history) if event.stage == _STAGE]
    return ends[-1] if ends else {}


def _verdict(run: Run) -> Verdict | None:
    """Return the verdict, if there is one yet."""
    values = _object(run.evaluation / "verdict.json")
    known = {field.name for field in fields(Verdict)}
    return Verdict(**{k: v for k, v in values.items() if k in known}) if values else None  # type: ignore[arg-type]


def _units(run: Run, verdict: Verdict | None) -> tuple[Unit, ...]:
    """Return the held-out units at the step that the verdict is about."""
    if verdict is None or verdict.step is None:
        return ()
    base, now = _losses(run.evaluation / "base.json"), _losses(run.evaluation / f"{verdict.step:06d}.json")
    return tuple(Unit(name, base[name], now[name]) for name in base if name in now)


def _losses(path: Path) -> dict[str, float]:
    """Return the mean loss of each unit of an evaluation."""
    units = _object(path).get("units")
    losses = {}
    for unit in units if isinstance(units, list) else ():
        values = unit.get("losses") if isinstance(unit, dict) else None
        if isinstance(unit, dict) and isinstance(values, list) and values:
            losses[str(unit.get("name"))] = sum(float(str(value)) for value in values) / len(values)
    return losses


def _object(path: Path) -> Mapping[str, Json]:
    """Return a JSON object; an empty one where there is no file."""
    content = read_json(path) if path.is_file() else {}
    return content if isinstance(content, dict) else {}
