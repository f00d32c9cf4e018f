"""What every family promises, held against each of its embedded variants."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from acetune import catalog
from acetune.adapters import attach
from acetune.adapters.adapter import Facts
from acetune.errors import SettingError
from acetune.events import Job
from acetune.families.family import Example, ModelFamily, Prompt
from acetune.planning.adapters import layout
from acetune.recipe import family_of, resolve
from acetune.sections import AdapterSection

CPU = torch.device("cpu")
EMBEDDED = [
    variant.name
    for family in catalog.names("family")
    for variant in catalog.resolve("family", family).variants
    if variant.embedded and variant.name != "tiny-comfy"  # full-width codec: minutes; tests/families/test_tiny.py
]
PROMPTS = (
    Prompt("dreamy synth pads", "[verse]\nla la la", "en", 120.4, "C major", "4", 12.7),
    Prompt("a much longer caption, drums, bass, and a choir of angels", None, None, None, None, None, 200.0),
)


@pytest.fixture(scope="module", params=EMBEDDED)
def family(request: pytest.FixtureRequest, models: Path) -> ModelFamily:
    recipe = resolve([("test", {"model.variant": request.param})]).recipe
    card, _ = family_of(request.param)
    return card.open(recipe, models, Job())


def examples(family: ModelFamily, frames: int = 40) -> tuple[list[Example], dict[str, Tensor]]:
    conditioner = family.load_conditioner(CPU)
    generator = torch.Generator().manual_seed(0)
    made = [
        Example(
            torch.randn(frames, family.variant.size.channels, generator=generator),
            conditioner.text(prompt),
            conditioner.lyrics(prompt),
        )
        for prompt in PROMPTS
    ]
    return made, conditioner.constants()


@torch.no_grad()
def test_a_batch_of_two_gives_each_crop_what_it_gets_alone(family: ModelFamily) -> None:
    network = family.load_network(CPU, torch.float32)
    crops, constants = examples(family)
    t, kept = torch.tensor([0.7, 0.2]), torch.zeros(2, dtype=torch.bool)

    batch = family.collate(crops, constants, CPU)
    both = family.predict(network, batch, batch.x0, t, kept)

    for i, crop in enumerate(crops):
        single = family.collate([crop], constants, CPU)
        alone = family.predict(network, single, single.x0, t[i : i + 1], kept[:1])
        assert (both[i] - alone[0]).abs().max() / both.abs().max() < 1e-5


@torch.no_grad()
def test_a_dropped_crop_does_not_see_its_conditions(family: ModelFamily) -> None:
    network = family.load_network(CPU, torch.float32)
    crops, constants = examples(family)
    swapped = [Example(crops[0].latents, crops[1].text, crops[1].lyrics)]
    t = torch.tensor([0.5])

    def predict(crop: list[Example], dropped: bool) -> Tensor:
        batch = family.collate(crop, constants, CPU)
        return family.predict(network, batch, batch.x0, t, torch.tensor([dropped]))

    largest = predict(crops[:1], True).abs().max()
    assert (predict(crops[:1], True) - predict(swapped, True)).abs().max() / largest < 1e-5
    assert (predict(crops[:1], False) - predict(swapped, False)).abs().max() / largest > 1e-4


def test_conditions_hold_no_padding(family: ModelFamily) -> None:
    crops, constants = examples(family)

    for crop in crops:
        tokens = [*crop.text.values(), *crop.lyrics.values()]
        assert all(torch.isfinite(part).all() for part in tokens)
    assert len({len(crop.text["tokens"]) for crop in crops}) == 2
    assert all(torch.isfinite(part).all() for part in constants.values())


def test_the_same_prompt_encodes_to_the_same_bytes(family: ModelFamily) -> None:
    first, _ = examples(family)
    second, _ = examples(family)

    for one, two in zip(first, second, strict=True):
        assert all(torch.equal(one.text[name], two.text[name]) for name in one.text)
        assert all(torch.equal(one.lyrics[name], two.lyrics[name]) for name in one.lyrics)


def test_chunks_encode_to_what_the_whole_song_does(family: ModelFamily) -> None:
    codec = family.load_codec(CPU)
    audio = np.random.default_rng(0).standard_normal((48_000 * 5 + 777, 2)).astype(np.float32) * 0.2

    mean, std = codec.encode(audio)
    whole_mean, whole_std = codec.whole().encode(audio)

    assert mean.shape == (len(audio) // codec.hop, family.variant.size.channels)
    assert (mean - whole_mean).abs().max() / whole_mean.abs().max() < 1e-6
    assert (std - whole_std).abs().max() <= 1e-6 * whole_std.abs().max()


def test_chunks_decode_to_what_the_whole_song_does(family: ModelFamily) -> None:
    codec = family.load_codec(CPU)
    latents = torch.randn(260, family.variant.size.channels, generator=torch.Generator().manual_seed(1))

    audio = codec.decode(latents)
    whole = codec.whole().decode(latents)

    assert audio.shape == (math.ceil(260 * codec.hop), 2)
    assert np.abs(audio - whole).max() / np.abs(whole).max() < 1e-5


@pytest.mark.parametrize(
    "targets",
    ["attention", "attention+mlp", "self", "cross", "q_proj,v_proj", "to_out.0", "mlp", "layers.0.*", "re:.*embed.*"],
)
def test_adapter_targets_exist_in_the_network(family: ModelFamily, targets: str) -> None:
    network = family.load_network(CPU, torch.float32)
    modules = family.target_modules(targets)
    facts = Facts(kind="lora", rank=2, alpha=2.0, modules=modules, family="", variant="", fingerprint="")

    parameters = attach.attach(network, facts)

    assert len(parameters) == 2 * len(modules) > 0
    trainable = sum(p.numel() for p in network.parameters() if p.requires_grad)
    card, _ = family_of(family.variant.name)
    assert trainable == layout(AdapterSection(rank=2, targets=targets), card, family.variant.size).parameters


def test_an_unknown_target_is_refused_by_name(family: ModelFamily) -> None:
    with pytest.raises(SettingError, match="qq_proj"):
        family.target_modules("qq_proj")


def test_official_names_lead_back_to_ours(family: ModelFamily) -> None:
    card, _ = family_of(family.variant.name)

    for module in family.target_modules("attention+mlp"):
        assert card.network_name(card.official_name(module)) == module


def test_the_planner_knows_the_size_of_the_network(family: ModelFamily) -> None:
    network = family.load_network(CPU, torch.float32)

    assert sum(p.numel() for p in network.parameters()) == family.variant.size.parameters


@torch.no_grad()
def test_the_probe_is_always_the_same(family: ModelFamily) -> None:
    assert torch.equal(family.probe(16, CPU).x0, family.probe(16, CPU).x0)


@pytest.mark.parametrize("kind", catalog.names("adapter"))
def test_an_attached_adapter_changes_nothing_at_first_and_comes_off_whole(family: ModelFamily, kind: str) -> None:
    network = family.load_network(CPU, torch.float32)
    names = [name for name, _ in network.named_parameters()]
    facts = Facts(
        kind=kind,
        rank=2,
        alpha=4.0,
        modules=family.target_modules("attention"),
        family="",
        variant="",
        fingerprint="",
    )
    batch = family.probe(16, CPU)

    def predict() -> Tensor:
        with torch.no_grad():
            return family.predict(network, batch, batch.x0, torch.tensor([0.5]), torch.tensor([False]))

    before = predict()
    parameters = attach.attach(network, facts, seed=3)
    fresh = predict()
    next(p for name, p in parameters.items() if name.endswith(catalog.resolve("adapter", kind).zero)).data.fill_(1.0)
    changed = predict()
    attach.set_strength(network, facts, 0.0)
    silent = predict()
    attach.detach(network)

    assert torch.equal(before, fresh)
    assert not torch.equal(before, changed)
    assert torch.equal(before, silent)
    assert [name for name, _ in network.named_parameters()] == names
