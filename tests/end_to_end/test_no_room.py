"""A device whose memory does not suffice: what is kept for the backward pass may be so large and no larger."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from probing import Recipes, losses, same, stop_after, weights
from torch import Tensor
from torch.nn.modules.module import register_module_forward_pre_hook

import acetune
from acetune.errors import OutOfMemory, SettingError, Stopped
from acetune.events import Event, Job, Noticed, StepDone
from acetune.files import write_json
from acetune.recipe import changed
from acetune.run import Run
from acetune.training import validate


@contextmanager
def memory_of(limit: int) -> Iterator[list[int]]:
    """Let a pass fail that keeps more bytes than this; the list grows by what each kept."""
    kept: list[int] = []
    alive = 0

    class Held:
        """A tensor that counts while it is kept."""

        def __init__(self, tensor: Tensor) -> None:
            nonlocal alive
            self.tensor, self.size = tensor.detach(), 0 if tensor.is_meta else tensor.nbytes
            alive += self.size
            kept.append(alive)

        def __del__(self) -> None:
            nonlocal alive
            alive -= self.size

    def check(*_: object) -> None:
        if alive > limit:
            raise torch.OutOfMemoryError("injected")

    fence = register_module_forward_pre_hook(check)
    with torch.autograd.graph.saved_tensors_hooks(Held, lambda held: held.tensor):
        yield kept
    fence.remove()


def told(events: list[Event]) -> list[str]:
    """The changes that were made for want of memory."""
    return [str(e.params["changes"]) for e in events if isinstance(e, Noticed) and e.code == "training.smaller"]


@pytest.fixture
def peak(recipe: Recipes, tmp_path: Path, models: Path) -> int:
    """What the usual training keeps at most."""
    home = tmp_path / "free"
    home.mkdir()
    (home / "models").symlink_to(models)
    with memory_of(10**12) as kept:
        acetune.train(
            recipe(schedule__steps=1, guard__validate_every=0, data__crop_seconds=1.0), name="free", home=home
        )
    return max(kept)


@pytest.mark.slow
def test_a_run_without_room_goes_on_with_smaller_micro_batches_and_learns_the_same(
    recipe: Recipes, home: Path, peak: int
) -> None:
    events: list[Event] = []
    usual = {"schedule__steps": 4, "data__crop_seconds": 1.0}
    whole = acetune.train(recipe(**usual), name="whole", home=home)
    with memory_of(int(0.7 * peak)):
        small = acetune.train(recipe(**usual), name="small", home=home, job=Job(events.append))

    assert told(events) == ["--data.batch_size 1 --data.accumulation 2"]
    assert losses(small.folder) == pytest.approx(losses(whole.folder), rel=1e-5)


def test_a_step_without_room_is_done_again_and_no_step_is_lost(recipe: Recipes, home: Path, peak: int) -> None:
    events: list[Event] = []
    limits = iter([memory_of(10**12), memory_of(int(0.2 * peak))])
    current = next(limits)
    current.__enter__()

    def listen(event: Event) -> None:
        nonlocal current
        events.append(event)
        if isinstance(event, StepDone) and event.step == 2:
            current.__exit__(None, None, None)
            current = next(limits)
            current.__enter__()

    done = acetune.train(
        recipe(schedule__steps=4, data__crop_seconds=1.0, guard__save_every=0), name="run", home=home, job=Job(listen)
    )
    current.__exit__(None, None, None)
    plain = acetune.train(recipe(schedule__steps=4, data__crop_seconds=1.0), name="plain", home=home)

    assert told(events) == ["--data.batch_size 1 --data.accumulation 2", "--compute.recompute true"]
    assert [event.step for event in events if isinstance(event, StepDone)] == [1, 2, 3, 4]
    assert losses(done.folder) == pytest.approx(losses(plain.folder), rel=1e-6)
    assert Run(done.folder).recipe.compute.recompute


@pytest.mark.slow
def test_crops_are_halved_last_and_then_the_user_is_told(recipe: Recipes, home: Path, peak: int) -> None:
    events: list[Event] = []
    with memory_of(int(0.001 * peak)), pytest.raises(OutOfMemory) as met:
        acetune.train(recipe(schedule__steps=4, data__crop_seconds=40.0), name="run", home=home, job=Job(events.append))

    assert met.value.code == "training.memory"
    assert told(events) == [
        "--data.batch_size 1 --data.accumulation 2", "--compute.recompute true",
        "--data.crop_seconds 20", "--data.crop_seconds 10",
    ]  # fmt: skip


@pytest.mark.slow
def test_a_sweep_goes_on_over_a_run_that_was_made_smaller(recipe: Recipes, home: Path, peak: int) -> None:
    events: list[Event] = []
    common, over = recipe(schedule__steps=2, data__crop_seconds=1.0), {"lr": (1e-3,)}
    with memory_of(int(0.7 * peak)):
        tried = acetune.sweep(common, over, name="try", home=home, job=Job(events.append))
    again: list[Event] = []

    assert len(told(events)) == 1
    assert acetune.sweep(common, over, name="try", home=home, job=Job(again.append)) == tried
    assert not [event for event in again if isinstance(event, StepDone)]
    same_again = changed(common, {"optim.lr": 1e-3})
    assert acetune.train(same_again, name=tried[0].run, on_existing="resume", home=home).steps == 2
    with pytest.raises(SettingError, match=r"optim\.lr"):
        acetune.train(changed(common, {"optim.lr": 0.5}), name=tried[0].run, on_existing="resume", home=home)


@pytest.mark.slow
def test_a_run_that_was_made_smaller_resumes_as_it_is(recipe: Recipes, home: Path, peak: int) -> None:
    with memory_of(int(0.2 * peak)):
        acetune.train(recipe(schedule__steps=4, data__crop_seconds=1.0, guard__save_every=2), name="run", home=home)
    once = weights(home / "runs" / "run")
    acetune.resume("run", changes={"schedule.steps": 4}, home=home)

    assert same(weights(home / "runs" / "run"), once)


def test_the_best_of_longer_crops_is_none_once_crops_are_halved(recipe: Recipes, home: Path) -> None:
    with pytest.raises(Stopped):
        acetune.train(recipe(guard__validate_every=2), name="run", home=home, job=stop_after(4))
    run = Run(home / "runs" / "run")
    file = run.checkpoints / "000005" / "state.json"
    state = json.loads(file.read_text())
    write_json(file, {**state, "best_step": 2, "best_difference": -1e9})

    validate.forget(run)
    done = acetune.resume("run", home=home)

    found = json.loads((done.folder / "checkpoints" / "000006" / "state.json").read_text())
    assert found["best_step"] == 6
