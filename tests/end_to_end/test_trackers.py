"""What a training leaves for TensorBoard and for spreadsheets."""

from __future__ import annotations

import csv
import io
import socket
from pathlib import Path

import pytest
from probing import Recipes, collector, stop_after

import acetune
from acetune.cli.main import main
from acetune.errors import SettingError, Stopped
from acetune.events import StepDone, Validated
from acetune.monitor import tensorboard
from acetune.monitor.metrics import as_csv
from acetune.run import Run


def scalars(folder: Path) -> dict[str, dict[int, float]]:
    """Return tag to step to value, as TensorBoard itself reads a run."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(folder / "tensorboard"))
    read.Reload()
    return {tag: {item.step: item.value for item in read.Scalars(tag)} for tag in read.Tags()["scalars"]}


def test_tensorboard_reads_every_step_and_validation(recipe: Recipes, home: Path) -> None:
    job, heard = collector()

    done = acetune.train(recipe(guard__validate_every=3), name="run", home=home, job=job)

    found = scalars(done.folder)
    steps = {event.step: event for event in heard if isinstance(event, StepDone)}
    validated = {event.step: event for event in heard if isinstance(event, Validated)}
    assert found["train/loss"] == pytest.approx({step: event.loss for step, event in steps.items()})
    assert found["held_out/difference"] == pytest.approx({s: event.difference for s, event in validated.items()})


def test_a_resumed_run_has_each_step_once_in_tensorboard(recipe: Recipes, home: Path) -> None:
    with pytest.raises(Stopped):
        acetune.train(recipe(), name="run", home=home, job=stop_after(3))

    done = acetune.resume("run", home=home)

    assert list(scalars(done.folder)["train/loss"]) == [1, 2, 3, 4, 5, 6]


def test_metrics_are_a_table_with_one_line_a_step(recipe: Recipes, home: Path) -> None:
    done = acetune.train(recipe(guard__validate_every=6), name="run", home=home)

    rows = list(csv.DictReader(io.StringIO(as_csv(Run(done.folder)))))

    assert [row["step"] for row in rows] == ["1", "2", "3", "4", "5", "6"]
    assert [bool(row["held_out_difference"]) for row in rows] == [False] * 5 + [True]


def test_the_command_line_writes_metrics(recipe: Recipes, home: Path, tmp_path: Path) -> None:
    acetune.train(recipe(), name="run", home=home)

    assert main(["--home", str(home), "runs", "metrics", "run", "-o", str(tmp_path / "run.csv")]) == 0
    assert (tmp_path / "run.csv").read_text().startswith("step,epoch,loss")


def test_tensorboard_is_served_until_asked_to_stop(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    told: list[str] = []

    tensorboard.serve(tmp_path, port=port, opened=told.append, stop=lambda: bool(told))

    assert told == [f"http://localhost:{port}"]


def test_a_taken_port_is_said(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("localhost", 0))
        taken.listen()
        told: list[str] = []
        with pytest.raises(SettingError, match="port"):
            tensorboard.serve(tmp_path, port=taken.getsockname()[1], opened=told.append, stop=lambda: False)

    assert told == []
