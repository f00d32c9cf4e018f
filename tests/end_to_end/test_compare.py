"""Comparing trainings from their folders."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import acetune
from acetune.cli.main import main
from acetune.errors import SettingError
from acetune.monitor.comparing import Comparison


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, models: Path, cache: Path, album: Path) -> Path:
    """A workspace with two trainings that differ in their learning rate."""
    from acetune.recipe import resolve
    from world import QUICK, make_home

    home = make_home(tmp_path_factory.mktemp("compared") / "home", models, cache)
    for name, rate in (("slow", 1e-5), ("quick", 1e-3)):
        layer = {**QUICK, "data.dataset": str(album), "schedule.steps": 2, "optim.lr": rate}
        acetune.train(resolve([("test", layer)]).recipe, name=name, home=home)
    return home


@pytest.fixture
def found(two: Path) -> Comparison:
    """The comparison of both."""
    return acetune.compare(["slow", "quick"], home=two)


def test_runs_are_shown_with_their_verdicts_in_the_order_asked_for(found: Comparison) -> None:
    assert [(run.run, run.state, run.steps) for run in found.runs] == [("slow", "done", 2), ("quick", "done", 2)]


def test_only_the_knobs_that_differ_are_shown(found: Comparison) -> None:
    assert dict(found.knobs) == {"optim.lr": (1e-5, 1e-3)}


def test_the_same_held_out_music_is_compared_song_by_song(found: Comparison) -> None:
    (pair,) = found.pairs
    slow, quick = (run.verdict for run in found.runs)

    assert pair.units == slow.units == quick.units
    assert slow.difference is not None
    assert quick.difference is not None
    assert pair.difference == pytest.approx(quick.difference - slow.difference, abs=1e-6)


def test_runs_of_other_music_are_not_compared_song_by_song(two: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(two / "runs" / "quick", other)
    base = other / "evaluation" / "base.json"
    base.write_text(base.read_text().replace('"name": "', '"name": "x'))

    assert acetune.compare([two / "runs" / "slow", other], home=two).pairs == ()


def test_one_run_alone_cannot_be_compared(two: Path) -> None:
    with pytest.raises(SettingError, match="two runs or more"):
        acetune.compare(["slow"], home=two)


def test_the_command_prints_runs_knobs_and_which_is_better(two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--home", str(two), "compare", "slow", "quick"]) == 0
    shown = capsys.readouterr()

    assert "optim.lr" in shown.out + shown.err
    assert "quick against slow" in shown.out + shown.err
