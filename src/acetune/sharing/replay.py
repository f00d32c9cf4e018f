"""Repeating a run from its bundle: the same songs, the same seeds, and the same losses."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from acetune.data import manifest as manifests
from acetune.errors import DataError, SettingError, Stopped
from acetune.events import Event, Job, StepDone
from acetune.recipe import Recipe, resolve
from acetune.run import Run
from acetune.sharing.bundle import Bundle, read_bundle, songs_of, versions
from acetune.training import checkpoint
from acetune.training.train import train
from acetune.workspace import Workspace

#: Share by which a loss may differ: on other machines and libraries sums differ in their last digits, and training
#: multiplies that; other songs, texts or seeds differ by far more.
TOLERANCE: Final = 1e-3


@dataclass(frozen=True)
class Replayed:
    """What came of a replay.

    Attributes:
        run: The new run.
        steps: How many were repeated.
        equal: Whether every loss is the same to the bit.
        largest: The largest difference of a loss, as a share of it.
    """

    run: str
    steps: int
    equal: bool
    largest: float


def replay(
    path: str | Path,
    dataset: str | Path,
    *,
    steps: int | None = None,
    changes: Mapping[str, object] | None = None,
    home: str | Path | None = None,
    job: Job | None = None,
) -> Replayed:
    """Train again what a bundle says, into a run of its own, and compare the losses.

    Args:
        path: The bundle.
        dataset: The scanned folder of the same songs.
        steps: How many of the steps to repeat; None for all.
        changes: Knobs of this machine: ``compute.device`` (else the processor), and ``model.path``, ``adapter.start``
            or ``preview.prompts`` where the bundle says that there was one.
        home: Workspace folder.
        job: Hears the training; can stop it.

    Raises:
        SettingError: If there is no bundle, or a path is needed.
        DataError: If songs or texts are others, or a loss differs by more than `TOLERANCE`.
        Others: As `acetune.training.train.train`.
    """
    job = job or Job()
    said = read_bundle(Path(path))
    _check_songs(said, Path(dataset))
    _tell_versions(said.versions, job)
    here = {"compute.device": "cpu", **(changes or {}), "data.dataset": str(dataset)}
    for knob in said.removed:
        if knob not in here:
            raise SettingError("sharing.place", knob=knob)
    wanted = said.steps[:steps]
    name = f"{said.name[:55]}-replay"
    heard: list[StepDone] = []
    run = _train(_recipe(said, here), name, len(wanted), heard, home, job)
    return _compared(said, run, wanted, heard)


def _recipe(said: Bundle, here: Mapping[str, object]) -> Recipe:
    """Return the recipe of a replay: number format and threads are those of the run, nothing is sent anywhere."""
    fixed = {"compute.dtype": said.dtype, "compute.threads": said.threads, "compute.devices": 1, "guard.trackers": ""}
    return resolve([("bundle", said.recipe), ("replay", {**fixed, **here})]).recipe


def _train(recipe: Recipe, name: str, count: int, heard: list[StepDone], home: str | Path | None, job: Job) -> Run:
    """Train until so many steps were heard of, and return the run."""

    def listen(event: Event) -> None:
        if isinstance(event, StepDone):
            heard.append(event)

    def stop() -> bool:
        return len(heard) >= count or job.stop_requested()

    listening = replace(job.also(listen), stop_requested=stop)
    try:
        return Run(train(recipe, name=name, on_existing="new", home=home, job=listening).folder)
    except Stopped as stopped:
        if len(heard) < count or "run" not in stopped.params:
            raise
        return Run(Workspace.at(home).runs / str(stopped.params["run"]))


def _compared(said: Bundle, run: Run, wanted: Sequence[tuple[int, float]], heard: Sequence[StepDone]) -> Replayed:
    """Return how far the losses are apart."""
    newest = checkpoint.newest(run)
    if (newest and newest[0].parts != said.parts) or songs_of(run) != said.songs:
        raise DataError("sharing.other_texts", run=run.name)
    ours = {event.step: event.loss for event in heard}
    pairs = [(step, loss, ours.get(step, math.nan)) for step, loss in wanted]
    shares = [_apart(then, now) for _, then, now in pairs]
    largest = max(shares)
    if largest > TOLERANCE:
        step, then, now = pairs[shares.index(largest)]
        raise DataError("sharing.differs", step=step, then=then, now=now, run=run.name)
    return Replayed(run.name, len(pairs), all(then == now for _, then, now in pairs), largest)


def _apart(then: float, now: float) -> float:
    """Return the difference of two losses as a share of the first; infinite where there is no number."""
    share = abs(now - then) / max(abs(then), 1e-12)
    return math.inf if math.isnan(share) else share


def _check_songs(said: Bundle, dataset: Path) -> None:
    """Refuse a data set that lacks songs of the run."""
    here = {track.audio_sha256 for track in manifests.load(dataset).tracks}
    missing = [sha for sha, _ in said.songs if sha not in here]
    if missing:
        raise DataError("sharing.other_songs", folder=dataset, missing=len(missing), total=len(said.songs))


def _tell_versions(then: Mapping[str, str], job: Job) -> None:
    """Say which versions are others than those of the run."""
    now = versions()
    differing = [f"{name} {then[name]} -> {now.get(name, '-')}" for name in then if then[name] != now.get(name)]
    if differing:
        job.tell(SettingError("sharing.versions", differing=", ".join(differing)), severity="info")
