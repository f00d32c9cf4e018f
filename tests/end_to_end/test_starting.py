"""Starting from an adapter that exists, and averages of the weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from probing import Recipes, losses, moments, same, stop_after, weights
from safetensors.torch import load_file, save_file

import acetune
from acetune.adapters.adapter import load
from acetune.errors import CorruptFile, SettingError, Stopped, WrongAdapter
from acetune.recipe import SHORT_NAMES


@pytest.fixture(scope="module")
def first(album: Path, models: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with alpha twice the rank."""
    from acetune.recipe import resolve
    from world import QUICK, make_home

    home = make_home(tmp_path_factory.mktemp("first") / "home", models, cache)
    settings = {**QUICK, "data.dataset": str(album), "optim.lr": 5e-3, "guard.validate_every": 0}
    return acetune.train(resolve([("test", settings)]).recipe, name="first", home=home).folder


def product(adapter: dict[str, torch.Tensor], scale: float) -> torch.Tensor:
    name = "layers.1.cross_attn.to_q"
    return scale * adapter[f"{name}.lora_B.weight"] @ adapter[f"{name}.lora_A.weight"]


@pytest.mark.parametrize("form", ["checkpoints/000006", "adapter/first_final", "adapter/first_final.safetensors"])
def test_a_training_begins_with_what_the_adapter_does(recipe: Recipes, home: Path, first: Path, form: str) -> None:
    chosen = recipe(adapter__start=str(first / form), adapter__alpha=2.0, optim__lr=1e-9, schedule__steps=1)

    result = acetune.train(chosen, name="run", home=home)

    before, after = weights(first), load(result.folder / "checkpoints/000001/adapter.safetensors")
    assert after.facts.start == "first, step 6"
    wanted = product(before, 2.0)
    assert (product(dict(after.weights), 0.5) - wanted).abs().max() / wanted.abs().max() < 1e-2  # exports are bfloat16


def test_a_training_begins_with_a_folder_of_another_trainer(
    recipe: Recipes, home: Path, first: Path, tmp_path: Path
) -> None:
    theirs = tmp_path / "theirs"
    shutil.copytree(first / "adapter/first_final", theirs)
    save_file(load_file(theirs / "adapter_model.safetensors"), theirs / "adapter_model.safetensors")  # no facts of ours
    chosen = recipe(adapter__start=str(theirs), optim__lr=1e-9, schedule__steps=1)

    result = acetune.train(chosen, name="run", home=home)

    wanted = product(weights(first), 2.0)
    assert load(result.folder / "checkpoints/000001/adapter.safetensors").facts.start == "theirs, step 0"
    assert (product(weights(result.folder), 2.0) - wanted).abs().max() / wanted.abs().max() < 1e-2


@pytest.mark.parametrize("kind", ["dora", *(pytest.param(name, marks=pytest.mark.slow) for name in ("lokr", "loha"))])
def test_any_kind_goes_on_from_its_single_file(recipe: Recipes, home: Path, kind: str) -> None:
    quick = {"adapter__kind": kind, "schedule__steps": 3, "optim__lr": 5e-3, "guard__validate_every": 3}
    before = acetune.train(recipe(**quick), name="before", home=home)
    begun = recipe(**{**quick, "adapter__start": str(before.adapter), "optim__lr": 1e-9, "adapter__alpha": 4.0})

    after = acetune.train(begun, name="after", home=home)

    found = [json.loads((run.folder / "evaluation/verdict.json").read_text())["difference"] for run in (before, after)]
    assert found[0] != 0
    assert found[1] == pytest.approx(found[0], rel=0.05)


@pytest.mark.parametrize(
    ("changes", "code", "remedy"),
    [
        ({"adapter__kind": "dora"}, "adapter.start_kind", "--adapter.kind lora"),
        ({"adapter__rank": 8}, "adapter.start_rank", "--rank 4"),
        ({"adapter__rank_pattern": "cross=8"}, "adapter.start_rank", "--rank 4"),
        ({"adapter__targets": "self"}, "adapter.start_layers", "--adapter.targets"),
        ({"model__variant": "tiny-xl"}, "adapter.other_base", "tiny"),
    ],
)
def test_an_adapter_of_another_shape_is_refused_by_name_and_leaves_no_run(
    recipe: Recipes, home: Path, first: Path, changes: dict[str, object], code: str, remedy: str
) -> None:
    chosen = recipe(adapter__start=str(first / "adapter/first_final.safetensors"), **changes)

    with pytest.raises(WrongAdapter) as refused:
        acetune.train(chosen, name="run", home=home)

    assert (refused.value.code, refused.value.exit_code) == (code, 2)
    assert remedy in refused.value.remedy()
    assert not (home / "runs/run/recipe.yaml").exists()


