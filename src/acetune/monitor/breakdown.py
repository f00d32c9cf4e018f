"""Where the loss is: by time of the flow, and by song.

A loss depends on t far more than on the song, so that songs are compared with all crops of about the same t.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from acetune.events import StepDone
from acetune.files import read_json
from acetune.run import Run

#: Bins of t in [0, 1].
BINS = 10


@dataclass(frozen=True)
class TimeLoss:
    """Training loss of the crops whose t lies in a bin: over the first and the second half of the run.

    Attributes:
        low, high: Bounds of t: 1 is noise, 0 is music.
        crops: In both halves.
        first, last: Mean loss; None where a half had no such crop.
    """

    low: float
    high: float
    crops: int
    first: float | None
    last: float | None


@dataclass(frozen=True)
class SongLoss:
    """Training loss of one song.

    Attributes:
        name: Its path in the data set.
        crops: How often it was shown.
        loss: Mean.
        ratio: Mean of its losses over what is usual at their t; above 1 is harder than the other songs.
    """

    name: str
    crops: int
    loss: float
    ratio: float


@dataclass(frozen=True)
class HeldOutTime:
    """Held-out loss at one t: of the base model and of the step that was judged."""

    t: float
    base: float
    now: float


def by_time(steps: Sequence[StepDone]) -> tuple[TimeLoss, ...]:
    """Return the training loss by bin of t; bins without crops are left out."""
    middle = len(steps) // 2
    halves = [_binned(steps[:middle]), _binned(steps[middle:])]
    found = []
    for place in sorted(halves[0].keys() | halves[1].keys()):
        first, last = (half.get(place, []) for half in halves)
        low, high = place / BINS, (place + 1) / BINS
        found.append(TimeLoss(low, high, len(first) + len(last), _mean(first), _mean(last)))
    return tuple(found)


def by_song(run: Run, steps: Sequence[StepDone]) -> tuple[SongLoss, ...]:
    """Return the training loss of each song, the hardest first; clips of the base network are none.

    Raises:
        CorruptFile: If the run's list of songs is damaged.
    """
    usual = {place: sum(losses) / len(losses) for place, losses in _binned(steps).items()}
    losses: dict[int, list[float]] = {}
    ratios: dict[int, list[float]] = {}
    for song, t, loss in (crop for step in steps for crop in step.crops if crop[0] >= 0):
        losses.setdefault(int(song), []).append(loss)
        ratios.setdefault(int(song), []).append(loss / usual[_bin(t)] if usual[_bin(t)] else 1.0)
    names = _songs(run)
    found = [
        SongLoss(names[song] if song < len(names) else str(song), len(of), sum(of) / len(of), sum(ratio) / len(ratio))
        for (song, of), ratio in zip(losses.items(), ratios.values(), strict=True)
    ]
    return tuple(sorted(found, key=lambda song: -song.ratio))


def held_out(run: Run, step: int | None) -> tuple[HeldOutTime, ...]:
    """Return the held-out loss at each t that is validated at, of the base model and at a step.

    Raises:
        CorruptFile: If an evaluation is damaged.
    """
    if step is None:
        return ()
    base, now = _times(run, "base"), _times(run, f"{step:06d}")
    return tuple(HeldOutTime(t, base[t], now[t]) for t in sorted(base) if t in now)


def _binned(steps: Sequence[StepDone]) -> dict[int, list[float]]:
    """Return the losses of all crops by bin of t."""
    bins: dict[int, list[float]] = {}
    for _, t, loss in (crop for step in steps for crop in step.crops):
        bins.setdefault(_bin(t), []).append(loss)
    return bins


def _bin(t: float) -> int:
    """Return the bin of t; 1 belongs to the last."""
    return min(int(t * BINS), BINS - 1)


def _mean(values: Sequence[float]) -> float | None:
    """Return the mean; None of nothing."""
    return sum(values) / len(values) if values else None


def _songs(run: Run) -> tuple[str, ...]:
    """Return the paths of the songs that are trained on, in the order that `StepDone.crops` counts them."""
    content = read_json(run.tracks_file) if run.tracks_file.is_file() else {}
    rows = content.get("tracks") if isinstance(content, dict) else None
    songs = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return tuple(str(row.get("path")) for row in songs if row.get("part") == "train")


def _times(run: Run, name: str) -> Mapping[float, float]:
    """Return the mean over all units of an evaluation at each t."""
    path = run.evaluation / f"{name}.json"
    content = read_json(path) if path.is_file() else {}
    if not isinstance(content, dict):
        return {}
    times, units = content.get("times"), content.get("units")
    rows = [unit["losses"] for unit in units if isinstance(unit, dict)] if isinstance(units, list) else []
    columns = zip(*(row for row in rows if isinstance(row, list)), strict=True)
    values = [sum(float(str(value)) for value in column) / len(column) for column in columns]
    return dict(zip(map(float, map(str, times)), values, strict=True)) if isinstance(times, list) and values else {}
