"""Several processes train what one trains, stop together, and leave a run that any number of them goes on with."""

from __future__ import annotations

import gc
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import torch
from probing import Recipes, collector, losses, moments, stop_after
from safetensors.torch import load_file
from torch import Tensor
from torch.testing import assert_close

import acetune
from acetune import compute
from acetune.adapters import trained
from acetune.encoding.cache import Cache
from acetune.encoding.encode import encode_set, load_dataset
from acetune.errors import AcetuneError, ResourceError, SettingError, Stopped
from acetune.events import Event, Job, Noticed, StepDone
from acetune.recipe import Recipe, family_of, save
from acetune.run import Run
from acetune.training.session import Session, micro_batches
from acetune.training.team import Team

#: A step of two micro-batches, of which the last may be short.
SHARED = {"data__batch_size": 2, "data__accumulation": 2, "schedule__steps": 20, "optim__lr": 1e-3}
LONG = {**SHARED, "schedule__steps": 400, "guard__validate_every": 0}


def session_of(recipe: Recipe, home: Path) -> Session:
    family = family_of(recipe.model.variant)[0].open(recipe, home / "models", Job())
    encoded, _ = encode_set(load_dataset(recipe), recipe, family, Cache(home / "cache"), Job())
    return Session.build(recipe, family, encoded, "run")


def gradients(session: Session, shares: list[Team]) -> tuple[Tensor, Tensor]:
    """Return the losses of a step, and all gradients in one piece, added up over the shares of it."""
    found = [session.backward(0, micro_batches(session, 0, team))[0] for team in shares]
    summed = torch.cat([p.grad.reshape(-1) for p in session.parameters.values() if p.grad is not None])
    session.optimizer.zero_grad()
    return torch.stack(found).sum(dim=0), summed


def test_shares_of_a_step_add_up_to_its_losses_and_gradients(recipe: Recipes, home: Path) -> None:
    with compute.threads(1):
        session = session_of(recipe(**SHARED), home)
        with torch.no_grad():
            for name, parameter in session.parameters.items():
                parameter.add_(0.01 if "lora_B" in name else 0.0)  # a fresh adapter has gradients in one half only
        whole = gradients(session, [Team()])
        shared = gradients(session, [Team(rank, 3) for rank in range(3)])

    assert_close(shared[0], whole[0], rtol=1e-6, atol=1e-6)
    assert_close(shared[1], whole[1], rtol=0, atol=1e-6 * float(whole[1].abs().max()))


@pytest.mark.parametrize("changes", [{"data__accumulation": 1}, {"compute__device": "cpu:0"}])
def test_too_few_crops_or_a_single_device_are_refused(recipe: Recipes, home: Path, changes: dict[str, object]) -> None:
    with pytest.raises(SettingError) as refused:
        acetune.train(recipe(**{**SHARED, **changes, "compute__devices": 3}), name="run", home=home)

    assert refused.value.code == f"training.{'one_device' if 'compute__device' in changes else 'few_crops'}"
    assert not (home / "runs" / "run" / "recipe.yaml").exists()


def trained_weights(run: Path) -> dict[str, Tensor]:
    """Return what was trained, of the newest checkpoint."""
    last = (run / "checkpoints" / "last").read_text().strip()
    return dict(trained.load(run / "checkpoints" / last).weights)


def assert_same_training(one: Path, two: Path) -> None:
    """Compare losses and gradient norms to 1e-6 and weights to 1e-5, of the largest."""
    norms = [[e.grad_norm for e in Run(run).history() if isinstance(e, StepDone)] for run in (one, two)]
    largest = max(losses(one))
    first, second = trained_weights(one), trained_weights(two)

    assert losses(two) == pytest.approx(losses(one), abs=1e-6 * largest)
    assert norms[1] == pytest.approx(norms[0], rel=1e-5)
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert_close(second[name], tensor, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {
            "data__batch_size": 3,
            "data__accumulation": 1,
            "objective__timesteps": "adaptive",
            "adapter__ema": 0.9,
            "optim__lr": 1e-4,
        },
        {"adapter__kind": "full", "optim__lr": 1e-4, "adapter__rank": 8, "adapter__alpha": 8.0},
    ],
    ids=["micro-batches", "uneven shares", "all weights"],
)
def test_two_processes_train_what_one_trains(recipe: Recipes, home: Path, changes: dict[str, object]) -> None:
    for devices in (1, 2):
        acetune.train(recipe(**{**SHARED, **changes}, compute__devices=devices), name=f"run{devices}", home=home)

    assert_same_training(home / "runs" / "run1", home / "runs" / "run2")


