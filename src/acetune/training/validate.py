"""Held-out loss on fixed noise and fixed t, as a paired difference from the base network.

The base losses are recorded once, before the first step. The unit of the interval is the song: crops and times of a
song are averaged first, so that many correlated numbers do not pass for evidence.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import cast

import torch
from torch import Tensor, nn

from acetune import files
from acetune.errors import CorruptFile
from acetune.events import Json, Validated
from acetune.families.family import ModelFamily, Part
from acetune.families.objective import Objective
from acetune.flow import path, randomness
from acetune.planning.guards import MIN_UNITS
from acetune.run import Run
from acetune.training.examples import Examples, Unit

#: Confidence of the interval.
_CONFIDENCE = 0.95
#: Share of the base network's loss below which a difference is none: a learning rate of next to nothing lowers every
#: song's loss by as little, so that no interval doubts it (docs/log.md).
_LEAST_SHARE = 5e-4


@dataclass(frozen=True)
class Losses:
    """Held-out losses at one step: one row for each unit, one column for each time."""

    step: int
    mode: str
    times: tuple[float, ...]
    names: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]

    def per_unit(self) -> tuple[float, ...]:
        """Return the mean over times of each unit."""
        return tuple(sum(row) / len(row) for row in self.values)


@dataclass(frozen=True)
class Difference:
    """Mean of the paired differences and its 95 % interval (None with too few units), and the loss they are of."""

    mean: float
    low: float | None
    high: float | None
    units: int
    base: float = 0.0


@dataclass(frozen=True)
class Validator:
    """Looks at held-out crops.

    Attributes:
        family: Collates and predicts.
        examples: Cuts the crops.
        objective: Gives times and losses.
        units: What is held out; empty where nothing is.
        seed: Of the fixed noise.
        device: Where the network lives.
        texts: Other captions than a song's own, encoded, by its path.
    """

    family: ModelFamily
    examples: Examples
    objective: Objective
    units: tuple[Unit, ...]
    seed: int
    device: torch.device
    texts: Mapping[str, Part] = field(default_factory=dict)

    @torch.no_grad()
    def losses(self, network: nn.Module, step: int, dtype: torch.dtype) -> Losses:
        """Return the losses of every unit at every time; the network's mode is left as it was."""
        times = self.family.round_times(self.objective.validation_times(), dtype)
        training = network.training
        network.eval()
        rows = [self._unit(network, number, unit, times) for number, unit in enumerate(self.units)]
        network.train(training)
        return Losses(
            step=step,
            mode=self.examples.split.mode,
            times=tuple(times.tolist()),
            names=tuple(unit.name for unit in self.units),
            values=tuple(tuple(row.tolist()) for row in rows),
        )

    def _unit(self, network: nn.Module, number: int, unit: Unit, times: Tensor) -> Tensor:
        """Return the loss of a unit at each time, averaged over its crops: (times,) on the CPU."""
        total = torch.zeros(len(times), device=self.device)
        kept = torch.zeros(len(times), dtype=torch.bool, device=self.device)
        t = times.to(self.device)
        for place, crop in enumerate(unit.crops):
            example = self.examples.held_out_example(crop)
            example = replace(example, text=self.texts.get(crop[0].track.path, example.text))
            batch = self.family.collate([example] * len(t), self.examples.constants, self.device)
            # One noise for all times: a fair comparison between them costs nothing.
            noise = randomness.normal(tuple(example.latents.shape), self.seed, "validation", number, place)
            noise = noise.to(self.device).expand_as(batch.x0)
            predicted = self.family.predict(network, batch, path.noisy(batch.x0, noise, t), t, kept)
            total += self.objective.losses(predicted, path.velocity(batch.x0, noise), t)
        return (total / len(unit.crops)).cpu()


def difference(base: Losses, now: Losses) -> Difference:
    """Return how much lower (below zero) or higher the held-out loss is than the base network's."""
    pairs = [after - before for before, after in zip(base.per_unit(), now.per_unit(), strict=True)]
    return replace(interval(pairs), base=sum(base.per_unit()) / len(pairs))


