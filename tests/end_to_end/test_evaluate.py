"""What a finished training is asked: it says how to use the adapter and changes nothing of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from probing import Recipes, collector

import acetune
from acetune.adapters import adapter as adapters
from acetune.adapters.adapter import Facts
from acetune.data.scan import scan
from acetune.data.triggers import trigger
from acetune.errors import SettingError, Stopped
from acetune.events import Job, Noticed, StageEnded, StageStarted
from world import tone

#: So many steps at so high a rate that a weaker adapter predicts held-out music better.
TOO_MUCH = {"optim__lr": 0.02, "schedule__steps": 20, "schedule__warmup": 1, "schedule__final": 1.0, "data__holdout": 5}

WHOLE = {"adapter__kind": "full", "adapter__rank": 8, "adapter__alpha": 8.0, "optim__lr": 1e-5, "schedule__steps": 2}


def facts_in(file: Path) -> Facts:
    return Facts.from_json(adapters.read_header(file)["acetune"])


def test_held_out_music_is_asked_at_every_strength_and_the_report_shows_it(recipe: Recipes, home: Path) -> None:
    done = acetune.train(recipe(schedule__steps=2, guard__validate_every=2), name="run", home=home)
    found = json.loads((done.folder / "evaluation" / "strengths.json").read_text())
    page = acetune.report("run", home=home).read_text()

    assert [row["strength"] for row in found["strengths"]] == [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5]
    assert found["strengths"][0]["difference"] == 0 and found["step"] == 2
    assert f"Recommended strength: {found['recommended']:g}" in page and "same noise at every strength" in page


@pytest.mark.slow
def test_an_adapter_that_overshoots_carries_the_strength_that_held_out_music_prefers(
    recipe: Recipes, home: Path
) -> None:
    job, events = collector()
    done = acetune.train(recipe(**TOO_MUCH, guard__validate_every=20), name="run", home=home, job=job)
    found = json.loads((done.folder / "evaluation" / "strengths.json").read_text())
    ends = [e.result for e in events if isinstance(e, StageEnded)]

    assert 0 < found["recommended"] < 1 and found["reason"] == "lower loss"
    assert facts_in(done.adapter).strength == found["recommended"]
    assert [end["strength"] for end in ends if "strength" in end] == [found["recommended"]]
    assert "evaluate.other_strength" in {e.code for e in events if isinstance(e, Noticed)}
    assert f"Recommended strength: {found['recommended']:g}" in acetune.report("run", home=home).read_text()
    assert facts_in(acetune.export("run", out=home, home=home)[0]).strength == found["recommended"]


def test_a_stop_leaves_the_evaluation_out_and_loses_nothing(recipe: Recipes, home: Path) -> None:
    job, events = collector()
    stopping = Job(job.report, lambda: any(isinstance(e, StageStarted) and e.stage == "evaluate" for e in events))
    done = acetune.train(recipe(), name="run", home=home, job=stopping)

    assert done.adapter.is_file() and facts_in(done.adapter).strength == 1.0
    assert not (done.folder / "evaluation" / "strengths.json").exists()
    assert "evaluate.stopped" in {e.code for e in events if isinstance(e, Noticed)}


@pytest.mark.slow
def test_of_a_whole_model_the_report_says_that_it_has_no_strength(recipe: Recipes, home: Path) -> None:
    done = acetune.train(recipe(**WHOLE), name="run", home=home)

    assert not (done.folder / "evaluation" / "strengths.json").exists()
    assert "a model has no strength" in acetune.report("run", home=home).read_text()


def test_a_run_without_validations_gets_verdict_and_strength_when_it_is_asked(recipe: Recipes, home: Path) -> None:
    done = acetune.train(recipe(schedule__steps=2, guard__validate_every=0), name="run", home=home)
    before = done.verdict
    found = acetune.evaluate("run", strengths=(0.5,), home=home)
    asked = json.loads((done.folder / "evaluation" / "strengths.json").read_text())
    verdict = json.loads((done.folder / "evaluation" / "verdict.json").read_text())

    assert before == "cannot tell" and verdict["units"] == 4
    assert (found.step, found.verdict) == (2, verdict["verdict"])
    assert [row["strength"] for row in asked["strengths"]] == [0, 0.5, 1]
    assert asked["strengths"][2]["difference"] == pytest.approx(verdict["difference"])


@pytest.mark.slow
def test_asking_again_finds_the_same_and_writes_another_strength_into_the_adapter(recipe: Recipes, home: Path) -> None:
    done = acetune.train(recipe(**TOO_MUCH, guard__validate_every=20), name="run", home=home)
    file, before = done.folder / "evaluation" / "strengths.json", facts_in(done.adapter)
    first = file.read_bytes()
    acetune.evaluate("run", home=home)
    again = file.read_bytes()
    found = acetune.evaluate("run", strengths=(0.3,), home=home)

    assert again == first
    assert found.strength == 0.3 and facts_in(done.adapter) == replace(before, strength=0.3)


def test_a_stopped_evaluation_leaves_every_file_as_it_was(recipe: Recipes, home: Path) -> None:
    done = acetune.train(recipe(schedule__steps=2, guard__validate_every=2), name="run", home=home)
    paths = [p for p in (*done.folder.glob("adapter/*"), *done.folder.glob("evaluation/*")) if p.is_file()]
    before = [path.read_bytes() for path in paths]
    job, events = collector()
    stopping = Job(job.report, lambda: any(isinstance(e, StageStarted) and e.stage == "evaluate" for e in events))
    with pytest.raises(Stopped):
        acetune.evaluate("run", home=home, job=stopping)

    assert [path.read_bytes() for path in paths] == before


@pytest.mark.parametrize("strength", [-0.5, 5.0, float("nan")])
def test_strengths_that_make_no_sense_are_refused(home: Path, strength: float) -> None:
    with pytest.raises(SettingError, match="makes no sense"):
        acetune.evaluate("run", strengths=(strength,), home=home)


def test_held_out_music_is_asked_with_and_without_the_trigger(recipe: Recipes, home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "songs"
    for number in range(5):
        tone(folder / f"song{number}.flac", 2.6, seed=number)
        (folder / f"song{number}.caption.txt").write_text(f"style {number}" if number else "zxband, style 0")
    scan(folder)
    trigger(folder, "zxband")
    knobs = {"data__dataset": str(folder), "schedule__steps": 2, "guard__validate_every": 2}
    done = acetune.train(recipe(**knobs), name="run", home=home)
    found = json.loads((done.folder / "evaluation" / "trigger.json").read_text())

    assert found["on"]["units"] == found["off"]["units"] == found["gain"]["units"] == 4
    assert found["on"]["mean"] != found["off"]["mean"]
    assert found["gain"]["mean"] == pytest.approx(found["on"]["mean"] - found["off"]["mean"])
    assert "Trigger on and off" in acetune.report("run", home=home).read_text()