def followers() -> list[psutil.Process]:
    """Return the processes that help this one to train; other tests may have left a server for theirs."""
    alive = [process for process in psutil.Process().children() if process.status() != psutil.STATUS_ZOMBIE]
    return [process for process in alive if process.cmdline()[-1:] == ["train"]]


def at_step(step: int, act: Callable[[psutil.Process], None]) -> Job:
    """Return a job that does something to the process that helps this one, once, after a step."""
    seen: list[int] = []

    def listen(event: Event) -> None:
        if isinstance(event, StepDone):
            seen.append(event.step)
            if event.step == step:
                act(followers()[0])

    return Job(listen)


@pytest.mark.slow
def test_a_request_to_stop_one_process_stops_all_and_one_alone_goes_on(recipe: Recipes, home: Path) -> None:
    ask = at_step(5, lambda other: other.send_signal(signal.SIGTERM))
    with pytest.raises(Stopped):
        acetune.train(recipe(**SHARED, compute__devices=2), name="shared", home=home, job=ask)
    stopped_at = len(losses(home / "runs" / "shared"))
    job, events = collector()
    acetune.resume("shared", changes={"compute.devices": 1}, home=home, job=job)
    acetune.train(recipe(**SHARED), name="alone", home=home)

    assert 5 <= stopped_at < 20
    assert "training.other_processes" in [e.code for e in events if isinstance(e, Noticed)]
    assert_same_training(home / "runs" / "alone", home / "runs" / "shared")
    assert not followers()


@pytest.mark.slow
def test_when_one_process_is_killed_the_run_keeps_every_step_and_says_so(recipe: Recipes, home: Path) -> None:
    with pytest.raises(ResourceError) as failure:
        acetune.train(
            recipe(**LONG, compute__devices=2), name="run", home=home, job=at_step(5, lambda other: other.kill())
        )
    run = home / "runs" / "run"
    last = int((run / "checkpoints" / "last").read_text())

    assert failure.value.code == "training.lost"
    assert last == len(losses(run)) >= 5
    assert Run(run).owner() is None


@pytest.mark.slow
def test_an_error_in_any_process_is_one_error_and_saves_what_is_done(recipe: Recipes, home: Path) -> None:
    cache = home / "cache"
    own = shutil.copytree(cache, home / "own")
    cache.unlink()
    own.rename(cache)

    def lose(other: psutil.Process) -> None:
        shutil.rmtree(cache / "latents")

    with pytest.raises(AcetuneError) as failure:
        acetune.train(
            recipe(**LONG, compute__devices=2, compute__resident_gb=0), name="run", home=home, job=at_step(5, lose)
        )
    run = home / "runs" / "run"

    assert failure.value.code.startswith("encoding.")
    assert int((run / "checkpoints" / "last").read_text()) == len(losses(run)) >= 5
    assert not followers()


@pytest.mark.slow
def test_processes_that_a_launcher_starts_train_together(recipe: Recipes, home: Path) -> None:
    made = recipe(**SHARED)
    assert isinstance(made, Recipe)
    save(made, home / "asked.yaml")
    words = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "acetune", "train"]
    asked = ["--config", str(home / "asked.yaml"), "--name", "launched", "--home", str(home)]
    done = subprocess.run([*words, *asked], capture_output=True, text=True, timeout=200, check=False)
    acetune.train(recipe(**SHARED), name="alone", home=home)

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("launched_final") == 1
    assert_same_training(home / "runs" / "alone", home / "runs" / "launched")


#: All weights, held together; the last step of an epoch is short.
WHOLE = {**SHARED, "adapter__kind": "full", "adapter__rank": 8, "optim__lr": 1e-4, "schedule__steps": 6}
SHARDED = {"compute__devices": 2, "compute__shard": True}


def losses_of_base(run: Path) -> Tensor:
    """Return the held-out losses of the base network, (units, times)."""
    units = json.loads((run / "evaluation" / "base.json").read_text())["units"]
    return torch.tensor([unit["losses"] for unit in units])


def measure(event: Event, held: list[int]) -> None:
    """Note, once, how many bytes of weights and of optimizer state this process holds after a step."""
    if isinstance(event, StepDone) and not held:
        found = next(o for o in gc.get_objects() if type(o) is Session and o.shards)
        tensors = [p.data for p in found.parameters.values()]
        tensors += [slot for slots in found.optimizer.state.values() for slot in slots.values() if slot.ndim]
        held.append(sum(tensor.nbytes for tensor in tensors))


