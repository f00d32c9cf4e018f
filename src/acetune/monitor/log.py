"""Follow a run's events while it writes them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from acetune.events import Event, from_line
from acetune.run import Run


def follow(run: Run, *, poll: float = 0.25, stop: Callable[[], bool]) -> Iterator[Event]:
    """Yield the events of a run: those so far, then each new one soon after it was written.

    Half-written lines wait for their rest; a file that was cut short or replaced is read again from its start.

    Args:
        run: The run; its events file need not exist yet.
        poll: Seconds between two looks.
        stop: Asked before each look; after it said yes, what lies there is still yielded.
    """
    tail = _Tail(run.events_file)
    while True:
        last = stop()
        yield from tail.read()
        if last:
            return
        time.sleep(poll)


@dataclass
class _Tail:
    """How far a file was read. `node` tells a replaced file from a grown one."""

    path: Path
    offset: int = 0
    node: int = 0
    rest: bytes = field(default=b"", repr=False)

    def read(self) -> Iterator[Event]:
        """Yield the events of the lines that were completed since the last look."""
        try:
            with self.path.open("rb") as stream:
                self._locate(os.fstat(stream.fileno()))
                stream.seek(self.offset)
                new = stream.read()
        except OSError:  # not there yet, or being replaced: the next look will see it
            return
        self.offset += len(new)
        *lines, self.rest = (self.rest + new).split(b"\n")
        for line in lines:
            event = from_line(line.decode("utf-8", errors="replace"))
            if event is not None:
                yield event

    def _locate(self, now: os.stat_result) -> None:
        """Start again where the file is another one or shorter than what was read."""
        if now.st_ino != self.node or now.st_size < self.offset:
            self.offset, self.rest = 0, b""
        self.node = now.st_ino
