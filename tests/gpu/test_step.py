"""On an accelerator: a step waits for nothing, and trains what the processor trains."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from probing import Recipes, losses

import acetune
from acetune.encoding.cache import Cache
from acetune.encoding.encode import encode_set, load_dataset
from acetune.events import Job
from acetune.recipe import family_of
from acetune.training.session import Session

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no accelerator here")]


def test_a_step_does_not_wait_for_the_device(recipe: Recipes, home: Path) -> None:
    chosen = recipe(compute__device="cuda", compute__dtype="bfloat16")
    card, _ = family_of("tiny")
    family = card.open(chosen, home / "models", Job())
    encoded, _ = encode_set(load_dataset(chosen), chosen, family, Cache(home / "cache"), Job())
    session = Session.build(chosen, family, encoded, "run")
    session.update(0)

    torch.cuda.set_sync_debug_mode("error")
    try:
        session.update(1)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_the_accelerator_trains_what_the_processor_trains(recipe: Recipes, home: Path) -> None:
    slow = acetune.train(recipe(), name="cpu", home=home)
    fast = acetune.train(recipe(compute__device="cuda", compute__dtype="float32"), name="cuda", home=home)

    assert losses(fast.folder) == pytest.approx(losses(slow.folder), rel=1e-3)