@pytest.mark.slow
def test_processes_that_hold_the_weights_together_train_what_one_trains(recipe: Recipes, home: Path) -> None:
    knobs = {**WHOLE, "preview__every": 6, "preview__seconds": 1.0, "preview__probes": 1}
    acetune.train(recipe(**knobs), name="one", home=home)
    held: list[int] = []
    acetune.train(recipe(**knobs, **SHARDED), name="two", home=home, job=Job(lambda event: measure(event, held)))
    whole = sum(tensor.nbytes for tensor in trained_weights(home / "runs" / "one").values())

    assert held == pytest.approx([3 * whole / 2], rel=0.05)  # weights and two moments, some of them too short to halve
    assert_same_training(home / "runs" / "one", home / "runs" / "two")
    previews = [sorted(path.name for path in (home / "runs" / name / "previews").iterdir()) for name in ("one", "two")]
    assert previews[0] == previews[1] != []


#: Three crops of which one process has one and the other two, each a pass of its own.
UNEVEN = {**WHOLE, "data__batch_size": 1, "data__accumulation": 3, "guard__validate_every": 0}


@pytest.mark.slow
def test_weights_that_two_processes_held_are_gone_on_with_by_one(recipe: Recipes, home: Path) -> None:
    alone, shared = home / "runs" / "alone", home / "runs" / "shared"
    acetune.train(recipe(**UNEVEN, preview__every=6), name="alone", home=home)
    with pytest.raises(Stopped):
        knobs = {**UNEVEN, "preview__every": 6, "compute__recompute": True, **SHARDED}
        acetune.train(recipe(**knobs), name="shared", home=home, job=stop_after(3))
    shapes = {name: tensor.shape for name, tensor in moments(shared).items()}
    acetune.resume("shared", changes={"compute.devices": 1, "compute.shard": False}, home=home)

    assert shapes == {name: tensor.shape for name, tensor in moments(alone).items()}
    assert_same_training(alone, shared)


@pytest.mark.slow
def test_holders_of_the_weights_end_at_the_best_checkpoint_together(recipe: Recipes, home: Path) -> None:
    knobs = {**WHOLE, "optim__lr": 3e-2, "guard__validate_every": 1, "guard__patience": 1, "guard__keep_last": 5}
    acetune.train(recipe(**{**knobs, "schedule__warmup": 0}, **SHARDED), name="run", home=home)
    run = home / "runs" / "run"
    best = trained.load(run / "checkpoints" / (run / "checkpoints" / "best").read_text().strip()).weights
    final = load_file(run / "adapter" / "run_final" / "transformer" / "diffusion_pytorch_model.safetensors")

    assert len(losses(run)) < 6
    assert all(torch.equal(final[name], tensor.bfloat16()) for name, tensor in best.items())


@pytest.mark.slow
def test_what_one_began_is_gone_on_with_by_two_that_hold_the_weights(recipe: Recipes, home: Path) -> None:
    acetune.train(recipe(**WHOLE, guard__validate_every=3), name="alone", home=home)
    with pytest.raises(Stopped):
        acetune.train(recipe(**WHOLE, guard__validate_every=0), name="shared", home=home, job=stop_after(3))
    changes = {"compute.devices": 2, "compute.shard": True, "guard.validate_every": 3}
    acetune.resume("shared", changes=changes, home=home)
    alone, shared = (losses_of_base(home / "runs" / name) for name in ("alone", "shared"))

    assert_close(shared, alone, rtol=1e-5, atol=1e-5)
    assert_same_training(home / "runs" / "alone", home / "runs" / "shared")


@pytest.mark.slow
def test_when_one_holder_of_the_weights_is_killed_the_last_checkpoint_stays(recipe: Recipes, home: Path) -> None:
    knobs = {**LONG, **WHOLE, "schedule__steps": 400, "guard__save_every": 3, **SHARDED}
    with pytest.raises(ResourceError) as failure:
        acetune.train(recipe(**knobs), name="run", home=home, job=at_step(5, lambda other: other.kill()))
    run = home / "runs" / "run"

    assert failure.value.code == "training.lost"
    assert int((run / "checkpoints" / "last").read_text()) in (3, 6)
    assert Run(run).owner() is None
