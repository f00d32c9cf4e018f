"""What only ACE-Step v1 has: its files, its vocabulary, its objective, its plan."""

from __future__ import annotations

from pathlib import Path

import official_v1
import pytest
import torch
from safetensors.torch import load_file, save_file

from acetune import catalog
from acetune.adapters import attach
from acetune.adapters.adapter import Adapter, Facts
from acetune.compute import Machine
from acetune.data.track import Track
from acetune.errors import DataError, MissingDependency
from acetune.events import Job
from acetune.families.acestep_v1 import checkpoint, names, places, tiny
from acetune.families.acestep_v1.conditions import NO_LYRICS
from acetune.families.adapter_names import read_adapter
from acetune.families.family import ModelFamily, Prompt
from acetune.families.objective import Objective
from acetune.flow import path
from acetune.flow.timesteps import Law
from acetune.planning.plan import plan_for
from acetune.recipe import family_of, resolve

CPU = torch.device("cpu")
CARD, TINY = family_of("tiny-v1")
NETWORK = "ace_step_transformer/diffusion_pytorch_model.safetensors"


def opened(models: Path, **settings: object) -> ModelFamily:
    return CARD.open(resolve([("test", {"model.variant": "tiny-v1", **settings})]).recipe, models, Job())


@pytest.fixture
def folder(models: Path, tmp_path: Path) -> Path:
    """A checkpoint as published: with layers that nothing reads."""
    opened(models).checkpoint.save(opened(models).checkpoint.read_network(), tmp_path)
    stored = load_file(tmp_path / NETWORK)
    dead = {f"transformer_blocks.0{layer}weight": torch.full((2, 2), 7.0) for layer in names.DEAD}
    save_file(stored | dead, tmp_path / NETWORK)
    return tmp_path


def test_layers_that_nothing_reads_are_not_built_and_not_lost(folder: Path, models: Path, tmp_path: Path) -> None:
    family = opened(models, **{"model.path": str(folder)})
    (tmp_path / "again").mkdir()

    family.save_model(family.load_network(CPU, torch.float32).state_dict(), tmp_path / "again")

    before, after = load_file(folder / NETWORK), load_file(tmp_path / "again" / NETWORK)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert family.fingerprint == opened(models).fingerprint


def test_a_saved_model_is_read_back(models: Path, tmp_path: Path) -> None:
    family = opened(models)
    network = {name: tensor + 1 for name, tensor in family.load_network(CPU, torch.float32).state_dict().items()}

    family.save_model(network, tmp_path)

    read = family.read_model(tmp_path)
    assert read.keys() == network.keys()
    assert all(torch.equal(read[name], network[name]) for name in read)


def test_a_network_without_a_layer_is_refused(folder: Path, models: Path) -> None:
    stored = load_file(folder / NETWORK)
    del stored["lyric_proj.weight"]
    save_file(stored, folder / NETWORK)

    with pytest.raises(DataError, match="lyric_proj.weight"):
        opened(models, **{"model.path": str(folder)}).load_network(CPU, torch.float32)


def test_a_folder_without_a_part_is_refused(folder: Path, models: Path) -> None:
    (folder / "music_vocoder" / "config.json").unlink()

    with pytest.raises(DataError, match="no whole checkpoint"):
        opened(models, **{"model.path": str(folder)})


def test_another_file_is_not_taken_for_the_published_vocabulary(models: Path, tmp_path: Path) -> None:
    _, published = family_of("v1")
    made = tiny.materialise(TINY, models)

    assert places.vocabulary_of(TINY, made, tmp_path) == made / places.VOCABULARY
    assert places.vocabulary_of(published, made, tmp_path) is None


def test_a_missing_vocabulary_is_told_offline(tmp_path: Path) -> None:
    with pytest.raises(MissingDependency, match=r"lyric vocabulary .* not on this machine"):
        checkpoint.fetch_vocabulary(tmp_path)


def test_an_instrumental_has_no_lyric_that_is_seen(models: Path) -> None:
    conditioner = opened(models).load_conditioner(CPU)

    part = conditioner.lyrics(Prompt("a", None, None, None, None, None, 10.0))

    assert part["ids"].tolist() == [NO_LYRICS]


