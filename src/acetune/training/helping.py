"""Training as one of several processes without leading them."""

from __future__ import annotations

from acetune import compute
from acetune.events import Job
from acetune.families.family import ModelFamily
from acetune.recipe import family_of
from acetune.training import checkpoint
from acetune.training.launching import joined, threads
from acetune.training.messages import Message, garbled
from acetune.training.orders import Order
from acetune.training.outcome import Dismissal
from acetune.training.session import Session
from acetune.training.team import CalledOffError, Team


def follow(job: Job | None = None) -> Dismissal:
    """Help a launched process that leads until it is done, and return what came of it.

    Args:
        job: Can ask all of them to stop; hears nothing.

    Raises:
        ResourceError: If another process is gone.
    """
    with joined(compute.place()) as team:
        message = _in_place_of_a_step(team.hear(stop=False))
        while "train" in message.words:
            order = Order.read(message)
            with compute.threads(threads(order.recipe)):
                message = _helped(order, team, job or Job())
    return Dismissal.read(message)


def _helped(order: Order, team: Team, job: Job) -> Message:
    """Do the steps that the leader announces; return what it gives in their place."""
    try:
        session = _ready(order, team)
        while isinstance(message := team.hear(job.stop_requested()), int):
            session.update(message)
    except CalledOffError:
        message = team.hear(job.stop_requested())
    compute.release(compute.device(order.recipe.compute.device))
    return _in_place_of_a_step(message)


def _in_place_of_a_step(message: int | Message) -> Message:
    """Return what the leader gave; raise a ResourceError for a step of a training that nobody told of."""
    if isinstance(message, int):
        raise garbled(f"step {message} of no training")
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
