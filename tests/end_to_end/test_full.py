"""Training all weights: the laws of a run hold, and what comes of it is a model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import AceStepTransformer1DModel
from probing import Recipes, collector, losses, moments, same, stop_after, weights

import acetune
from acetune.adapters.adapter import Adapter, Facts, load
from acetune.errors import CorruptFile, SettingError, Stopped, WrongAdapter
from acetune.events import Job, Noticed
from acetune.families.family import ModelFamily
from acetune.formats.model import write_model
from acetune.recipe import Recipe, family_of, resolve
from acetune.training.outcome import TrainResult
from world import QUICK, make_home

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
FULL = {"adapter__kind": "full", "optim__lr": 1e-3, "adapter__rank": 8, "adapter__alpha": 8.0}


def opened(recipe: object, home: Path) -> ModelFamily:
    """Return the family of a recipe."""
    assert isinstance(recipe, Recipe)
    family: ModelFamily = family_of(recipe.model.variant)[0].open(recipe, home / "models", Job())
    return family


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, models: Path, cache: Path, album: Path) -> TrainResult:
    """A finished training of all weights, which nobody changes."""
    home = make_home(tmp_path_factory.mktemp("full") / "home", models, cache)
    knobs = {name.replace("__", "."): value for name, value in FULL.items()}
    return acetune.train(
        resolve([("test", {**QUICK, "data.dataset": str(album), **knobs})]).recipe, name="run", home=home
    )


@pytest.mark.parametrize(
    "changes",
    [
        {},
        pytest.param({"optim__name": "muon"}, marks=pytest.mark.slow),
        pytest.param({"compute__dtype": "bfloat16"}, marks=pytest.mark.slow),
    ],
)
def test_a_model_in_training_resumes_to_the_bit(recipe: Recipes, home: Path, changes: dict[str, object]) -> None:
    whole = acetune.train(recipe(**FULL, **changes), name="whole", home=home)
    with pytest.raises(Stopped):
        acetune.train(recipe(**FULL, **changes), name="halves", home=home, job=stop_after(3))

    halves = acetune.resume("halves", home=home)

    assert same(weights(whole.folder), weights(halves.folder))
    assert same(moments(whole.folder), moments(halves.folder))
    assert losses(whole.folder) == losses(halves.folder)


def test_every_weight_is_trained_and_kept_in_float32(recipe: Recipes, home: Path) -> None:
    done = acetune.train(recipe(**FULL, compute__dtype="bfloat16"), name="run", home=home)

    base = opened(recipe(), home).load_network(CPU, torch.float32).state_dict()
    now = weights(done.folder)
    assert now.keys() == base.keys()
    assert {tensor.dtype for tensor in now.values()} == {torch.float32}
    # With r = t that time embedding sees only zeros, and its first matrix has no gradient.
    assert {name for name in now if torch.equal(now[name], base[name])} <= {"time_embed_r.linear_1.weight"}


@pytest.mark.slow
def test_validation_does_not_change_the_training_of_a_model(recipe: Recipes, home: Path) -> None:
    busy = acetune.train(recipe(**FULL, guard__validate_every=1), name="busy", home=home)
    quiet = acetune.train(recipe(**FULL, guard__validate_every=0), name="quiet", home=home)

    assert same(weights(busy.folder), weights(quiet.folder))


@pytest.mark.slow
def test_base_losses_asked_for_later_are_those_of_the_network_as_it_came(
    model: TrainResult, recipe: Recipes, home: Path
) -> None:
    acetune.train(recipe(**FULL, guard__validate_every=0, schedule__steps=4), name="later", home=home)

    later = acetune.resume("later", changes={"guard.validate_every": 6, "schedule.steps": 6}, home=home)

    base = [json.loads((run.folder / "evaluation" / "base.json").read_text())["units"] for run in (model, later)]
    assert base[0] == base[1]


def test_diffusers_and_acetune_load_the_model_and_predict_the_same(
    model: TrainResult, recipe: Recipes, home: Path
) -> None:
    family = opened(recipe(model__path=str(model.adapter)), home)
    ours = family.load_network(CPU, torch.float32)
    stock = AceStepTransformer1DModel.from_pretrained(model.adapter / "transformer", torch_dtype=torch.float32)
    expected = {name: tensor.bfloat16().float() for name, tensor in weights(model.folder).items()}
    x, t, tokens, context = torch.randn(1, 40, 8), torch.full((1,), 0.5), torch.randn(1, 9, 64), torch.randn(1, 40, 16)
    with torch.no_grad():
        theirs, mine = stock(x, t, t, tokens, context).sample, ours(x, t, t, tokens, context)

    torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-5)
    assert same(dict(stock.state_dict()), expected)
    assert same(dict(ours.state_dict()), expected)
    assert opened(recipe(), home).conditions_fingerprint == family.conditions_fingerprint


def test_an_adapter_is_trained_on_top_of_the_model(model: TrainResult, recipe: Recipes, home: Path) -> None:
    above = recipe(model__path=str(model.adapter))

    top = acetune.train(above, name="top", home=home)

    carried = load(top.adapter).facts.fingerprint
    assert carried == opened(above, home).fingerprint != opened(recipe(), home).fingerprint


def test_a_damaged_shard_costs_one_checkpoint(model: TrainResult, home: Path) -> None:
    copy = home / "runs" / "run"
    shutil.copytree(model.folder, copy)
    shard = copy / "checkpoints" / "000006" / "network" / "diffusion_pytorch_model.safetensors"
    shard.write_bytes(shard.read_bytes()[:-8])
    job, events = collector()

    acetune.resume("run", home=home, job=job)

    assert "training.older_checkpoint" in [e.code for e in events if isinstance(e, Noticed)]
    assert same(weights(copy), weights(model.folder))


def test_the_newest_checkpoint_is_exported_as_a_model(
    model: TrainResult, recipe: Recipes, home: Path, tmp_path: Path
) -> None:
    (folder,) = acetune.export(model.folder, home=home, out=tmp_path, dtype="float32")
    (again,) = acetune.export(model.folder / "checkpoints" / "000006", to=("model",), home=home, dtype="float32")

    exported = opened(recipe(model__path=str(folder)), home).load_network(CPU, torch.float32).state_dict()
    assert same(dict(exported), weights(model.folder))
    assert again.parent == model.folder / "adapter"


def test_all_weights_are_written_in_no_format_of_adapters(model: TrainResult, home: Path) -> None:
    with pytest.raises(SettingError, match="universal"):
        acetune.export(model.folder, to=("universal",), home=home)


@pytest.mark.parametrize("place", ["adapter/run_final", "checkpoints/000006"])
def test_all_weights_are_no_adapter_to_generate_with(
    model: TrainResult, home: Path, tmp_path: Path, place: str
) -> None:
    request = acetune.Request(caption="a", adapter=model.folder / place, seconds=1.0, out=tmp_path)

    with pytest.raises(WrongAdapter, match="whole model"):
        acetune.generate(request, home=home)


def test_the_model_generates_other_music_than_its_base(model: TrainResult, home: Path, tmp_path: Path) -> None:
    paths = (None, str(model.adapter))

    sounds = [
        acetune.generate(
            acetune.Request(caption="a", seconds=1.0, model_path=path, out=tmp_path / f"{number}.wav", device="cpu"),
            home=home,
        )[0]
        for number, path in enumerate(paths)
    ]

    assert sounds[0].read_bytes() != sounds[1].read_bytes()


def test_a_folder_that_does_not_give_the_network_back_is_no_model(recipe: Recipes, home: Path, tmp_path: Path) -> None:
    family = opened(recipe(), home)
    facts = Facts(kind="full", rank=0, alpha=0.0, modules=(), family="acestep_v15", variant="tiny", fingerprint="")
    broken = dict(family.load_network(CPU, torch.float32).state_dict())
    broken["norm_out.weight"] = torch.full_like(broken["norm_out.weight"], float("nan"))  # never equal to itself

    with pytest.raises(CorruptFile):
        write_model(family, Adapter(broken, facts), tmp_path / "model", "float32")

    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("knob", "value"),
    [("adapter__rank", 32), ("adapter__dropout", 0.1), ("adapter__targets", "cross"), ("adapter__ema", 0.9)],
)
def test_knobs_of_adapters_are_refused_by_name(recipe: Recipes, knob: str, value: object) -> None:
    with pytest.raises(SettingError, match=knob.replace("__", ".")):
        recipe(**{**FULL, knob: value})