def interval(differences: Sequence[float]) -> Difference:
    """Return the mean of paired differences with Student's 95 % interval.

    With fewer than four units there is no interval: it would say little and look like much.
    """
    count = len(differences)
    mean = sum(differences) / count
    if count < MIN_UNITS:
        return Difference(mean, None, None, count)
    from scipy.stats import t as student

    spread = math.sqrt(sum((d - mean) ** 2 for d in differences) / (count - 1) / count)
    reach = float(student.ppf((1 + _CONFIDENCE) / 2, count - 1)) * spread
    return Difference(mean, mean - reach, mean + reach, count)


def verdict(found: Difference | None, mode: str) -> tuple[str, str]:
    """Return the verdict and its reason: learned, worse or cannot tell."""
    if found is None:
        return "cannot tell", "no validation"
    if found.low is None or found.high is None:
        return "cannot tell", "too few units"
    if abs(found.mean) < _LEAST_SHARE * found.base:
        return "cannot tell", "difference too small"
    if found.high < 0:
        return "learned", "interval below zero"
    return ("worse", "interval above zero") if found.low > 0 else ("cannot tell", "interval spans zero")


def save(run: Run, losses: Losses, name: str) -> None:
    """Write losses to evaluation/<name>.json."""
    units = [{"name": n, "losses": list(row)} for n, row in zip(losses.names, losses.values, strict=True)]
    content = {"version": 1, "step": losses.step, "mode": losses.mode, "times": list(losses.times), "units": units}
    files.write_json(run.evaluation / f"{name}.json", content)


def load(run: Run, name: str) -> Losses | None:
    """Read losses that `save` wrote; None where there are none.

    Raises:
        CorruptFile: If the file is damaged.
    """
    file = run.evaluation / f"{name}.json"
    if not file.is_file():
        return None
    content = cast("dict[str, Json]", files.read_json(file))
    try:
        units = cast("list[dict[str, Json]]", content["units"])
        return Losses(
            step=cast("int", content["step"]),
            mode=cast("str", content["mode"]),
            times=tuple(cast("list[float]", content["times"])),
            names=tuple(str(unit["name"]) for unit in units),
            values=tuple(tuple(cast("list[float]", unit["losses"])) for unit in units),
        )
    except (KeyError, TypeError) as cause:
        raise CorruptFile("files.not_json", path=file, cause=repr(cause)) from cause


def forget(run: Run) -> None:
    """Delete the losses of a run whose crops change; those of the base are measured anew."""
    for file in run.evaluation.glob("*.json"):
        file.unlink(missing_ok=True)


def event(base: Losses, now: Losses, found: Difference, best: bool) -> Validated:
    """Return what a validation found as an event."""
    mean = sum(now.per_unit()) / len(now.names)
    base_mean = sum(base.per_unit()) / len(base.names)
    return Validated(
        step=now.step, loss=mean, base_loss=base_mean, difference=found.mean, low=found.low, high=found.high,
        units=found.units, best=best,
    )  # fmt: skip


def save_verdict(run: Run, found: Difference | None, mode: str, step: int, best_step: int | None) -> str:
    """Write evaluation/verdict.json and return the verdict."""
    word, reason = verdict(found, mode)
    numbers = asdict(found) if found else {"mean": None, "low": None, "high": None, "units": 0}
    content = {
        "version": 1, "verdict": word, "reason": reason, "mode": mode, "step": step, "best_step": best_step,
        "difference": numbers["mean"], "low": numbers["low"], "high": numbers["high"], "units": numbers["units"],
    }  # fmt: skip
    files.write_json(run.evaluation / "verdict.json", content)
    return word


def judged_step(run: Run) -> int | None:
    """Return the step that the verdict is about; None where there is none.

    Raises:
        CorruptFile: If the file is damaged.
    """
    file = run.evaluation / "verdict.json"
    content = files.read_json(file) if file.is_file() else {}
    step = content.get("step") if isinstance(content, dict) else None
    return step if isinstance(step, int) else None
