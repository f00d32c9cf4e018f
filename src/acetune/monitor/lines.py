"""What a person reads about a stage while it runs: how far, how fast, how long still."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from acetune.events import Event, Progress, StageStarted, StepDone
from acetune.monitor.smooth import RunningMean
from acetune.monitor.words import Words

#: The stage whose units are optimizer steps.
TRAIN = "train"


class Line(Protocol):
    """The state of one stage, as a line.

    Attributes:
        done: Finished units.
        total: All units; None where nobody knows.
    """

    done: int
    total: int | None

    def add(self, event: Event) -> None:
        """Take in an event of the stage."""
        ...

    def finish(self) -> None:
        """Count everything as done; stages that report no progress say so only at their end."""
        ...

    def text(self) -> str:
        """Return the line, without the name of the stage."""
        ...


def line_for(event: StageStarted, words: Words) -> Line:
    """Return an empty line for a stage that starts: training has losses, everything else has items."""
    return StepLine(event, words) if event.stage == TRAIN else ItemLine(event, words)


class ItemLine:
    """Line of a stage that works through songs, files or bytes."""

    def __init__(self, event: StageStarted, words: Words) -> None:
        self.done = 0
        self.total = event.total
        self._item = ""
        self._unit = event.unit
        self._words = words
        self._started = self._now = event.time

    def add(self, event: Event) -> None:
        """Take in one `Progress`."""
        if isinstance(event, Progress):
            self.done, self.total = event.done, event.total
            self._item, self._now = event.item, event.time

    def finish(self) -> None:
        """Count everything as done."""
        self.done = self.done if self.total is None else self.total

    def text(self) -> str:
        """Return ``3/8  0:05  0:09 left  song.flac``; that nothing is to do where there are no units."""
        if self.total == 0:
            return self._words("nothing")
        parts = [_count(self.done, self.total, self._unit)]
        elapsed = self._now - self._started
        if self.total and 0 < self.done < self.total:
            parts += [clock(elapsed), self._words("left", time=clock(elapsed / self.done * (self.total - self.done)))]
        return "  ".join([*parts, self._item] if self._item else parts)


class StepLine:
    """Line of a training: step/total, loss, lr, steps/s, elapsed, time left.

    The loss is a running mean; the speed is that of the last fifty steps.
    """

    def __init__(self, event: StageStarted, words: Words) -> None:
        self.done = event.resumed_from or 0
        self.total = event.total
        self._words = words
        self._started = self._now = event.time
        self._loss = RunningMean()
        self._shown = (0.0, 0.0)  # loss, lr
        self._seconds: deque[float] = deque(maxlen=50)

    def add(self, event: Event) -> None:
        """Take in one `StepDone`."""
        if isinstance(event, StepDone):
            self.done, self._now = event.step, event.time
            self._shown = (self._loss.add(event.loss), event.lr)
            self._seconds.append(event.seconds)

    def finish(self) -> None:
        """Leave the count: steps are always reported."""

    def text(self) -> str:
        """Return ``12/400  loss 0.8123  lr 1.00e-04  2.10 steps/s  0:06  3:05 left``."""
        parts = [_count(self.done, self.total, "steps")]
        if not self._seconds:
            return parts[0]
        loss, lr = self._shown
        mean = sum(self._seconds) / len(self._seconds)
        parts += [self._words("loss", loss=loss), self._words("lr", lr=lr)]
        if mean > 0:
            parts.append(self._words("speed", speed=1 / mean))
        parts.append(clock(self._now - self._started))
        if self.total is not None:
            parts.append(self._words("left", time=clock(mean * (self.total - self.done))))
        return "  ".join(parts)


def clock(seconds: float) -> str:
    """Return a duration as ``0:05``, ``12:34`` or ``1:02:03``."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def amount(size: float) -> str:
    """Return a number of bytes as ``512 B``, ``3.1 MB`` or ``4.8 GB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def _count(done: int, total: int | None, unit: str) -> str:
    """Return how far a stage is; bytes are shortened."""
    shown = [amount(n) if unit == "bytes" else str(n) for n in (done, total) if n is not None]
    return "/".join(shown)
