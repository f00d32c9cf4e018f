"""A run's numbers as TensorBoard event files, written without torch."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from acetune.errors import SettingError
from acetune.events import Event, StageStarted, StepDone, Validated
from acetune.files import disk_errors
from acetune.recipe import Recipe
from acetune.run import Run

#: Folder of a run that holds its event files.
FOLDER: Final = "tensorboard"
_POLL_SECONDS: Final = 0.1


class TensorboardTracker:
    """Tracker ``tensorboard``: writes to the folder ``tensorboard`` of a run."""

    name = "tensorboard"

    @contextmanager
    def opened(self, run: Run, recipe: Recipe) -> Iterator[Tracked]:
        """Yield a listener whose file is whole when the block ends, and readable at any time before."""
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        writer = EventFileWriter(str(run.folder / FOLDER), flush_secs=10)
        try:
            yield Tracked(writer)
        finally:
            with disk_errors(run.folder):
                writer.close()


class Tracked:
    """Turns events into TensorBoard's.

    Args:
        writer: TensorBoard's own.
    """

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def __call__(self, event: Event) -> None:
        """Write an event if it has numbers; a resumed run takes the steps after its checkpoint back."""
        from tensorboard.compat.proto.event_pb2 import Event as Record
        from tensorboard.compat.proto.event_pb2 import SessionLog
        from tensorboard.compat.proto.summary_pb2 import Summary

        if isinstance(event, StageStarted) and event.resumed_from is not None:
            log = SessionLog(status=SessionLog.START)
            self._writer.add_event(Record(wall_time=event.time, step=event.resumed_from + 1, session_log=log))
        numbers = numbers_of(event)
        if numbers:
            values = [Summary.Value(tag=tag, simple_value=value) for tag, value in numbers.items()]
            record = Record(wall_time=event.time, step=getattr(event, "step", 0), summary=Summary(value=values))
            self._writer.add_event(record)


def serve(folder: Path, *, port: int, opened: Callable[[str], object], stop: Callable[[], bool]) -> None:
    """Run TensorBoard on a run's folder, or on one that holds runs, until asked to stop.

    Args:
        folder: Where event files are looked for.
        port: On this machine only.
        opened: Told the address as soon as it answers.
        stop: Asked often.

    Raises:
        SettingError: If the port is taken, or TensorBoard ends by itself.
    """
    if _answers(port):
        raise SettingError("monitor.no_tensorboard", port=port)
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--port", str(port)]
    server = subprocess.Popen([*command, "--host", "localhost"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address, told = f"http://localhost:{port}", False
    try:
        while not stop():
            if server.poll() is not None:
                raise SettingError("monitor.no_tensorboard", port=port)
            if not told and _answers(port):
                opened(address)
                told = True
            time.sleep(_POLL_SECONDS)
    finally:
        server.terminate()
        server.wait()


def _answers(port: int) -> bool:
    """Whether something listens on a port of this machine."""
    import socket

    with socket.socket() as probe:
        return probe.connect_ex(("localhost", port)) == 0


def numbers_of(event: Event) -> Mapping[str, float]:
    """Return the numbers of an event by the names under which charts show them; empty for events without any."""
    if isinstance(event, StepDone):
        return {f"train/{name}": getattr(event, name) for name in ("loss", "lr", "grad_norm", "seconds", "epoch")}
    if isinstance(event, Validated):
        names = ("loss", "base_loss", "difference", "low", "high")
        return {f"held_out/{name}": value for name in names if (value := getattr(event, name)) is not None}
    return {}
