"""What the processes that hold a network together do together: whatever takes all of it, at the leader's word.

The leader validates, plays previews and saves alone, as ever. Where that needs the others, it tells them a deed, which
they do at the same time; what comes of it counts in the leader.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import torch

from acetune.training import checkpoint, trainable
from acetune.training.messages import Message, garbled
from acetune.training.sharding import Tensors
from acetune.training.trainable import precision
from acetune.training.updater import tensors_of

if TYPE_CHECKING:
    from acetune.training.session import Session

#: Length of the music of a pass that counts for nothing, in the least that a family takes.
_PERIODS: Final = 8
#: Key of a message that tells a deed.
_DEED: Final = "deed"


class Together(ABC):
    """Something that all processes do at the same time, outside a step."""

    @abstractmethod
    def message(self) -> Message:
        """Return what the others are told."""

    @abstractmethod
    def done_by(self, session: Session) -> Tensors:
        """Do this process's share of it; what comes of it counts in the leader."""


@dataclass(frozen=True)
class Gather(Together):
    """Put the weights together, or what the optimizer remembers of them."""

    moments: bool

    def message(self) -> Message:
        """Return what the others are told."""
        return Message({_DEED: "gather", "moments": self.moments})

    def done_by(self, session: Session) -> Tensors:
        """Return them whole in the leader, and nothing elsewhere."""
        assert session.shards
        weights = {name: parameter.detach() for name, parameter in session.parameters.items()}
        mine = tensors_of(session.optimizer, session.parameters) if self.moments else weights
        return session.shards.gathered(mine, keep=session.team.rank == 0)


@dataclass(frozen=True)
class Return(Together):
    """Go back to a checkpoint."""

    folder: Path

    def message(self) -> Message:
        """Return what the others are told."""
        return Message({_DEED: "return", "folder": str(self.folder)})

    def done_by(self, session: Session) -> Tensors:
        """Do it."""
        assert session.shards
        with session.team.agreed():
            checkpoint.restore(self.folder, session.optimizer, session.parameters, session.shards.rows)
        return {}


@dataclass(frozen=True)
class Exchange(Together):
    """Take the weights that the network came with, or come back from them."""

    base: bool

    def message(self) -> Message:
        """Return what the others are told."""
        return Message({_DEED: "exchange", "base": self.base})

    def done_by(self, session: Session) -> Tensors:
        """Do it."""
        assert session.shards
        if not self.base:
            session.shards.come_back()
            return {}
        with session.team.agreed():
            network = session.family.load_network(torch.device("cpu"), torch.float32)
            session.shards.become(dict(network.named_parameters()))
        return {}


@dataclass(frozen=True)
class Pass(Together):
    """Go through the network as often as the leader does: what matters are the weights that are put together for it."""

    def message(self) -> Message:
        """Return what the others are told."""
        return Message({_DEED: "pass"})

    @torch.no_grad()
    def done_by(self, session: Session) -> Tensors:
        """Show the network made-up music, and forget what comes of it."""
        batch = session.family.probe(session.family.crop_multiple * _PERIODS, session.device)
        t, dropped = (torch.zeros(1, dtype=kind, device=session.device) for kind in (torch.float32, torch.bool))
        training = session.network.training
        session.network.eval()
        with precision(session.facts, session.device, session.dtype):
            session.family.predict(session.network, batch, batch.x0, t, dropped)
        session.network.train(training)
        return {}


def is_deed(message: Message) -> bool:
    """Whether a message tells a deed."""
    return _DEED in message.words


def deed_of(message: Message) -> Together:
    """Return the deed that a message tells.

    Raises:
        ResourceError: If it tells none.
    """
    words: dict[str, object] = dict(message.words)
    match words:
        case {"deed": "gather", "moments": bool(moments)}:
            return Gather(moments)
        case {"deed": "return", "folder": str(folder)}:
            return Return(Path(folder))
        case {"deed": "exchange", "base": bool(base)}:
            return Exchange(base)
        case {"deed": "pass"}:
            return Pass()
    raise garbled(f"no deed called {str(message.words.get(_DEED))[:60]}")


def together(session: Session, deed: Together) -> Tensors:
    """Do something in all processes; return what came of it here, in the leader."""
    session.team.give(deed.message())
    return deed.done_by(session)


def in_company(session: Session) -> None:
    """Let the others join every pass through the leader's network that is no part of a step."""

    def ask(*_: object) -> None:
        if not torch.is_grad_enabled():
            session.team.give(Pass().message())

    if session.team.rank == 0:
        session.network.register_forward_pre_hook(ask, prepend=True)


def moments(session: Session) -> Tensors:
    """Return every tensor of the optimizer, whole."""
    return (
        together(session, Gather(moments=True)) if session.shards else tensors_of(session.optimizer, session.parameters)
    )


def return_to(session: Session, folder: Path) -> None:
    """Go back to the weights of a checkpoint."""
    if session.shards:
        together(session, Return(folder))
    else:
        checkpoint.restore(folder, session.optimizer, session.parameters)


def as_base(session: Session, start: int) -> AbstractContextManager[None]:
    """Return a block in which the network is what it was before any training; this one went on from a step."""
    if session.shards and start:
        return _exchanged(session)
    changed = session.parameters if start else {}
    return trainable.as_base(session.family, session.network, session.facts, changed)


@contextmanager
def _exchanged(session: Session) -> Iterator[None]:
    """Let the network have, in all processes, the weights that it came with inside the block."""
    together(session, Exchange(base=True))
    try:
        yield
    finally:
        together(session, Exchange(base=False))
