"""What people read while something runs."""

from __future__ import annotations

import io

import pytest

from acetune.events import Event, Noticed, Progress, StageEnded, StageStarted, StepDone
from acetune.monitor.console import Console
from acetune.monitor.lines import amount, clock
from acetune.monitor.smooth import RunningMean
from recorded import STARTED, events, step_done, validated


def shown(*reported: Event, every: float = 0.0, quiet: bool = False, language: str = "en") -> list[str]:
    stream = io.StringIO()
    console = Console(stream, interactive=False, quiet=quiet, language=language, every=every)
    for event in reported:
        console.report(event)
    console.close()
    return stream.getvalue().splitlines()


def drawn(*reported: Event) -> str:
    stream = io.StringIO()
    console = Console(stream, interactive=True)
    for event in reported:
        console.report(event)
    console.close()
    return stream.getvalue()


def training(*steps: StepDone) -> list[Event]:
    return [StageStarted(stage="train", total=40, unit="steps", time=STARTED), *steps]


def test_the_training_line_has_step_loss_rate_speed_elapsed_and_time_left() -> None:
    line = shown(*training(step_done(1), step_done(2)))[-1]

    assert line == "Train: 2/40  loss 0.9961  lr 1.00e-04  2.00 steps/s  0:01  0:19 left"


def test_the_speed_counts_the_seconds_of_steps_that_arrive_in_blocks() -> None:
    block = [StepDone(step=n, loss=1.0, lr=1e-4, grad_norm=1, seconds=0.25, time=STARTED + 9) for n in range(1, 5)]

    assert "4.00 steps/s" in shown(*training(*block))[-1]


def test_a_loss_that_is_no_number_does_not_spoil_the_mean() -> None:
    mean = RunningMean()
    mean.add(1.0)

    assert mean.add(float("nan")) == 1.0
    assert mean.add(1.0) == 1.0


def test_a_resumed_training_starts_its_line_where_it_went_on() -> None:
    event = StageStarted(stage="train", total=40, unit="steps", resumed_from=20, time=STARTED)
    lines = shown(event, StageEnded(stage="train", outcome="stopped", time=STARTED + 1))

    assert lines == ["Going on after step 20.", "Train: 20/40  stopped"]


def test_other_stages_name_the_item_and_the_time_left() -> None:
    start = StageStarted(stage="scan", total=4, unit="files", time=STARTED)
    done = Progress(stage="scan", done=1, total=4, item="a.flac", time=STARTED + 2)

    assert shown(start, done) == ["Scan: 1/4  0:02  0:06 left  a.flac"]


def test_a_stage_of_one_part_has_the_name_of_both() -> None:
    start = StageStarted(stage="annotate whisper", total=4, unit="tracks", time=STARTED)
    done = Progress(stage="annotate whisper", done=1, total=4, item="a.flac", time=STARTED + 2)

    assert shown(start, done) == ["Annotate whisper: 1/4  0:02  0:06 left  a.flac"]


def test_bytes_are_shown_in_units_that_people_read() -> None:
    start = StageStarted(stage="weights", total=4_790_000_000, unit="bytes", time=STARTED)
    done = Progress(stage="weights", done=1_200_000_000, total=4_790_000_000, time=STARTED + 1)

    assert "1.2 GB/4.8 GB" in shown(start, done)[0]


def test_plain_lines_of_a_stage_keep_their_distance() -> None:
    lines = shown(*training(*(step_done(n) for n in range(1, 41))), every=5.0)

    assert [line.split()[1] for line in lines] == ["10/40", "20/40", "30/40", "40/40"]


def test_the_end_of_a_stage_is_always_shown() -> None:
    start = StageStarted(stage="scan", total=1, time=STARTED)
    done = Progress(stage="scan", done=1, total=1, time=STARTED)

    assert shown(start, done, StageEnded(stage="scan", time=STARTED), every=60) == ["Scan: 1/1  done"]


def test_a_validation_tells_difference_interval_and_whether_it_is_the_best() -> None:
    line = shown(validated(40))[0]

    assert line == "held-out loss at step 40: -0.0213 against the base model (-0.0303 to -0.0123), the best so far"


def test_a_notice_names_its_subject_once() -> None:
    told = shown(
        Noticed(code="x", message="too short", subject="a.wav"),
        Noticed(code="x", message="b.wav is too short", subject="b.wav"),
    )

    assert told == ["warning: a.wav: too short", "warning: b.wav is too short"]


def test_quiet_leaves_only_warnings_and_errors() -> None:
    told = shown(
        *events(), Noticed(code="x", message="fyi", severity="info"), Noticed(code="y", message="bad"), quiet=True
    )

    assert told == ["warning: b.wav lasts 0.20 s.", "warning: bad"]


def test_progress_without_an_announcement_is_shown_too() -> None:
    assert shown(step_done(3))[0].startswith("Train: 3  loss")


def test_the_console_speaks_chinese() -> None:
    assert shown(*training(step_done(1)), language="zh")[0].startswith("训练: 1/40  损失 1.0098")


def test_bars_show_the_training_line() -> None:
    text = drawn(*training(step_done(1)), StageEnded(stage="train", time=STARTED + 1))

    assert "Train" in text
    assert "1/40  loss 1.0098" in text


def test_bars_print_brackets_in_names_as_they_are() -> None:
    start = StageStarted(stage="scan", total=2, time=STARTED)
    text = drawn(
        start,
        Progress(stage="scan", done=1, total=2, item="[red]song[/red].wav", time=STARTED + 1),
        Noticed(code="x", message="[bold] is a section tag"),
    )

    assert "[red]song[/red].wav" in text
    assert "[bold] is a section tag" in text


def test_a_whole_recorded_training_can_be_shown_with_bars() -> None:
    assert "40/40" in drawn(*events())


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (754, "12:34"), (3723, "1:02:03")])
def test_durations_read_like_a_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize(("size", "text"), [(0, "0 B"), (999, "999 B"), (3_100_000, "3.1 MB"), (2e12, "2.0 TB")])
def test_sizes_have_the_nearest_unit(size: float, text: str) -> None:
    assert amount(size) == text


def test_a_stage_without_anything_to_do_says_so() -> None:
    start = StageStarted(stage="encode", total=0, unit="songs", time=STARTED)

    assert shown(start, StageEnded(stage="encode", time=STARTED + 1)) == ["Encode: nothing to do  done"]
