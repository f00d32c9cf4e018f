"""Work in several processes: nothing is lost but the file that is at fault."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from acetune.errors import DataError, Stopped
from acetune.events import Event, Job, Json, Progress
from acetune.workers import spread

_WORDS = ("one", "two", "three", "four", "five")


def shout(text: str) -> Json:
    """Return a text in capitals, with what some files do to a process."""
    if text == "crash":
        os._exit(3)
    if text == "hang":
        time.sleep(60)
    if text == "bad":
        raise DataError("data.too_short", path=text, seconds=0.1, least=0.5)
    print("libraries talk")
    return [text.upper(), os.getpid()]


@pytest.mark.parametrize("workers", [0, 2])
def test_every_item_has_its_result(workers: int) -> None:
    done = list(spread(shout, _WORDS, job=Job(), stage="shout", workers=workers))

    assert {d.item: d.result[0] for d in done} == {word: word.upper() for word in _WORDS}
    assert all((d.result[1] == os.getpid()) == (workers == 0) for d in done)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_stands_in_the_place_of_a_result(workers: int) -> None:
    done = {d.item: d for d in spread(shout, ("one", "bad"), job=Job(), stage="shout", workers=workers)}

    assert done["bad"].error is not None
    assert done["bad"].error.message() == "bad lasts 0.10 s; a track needs at least 0.5 s."
    assert done["one"].error is None


def test_a_crashing_item_is_given_up_and_the_others_are_done() -> None:
    done = {d.item: d for d in spread(shout, (*_WORDS, "crash"), job=Job(), stage="shout", workers=2)}

    assert done.pop("crash").error.code == "workers.crashed"
    assert {d.result[0] for d in done.values()} == {word.upper() for word in _WORDS}


def test_a_hanging_item_is_given_up_and_the_others_are_done() -> None:
    done = {d.item: d for d in spread(shout, ("hang", *_WORDS), job=Job(), stage="shout", workers=2, seconds=3)}

    assert done.pop("hang").error.code == "workers.slow"
    assert len(done) == len(_WORDS)


def test_a_stop_ends_the_workers_within_a_moment() -> None:
    start = time.monotonic()

    with pytest.raises(Stopped):
        list(spread(shout, ("hang", "hang"), job=Job(stop_requested=lambda: True), stage="shout", workers=2))
    assert time.monotonic() - start < 10


def test_progress_counts_every_item() -> None:
    heard: list[Event] = []

    list(spread(shout, _WORDS, job=Job(heard.append), stage="shout", workers=2))

    assert [event.done for event in heard if isinstance(event, Progress)] == [1, 2, 3, 4, 5]


def test_a_script_needs_no_main_guard(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os.path\nfrom acetune.events import Job\nfrom acetune.workers import spread\n"
        "print(sorted(d.result for d in spread(os.path.basename, ['a/x', 'a/y'], job=Job(), stage='s', workers=2)))\n"
    )
    shown = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True).stdout

    assert shown == "['x', 'y']\n"
