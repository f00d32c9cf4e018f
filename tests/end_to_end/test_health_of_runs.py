"""Health of whole trainings: what is no number is named, and early stop keeps the laws of a run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from probing import Recipes, collector, losses, same, weights

import acetune
from acetune.encoding.cache import Cache
from acetune.encoding.encode import encode_set, load_dataset
from acetune.events import Job, Noticed, StepDone
from acetune.recipe import Recipe, family_of
from acetune.run import Run
from acetune.training import health
from acetune.training.session import Session

pytestmark = pytest.mark.slow

#: A learning rate at which the second step makes held-out music worse.
TOO_FAST = {
    "optim__lr": 0.1,
    "adapter__alpha": 64.0,
    "schedule__steps": 4,
    "schedule__warmup": 0,
    "guard__validate_every": 1,
}


def session_of(recipe: Recipe, home: Path) -> Session:
    card, _ = family_of(recipe.model.variant)
    family = card.open(recipe, home / "models", Job())
    encoded, _ = encode_set(load_dataset(recipe), recipe, family, Cache(home / "cache"), Job())
    return Session.build(recipe, family, encoded, "run")


def test_a_good_step_has_no_culprits_and_is_not_changed_by_looking(recipe: Recipes, home: Path) -> None:
    looked, straight = (session_of(recipe(), home) for _ in range(2))

    assert health.culprits(looked, 0) == ""
    for session in (looked, straight):
        session.update(0)
    assert same(dict(looked.adapter(1).weights), dict(straight.adapter(1).weights))


@pytest.mark.parametrize("where", ["base", "adapter", "latents"])
def test_what_is_no_number_is_named(recipe: Recipes, home: Path, where: str) -> None:
    session = session_of(recipe(), home)
    module = next(iter(session.parameters)).removesuffix(".lora_A.weight")
    item = session.examples.step(0)[0][0]
    song = session.examples.items[item].parts
    with torch.no_grad():
        if where == "base":
            session.network.get_submodule(module).get_base_layer().weight[0] = float("nan")
        elif where == "adapter":
            next(iter(session.parameters.values()))[0] = 3e38  # times anything overflows
    if where == "latents":
        session.examples.example(session.examples.step(0)[0][0], 0, 0)  # read into memory
        latents = session.examples._resident[
            "latents", session.examples.items[session.examples.step(0)[0][0]].parts.latents
        ]
        latents["mean"][:] = float("inf")

    found = health.culprits(session, 0)

    assert found.startswith(
        {"base": module, "adapter": f"output of {module}", "latents": f"latents of {song.track.path}"}[where]
    )


def test_patience_ends_a_run_at_its_best_checkpoint(recipe: Recipes, home: Path) -> None:
    job, events = collector()
    done = acetune.train(recipe(**TOO_FAST, guard__patience=1), name="run", home=home, job=job)

    assert [e.step for e in events if isinstance(e, StepDone)] == [1, 2]
    assert done.steps == int((done.folder / "checkpoints" / "best").read_text()) == 1
    assert "health.enough" in {e.code for e in events if isinstance(e, Noticed)}


def test_a_run_that_ended_early_goes_on_to_the_bit_with_more_patience(recipe: Recipes, home: Path) -> None:
    straight = acetune.train(recipe(**TOO_FAST), name="straight", home=home)
    early = acetune.train(recipe(**TOO_FAST, guard__patience=1), name="early", home=home)
    again = acetune.resume("early", home=home)
    resumed = acetune.resume("early", changes={"guard.patience": 0}, home=home)

    assert straight.steps == resumed.steps == 4
    assert again.steps == early.steps == 1
    assert same(weights(straight.folder), weights(resumed.folder))
    assert losses(straight.folder) == losses(resumed.folder)


def test_every_crop_is_recorded_with_its_song_and_t(recipe: Recipes, home: Path) -> None:
    done = acetune.train(recipe(guard__validate_every=0), name="run", home=home)
    steps = [e for e in Run(done.folder).events() if isinstance(e, StepDone)]

    assert all(sum(loss for _, _, loss in e.crops) / len(e.crops) == pytest.approx(e.loss, rel=1e-5) for e in steps)
    assert {t for e in steps for _, t, _ in e.crops} <= {1.0, 0.954545, 0.9, 0.833333, 0.75, 0.642857, 0.5, 0.3}
    assert {song for e in steps for song, _, _ in e.crops} == set(range(5))
