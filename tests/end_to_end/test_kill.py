"""kill -9 at any moment leaves a run that resumes, to the bit."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from probing import Recipes, losses, moments, same, weights

import acetune
from acetune import errors, locks
from acetune.run import Run

KILLS_AT_RANDOM, KILLS_WHILE_SAVING = 15, 12


@pytest.fixture(scope="module")
def server() -> ForkServerContext:
    """Processes that start with torch loaded."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["acetune.training.train", "acetune.families.acestep_v15.family", "diffusers"])
    return context


def one_life(folder: str, text: str, name: str) -> None:
    """Train or go on with a run until the end or the kill."""
    from acetune.recipe import load

    path = Path(folder) / "asked.yaml"
    path.write_text(text)
    acetune.train(load(path), name=name, on_existing="resume", home=Path(folder))


def start(server: ForkServerContext, home: Path, recipe: object, name: str = "run") -> BaseProcess:
    from acetune.recipe import dump

    process = server.Process(target=one_life, args=(str(home), dump(recipe), name))
    process.start()
    return process


def kill(process: BaseProcess) -> bool:
    """Kill a process; return whether it was still alive."""
    alive = process.is_alive()
    if alive:
        os.kill(process.pid, signal.SIGKILL)
    process.join()
    return alive


def steps_in(folder: Path) -> int:
    """Return how many steps were ever reported."""
    events = folder / "events.jsonl"
    return events.read_text(errors="replace").count('"StepDone"') if events.is_file() else 0


def wait_for_steps(process: BaseProcess, folder: Path, more: int) -> None:
    """Wait until so many more steps are reported."""
    wanted = steps_in(folder) + more
    while process.is_alive() and steps_in(folder) < wanted:
        time.sleep(0.002)


def wait_for_saves(process: BaseProcess, folder: Path, more: int) -> None:
    """Wait until the so-manieth checkpoint from now is being written."""
    seen: set[str] = set()
    checkpoints = folder / "checkpoints"
    while process.is_alive() and not checkpoints.is_dir():
        time.sleep(0.01)
    while len(seen) < more and process.is_alive():
        for _ in range(200):  # asking whether it lives takes longer than a look
            seen |= {name for name in os.listdir(checkpoints) if ".draft-" in name}
            if len(seen) >= more:
                break


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_twenty_five_kills_leave_the_same_training(recipe: Recipes, home: Path, server: ForkServerContext) -> None:
    chosen = recipe(schedule__steps=120, guard__save_every=1, guard__validate_every=20)
    straight = acetune.train(chosen, name="straight", home=home)
    folder, chance = home / "runs" / "run", random.Random(1)
    waits = [wait_for_steps] * KILLS_AT_RANDOM + [wait_for_saves] * KILLS_WHILE_SAVING
    chance.shuffle(waits)

    while_saving = 0
    for wait in waits:
        process = start(server, home, chosen)
        wait(process, folder, chance.randint(1, 3))
        time.sleep(chance.uniform(0, 0.03) if wait is wait_for_steps else 0)
        assert kill(process), "the run ended before it could be killed"
        while_saving += any((folder / "checkpoints").glob("*.draft-*"))
        assert Run(folder).recipe == chosen
        assert all(event is not None for event in Run(folder).events())
    finished = acetune.train(chosen, name="run", on_existing="resume", home=home)

    assert while_saving >= 1
    assert not list(folder.rglob("*.draft-*"))
    assert same(weights(straight.folder), weights(finished.folder))
    assert same(moments(straight.folder), moments(finished.folder))
    assert losses(straight.folder) == losses(finished.folder)


def test_a_kill_before_the_first_checkpoint_starts_again_at_step_zero(
    recipe: Recipes, home: Path, server: ForkServerContext
) -> None:
    chosen = recipe(guard__save_every=0, guard__validate_every=0, schedule__steps=400)
    process = start(server, home, chosen)
    events = home / "runs" / "run" / "events.jsonl"
    while process.is_alive() and not (events.is_file() and "StepDone" in events.read_text()):
        time.sleep(0.02)
    kill(process)

    resumed = acetune.train(
        recipe(guard__save_every=0, guard__validate_every=0, schedule__steps=3),
        name="run",
        on_existing="resume",
        home=home,
    )
    straight = acetune.train(
        recipe(guard__save_every=0, guard__validate_every=0, schedule__steps=3), name="s", home=home
    )

    assert same(weights(resumed.folder), weights(straight.folder))


def test_a_run_that_is_being_trained_is_not_trained_twice(
    recipe: Recipes, home: Path, server: ForkServerContext
) -> None:
    chosen = recipe(guard__save_every=0, guard__validate_every=0, schedule__steps=4000)
    process = start(server, home, chosen)
    lock = home / "runs" / "run" / "lock"
    while process.is_alive() and not (lock.with_name("recipe.yaml").is_file() and locks.lock_owner(lock)):
        time.sleep(0.02)

    with pytest.raises(errors.SettingError, match=str(process.pid)):
        acetune.resume("run", home=home)
    kill(process)

    assert locks.lock_owner(lock) is None
