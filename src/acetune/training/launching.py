"""How processes come to train together: a launcher started them, or this one starts the others itself."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from acetune import compute
from acetune.errors import AcetuneError, ResourceError, SettingError
from acetune.events import Job
from acetune.planning.steps import refuse_idle
from acetune.recipe import Recipe
from acetune.training.outcome import Dismissal, TrainResult
from acetune.training.team import Team, lost

if TYPE_CHECKING:
    from torch.distributed import Store, TCPStore  # type: ignore[attr-defined]

#: How long processes of one launcher wait for each other at the start.
_START: Final = timedelta(minutes=10)
#: How long started processes may take to end once they are dismissed, and between two looks at them.
_END_SECONDS, _POLL_SECONDS = 30.0, 0.05


@dataclass
class Leader:
    """The team of the process that leads, which the others join when they are first needed."""

    team: Team
    recipe: Recipe
    others: _Started | None = None

    def gather(self, job: Job) -> None:
        """Let the team be complete.

        Raises:
            ResourceError: If a process ended before it came.
            Stopped: If asked to stop.
        """
        if self.team.size > 1 and not self.team.joined:
            store = self.others.ready(job) if self.others else _meeting_place(self.team.rank, self.team.size)
            self.team.join(store, compute.device(self.recipe.compute.device))

    def dismiss(self, result: TrainResult | None = None, error: AcetuneError | None = None) -> None:
        """Let the others go, in order where they listen; those that this process started are gone afterwards."""
        if self.team.joined and not self.team.busy:
            with suppress(ResourceError):
                self.team.give(Dismissal(result, error).message())
        self.team.leave()
        if self.others:
            self.others.end()


@dataclass
class _Started:
    """Processes that this one started on this machine."""

    store: TCPStore
    processes: Sequence[subprocess.Popen[str]] = field(default_factory=list)

    def ready(self, job: Job) -> Store:
        """Wait until all of them are there; return where all meet.

        Raises:
            ResourceError: If one has ended.
            Stopped: If asked to stop.
        """
        names = [_arrival(rank) for rank in range(1, len(self.processes) + 1)]
        while not self.store.check(names):
            job.check_stop("train")
            ended = [process.returncode for process in self.processes if process.poll() is not None]
            if ended:
                raise ResourceError("training.lost", cause=f"exit code {ended[0]}")
            time.sleep(_POLL_SECONDS)
        return self.store

    def end(self) -> None:
        """Wait for them to end, and end those that do not."""
        arrived = self.store.check([_arrival(rank) for rank in range(1, len(self.processes) + 1)])
        deadline = time.monotonic() + (_END_SECONDS if arrived else 0.0)
        for process in self.processes:
            try:
                process.wait(max(deadline - time.monotonic(), 0.0))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def opened(recipe: Recipe) -> Iterator[Leader]:
    """Yield the team of a training that this process leads; afterwards the others are dismissed.

    Args:
        recipe: Says on how many devices to train, unless a launcher decided that.

    Raises:
        SettingError: If there are too few devices, a step has too few crops for them, or a launcher started another
            number of processes.
    """
    place = compute.place()
    size = place.size if place.size > 1 else recipe.compute.devices
    if recipe.compute.devices not in (1, size):
        raise SettingError("training.processes", count=place.size, devices=recipe.compute.devices)
    _check(recipe, size, launched=place.size > 1)
    started = _start(size) if place.size == 1 and size > 1 else None
    leader = Leader(Team(0, size), recipe, started)
    try:
        if place.size > 1:
            leader.gather(Job())
        yield leader
    except AcetuneError as error:
        leader.dismiss(error=error)
        raise
    finally:
        leader.dismiss()


@contextmanager
def joined(place: compute.Place, device: str = "auto") -> Iterator[Team]:
    """Yield the team that this process belongs to and does not lead."""
    team = Team(place.rank, place.size)
    store = _meeting_place(place.rank, place.size)
    store.set(_arrival(place.rank), "here")
    team.join(store, compute.device(device))
    try:
        yield team
    finally:
        team.leave()


def threads(recipe: Recipe) -> int:
    """Return the processor threads of each process: those asked for, else its share of this machine's."""
    import torch

    return recipe.compute.threads or max(torch.get_num_threads() // recipe.compute.devices, 1)


def _check(recipe: Recipe, size: int, *, launched: bool) -> None:
    """Raise a SettingError if so many processes cannot share the work or the devices of this machine."""
    refuse_idle(recipe, size)
    if size == 1 or launched:
        return
    if ":" in recipe.compute.device:
        raise SettingError("training.one_device", device=recipe.compute.device, devices=size)
    device = compute.device(recipe.compute.device)
    here = compute.count(device)
    if here is not None and here < size:
        raise SettingError("training.few_devices", device=device.type, here=here, devices=size)


def _start(size: int) -> _Started:
    """Start all processes but this one; they end when it does."""
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    store = TCPStore("127.0.0.1", 0, size, is_master=True, wait_for_workers=False)
    script = f"import runpy, sys; sys.path[:] = {sys.path!r}; runpy.run_module('acetune', run_name='__main__')"
    alone = {"creationflags": 0x200} if sys.platform == "win32" else {"start_new_session": True}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, "train"],
            env=compute.environment_of(compute.Place(rank, size, rank), "127.0.0.1", store.port),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            text=True,
            **alone,
        )
        for rank in range(1, size)
    ]
    return _Started(store, processes)


def _meeting_place(rank: int, size: int) -> Store:
    """Return the store that a launcher named in the environment.

    Raises:
        ResourceError: If the leader is not there in time.
    """
    from torch.distributed.rendezvous import rendezvous

    try:
        store: Store = next(rendezvous("env://", rank, size, timeout=_START))[0]
    except RuntimeError as error:
        raise lost(error) from error
    return store


def _arrival(rank: int) -> str:
    """Return the key under which a process says that it is there."""
    return f"acetune arrived {rank}"
