"""Training as one of several processes without leading them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from acetune import compute
from acetune.adapters.adapter import Adapter
from acetune.encoding.encode import EncodedSet
from acetune.events import Job
from acetune.families.family import ModelFamily
from acetune.recipe import Recipe, family_of
from acetune.training import checkpoint, starting
from acetune.training.checkpoint import State
from acetune.training.launching import Dismissal, joined, threads
from acetune.training.session import Session
from acetune.training.team import CalledOffError, Team


@dataclass(frozen=True)
class Order:
    """What to train: everything that the leader found out, so that nobody finds out another thing.

    Attributes:
        name: Of the run.
        recipe: Its knobs.
        models: Folder of the weights.
        encoded: The songs, in a cache that all processes see.
        found: The checkpoint to go on from.
        start: The adapter to begin with where there is no checkpoint.
    """

    name: str
    recipe: Recipe
    models: Path
    encoded: EncodedSet
    found: tuple[State, Path] | None
    start: Adapter | None

    def session(self, family: ModelFamily, team: Team) -> Session:
        """Return the training in memory, at its first step; a checkpoint is still to be restored."""
        with team.agreed():
            dtype = self.found[0].dtype if self.found else None
            session = Session.build(self.recipe, family, self.encoded, self.name, dtype, team)
            if self.start:
                starting.begin(session, self.start)
        return session


def follow(job: Job | None = None) -> Dismissal:
    """Help a launched process that leads until it is done, and return what came of it.

    Args:
        job: Can ask all of them to stop; hears nothing.

    Raises:
        ResourceError: If another process is gone.
    """
    with joined(compute.place()) as team:
        message = team.hear(stop=False)
        while not isinstance(message, Dismissal):
            assert isinstance(message, Order)
            with compute.threads(threads(message.recipe)):
                message = _helped(message, team, job or Job())
    return message


def _helped(order: Order, team: Team, job: Job) -> object:
    """Do the steps that the leader announces; return what it gives in their place."""
    try:
        session = _ready(order, team)
        while isinstance(message := team.hear(job.stop_requested()), int):
            session.update(message)
    except CalledOffError:
        message = team.hear(job.stop_requested())
    compute.release(compute.device(order.recipe.compute.device))
    return message


def _ready(order: Order, team: Team) -> Session:
    """Return the training of an order, restored."""
    family: ModelFamily = family_of(order.recipe.model.variant)[0].open(order.recipe, order.models, Job())
    session = order.session(family, team)
    if order.found:
        with team.agreed():
            state, folder = order.found
            checkpoint.restore(folder, session.optimizer, session.parameters)
            session.take_over(state.times)
    return session
