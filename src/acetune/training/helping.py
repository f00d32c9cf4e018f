"""Training as one of several processes without leading them."""

from __future__ import annotations

from contextlib import suppress

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
from acetune.training.sharding import rows
from acetune.training.team import CalledOffError, Team
from acetune.training.together import deed_of, is_deed


def follow(job: Job | None = None) -> Dismissal:
    """Help a launched process that leads until it is done, and return what came of it.

    Args:
        job: Can ask all of them to stop; hears nothing.

    Raises:
        ResourceError: If another process is gone.
    """
    with joined(compute.place()) as team:
        message = team.hear(stop=False)
        while isinstance(message, Message) and "train" in message.words:
            order = Order.read(message)
            with compute.threads(threads(order.recipe)):
                message = _helped(order, team, job or Job())
                compute.release(compute.device(order.recipe.compute.device))
    if isinstance(message, int):
        raise garbled(f"step {message} of no training")
    return Dismissal.read(message)


def _helped(order: Order, team: Team, job: Job) -> int | Message:
    """Do the steps and deeds that the leader announces; return what it gives in their place."""
    try:
        session = _ready(order, team)
    except CalledOffError:
        return team.hear(job.stop_requested())
    while isinstance(message := team.hear(job.stop_requested()), int) or is_deed(message):
        with suppress(CalledOffError):
            if isinstance(message, int):
                session.update(message)
            else:
                deed_of(message).done_by(session)
    return message


def _ready(order: Order, team: Team) -> Session:
    """Return the training of an order, restored."""
    family: ModelFamily = family_of(order.recipe.model.variant)[0].open(order.recipe, order.models, Job())
    session = order.session(family, team)
    if order.found:
        with team.agreed():
            state, folder = order.found
            checkpoint.restore(folder, session.optimizer, session.parameters, rows(session))
            session.take_over(state.times)
    return session
