"""How ACE-Step v1 is sampled, against loops recorded from the official pipeline."""

from __future__ import annotations

import official_v1
import pytest
import torch
from official_v1 import assert_close, tiny
from torch import Tensor

from acetune.families.acestep_v1.codec import flat, tall
from acetune.families.acestep_v1.sampling import MiddleGuide, times
from acetune.flow.solvers import euler

WANTED = official_v1.read("sampling_golden")
INPUTS = official_v1.read("tiny_transformer_inputs")


@pytest.mark.parametrize("steps", [27, 60])
def test_the_sampler_has_the_recorded_times(steps: int) -> None:
    assert_close(times(steps, 3.0), WANTED[f"euler{steps}.sigmas"][:-1], rtol=1e-6, atol=1e-6)


def test_euler_steps_with_the_usual_granularity_are_the_recorded_ones() -> None:
    guide = MiddleGuide(1.0, 6)

    def velocity(x: Tensor, t: Tensor) -> Tensor:
        return guide(0, 0.5 * x + torch.sin(10 * t)[:, None, None], lambda: x)

    found = euler(velocity, flat(WANTED["sampler.x0"]), times(6, 3.0))

    assert_close(tall(found), WANTED["sampler.euler6_omega10.final"], rtol=1e-5)


def test_guidance_with_momentum_is_the_recorded_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("acetune.families.acestep_v1.sampling._spread", lambda velocity: velocity)
    guide = MiddleGuide(15.0, 3, interval=1.0)

    for step in range(3):
        pair = [flat(WANTED[f"apg.{name}"]) * (1 + sign * 0.1 * step) for name, sign in (("cond", 1), ("uncond", -1))]
        assert_close(tall(guide(step, pair[0], lambda pair=pair: pair[1])), WANTED[f"apg.step{step}"])


@torch.no_grad()
@pytest.mark.parametrize(
    ("recorded", "settings"),
    [
        ("euler_apg", {"decay": 1.0}),
        ("euler_apg_interval1_decay0", {"interval": 1.0}),
        ("euler_noguidance", {"scale": 1.0}),
    ],
)
def test_a_whole_sampling_gives_the_recorded_latents(recorded: str, settings: dict[str, float]) -> None:
    network, guide = tiny(), MiddleGuide(**{"scale": 15.0, "steps": 8, **settings})
    text, ids = INPUTS["text"][:1], INPUTS["lyric_ids"][:1]
    masks = INPUTS["text_mask"][:1].bool(), INPUTS["lyric_mask"][:1].bool()
    told = network.encode(text, ids, *masks)
    null = network.encode(torch.zeros_like(text), torch.zeros_like(ids), *masks)
    asked: list[str] = []

    def velocity(x: Tensor, t: Tensor) -> Tensor:
        def unconditional() -> Tensor:
            asked.append("without")
            return flat(network.decode(tall(x), t, null))

        asked.append("with")
        return guide(asked.count("with") - 1, flat(network.decode(tall(x), t, told)), unconditional)

    found = euler(velocity, flat(WANTED["t2m.initial_noise_seed42"]), times(8, 3.0))

    wanted = WANTED[f"t2m.{recorded}"]
    assert (tall(found) - wanted).abs().max() / wanted.abs().max() < 1e-4
    assert asked.count("without") == round(8 * guide.interval) * (guide.scale != 1)
