"""Processes that train together: each takes its share of every step, and all do the same update.

The first process leads: it alone reads requests, reports, validates and saves. The others wait at a *meeting* for what
it says next: a step, an order, or that they are dismissed. Meetings and what is said there go through the processors;
only the sums of gradients go from device to device.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, nn

from acetune import compute
from acetune.errors import AcetuneError, ResourceError
from acetune.events import Job
from acetune.run import Run
from acetune.training.messages import Message, Pieces, check_sizes, failure_of, of_failure

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup, Store  # type: ignore[attr-defined]

#: What the leader says at a meeting beside the number of a step: something follows, or do all agree; others are silent.
_SOMETHING, _AGREE, _SILENT = -1, -2, -3
#: How long a process waits at a meeting: longer than any encoding. One that died is noticed at once.
_PATIENCE: Final = timedelta(days=30)
#: Gradients with more elements are added where they are, smaller ones in one piece.
_LARGE: Final = 1 << 20
#: What those hand over who listen.
_NOTHING: Final = (b"", b"")


class CalledOffError(Exception):
    """The step or order that this process was at is off; the leader says what comes next."""


@dataclass
class Team:
    """One process of those that train together; alone as long as it joined no others.

    Attributes:
        rank: Of this process; 0 leads.
        size: Number of processes.
        asked: Whether any of them was asked to stop.
        busy: Whether a step is being done, so that others may be waiting for our gradients.
    """

    rank: int = 0
    size: int = 1
    asked: bool = False
    busy: bool = False
    _control: ProcessGroup | None = None
    _heard: list[Message] = field(default_factory=list)

    def join(self, store: Store, device: torch.device) -> None:
        """Meet the others.

        Args:
            store: Where all of them look for each other.
            device: Of this process.

        Raises:
            ResourceError: If one of them does not come.
        """
        from torch import distributed

        backend = distributed.get_default_backend_for_device(device)
        compute.make_current(device)
        with nobody_lost():
            distributed.init_process_group(backend, store=store, rank=self.rank, world_size=self.size)
            self._control = distributed.new_group(backend="gloo", timeout=_PATIENCE)

    def leave(self) -> None:
        """Be alone again; processes that wait for this one end."""
        from torch import distributed

        if self._control is not None:
            self._control = None
            distributed.destroy_process_group()

    @property
    def joined(self) -> bool:
        """Whether this process met the others."""
        return self._control is not None

    def stop_of(self, run: Run, job: Job) -> Callable[[], bool]:
        """Return a stop request that the job, the run's control folder or another process may make."""

        def stop_requested() -> bool:
            self.asked = self.asked or run.asked("stop") or job.stop_requested()
            return self.asked

        return stop_requested

    def announce(self, step: int) -> None:
        """Let the others do a step with this process, which leads."""
        if self._control is not None:
            self._meet(step)
            self.busy = True

    def give(self, message: Message) -> None:
        """Give the others something in place of a step.

        Raises:
            ResourceError: If it is too large, or a process is gone.
        """
        if self._control is not None:
            pieces = message.pieces()  # what cannot be sent must fail before the others wait for it
            self._meet(_SOMETHING)
            _spread(self._control, pieces)

    def hear(self, stop: bool) -> int | Message:
        """Return what the leader gives: the number of a step, or something else.

        Args:
            stop: Whether this process was asked to stop; the leader will know.

        Raises:
            ResourceError: If what arrives is no message, or a process is gone.
        """
        if self._heard:
            return self._heard.pop()
        said, _ = self._meet(_SILENT, stop=stop)
        return said if said >= 0 else _spread(self._control)

    @contextmanager
    def agreed(self) -> Iterator[None]:
        """Leave the block together: a failure of one process is raised in the leader and interrupts the others.

        Raises:
            CalledOffError: In a process that does not lead, if any failed or the leader goes on elsewhere.
        """
        if self._control is None:
            yield
            return
        failure: Exception | None = None
        try:
            yield
        except (AcetuneError, RuntimeError, OSError) as error:
            failure = error
        said, failed = self._meet(_SILENT if self.rank else _AGREE, failed=failure is not None)
        if said != _AGREE:
            self._heard.append(_spread(self._control))
            raise CalledOffError
        if failed is not None:
            self.busy = False
            self._raise(failure, failed)

    def add_up(self, losses: Tensor, parameters: Iterable[nn.Parameter] = ()) -> None:
        """Replace losses and gradients by their sums over all processes.

        A parameter without a gradient anywhere keeps none, so that an optimizer passes it over as ever.
        """
        if self._control is None:
            return
        from torch import distributed

        trained = list(parameters)
        used = torch.tensor([p.grad is not None for p in trained], dtype=torch.uint8)
        with nobody_lost():
            if trained:
                distributed.all_reduce(used, distributed.ReduceOp.MAX, group=self._control)
            gradients = [_gradient(p) for p, anywhere in zip(trained, used.tolist(), strict=True) if anywhere]
            _add(losses, gradients)
        self.busy = False

    def _meet(self, said: int, *, stop: bool = False, failed: bool = False) -> tuple[int, int | None]:
        """Return what the leader says, and the first process that failed; note whether any was asked to stop."""
        from torch import distributed

        told = torch.tensor([said, int(stop), (self.size - self.rank) if failed else 0])
        with nobody_lost():
            distributed.all_reduce(told, distributed.ReduceOp.MAX, group=self._control)
        found, asked, first = map(int, told.tolist())
        self.asked = self.asked or bool(asked)
        return found, self.size - first if first else None

    def _raise(self, failure: Exception | None, failed: int) -> None:
        """Raise the first failure in the leader, and tell the others that there is one."""
        pieces = of_failure(failure).pieces() if failure and self.rank == failed else _NOTHING
        told = _spread(self._control, pieces, failed)
        if self.rank:
            raise CalledOffError
        raise failure or failure_of(told)


