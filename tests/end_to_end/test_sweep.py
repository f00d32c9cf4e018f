"""Several trainings over some values: compared, shared, gone on with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from probing import Recipes, collector, losses
from safetensors.torch import load_file, save_file

import acetune
from acetune.cli.main import main
from acetune.errors import SettingError, Stopped
from acetune.events import Job, Noticed, StepDone, from_line
from acetune.run import Run

pytestmark = pytest.mark.slow

OVER = {"lr": (1e-3, 1e-2), "adapter.rank": (2,)}


def steps_of(events: list[object]) -> int:
    return sum(isinstance(event, StepDone) for event in events)


def stopping(after: int) -> Job:
    """Return a job that asks to stop after so many steps, whoever does them."""
    seen: list[object] = []
    return Job(lambda e: seen.append(e) if isinstance(e, StepDone) else None, lambda: len(seen) >= after)


def test_every_combination_is_trained_and_the_best_is_first(recipe: Recipes, home: Path) -> None:
    common = recipe(schedule__steps=4, data__crop_seconds=0.6)
    with pytest.raises(Stopped):
        acetune.sweep(common, OVER, name="try", home=home, job=stopping(5))
    job, events = collector()
    tried = acetune.sweep(common, OVER, name="try", home=home, job=job)
    again, nothing = collector()
    same_again = acetune.sweep(common, OVER, name="try", home=home, job=again)

    names = {"try-lr0.001-rank2", "try-lr0.01-rank2"}
    assert {row.run for row in tried} == names
    assert [row.difference for row in tried] == sorted(row.difference for row in tried)
    assert all(row.state == "done" and row.adapter.is_file() for row in tried)
    assert Run(home / "runs" / "try-lr0.01-rank2").recipe.optim.lr == 0.01
    assert {len(losses(home / "runs" / name)) for name in names} == {4}
    assert (steps_of(events), steps_of(nothing)) == (2, 0)  # the sixth was done when the stop was seen
    assert same_again == tried
    assert "run.other_music" not in {event.code for event in nothing if isinstance(event, Noticed)}


@pytest.mark.slow
def test_a_training_that_diverges_is_a_result(recipe: Recipes, tmp_path: Path) -> None:
    home, common = tmp_path / "home", recipe(schedule__steps=12, guard__validate_every=0)
    acetune.encode(common, home=home)
    for path in (home / "cache" / "latents").rglob("*.safetensors"):
        tensors = load_file(path)
        tensors["mean"][:] = float("nan")
        save_file(tensors, path)

    tried = acetune.sweep(common, {"rank": (2,)}, name="bad", home=home)

    assert [(row.state, row.difference) for row in tried] == [("diverged", None)]


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({}, "0 combinations"),
        ({"rank": ()}, "0 combinations"),
        ({"rank": range(1, 101)}, "100 combinations"),
        ({"rank": (4,), "adapter.rnak": (4,)}, "adapter.rnak"),
        ({"rank": (4, 0)}, "adapter.rank"),
        ({"optim.name": ("adamw", "adam")}, "no optimizer called adam"),
        ({"adapter.targets": ("self", "selfish")}, "selfish"),
        ({"adapter.ema": (0.0, 0.9), "optim.name": ("prodigy-schedule-free",)}, "averages the weights already"),
    ],
)
def test_what_cannot_be_tried_is_refused_before_the_first_training(
    recipe: Recipes, home: Path, over: dict[str, tuple[object, ...]], words: str
) -> None:
    with pytest.raises(SettingError, match=words):
        acetune.sweep(recipe(), over, name="try", home=home)

    assert not list((home / "runs").glob("*"))


def test_values_that_look_alike_in_a_name_have_runs_of_their_own(recipe: Recipes, home: Path) -> None:
    common = recipe(schedule__steps=1, data__crop_seconds=0.6, guard__validate_every=0)

    tried = acetune.sweep(common, {"adapter.targets": ("re:.*q_proj", "re:.+q_proj")}, name="try", home=home)

    assert len({row.run for row in tried}) == 2


def test_differences_of_other_music_are_said_not_to_rank(recipe: Recipes, home: Path) -> None:
    job, events = collector()
    common = recipe(schedule__steps=1, data__crop_seconds=0.6)
    acetune.sweep(common, {"data.seed": (1, 2)}, name="try", home=home, job=job)

    assert "run.other_music" in {event.code for event in events if isinstance(event, Noticed)}


def test_the_command_prints_a_table(
    recipe: Callable[..., object], album: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    knobs = ["--steps", "2", "--crop-seconds", "0.6", "--device", "cpu", "--compute.threads", "1", "--rank", "2"]
    where = ["--home", str(home)]

    code = main(["sweep", str(album), "--over", "optim.lr=1e-3,1e-2", "--name", "t", *knobs, *where])
    table = capsys.readouterr().out.splitlines()
    main(["sweep", str(album), "--over", "optim.lr=1e-3,1e-2", "--name", "t", "--json", *knobs, *where])
    last = from_line(capsys.readouterr().out.splitlines()[-1])

    assert code == 0
    assert table[0].split()[:3] == ["RUN", "STATE", "VERDICT"]
    assert {line.split()[0] for line in table[1:]} == {"t-lr1e-3", "t-lr1e-2"}
    assert json.dumps(last.result["runs"]) and last.result["runs"][0]["values"]["optim.lr"] in ("1e-3", "1e-2")


@pytest.mark.parametrize("text", ["optim.lr", "=1", "rank="])
def test_values_without_a_knob_are_refused(text: str, album: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", str(album), "--over", text]) == 2
    assert text in capsys.readouterr().err
