"""Saving and restoring the whole state of a training: what is trained, optimizer, step, best.

A checkpoint is a folder that appears at once, complete. Randomness has no state, so nothing else is needed to go on
exactly where the run stopped.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

from torch import Tensor, nn

from acetune import files
from acetune.adapters import adapter as adapters
from acetune.adapters import trained
from acetune.adapters.adapter import Adapter
from acetune.errors import CorruptFile, UserError, WrongAdapter
from acetune.run import Run
from acetune.storage import save_shards, shards
from acetune.training.updater import Averaged, Updater, numbers_of, put_back, tensors_of

#: Layout of a checkpoint; newer ones are refused.
VERSION = 1
_NUMBERS, _OPTIMIZER = "numbers", "optimizer"
#: Returns what a process holds of a tensor, given the name of its parameter.
Rows: TypeAlias = Callable[[str, Tensor], Tensor]


@dataclass(frozen=True)
class State:
    """Where a training stands.

    Attributes:
        step: Updates done.
        best_step: Step of the lowest held-out loss; None before the first validation.
        best_difference: That loss minus the base network's.
        threads: Processor threads: on CPUs equal bits need equal threads.
        dtype: Number format of the frozen weights, kept when the device changes.
        parts: Names the encoded songs, so that a changed data set is noticed.
        times: What adaptive times learned; None for times that do not learn.
        processes: How many shared each step. The order of songs does not depend on it, sums do in their last bits.
    """

    step: int
    best_step: int | None
    best_difference: float | None
    threads: int
    dtype: str
    parts: str
    times: list[list[float]] | None = None
    processes: int = 1


def save(
    run: Run,
    state: State,
    adapter: Adapter,
    optimizer: Updater,
    parameters: Mapping[str, nn.Parameter],
    tensors: Mapping[str, Tensor] | None = None,
) -> Path:
    """Write a checkpoint and point ``last`` to it; one of this step that exists already is kept.

    Args:
        run: Where.
        state: What else to remember.
        adapter: In float32, scale not baked; or all weights.
        optimizer: Its whole state is saved.
        parameters: What it updates, by name.
        tensors: Of the optimizer, where it holds some rows of them only.

    Raises:
        DiskFull, NotWritable: As the file system says; nothing is left half-written.
    """
    folder = run.checkpoints / f"{state.step:06d}"
    if not folder.is_dir():
        with files.draft_folder(folder) as draft:
            trained.save(adapter, draft)
            numbers = json.dumps(numbers_of(optimizer, parameters))
            whole = tensors_of(optimizer, parameters) if tensors is None else tensors
            save_shards(draft, _OPTIMIZER, whole, {_NUMBERS: numbers})
            files.write_json(draft / "state.json", {"version": VERSION, **asdict(state)})
    files.write_text(run.checkpoints / "last", folder.name + "\n")
    return folder


def mark_best(run: Run, step: int) -> None:
    """Point ``best`` to the checkpoint of a step."""
    files.write_text(run.checkpoints / "best", f"{step:06d}\n")


def newest(run: Run) -> tuple[State, Path] | None:
    """Return the newest checkpoint that can be read, sweeping up what a killed process left."""
    if not run.checkpoints.is_dir():
        return None
    for place in (run.checkpoints, run.adapters, run.previews, run.evaluation):
        files.sweep_drafts(place)
    for folder in reversed(_folders(run)):
        try:
            trained.check(folder)
            for file in shards(folder, _OPTIMIZER):
                adapters.check(file)
            return read_state(folder), folder
        except (CorruptFile, WrongAdapter):
            continue
    return None


def is_last(run: Run, folder: Path) -> bool:
    """Whether no later checkpoint exists, readable or not."""
    return _folders(run)[-1] == folder


def read_state(folder: Path) -> State:
    """Read where a checkpoint stands.

    Raises:
        CorruptFile: If it is damaged.
        UserError: If a newer acetune wrote it.
    """
    values = files.read_json(folder / "state.json") if (folder / "state.json").is_file() else None
    if not isinstance(values, dict):
        raise CorruptFile("training.bad_checkpoint", folder=folder, cause="state.json is missing")
    if values.pop("version", VERSION) != VERSION:
        raise UserError("training.newer_checkpoint", folder=folder)
    try:
        return State(**values)
    except TypeError as cause:
        raise CorruptFile("training.bad_checkpoint", folder=folder, cause=cause) from cause


def all_rows(name: str, tensor: Tensor) -> Tensor:
    """Return all of a tensor."""
    return tensor


def restore(folder: Path, optimizer: Updater, parameters: Mapping[str, nn.Parameter], rows: Rows = all_rows) -> None:
    """Set what is trained and the optimizer to what a checkpoint holds, to the bit.

    Args:
        folder: Of the checkpoint.
        optimizer: Fresh, or one whose whole state will be another.
        parameters: What it updates, by name.
        rows: What this process holds of a tensor that belongs to a parameter.

    Raises:
        CorruptFile: If it is damaged or misses a tensor.
    """
    saved = trained.load(folder).weights
    missing = saved.keys() ^ parameters.keys()
    if missing:
        raise CorruptFile("training.bad_checkpoint", folder=folder, cause=f"{sorted(missing)[0]} does not match")
    for name, parameter in parameters.items():
        parameter.data.copy_(rows(name, saved[name]))
    if isinstance(optimizer, Averaged):
        optimizer.follow_from_here()  # what is used was saved; what is trained comes with the optimizer
    for file in shards(folder, _OPTIMIZER):
        tensors, header = adapters.read_safetensors(file)
        tensors = {key: rows(key.rpartition("|")[0], tensor) for key, tensor in tensors.items()}
        put_back(optimizer, parameters, tensors, json.loads(header.get(_NUMBERS, "{}")))


def discard_after(run: Run, step: int) -> None:
    """Delete checkpoints of later steps: the run goes on from an earlier one and will write them anew."""
    for folder in _folders(run):
        if int(folder.name) > step:
            shutil.rmtree(folder, ignore_errors=True)


def prune(run: Run, *, keep_last: int, keep_every: int, best: int | None) -> None:
    """Delete checkpoints that are neither recent, nor the best, nor at a kept multiple."""
    for folder in _folders(run)[:-keep_last]:
        step = int(folder.name)
        if step != best and not (keep_every and step % keep_every == 0):
            shutil.rmtree(folder, ignore_errors=True)


def _folders(run: Run) -> list[Path]:
    """Return the checkpoint folders of a run, by step."""
    if not run.checkpoints.is_dir():
        return []
    return sorted((f for f in run.checkpoints.iterdir() if f.is_dir() and f.name.isdigit()), key=lambda f: int(f.name))
