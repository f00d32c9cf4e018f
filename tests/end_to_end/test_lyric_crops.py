"""Songs whose lyrics have times: each crop is trained with what is sung in it, as inference would be asked for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from probing import same, weights

import acetune
from acetune import compute
from acetune.data import manifest as manifests
from acetune.data.lyric_windows import lyrics_between
from acetune.encoding.cache import Cache
from acetune.encoding.encode import encode_set
from acetune.encoding.parts import TrackParts
from acetune.events import Job
from acetune.recipe import family_of, resolve
from acetune.training.examples import Examples
from world import QUICK, tone

SHEET = "\n".join(f"[00:{second:02d}.00]line number {second}" for second in range(0, 7, 2))


@pytest.fixture(scope="module")
def karaoke(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scanned songs of seven seconds, one with the times of its lines."""
    folder = tmp_path_factory.mktemp("karaoke")
    for name in ("timed", "plain"):
        tone(folder / f"{name}.wav", 7.0, seed=len(name))
        (folder / f"{name}.caption.txt").write_text("synth, pads")
    (folder / "timed.lrc").write_text(SHEET)
    (folder / "plain.lyrics.txt").write_text("[verse]\nla la la\n")
    acetune.scan(folder)
    return folder


def recipe_of(folder: Path, **changes: object) -> object:
    settings = {**QUICK, "data.dataset": str(folder), "data.latents": "mean", "data.crop_seconds": 2.4}
    return resolve([("test", {**settings, **changes})]).recipe


def shown(recipe: object, home: Path) -> tuple[list[tuple[TrackParts, range, torch.Tensor]], object]:
    """Return song, frames and lyrics of every crop of eight epochs and of those held out; and what encodes lyrics."""
    family = family_of("tiny")[0].open(recipe, home / "models", Job())
    cache = Cache(home / "cache")
    encoded, _ = encode_set(manifests.load(Path(recipe.data.dataset)), recipe, family, cache, Job())
    examples = Examples(encoded, recipe, family.frames_per_second, family.crop_multiple)
    found = []
    for step in range(8 * examples.steps_per_epoch):
        for item in (item for batch in examples.step(step) for item in batch):
            parts, example = examples.items[item].parts, examples.example(item, step, 0)
            windows = cache.read("latents", parts.latents)["mean"].float().unfold(0, len(example.latents), 1).mT
            start = int((windows - example.latents).abs().amax(dim=(1, 2)).argmin())
            found.append((parts, range(start, start + len(example.latents)), example.lyrics["tokens"]))
    for parts, start, length in (crop for unit in examples.held_out() for crop in unit.crops):
        lyrics = examples.held_out_example((parts, start, length)).lyrics["tokens"]
        found.append((parts, range(start, start + length), lyrics))
    return found, family.load_conditioner(compute.device("cpu"))


def test_a_crop_has_the_lyrics_that_are_sung_in_it(karaoke: Path, home: Path) -> None:
    found, conditioner = shown(recipe_of(karaoke), home)

    wanted = []
    for parts, frames, _ in found:
        lyrics = lyrics_between(parts.track, frames.start / 25, frames.stop / 25)
        wanted.append(conditioner.lyrics(replace(parts.prompts["caption"], lyrics=lyrics))["tokens"])

    assert all(torch.equal(lyrics, own) for (_, _, lyrics), own in zip(found, wanted, strict=True))
    assert len({frames for parts, frames, _ in found if parts.track.path == "timed.wav"}) > 4
    assert len({len(lyrics) for parts, _, lyrics in found if parts.track.path == "plain.wav"}) == 1


def test_lyrics_stay_whole_where_that_is_wanted(karaoke: Path, home: Path) -> None:
    found, _ = shown(recipe_of(karaoke, **{"data.cut_lyrics": False}), home)

    assert len({len(lyrics) for parts, _, lyrics in found if parts.track.path == "timed.wav"}) == 1


def test_cut_lyrics_make_another_training_that_resumes(karaoke: Path, home: Path) -> None:
    cut = acetune.train(recipe_of(karaoke), name="cut", home=home)
    whole = acetune.train(recipe_of(karaoke, **{"data.cut_lyrics": False}), name="whole", home=home)

    longer = acetune.resume("cut", changes={"schedule.steps": 7}, home=home)

    assert not same(weights(cut.folder), weights(whole.folder))
    assert longer.steps == 7
