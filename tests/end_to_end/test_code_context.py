"""Songs shown as ComfyUI asks by default: their own 5 Hz codes in place of silence, and the instruction for that."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from probing import Recipes, collector, same, stop_after, weights

import acetune
from acetune.encoding.cache import Cache
from acetune.encoding.encode import encode_set, load_dataset
from acetune.errors import SettingError, Stopped
from acetune.events import Job, PreviewReady
from acetune.families.family import ModelFamily
from acetune.families.tasks import COVER
from acetune.recipe import family_of
from acetune.training.examples import Examples

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")


def opened(recipe: object, home: Path) -> tuple[ModelFamily, Examples]:
    family = family_of("tiny")[0].open(recipe, home / "models", Job())
    encoded, _ = encode_set(load_dataset(recipe), recipe, family, Cache(home / "cache"), Job())
    return family, Examples(encoded, recipe, family.frames_per_second, family.crop_multiple)


def test_rough_music_is_what_the_codes_of_a_song_stand_for(recipe: Recipes, home: Path) -> None:
    family, examples = opened(recipe(objective__code_share=1.0), home)
    cache, parts = Cache(home / "cache"), examples.items[0].parts
    latents = cache.read("latents", parts.latents)["mean"].float()
    rough = cache.read("context", parts.context)["mean"]
    tokenizer, detokenizer = (
        family.weights.load(f"audio_{name}", CPU, torch.float32) for name in ("tokenizer", "token_detokenizer")
    )

    with torch.inference_mode():
        padded = torch.cat([latents, family.weights.silence()[0, : -len(latents) % 5]])
        quantized, _ = tokenizer(padded.reshape(1, -1, 5, latents.shape[1]))

        assert torch.equal(rough, detokenizer(quantized)[0, : len(latents)])
    assert not torch.allclose(rough, latents, atol=0.1)


def test_a_share_of_the_visits_has_codes_and_their_instruction(recipe: Recipes, home: Path) -> None:
    family, examples = opened(recipe(objective__code_share=0.3, data__latents="mean"), home)
    parts, cache = examples.items[0].parts, Cache(home / "cache")
    shown = [examples.example(0, step, 0) for step in range(100)]
    coded = [example for example in shown if example.context is not None]
    text = family.load_conditioner(CPU).text(parts.prompts["caption"], COVER)["tokens"]
    rough, latents = (
        cache.read(kind, name)["mean"] for kind, name in (("context", parts.context), ("latents", parts.latents))
    )

    assert 15 <= len(coded) <= 45
    assert all(torch.equal(example.text["tokens"], text) for example in coded)
    assert not any(torch.equal(example.text["tokens"], text) for example in shown if example.context is None)
    length = len(coded[0].latents)
    starts = [int((latents.unfold(0, length, 1).mT - e.latents).abs().amax(dim=(1, 2)).argmin()) for e in coded]
    assert all(torch.equal(e.context, rough[s : s + length]) for e, s in zip(coded, starts, strict=True))


def test_the_network_sees_codes_in_place_of_silence_crop_by_crop(recipe: Recipes, home: Path) -> None:
    family, examples = opened(recipe(objective__code_share=0.5), home)
    network = family.load_network(CPU, torch.float32)
    found = [examples.example(0, step, 0) for step in range(20)]
    coded, silent = (next(e for e in found if (e.context is not None) == wanted) for wanted in (True, False))

    def velocity(*crops: object) -> torch.Tensor:
        batch = family.collate(crops, examples.constants, CPU)
        x_t = torch.stack([crop.latents for crop in crops])
        with torch.inference_mode():
            return family.predict(network, batch, x_t, torch.full((len(crops),), 0.5), torch.zeros(len(crops)).bool())

    together = velocity(coded, silent)

    assert torch.allclose(together, torch.cat([velocity(coded), velocity(silent)]), atol=1e-5)
    assert not torch.allclose(
        velocity(coded), velocity(type(coded)(coded.latents, coded.text, coded.lyrics)), atol=1e-3
    )


def test_training_with_codes_is_another_one_that_resumes_to_the_bit(recipe: Recipes, home: Path) -> None:
    chosen = recipe(objective__code_share=0.5)
    whole = acetune.train(chosen, name="whole", home=home)
    plain = acetune.train(recipe(), name="plain", home=home)
    with pytest.raises(Stopped):
        acetune.train(chosen, name="halves", home=home, job=stop_after(3))
    halves = acetune.resume("halves", home=home)

    assert same(weights(whole.folder), weights(halves.folder))
    assert not same(weights(whole.folder), weights(plain.folder))


@pytest.mark.slow
def test_a_checkpoint_without_codes_is_refused_by_name(recipe: Recipes, home: Path) -> None:
    with pytest.raises(SettingError, match="tiny-comfy has no 5 Hz codes"):
        acetune.encode(recipe(model__variant="tiny-comfy", objective__code_share=0.1), home=home)


def test_previews_are_made_with_and_without_codes(recipe: Recipes, home: Path) -> None:
    job, events = collector()
    played = {"preview__every": 4, "preview__seconds": 1.0, "preview__steps": 1, "preview__songs": 1}
    done = acetune.train(recipe(objective__code_share=0.5, schedule__steps=4, **played), name="run", home=home, job=job)

    heard = [event for event in events if isinstance(event, PreviewReady)]
    plain, coded = ((done.folder / event.path).read_bytes() for event in heard[:2])
    assert [(event.step, event.coded) for event in heard] == [(0, False), (0, True), (4, False), (4, True)]
    assert len({event.caption for event in heard}) == 1 and plain != coded
    assert "with the codes of the song" in acetune.report(done.folder).read_text(encoding="utf-8")
