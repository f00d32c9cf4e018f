"""At which strength an adapter is best used: held-out losses at a few of them, with the same noise for all.

The strength of training, 1, is recommended unless another one has a lower held-out loss by more than chance explains:
by the rule of the verdict, with the losses at strength 1 in the place of the base network's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from acetune import files
from acetune.events import Json
from acetune.run import Run
from acetune.training.validate import Difference, Losses, difference, verdict

#: Strengths that are looked at after a training; 0 is the base network, 1 what was trained.
STRENGTHS: Final = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
#: Name of the file in a run's evaluation folder.
FILE: Final = "strengths"
_TRAINED = 1.0


@dataclass(frozen=True)
class Sweep:
    """Held-out losses of an adapter by strength, 0 and 1 among them, and what they recommend.

    Attributes:
        losses: Strength to losses, in order.
        recommended: The strength to use.
        reason: Why, as a stable phrase: "lower loss", "as trained" (1 is the best), "base is best" (none is better than
            0), or why a lower loss counts for nothing: "interval spans zero", "difference too small", "too few units".
    """

    losses: Mapping[float, Losses]
    recommended: float
    reason: str

    @property
    def best(self) -> float:
        """The strength of the lowest mean loss; of equal ones the nearest to 1."""
        return min(self.losses, key=lambda strength: (_mean(self.losses[strength]), abs(strength - _TRAINED)))

    def against(self, reference: float, strength: float) -> Difference:
        """Return the difference between two strengths: below zero where the second one is better."""
        return difference(self.losses[reference], self.losses[strength])


def swept(losses: Mapping[float, Losses]) -> Sweep:
    """Return what losses at several strengths, 0 and 1 among them, recommend."""
    sweep = Sweep(dict(sorted(losses.items())), _TRAINED, "as trained")
    best = sweep.best
    if best == _TRAINED:
        return sweep
    word, reason = verdict(sweep.against(_TRAINED, best), losses[best].mode)
    if word != "learned":
        return Sweep(sweep.losses, _TRAINED, reason)
    if best == 0:
        return Sweep(sweep.losses, _TRAINED, "base is best")
    return Sweep(sweep.losses, best, "lower loss")


def first(losses: Losses, units: int) -> Losses:
    """Return the losses of the first so many units."""
    return Losses(losses.step, losses.mode, losses.times, losses.names[:units], losses.values[:units])


def save(run: Run, found: Sweep) -> None:
    """Write evaluation/strengths.json: the recommendation, and by strength loss and difference from the base network.

    Raises:
        DiskFull, NotWritable: As the file system says.
    """
    one = found.losses[_TRAINED]
    rows: list[Json] = [_row(found, strength) for strength in found.losses]
    content = {
        "version": 1, "step": one.step, "mode": one.mode, "units": len(one.names), "recommended": found.recommended,
        "reason": found.reason, "best": found.best, "strengths": rows,
    }  # fmt: skip
    files.write_json(run.evaluation / f"{FILE}.json", cast("Json", content))


def _row(found: Sweep, strength: float) -> dict[str, Json]:
    """Return one strength: its loss and its difference from strength 0, with the interval where there is one."""
    from_base = found.against(0.0, strength)
    return {
        "strength": strength, "loss": _mean(found.losses[strength]), "difference": from_base.mean,
        "low": from_base.low, "high": from_base.high,
    }  # fmt: skip


def _mean(losses: Losses) -> float:
    """Return the mean loss over units."""
    return sum(losses.per_unit()) / len(losses.names)