def _spread(group: ProcessGroup | None, pieces: Pieces = _NOTHING, source: int = 0) -> Message:
    """Return, in every process, the message of one of them; the others have nothing to say."""
    from torch import distributed

    sizes = torch.tensor([len(piece) for piece in pieces])
    with nobody_lost():
        distributed.broadcast(sizes, source, group=group)
    check_sizes(sizes.tolist())
    words, tensors = (_in_memory(*known) for known in zip(pieces, sizes.tolist(), strict=True))
    for piece in (words, tensors):
        with nobody_lost():
            distributed.broadcast(piece, source, group=group)
    return Message.read((words.numpy().tobytes(), tensors.numpy().tobytes()))


def _in_memory(piece: bytes, size: int) -> Tensor:
    """Return bytes as a tensor, (size,); room for them where they are still to come."""
    return torch.frombuffer(bytearray(piece), dtype=torch.uint8) if piece else torch.empty(size, dtype=torch.uint8)


def _gradient(parameter: nn.Parameter) -> Tensor:
    """Return a parameter's gradient, zeros where this process has none."""
    if parameter.grad is None:
        parameter.grad = torch.zeros_like(parameter)
    return parameter.grad


def _add(losses: Tensor, gradients: Sequence[Tensor]) -> None:
    """Replace tensors by their sums over all processes: large ones in place, the others as one."""
    from torch import distributed

    small = [losses, *(g for g in gradients if g.numel() < _LARGE)]
    for gradient in gradients:
        if gradient.numel() >= _LARGE:
            distributed.all_reduce(gradient)
    together = torch.cat([tensor.reshape(-1) for tensor in small])
    distributed.all_reduce(together)
    sums = torch.split(together, [tensor.numel() for tensor in small])
    torch._foreach_copy_(small, [part.view_as(tensor) for part, tensor in zip(sums, small, strict=True)])


@contextmanager
def nobody_lost(*, computing: bool = False) -> Iterator[None]:
    """Turn what torch says when a process is gone into a sentence.

    Args:
        computing: Whether something else is done in the block, which fails in ways of its own.

    Raises:
        ResourceError: If one is gone.
    """
    try:
        yield
    except RuntimeError as error:
        if compute.is_out_of_memory(error) or (computing and not _is_of_connections(error)):
            raise
        raise lost(error) from error


def _is_of_connections(error: RuntimeError) -> bool:
    """Whether processes did not reach each other; gloo's errors have no class of their own."""
    from torch.distributed import DistError

    return isinstance(error, DistError) or "gloo" in str(error)


def lost(error: RuntimeError) -> ResourceError:
    """Return what torch says when a process is gone as one of ours, without its source line and its guesses."""
    text = re.sub(r"^\[[^]]*] ", "", " ".join(str(error).split())).partition(". ")[0]
    return ResourceError("training.lost", cause=text[:120])
