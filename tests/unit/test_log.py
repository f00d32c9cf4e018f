"""Following an event stream that another process writes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from pathlib import Path

import pytest

from acetune.events import Event, StepDone, to_line
from acetune.monitor.log import follow
from acetune.run import Run
from recorded import step_done


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def looks(count: int) -> Callable[[], bool]:
    """Stop at the look of this number."""
    answers = chain(repeat(False, count - 1), repeat(True))
    return lambda: next(answers)


def steps(events: Iterator[Event]) -> list[int]:
    return [event.step for event in events if isinstance(event, StepDone)]


def test_following_yields_what_is_there_and_ends_when_told(run: Run) -> None:
    for step in (1, 2, 3):
        run.append_event(step_done(step))

    assert steps(follow(run, poll=0, stop=looks(1))) == [1, 2, 3]


def test_following_yields_events_that_arrive_later_once_each(run: Run) -> None:
    run.append_event(step_done(1))
    events = follow(run, poll=0, stop=looks(50))
    seen = [next(events)]
    run.append_event(step_done(2))
    seen.append(next(events))
    run.append_event(step_done(3))

    assert steps(iter(seen)) + steps(events) == [1, 2, 3]


def test_following_waits_for_a_file_that_is_not_there_yet(run: Run) -> None:
    def write_at_the_third_look() -> Iterator[bool]:
        yield from (False, False)
        run.append_event(step_done(1))
        yield from (False, True)

    looking = write_at_the_third_look()

    assert steps(follow(run, poll=0, stop=lambda: next(looking))) == [1]


def test_what_was_written_before_the_stop_is_not_lost(run: Run) -> None:
    def stop() -> bool:
        run.append_event(step_done(1))
        return True

    assert steps(follow(run, poll=0, stop=stop)) == [1]


@pytest.mark.parametrize("cut", [1, 30, -1])
def test_a_half_written_line_waits_for_its_rest(run: Run, cut: int) -> None:
    line = to_line(step_done(1)).encode() + b"\n"
    run.events_file.write_bytes(line[:cut])

    def finish_at_the_second_look() -> Iterator[bool]:
        yield False
        with run.events_file.open("ab") as stream:
            stream.write(line[cut:])
        yield from (False, True)

    looking = finish_at_the_second_look()

    assert steps(follow(run, poll=0, stop=lambda: next(looking))) == [1]


def test_a_line_cut_inside_a_chinese_character_is_read_whole(run: Run) -> None:
    line = '{"kind": "Noticed", "code": "x", "message": "歌曲", "time": 1}\n'.encode()
    cut = line.index("歌".encode()) + 1
    run.events_file.write_bytes(line[:cut])

    def finish_at_the_second_look() -> Iterator[bool]:
        yield False
        run.events_file.write_bytes(line)
        yield from (False, True)

    looking = finish_at_the_second_look()
    messages = [vars(event)["message"] for event in follow(run, poll=0, stop=lambda: next(looking))]

    assert messages == ["歌曲"]


def test_a_line_that_a_killed_process_left_is_skipped(run: Run) -> None:
    run.events_file.write_bytes(b'{"kind": "StepDone", "st')
    run.append_event(step_done(7))

    assert steps(follow(run, poll=0, stop=looks(1))) == [7]


def test_a_replaced_file_is_read_from_its_start(run: Run) -> None:
    run.append_event(step_done(1))
    events = follow(run, poll=0, stop=looks(50))
    next(events)
    other = Run(run.folder / "other")
    other.folder.mkdir()
    other.append_event(step_done(5))
    other.append_event(step_done(6))
    os.replace(other.events_file, run.events_file)

    assert steps(events) == [5, 6]


def test_a_file_that_was_cut_short_is_read_from_its_start(run: Run) -> None:
    for step in (1, 2, 3):
        run.append_event(step_done(step))
    events = follow(run, poll=0, stop=looks(50))
    for _ in range(3):
        next(events)
    run.events_file.write_text(to_line(step_done(9)) + "\n", encoding="utf-8")

    assert steps(events) == [9]