def test_a_missing_or_broken_start_is_refused(recipe: Recipes, home: Path, first: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.safetensors").write_bytes((first / "adapter/first_final.safetensors").read_bytes()[:-9])

    with pytest.raises(WrongAdapter, match="no adapter file"):
        acetune.train(recipe(adapter__start="/nowhere/a.safetensors"), name="run", home=home)
    with pytest.raises(CorruptFile, match=r"cut\.safetensors"):
        acetune.train(recipe(adapter__start=str(tmp_path / "cut.safetensors")), name="run", home=home)


@pytest.mark.slow
def test_a_run_goes_on_without_the_file_it_started_from(
    recipe: Recipes, home: Path, first: Path, tmp_path: Path
) -> None:
    start = tmp_path / "start.safetensors"
    start.write_bytes((first / "adapter/first_final.safetensors").read_bytes())
    whole = acetune.train(recipe(adapter__start=str(start)), name="whole", home=home)
    with pytest.raises(Stopped):
        acetune.train(recipe(adapter__start=str(start)), name="halves", home=home, job=stop_after(3))
    start.unlink()

    halves = acetune.resume("halves", home=home)

    assert same(weights(whole.folder), weights(halves.folder)) and losses(whole.folder) == losses(halves.folder)
    assert load(halves.folder / "checkpoints/000006/adapter.safetensors").facts.start == "first, step 6"


def test_the_short_name_of_the_start_is_what_it_says() -> None:
    assert SHORT_NAMES["start-from"] == "adapter.start"


@pytest.mark.parametrize(
    "optimizer",
    ["adamw", *(pytest.param(name, marks=pytest.mark.slow) for name in ("adafactor", "lion", "muon", "prodigy"))],
)
def test_an_average_resumes_to_the_bit(recipe: Recipes, home: Path, optimizer: str) -> None:
    chosen = recipe(
        adapter__ema=0.9,
        optim__name=optimizer,
        optim__lr=1.0 if optimizer == "prodigy" else 1e-3,
        schedule__steps=4,
        guard__validate_every=0,
    )
    whole = acetune.train(chosen, name="whole", home=home)
    with pytest.raises(Stopped):
        acetune.train(chosen, name="halves", home=home, job=stop_after(2))

    halves = acetune.resume("halves", home=home)

    assert same(weights(whole.folder), weights(halves.folder))
    assert same(moments(whole.folder), moments(halves.folder))
    assert losses(whole.folder) == losses(halves.folder)


def test_an_average_does_not_disturb_the_training_and_is_what_is_saved(recipe: Recipes, home: Path) -> None:
    plain = acetune.train(recipe(), name="plain", home=home)
    averaged = acetune.train(recipe(adapter__ema=0.9), name="averaged", home=home)

    last = weights(plain.folder)
    trained = {name.removesuffix("|trained"): v for name, v in moments(averaged.folder).items() if "|trained" in name}
    assert losses(plain.folder) == losses(averaged.folder)
    assert same(trained, last)
    assert not same(weights(averaged.folder), last)


def test_an_average_follows_the_rule_of_its_warm_up(recipe: Recipes, home: Path) -> None:
    chosen = {"schedule__steps": 3, "guard__save_every": 1, "guard__keep_last": 5, "guard__validate_every": 0}
    plain = acetune.train(recipe(**chosen), name="plain", home=home)
    averaged = acetune.train(recipe(adapter__ema=0.15, **chosen), name="averaged", home=home)

    def at(folder: Path, step: int) -> torch.Tensor:
        file = folder / f"checkpoints/{step:06d}/adapter.safetensors"
        return load(file).weights["layers.0.self_attn.to_q.lora_B.weight"]

    first = torch.zeros(())
    one = 0.1 * first + 0.9 * at(plain.folder, 1)  # (1 + 0) / (10 + 0)
    two = 0.15 * one + 0.85 * at(plain.folder, 2)  # (1 + 1) / (10 + 1) is more than the decay
    three = 0.15 * two + 0.85 * at(plain.folder, 3)
    assert torch.allclose(at(averaged.folder, 1), one, rtol=1e-5)
    assert torch.allclose(at(averaged.folder, 3), three, rtol=1e-5)


def test_two_averages_are_refused(recipe: Recipes, home: Path) -> None:
    with pytest.raises(SettingError, match="averages the weights already") as refused:
        acetune.train(recipe(adapter__ema=0.9, optim__name="prodigy-schedule-free"), name="run", home=home)

    assert "--adapter.ema 0" in refused.value.remedy()
