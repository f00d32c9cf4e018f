"""Clips of the base network beside the songs: made once, mixed in by a share, planned."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from probing import Recipes, collector, losses, same, stop_after, weights

import acetune
from acetune.encoding.cache import Cache
from acetune.encoding.encode import encode_set, load_dataset
from acetune.errors import Stopped
from acetune.events import Event, Job, Progress
from acetune.recipe import family_of
from acetune.training.examples import Examples
from acetune.training.prior import with_prior
from world import make_home

pytestmark = pytest.mark.slow


def made(events: list[Event]) -> int:
    """Return how many clips were made."""
    return sum(isinstance(event, Progress) and event.stage == "prior" for event in events)


def test_a_stop_keeps_the_clips_that_are_made(recipe: Recipes, tmp_path: Path, models: Path) -> None:
    home = make_home(tmp_path / "home", models, tmp_path / "empty")
    (tmp_path / "empty").mkdir()
    chosen, seen = recipe(data__prior=3, schedule__steps=1), []
    stopping = Job(lambda e: seen.append(e) if made([e]) else None, lambda: len(seen) == 2)
    with pytest.raises(Stopped):
        acetune.train(chosen, name="run", home=home, job=stopping)
    job, events = collector()

    acetune.resume("run", home=home, job=job)

    assert (made(seen), made(events)) == (2, 1)


@pytest.mark.slow
def test_clips_change_the_training_and_are_made_for_all_runs_together(recipe: Recipes, home: Path) -> None:
    chosen = recipe(data__prior=2, data__prior_share=0.5)
    with_clips = acetune.train(chosen, name="clips", home=home)
    without = acetune.train(recipe(), name="none", home=home)
    job, events = collector()
    with pytest.raises(Stopped):
        acetune.train(chosen, name="halves", home=home, job=stop_after(3))
    halves = acetune.resume("halves", home=home, job=job)

    assert made(events) == 0
    assert not same(weights(with_clips.folder), weights(without.folder))
    assert same(weights(with_clips.folder), weights(halves.folder))
    assert losses(with_clips.folder) == losses(halves.folder)


def test_a_share_of_the_visits_shows_what_the_base_network_said(recipe: Recipes, home: Path) -> None:
    chosen = recipe(data__prior=2, data__prior_share=0.3)
    family = family_of("tiny")[0].open(chosen, home / "models", Job())
    encoded, _ = encode_set(load_dataset(chosen), chosen, family, Cache(home / "cache"), Job())
    ready = with_prior(encoded, chosen, family, Job())
    examples = Examples(ready, chosen, family.frames_per_second, 2)
    clips = [ready.cache.read("latents", p.latents)["mean"] for p in ready.prior]

    shown = [step for step in range(200) if examples.is_prior(step, 0)]
    latents = [examples.example(0, step, 0).latents for step in shown]

    assert 40 <= len(shown) <= 80
    assert all(any(torch.equal(piece, clip[: len(piece)]) for clip in clips) for piece in latents)
    assert {len(piece) for piece in latents} == {examples.items[0].cuts.crop}
    assert not Examples(encoded, chosen, family.frames_per_second, 2).is_prior(shown[0], 0)


def test_clips_of_another_number_format_are_others(recipe: Recipes, home: Path) -> None:
    exact, rough = (recipe(data__prior=1, compute__dtype=dtype) for dtype in ("float32", "bfloat16"))
    family = family_of("tiny")[0].open(exact, home / "models", Job())
    encoded, _ = encode_set(load_dataset(exact), exact, family, Cache(home / "cache"), Job())

    (one,), (other,), (again,) = (
        with_prior(encoded, r, family, Job()).prior for r in (exact, rough, recipe(data__prior=1))
    )

    assert (one.texts, one.lyrics) == (other.texts, other.lyrics)
    assert one.latents != other.latents
    assert one.latents == again.latents


def test_the_plan_says_what_clips_take(recipe: Recipes) -> None:
    with_clips, without = acetune.plan(recipe(data__prior=50)), acetune.plan(recipe())

    assert (with_clips.prior, without.prior) == (50, 0)
    assert with_clips.prior_minutes > 0 == without.prior_minutes
    assert with_clips.minutes == pytest.approx(without.minutes + with_clips.prior_minutes)
    assert with_clips.disk_bytes > without.disk_bytes
