"""How songs become crops, crops micro-batches, micro-batches steps, and steps a run. Pure arithmetic.

Words: a *micro-batch* is what the network sees at once; a *step* is one optimizer update over ``accumulation``
micro-batches; an *epoch* shows every song once (as often as its ``repeats``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from acetune.errors import SettingError
from acetune.recipe import Recipe

#: Crops shorter than the wanted length fall on this many grid points, so that batches have few different shapes.
_GRID_POINTS = 6
#: Share of a song's end that is held out where whole songs cannot be.
_WINDOW_SHARE = 5
#: Fewest frames worth training on or validating with (a fifth of a second at 25 frames a second).
MIN_FRAMES = 6

#: One optimizer update: micro-batches of item numbers.
Step = tuple[tuple[int, ...], ...]


def crop_length(frames: int, wanted: int, multiple: int) -> int:
    """Return the length of the crops cut from a song of so many frames; 0 where it or the wish is too short.

    Songs shorter than ``wanted`` are floored to a grid; the cut-off rest moves from visit to visit, since crops
    start anywhere.
    """
    wanted -= wanted % multiple
    if wanted < MIN_FRAMES:
        return 0
    if frames >= wanted:
        return wanted
    grid = max(wanted // _GRID_POINTS // multiple * multiple, multiple)
    length = frames // grid * grid or frames // multiple * multiple
    return length if length >= MIN_FRAMES else 0


def window_length(frames: int, wanted: int, multiple: int) -> int:
    """Return how much of a song's end is held out where whole songs cannot be; 0 where it is too short."""
    length = min(crop_length(frames, wanted, multiple), frames // _WINDOW_SHARE)
    length -= length % multiple
    return length if length >= MIN_FRAMES else 0


def epoch_steps(crops: Sequence[int], order: Sequence[int], batch_size: int, accumulation: int) -> tuple[Step, ...]:
    """Group the items of an epoch into steps; a micro-batch has crops of one length only.

    Args:
        crops: Crop length of each item.
        order: Item numbers in the order of this epoch.
        batch_size: Largest micro-batch.
        accumulation: Micro-batches in a step.

    Returns:
        Steps; the last may have fewer micro-batches, and micro-batches may be short.
    """
    waiting: dict[int, list[int]] = {}
    micro: list[tuple[int, ...]] = []
    for item in order:
        group = waiting.setdefault(crops[item], [])
        group.append(item)
        if len(group) == batch_size:
            micro.append(tuple(group))
            group.clear()
    micro += [tuple(group) for group in waiting.values() if group]
    return tuple(tuple(micro[i : i + accumulation]) for i in range(0, len(micro), accumulation))


def micro_batches(crops: Sequence[int], batch_size: int) -> int:
    """Return the micro-batches of an epoch, which do not depend on the order."""
    return sum(math.ceil(sum(c == length for c in crops) / batch_size) for length in set(crops))


@dataclass(frozen=True)
class Piece:
    """Items of one micro-batch that one process takes; `first` is the place of the first among the step's crops."""

    first: int
    items: tuple[int, ...]


def pieces(step: Step, rank: int = 0, size: int = 1) -> tuple[Piece, ...]:
    """Return what one of several processes takes of a step: a run of neighbouring crops, cut at micro-batches.

    Shares differ by one crop at most; with fewer crops than processes some take nothing.

    Args:
        step: Micro-batches of item numbers.
        rank: Of the process, from 0.
        size: Number of processes.
    """
    count = sum(len(items) for items in step)
    low, high = rank * count // size, (rank + 1) * count // size
    found, first = [], 0
    for items in step:
        start, stop = max(low - first, 0), min(high - first, len(items))
        if start < stop:
            found.append(Piece(first + start, items[start:stop]))
        first += len(items)
    return tuple(found)


def refuse_idle(recipe: Recipe, devices: int) -> None:
    """Raise SettingError where a step has fewer crops than the devices that would share it."""
    crops = recipe.data.batch_size * recipe.data.accumulation
    if crops < devices:
        raise SettingError("training.few_crops", crops=crops, devices=devices)


def steps_per_epoch(crops: Sequence[int], batch_size: int, accumulation: int) -> int:
    """Return ceil(micro-batches / accumulation)."""
    return math.ceil(micro_batches(crops, batch_size) / accumulation)


@dataclass(frozen=True)
class Length:
    """How long a run is, and what follows from it; every interval is in steps."""

    steps: int
    epochs: float
    steps_per_epoch: int
    warmup: int
    save_every: int
    validate_every: int


def run_length(recipe: Recipe, per_epoch: int, minutes_of_music: float) -> Length:
    """Return the length of a run in steps, from steps, epochs or, where neither is set, the amount of music."""
    chosen = recipe.schedule
    if chosen.steps is not None:
        steps = chosen.steps
    elif chosen.epochs is not None:
        steps = max(math.ceil(chosen.epochs * per_epoch), 1)
    else:
        steps = default_steps(minutes_of_music)
    quarter = math.ceil(steps / 4)
    guard = recipe.guard
    return Length(
        steps=steps,
        epochs=steps / per_epoch,
        steps_per_epoch=per_epoch,
        warmup=min(100, steps // 10) if chosen.warmup is None else chosen.warmup,
        save_every=quarter if guard.save_every is None else guard.save_every,
        validate_every=quarter if guard.validate_every is None else guard.validate_every,
    )


def default_steps(minutes_of_music: float) -> int:
    """Return the steps of a run where the user names none.

    Recipes that people report work lie between 150 and 3,000 updates for 10 to 100 songs; this grows with the music
    between 300 and 3,000.
    """
    return int(min(max(300, 300 + 10 * minutes_of_music), 3000))
