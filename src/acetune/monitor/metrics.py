"""A run's numbers as one table, for spreadsheets and notebooks."""

from __future__ import annotations

import csv
import io

from acetune.events import StepDone, Validated
from acetune.run import Run

_STEP = ("step", "epoch", "loss", "lr", "grad_norm", "seconds")
_HELD_OUT = ("loss", "base_loss", "difference", "low", "high")


def as_csv(run: Run) -> str:
    """Return one line for each step that still holds; held-out columns are empty where nothing was validated."""
    steps: dict[int, dict[str, object]] = {}
    for event in run.history():
        if isinstance(event, StepDone):
            steps.setdefault(event.step, {}).update({name: getattr(event, name) for name in _STEP})
        elif isinstance(event, Validated):
            values = {f"held_out_{name}": getattr(event, name) for name in _HELD_OUT}
            steps.setdefault(event.step, {"step": event.step}).update(values)
    text = io.StringIO()
    writer = csv.DictWriter(text, [*_STEP, *(f"held_out_{name}" for name in _HELD_OUT)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(steps[step] for step in sorted(steps))
    return text.getvalue()
