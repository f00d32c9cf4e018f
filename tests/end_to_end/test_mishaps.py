"""Faults that a real disk, a mistyped name or a busy user bring into a training."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from probing import Recipes, losses, same, stop_after, weights

import acetune
from acetune.encoding.cache import prune
from acetune.errors import CorruptFile, DataError, DiskFull, MissingDependency, SettingError, Stopped
from acetune.events import Job, Noticed, StageEnded, StepDone, Validated
from acetune.files import draft_file
from acetune.run import Run
from acetune.storage import save_tensors


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real disk of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("file systems cannot be mounted here")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_disk_that_is_really_full_is_a_clear_error(small_disk: Path) -> None:
    target = small_disk / "part.safetensors"

    with pytest.raises(DiskFull) as met, draft_file(target) as draft:
        save_tensors(draft, {"a": torch.zeros(1_000_000)})

    assert met.value.exit_code == 3
    assert list(small_disk.iterdir()) == []


WITHOUT_8BIT = pytest.mark.skipif(find_spec("bitsandbytes") is not None, reason="bitsandbytes is here")


@pytest.mark.parametrize(
    "wrong",
    [
        {"optim__name": "adamm"},
        {"schedule__name": "cosin"},
        {"adapter__targets": "qq"},
        {"preview__every": 2, "preview__prompts": "no such file"},
        pytest.param({"optim__name": "adamw-8bit"}, marks=WITHOUT_8BIT),
    ],
)
def test_a_mistyped_name_is_refused_before_encoding_and_leaves_the_name_free(
    recipe: Recipes, home: Path, wrong: dict[str, object]
) -> None:
    with pytest.raises((SettingError, MissingDependency)):
        acetune.train(recipe(**wrong), name="run", home=home)

    assert acetune.train(recipe(schedule__steps=1), name="run", home=home).folder.name == "run"


@pytest.mark.slow
def test_pruning_the_cache_under_a_training_saves_what_is_done(recipe: Recipes, tmp_path: Path, models: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "models").symlink_to(models)
    chosen = recipe(compute__resident_gb=0.0, guard__save_every=0, guard__validate_every=0)

    def listen(event: object) -> None:
        if isinstance(event, StepDone) and event.step == 2:
            prune(home / "cache")

    with pytest.raises(CorruptFile):
        acetune.train(chosen, name="run", home=home, job=Job(listen))
    resumed = acetune.resume("run", home=home)
    straight = acetune.train(chosen, name="straight", home=home)

    assert len(losses(resumed.folder)) == 6
    assert same(weights(resumed.folder), weights(straight.folder))


def test_why_a_run_ended_stands_in_the_run(recipe: Recipes, home: Path, album: Path, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "songs"
    shutil.copytree(album, folder)
    for song in folder.glob("*.flac"):
        song.write_bytes(b"no music")

    with pytest.raises(DataError):
        acetune.train(recipe(data__dataset=str(folder), data__max_seconds=77.0), name="run", home=home)

    ended = list(Run(home / "runs" / "run").events())
    assert isinstance(ended[-1], StageEnded) and ended[-1].outcome == "failed"
    assert any(isinstance(event, Noticed) and event.severity == "error" for event in ended)


def test_a_song_that_was_replaced_after_the_scan_is_left_out_and_said(
    album: Path, recipe: Recipes, home: Path, tmp_path: Path
) -> None:
    import shutil

    folder = tmp_path / "songs"
    shutil.copytree(album, folder)
    shutil.copy(folder / "song1.flac", folder / "song2.flac")

    result = acetune.encode(recipe(data__dataset=str(folder), data__max_seconds=78.0), home=home)

    assert [(s.path, s.code) for s in result.skipped] == [("song2.flac", "encoding.changed")]


def test_a_validation_that_a_stop_prevented_is_made_up(recipe: Recipes, home: Path) -> None:
    chosen = recipe(guard__validate_every=2, guard__save_every=0)
    whole = acetune.train(chosen, name="whole", home=home)
    with pytest.raises(Stopped):
        acetune.train(chosen, name="run", home=home, job=stop_after(3))

    resumed = acetune.resume("run", home=home)

    steps = [e.step for e in Run(resumed.folder).history() if isinstance(e, Validated)]
    assert steps == [e.step for e in Run(whole.folder).history() if isinstance(e, Validated)] == [2, 4, 6]
    assert (resumed.folder / "checkpoints/best").read_text() == (whole.folder / "checkpoints/best").read_text()


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(recipe: Recipes, home: Path) -> None:
    chosen = recipe(guard__save_every=2, guard__validate_every=0)
    run = acetune.train(chosen, name="run", home=home).folder
    whole = weights(run)
    damaged = run / "checkpoints/000006/adapter.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-100])
    seen: list[object] = []

    acetune.resume("run", home=home, job=Job(seen.append))

    assert [e.step for e in seen if isinstance(e, StepDone)] == [5, 6]
    assert any(isinstance(e, Noticed) and e.code == "training.older_checkpoint" for e in seen)
    assert same(weights(run), whole)


def test_a_refused_resume_leaves_the_plan_alone(recipe: Recipes, home: Path) -> None:
    run = acetune.train(recipe(), name="run", home=home).folder
    before = (run / "plan.json").read_text()

    with pytest.raises(SettingError):
        acetune.resume("run", changes={"schedule.steps": 3}, home=home)

    assert (run / "plan.json").read_text() == before