def test_long_captions_and_lyrics_are_named(models: Path) -> None:
    conditioner = opened(models).load_conditioner(CPU)

    trimmed = conditioner.trimmed(Prompt("a" * 300, "la\n" * 2100, "en", None, None, None, 10.0))

    assert trimmed == ("caption", "lyrics")


def test_a_loss_weighted_by_t_squared_is_that_of_the_music() -> None:
    x0, noise, predicted = (official_v1.given(name, (2, 5, 3)) for name in ("x0", "noise", "v"))
    t = torch.tensor([0.9, 0.2])
    x_t = path.noisy(x0, noise, t)
    objective = Objective("shifted1000", 3.0, 0.0, "x0", 5.0)

    found = objective.losses(predicted, path.velocity(x0, noise), t)

    wanted = (path.music(x_t, predicted, t) - x0).square().mean(dim=(1, 2))
    torch.testing.assert_close(found, wanted)


def test_times_are_drawn_from_the_recorded_table() -> None:
    table = official_v1.read("sampling_golden")["train.sigmas_1000"]
    law = Law("shifted1000", 3.0, 0.0, 1.0)

    drawn = torch.stack([law.draw(torch.Generator().manual_seed(seed)) for seed in range(200)])

    assert (drawn[:, None] - table).abs().amin(dim=1).max() < 1e-6
    assert drawn.median() == pytest.approx(0.75, abs=0.03)  # the middle of a thousand, shifted by 3
    assert law.middles(4).diff().min() > 0


def test_the_variant_trains_as_the_checkpoint_was_trained() -> None:
    recipe = resolve([("test", {"model.variant": "v1"})]).recipe

    found = Objective.of(recipe, family_of("v1")[1])

    assert (found.timesteps, found.shift, found.mean, found.weighting) == ("shifted1000", 3.0, 0.0, "x0")


def test_six_minutes_at_rank_64_fit_below_ten_gigabytes() -> None:
    layer = {"model.variant": "v1", "data.dataset": "x", "data.crop_seconds": 360.0, "compute.recompute": True}
    recipe = resolve([("test", layer)]).recipe
    _, variant = family_of("v1")
    machine = Machine("cuda", "card", 10_000_000_000, 10_000_000_000, "Linux", "3.11", "2.13", "cuda", "card")
    songs = [Track(path=f"{number}.mp3", seconds=360.0) for number in range(9)]

    planned = plan_for(recipe, variant.size, songs, machine)

    assert planned.adapter_parameters == 983_040 * 64
    assert planned.memory_bytes < 10_000_000_000


def test_lyric_layers_are_a_choice_of_their_own() -> None:
    _, variant = family_of("v1")

    assert len(names.targets("lyrics", variant.size)) == 18
    assert names.targets("to_q", variant.size) == names.targets("q_proj", variant.size)


def test_the_card_is_in_the_catalogue() -> None:
    assert catalog.resolve("family", "acestep_v1") is CARD


def test_the_universal_file_has_the_names_and_the_scale_that_comfyui_and_diffusers_want(
    models: Path, tmp_path: Path
) -> None:
    # Bare names of the checkpoint; neither program knows another scale than 1 (diffusers 0.42.1, ComfyUI 0.20.1).
    family = opened(models)
    network = family.load_network(CPU, torch.float32)
    modules = family.target_modules("transformer_blocks.0.attn.to_q,lyrics")
    facts = Facts(kind="lora", rank=2, alpha=8.0, modules=modules, family="acestep_v1", variant="tiny-v1",
                  fingerprint="")  # fmt: skip
    adapter = Adapter({name: p.detach() + 0.1 for name, p in attach.attach(network, facts).items()}, facts)
    form = catalog.resolve("exporter", "universal")

    form.write(form.held(adapter, network), CARD, tmp_path / "a.safetensors", torch.float32)

    file = load_file(tmp_path / "a.safetensors")
    assert file.keys() == {f"{module}.lora_{part}.weight" for module in modules for part in "AB"}
    a, b = (file[f"transformer_blocks.0.attn.to_q.lora_{part}.weight"] for part in "AB")
    ours = [adapter.weights[f"transformer_blocks.0.attn.to_q.lora_{part}.weight"] for part in "AB"]
    torch.testing.assert_close(b @ a, 4.0 * ours[1] @ ours[0])
    assert form.caveat(adapter, CARD) is None
    assert read_adapter(tmp_path / "a.safetensors").weights.keys() == adapter.weights.keys()
