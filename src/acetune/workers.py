"""Work over many files in several processes, of which none can take the others down.

A worker is a fresh interpreter that is given one item at a time as a line of JSON. A file that crashes a decoder
therefore costs one worker and is known by name, a file that hangs is ended after its time, and a script that calls
acetune needs no ``if __name__ == "__main__"``, as it would with `multiprocessing`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Final, TypeAlias

from acetune import compute, errors
from acetune.catalog import attribute
from acetune.errors import AcetuneError, DataError
from acetune.events import Job, Json, Progress, plain

#: What a worker does with one item.
Task: TypeAlias = Callable[[str], Json]

#: Fewer items are done here: an interpreter costs a second before its first result.
LEAST_ITEMS: Final = 8
_TRIES: Final = 2
_POLL_SECONDS: Final = 0.1


@dataclass(frozen=True)
class Done:
    """What came of one item: a result, or the error that stands in its place."""

    item: str
    result: Json = None
    error: AcetuneError | None = None


def spread(
    task: Task, items: Sequence[str], *, job: Job, stage: str, workers: int | None = None, seconds: float = 600.0
) -> Iterator[Done]:
    """Yield what a function makes of each item, in the order in which they are finished, and report the progress.

    Args:
        task: A function of a module, from text to what JSON can hold.
        items: Its arguments.
        job: Hears of each finished item; stops all workers within a moment.
        stage: Name of the work.
        workers: Processes; 0 does everything in this one, None takes a process for each core if it is worth it.
        seconds: An item that takes longer in a worker is given up.

    Raises:
        Stopped: If asked to stop.
    """
    if workers is None:
        workers = min(os.cpu_count() or 1, len(items)) if len(items) >= LEAST_ITEMS else 0
    finished = _apart(task, items, job, workers, seconds, stage) if workers else _here(task, items, job, stage)
    for count, done in enumerate(finished, start=1):
        yield done
        job.report(Progress(stage=stage, done=count, total=len(items), item=done.item))


def _here(task: Task, items: Sequence[str], job: Job, stage: str) -> Iterator[Done]:
    """Yield the results of work that is done in this process."""
    for item in items:
        job.check_stop(stage)
        try:
            yield Done(item, task(item))
        except AcetuneError as error:
            yield Done(item, error=error)


def _apart(task: Task, items: Sequence[str], job: Job, workers: int, seconds: float, stage: str) -> Iterator[Done]:
    """Yield the results of work that is done in other processes."""
    team = _Team(f"{task.__module__}:{task.__qualname__}", seconds)
    threads = ThreadPoolExecutor(workers)
    finished: SimpleQueue[Future[Done]] = SimpleQueue()
    try:
        for item in items:
            threads.submit(team.do, item).add_done_callback(finished.put)
        for _ in items:
            yield _next(finished, job, stage).result()
    finally:
        team.kill()
        threads.shutdown(cancel_futures=True)
        team.close()


def _next(finished: SimpleQueue[Future[Done]], job: Job, stage: str) -> Future[Done]:
    """Return the next finished work; a stop is noticed while waiting."""
    while True:
        job.check_stop(stage)
        try:
            return finished.get(timeout=_POLL_SECONDS)
        except Empty:
            continue


class _Team:
    """One worker for each thread that asks, started when it first does and again when it died."""

    def __init__(self, task: str, seconds: float) -> None:
        self._task, self._seconds = task, seconds
        self._own = threading.local()
        self._starting = threading.Lock()
        self._all: list[subprocess.Popen[str]] = []
        self._ended = False

    def do(self, item: str) -> Done:
        """Return what a worker makes of an item; one that takes two workers with it is given up."""
        for _ in range(_TRIES):
            answer, late = self._ask(item)
            if late:
                return Done(item, error=DataError("workers.slow", item=item, seconds=round(self._seconds)))
            if answer:
                return _read(item, answer)
        return Done(item, error=DataError("workers.crashed", item=item))

    def kill(self) -> None:
        """End every worker at once, and start no more; what they were doing is lost."""
        with self._starting:
            self._ended = True
        for process in self._all:
            process.kill()

    def close(self) -> None:
        """Let go of the pipes, once no thread reads them any more."""
        for process in self._all:
            process.communicate()

    def _ask(self, item: str) -> tuple[str, bool]:
        """Return a worker's answer, empty if it died, and whether it was ended for being slow."""
        process = self._worker()
        if process is None:
            return "", False
        assert process.stdin is not None and process.stdout is not None
        late = threading.Event()

        def end() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(self._seconds, end)
        timer.daemon = True
        timer.start()
        try:
            with suppress(OSError):
                process.stdin.write(json.dumps(item) + "\n")
                process.stdin.flush()
            answer = process.stdout.readline()
        finally:
            timer.cancel()
        if not answer:
            process.wait()
        return answer, late.is_set() and not answer

    def _worker(self) -> subprocess.Popen[str] | None:
        """Return this thread's worker, a new one where there is none alive; None where no more shall start."""
        process: subprocess.Popen[str] | None = getattr(self._own, "process", None)
        if process is not None and process.poll() is None:
            return process
        with self._starting:
            if self._ended:
                return None
            self._own.process = process = _start(self._task)
            self._all.append(process)
        return process


def _start(task: str) -> subprocess.Popen[str]:
    """Start a worker in a group of its own, so that Ctrl+C reaches only us; it ends when our end of the pipe closes."""
    alone = {"creationflags": 0x200} if sys.platform == "win32" else {"start_new_session": True}
    script = f"import sys; sys.path[:] = {sys.path!r}; from acetune.workers import work; work({task!r})"
    process: subprocess.Popen[str] = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # decoders grumble there; what matters comes as an error
        text=True,
        encoding="utf-8",
        **alone,
    )
    return process


def _read(item: str, answer: str) -> Done:
    """Return what a line of a worker says."""
    said = json.loads(answer)
    if "error" not in said:
        return Done(item, said["result"])
    kind = getattr(errors, said["error"])
    return Done(item, error=kind(said["code"], **said["params"]))


def work(name: str) -> None:
    """Be a worker: answer each line of standard input until it ends; what libraries print goes to standard error.

    Args:
        name: Of the task, as ``module:function``.
    """
    compute.one_thread_each()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    task: Task = attribute(name)
    for line in iter(sys.stdin.buffer.readline, b""):
        answers.write(json.dumps(_answer(task, json.loads(line)), default=str) + "\n")
        answers.flush()


def _answer(task: Task, item: str) -> dict[str, Json]:
    """Return the result of an item, or our error about it; any other failure ends the worker."""
    try:
        return {"result": task(item)}
    except AcetuneError as error:
        params: dict[str, Json] = {name: plain(value) for name, value in error.params.items()}
        return {"error": type(error).__name__, "code": error.code, "params": params}
