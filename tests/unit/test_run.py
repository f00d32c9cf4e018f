import errno
import os
from pathlib import Path

import pytest

from acetune import locks, recipe
from acetune.errors import DiskFull, SettingError
from acetune.events import Noticed, Progress, Saved, StageEnded, StageStarted, StepDone, Validated
from acetune.run import Run


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def step(number, loss=1.0):
    return StepDone(step=number, loss=loss, lr=1e-4, grad_norm=1.0, seconds=0.1)


def validated(number):
    return Validated(
        step=number, loss=1.0, base_loss=1.1, difference=-0.1, low=None, high=None, units=2, best=True
    )  # fmt: skip


def append(run, *events):
    for event in events:
        run.append_event(event)


def steps_of(run):
    return [(type(event).__name__, event.step) for event in run.history() if isinstance(event, (StepDone, Validated))]


def test_a_run_has_the_name_of_its_folder():
    assert Run(Path("runs") / "album").name == "album"


def test_every_path_lies_in_the_folder(run):
    inside = (
        run.recipe_file,
        run.checkpoints,
        run.adapters,
        run.previews,
        run.evaluation,
        run.events_file,
        run.log_file,
    )

    assert {path.parent for path in inside} == {run.folder}
    assert len(set(inside)) == len(inside)


def test_the_recipe_is_read_from_the_folder(run):
    saved = recipe.resolve([("test", {"rank": 5})]).recipe
    recipe.save(saved, run.recipe_file)

    assert run.recipe == saved


def test_a_run_without_events_has_none(run):
    assert list(run.events()) == []
    assert run.history() == ()


def test_events_are_read_in_the_order_they_were_written(run):
    written = [StageStarted(stage="train", total=2), step(1), Saved(path="a", what="checkpoint", step=1), step(2)]
    append(run, *written)

    assert list(run.events()) == written


def test_people_read_stages_steps_and_notices_in_the_log(run):
    append(run, StageStarted(stage="train"), Progress(stage="train", done=1, total=2), step(7, loss=0.123456789))
    append(run, Noticed(code="data.x", message="Too short."), StageEnded(stage="train"))
    lines = run.log_file.read_text(encoding="utf-8").splitlines()

    assert [line.split()[2] for line in lines] == ["StageStarted:", "StepDone:", "Noticed:", "StageEnded:"]
    assert "step 7, loss 0.123457" in lines[1]
    assert "Too short." in lines[2]


def test_unknown_kinds_are_skipped(run):
    append(run, step(1))
    with run.events_file.open("a") as stream:
        stream.write('{"kind": "GpuMelted"}\nnot json\n\n')
    append(run, step(2))

    assert steps_of(run) == [("StepDone", 1), ("StepDone", 2)]


def test_a_half_written_last_line_is_skipped(run):
    append(run, step(1), step(2))
    run.events_file.write_bytes(run.events_file.read_bytes()[:-20])

    assert steps_of(run) == [("StepDone", 1)]


def test_after_a_half_written_line_the_next_event_starts_a_new_one(run):
    append(run, step(1), step(2))
    run.events_file.write_bytes(run.events_file.read_bytes()[:-20])
    append(run, step(2), step(3))

    assert steps_of(run) == [("StepDone", 1), ("StepDone", 2), ("StepDone", 3)]


def test_a_character_cut_in_half_does_not_hide_the_other_lines(run):
    append(run, step(1))
    with run.events_file.open("ab") as stream:
        stream.write('{"kind": "Noticed", "code": "曲'.encode()[:-1])
    append(run, step(2))

    assert steps_of(run) == [("StepDone", 1), ("StepDone", 2)]


def test_a_resumed_run_voids_later_steps(run):
    append(run, StageStarted(stage="train"), *map(step, range(1, 6)), validated(2), validated(5))
    append(run, StageStarted(stage="train", resumed_from=3), step(4))

    assert steps_of(run) == [
        ("StepDone", 1), ("StepDone", 2), ("StepDone", 3), ("Validated", 2), ("StepDone", 4),
    ]  # fmt: skip


def test_a_run_that_started_again_at_zero_has_no_earlier_steps(run):
    append(run, StageStarted(stage="train"), step(1), StageStarted(stage="train", resumed_from=0), step(1))

    assert steps_of(run) == [("StepDone", 1)]


def test_stages_that_start_without_a_point_void_nothing(run):
    append(run, step(1), StageStarted(stage="generate"), step(2))

    assert steps_of(run) == [("StepDone", 1), ("StepDone", 2)]


def test_what_else_happened_stays_in_the_history(run):
    append(run, Noticed(code="data.x", message="Too short."), step(5), StageStarted(stage="train", resumed_from=3))

    assert [type(event).__name__ for event in run.history()] == ["Noticed", "StageStarted"]


def test_a_full_disk_is_said_as_such(run, monkeypatch):
    def full(*arguments, **settings):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "open", full)

    with pytest.raises(DiskFull):
        append(run, step(1))


def test_a_request_is_heard_once(run):
    run.ask("stop")

    assert [run.asked("stop"), run.asked("stop"), run.asked("save_now")] == [True, False, False]


def test_a_run_is_trained_by_one_process_at_a_time(run):
    with run.hold():
        with pytest.raises(SettingError) as caught, run.hold():
            pass

        assert run.owner() == locks.Owner.here()

    assert caught.value.code == "run.locked"
    assert run.owner() is None
