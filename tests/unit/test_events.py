import json

import pytest

from acetune.errors import DataError, Stopped
from acetune.events import (
    Event,
    Job,
    Noticed,
    Progress,
    StageEnded,
    StageStarted,
    StepDone,
    from_line,
    to_line,
)
from acetune.monitor.words import sentence

STEP = StepDone(step=12, loss=0.81, lr=1e-4, grad_norm=0.5, seconds=0.1, epoch=3, time=1.0)


def test_a_line_names_its_kind_first_and_holds_every_field():
    line = to_line(STEP)

    assert line.startswith('{"kind": "StepDone"')
    assert json.loads(line) == {"kind": "StepDone", **vars(STEP)}


def test_text_stays_readable_in_a_line():
    assert "曲" in to_line(Progress(stage="scan", done=1, total=2, item="曲.ogg"))


def test_an_event_knows_when_it_happened():
    first, second = StageStarted(stage="scan"), StageStarted(stage="scan")

    assert 1_700_000_000 < first.time <= second.time


def test_kinds_of_a_newer_acetune_are_skipped():
    assert from_line('{"kind": "GpuMelted", "time": 1}') is None


def test_fields_of_a_newer_acetune_are_left_out():
    line = json.dumps({**json.loads(to_line(STEP)), "watts": 300})

    assert from_line(line) == STEP


@pytest.mark.parametrize(
    "line", ["", "\n", "null", "[]", "7", '"x"', "{}", '{"kind": []}', '{"kind": "StepDone"}', "Step 12: loss 0.8"]
)
def test_a_line_that_is_no_event_is_skipped(line):
    assert from_line(line) is None


def test_a_job_that_nobody_listens_to_accepts_everything():
    job = Job()
    job.report(STEP)
    job.check_stop("train")

    assert not job.stop_requested()


def test_a_notice_carries_its_code_and_subject():
    heard = []
    Job(heard.append).notice("data.too_short", "Too short.", severity="info", subject="a.wav")

    assert [(e.code, e.message, e.severity, e.subject) for e in heard if isinstance(e, Noticed)] == [
        ("data.too_short", "Too short.", "info", "a.wav")
    ]


def test_a_stop_request_ends_a_stage_with_its_exit_code():
    with pytest.raises(Stopped) as caught:
        Job(stop_requested=lambda: True).check_stop("encode")

    assert caught.value.exit_code == 130
    assert "encode" in caught.value.message()


def test_another_listener_hears_first_and_the_stop_request_stays():
    heard = []
    job = Job(lambda event: heard.append("first"), lambda: True).also(lambda event: heard.append("other"))
    job.report(STEP)

    assert heard == ["other", "first"]
    assert job.stop_requested()


def test_the_result_of_one_end_is_not_that_of_another():
    first = StageEnded(stage="scan")
    first.result["songs"] = 8

    assert StageEnded(stage="scan").result == {}


def test_events_cannot_be_changed():
    with pytest.raises(AttributeError):
        STEP.loss = 0.0


def test_a_told_finding_keeps_what_another_language_needs() -> None:
    heard: list[Event] = []

    Job(heard.append).tell(DataError("data.too_short", path="a.wav", seconds=0.1, least=0.5), subject="a.wav")

    assert heard[0].message == "a.wav lasts 0.10 s; a track needs at least 0.5 s."
    assert from_line(to_line(heard[0])) == heard[0]
    assert sentence(heard[0], "zh") == DataError("data.too_short", **heard[0].params).message("zh") != heard[0].message


def test_a_notice_without_a_text_here_is_shown_as_it_came() -> None:
    assert sentence(Noticed(code="future.thing", message="Something new."), "zh") == "Something new."
