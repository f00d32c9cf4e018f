"""How ACE-Step v1 is sampled, against loops recorded from the official pipeline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

import official_v1
import pytest
import torch
from official_v1 import assert_close, tiny
from torch import Tensor

from acetune.families.acestep_v1.codec import flat, tall
from acetune.families.acestep_v1.network import AceStepV1Transformer
from acetune.families.acestep_v1.sampling import OMEGA, MiddleGuide, times, weakened
from acetune.flow.solvers import euler, solver

WANTED = official_v1.read("sampling_golden")
EXTRA = official_v1.read("extra_golden")
INPUTS = official_v1.read("tiny_transformer_inputs")


@pytest.mark.parametrize("steps", [27, 60])
def test_the_sampler_has_the_recorded_times(steps: int) -> None:
    assert_close(times(steps, 3.0), WANTED[f"euler{steps}.sigmas"][:-1], rtol=1e-6, atol=1e-6)


def recorded_noise(seed: int, frames: int) -> Callable[[int], Tensor]:
    """Return what draws the noise of each step as the recordings have it."""
    generator = torch.Generator().manual_seed(seed)
    return lambda step: flat(torch.randn((1, 8, 16, frames), generator=generator))


@pytest.mark.parametrize("name", ["euler", "heun", "pingpong"])
def test_steps_with_the_usual_granularity_are_the_recorded_ones(name: str) -> None:
    guide = MiddleGuide(1.0, 6, granularity=0.0 if name == "pingpong" else OMEGA)

    def velocity(x: Tensor, t: Tensor) -> Tensor:
        return guide(0, 0.5 * x + torch.sin(10 * t)[:, None, None], lambda less: x)

    found = solver(name, recorded_noise(7, 12))(velocity, flat(WANTED["sampler.x0"]), times(6, 3.0))

    assert_close(tall(found), WANTED[f"sampler.{name}6_omega10.final"], rtol=1e-5)


def test_guidance_with_momentum_is_the_recorded_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("acetune.families.acestep_v1.sampling._spread", lambda velocity, granularity: velocity)
    guide = MiddleGuide(15.0, 3, interval=1.0)

    for step in range(3):
        pair = [flat(WANTED[f"apg.{name}"]) * (1 + sign * 0.1 * step) for name, sign in (("cond", 1), ("uncond", -1))]
        assert_close(tall(guide(step, pair[0], lambda less, pair=pair: pair[1])), WANTED[f"apg.step{step}"])


@pytest.mark.parametrize("step", [0, 1, 2])
def test_guidance_with_a_zero_start_is_the_recorded_one(step: int) -> None:
    guide = MiddleGuide(7.0, 3, interval=1.0, rule="cfg-zero", granularity=0.0)

    found = guide(step, flat(WANTED["apg.cond"]), lambda less: flat(WANTED["apg.uncond"]))

    assert_close(tall(found), WANTED[f"cfg_zero_star.i{step}"])


def test_guidance_of_caption_and_lyrics_is_the_recorded_one() -> None:
    guide = MiddleGuide(5.0, 1, interval=1.0, rule="double", lyrics=2.0, granularity=0.0)
    less = {"nothing": flat(WANTED["apg.uncond"]), "caption": flat(WANTED["apg.onlytext"])}

    found = guide(0, flat(WANTED["apg.cond"]), less.__getitem__)

    assert_close(tall(found), WANTED["cfg_double.t5_l2"])


def sampled(network: AceStepV1Transformer, guide: MiddleGuide, name: str = "euler") -> tuple[Tensor, list[str]]:
    """Return the latents of the recorded prompt, and what the network was asked."""
    text, ids = INPUTS["text"][:1], INPUTS["lyric_ids"][:1]
    masks = INPUTS["text_mask"][:1].bool(), INPUTS["lyric_mask"][:1].bool()
    silent = torch.zeros_like(ids)
    told = {
        "all": network.encode(text, ids, *masks),
        "caption": network.encode(text, silent, *masks),
        "nothing": network.encode(torch.zeros_like(text), silent, *masks),
    }
    asked: list[str] = []

    def predicted(x: Tensor, t: Tensor, words: str) -> Tensor:
        asked.append(words)
        return flat(network.decode(tall(x), t, told[words]))

    def velocity(x: Tensor, t: Tensor) -> Tensor:
        conditional = predicted(x, t, "all")
        return guide(asked.count("all") - 1, conditional, partial(predicted, x, t))

    generator = recorded_noise(42, 26)
    noise = generator(0)
    found = solver(name, generator)(velocity, noise, times(guide.steps, 3.0))
    return tall(found), asked


@torch.no_grad()
@pytest.mark.parametrize(
    ("recorded", "name", "settings", "asked_for"),
    [
        ("euler_apg", "euler", {"decay": 1.0}, {"nothing": 4}),
        ("euler_apg_interval1_decay0", "euler", {"interval": 1.0}, {"nothing": 8}),
        ("euler_noguidance", "euler", {"scale": 1.0}, {}),
        ("euler_cfg", "euler", {"scale": 7.0, "rule": "cfg", "decay": 1.0}, {"nothing": 4}),
        ("euler_cfg_star", "euler", {"scale": 7.0, "rule": "cfg-zero", "interval": 1.0, "decay": 1.0}, {"nothing": 6}),
        ("euler_double", "euler", {"scale": 5.0, "rule": "double", "lyrics": 2.0}, {"nothing": 4, "caption": 4}),
        ("heun_apg", "heun", {"steps": 5, "decay": 1.0}, {"nothing": 2}),
        ("pingpong_apg", "pingpong", {"decay": 1.0, "granularity": 0.0}, {"nothing": 4}),
    ],
)
def test_a_whole_sampling_gives_the_recorded_latents(
    recorded: str, name: str, settings: dict[str, float], asked_for: dict[str, int]
) -> None:
    guide = MiddleGuide(**{"scale": 15.0, "steps": 8, **settings})

    found, asked = sampled(tiny(), guide, name)

    wanted = WANTED[f"t2m.{recorded}"]
    assert (found - wanted).abs().max() / wanted.abs().max() < 1e-4
    assert Counter(asked) - Counter(all=len(asked)) == asked_for


@torch.no_grad()
@pytest.mark.parametrize(
    ("recorded", "tags", "lyrics", "blocks"),
    [
        ("none", False, False, False),
        ("lyric", False, True, False),
        ("diffusion", False, False, True),
        ("tag_lyric_diffusion", True, True, True),
    ],
)
def test_guidance_against_weak_queries_is_the_recorded_one(
    recorded: str, tags: bool, lyrics: bool, blocks: bool
) -> None:
    network, guide = tiny(layers=20, lyric_layers=6), MiddleGuide(15.0, 4, interval=1.0)
    text, ids = INPUTS["text"][:1], INPUTS["lyric_ids"][:1]
    masks = INPUTS["text_mask"][:1].bool(), INPUTS["lyric_mask"][:1].bool()
    told = network.encode(text, ids, *masks)
    other = EXTRA["erg.text_null"] if tags else torch.zeros_like(text)
    with weakened(network, lyrics=lyrics, blocks=False):
        weak = network.encode(other, ids if lyrics else torch.zeros_like(ids), *masks)
    done: list[Tensor] = []

    def velocity(x: Tensor, t: Tensor) -> Tensor:
        def less(name: str) -> Tensor:
            with weakened(network, lyrics=False, blocks=blocks):
                return flat(network.decode(tall(x), t, weak))

        done.append(t)
        return guide(len(done) - 1, flat(network.decode(tall(x), t, told)), less)

    found = tall(euler(velocity, flat(WANTED["t2m.initial_noise_seed42"]), times(4, 3.0)))

    wanted = EXTRA[f"erg20.{recorded}"]
    assert (found - wanted).abs().max() / wanted.abs().max() < 1e-4
