"""Training every kind of adapter: it resumes to the bit under any optimizer and schedule, and its files are used."""

from __future__ import annotations

import json
from itertools import combinations, product
from pathlib import Path

import pytest
from probing import Recipes, collector, losses, moments, same, stop_after, weights

import acetune
from acetune import catalog
from acetune.errors import SettingError, Stopped, WrongAdapter
from acetune.events import Noticed
from acetune.sections import WHOLE

#: Every two of a kind, an optimizer and a schedule together; most run in the slow suite.
PAIRS = [
    ("dora", "adamw", "cosine"),
    ("oft", "lion", "linear"),
]
MORE = [
    ("lokr", "prodigy-schedule-free", "constant"),
    ("loha", "muon", "rex"),
    ("lora", "adafactor", "rex"),
    ("lora", "lion", "constant"),
    ("lora", "muon", "linear"),
    ("lora", "prodigy", "cosine-restarts"),
    ("dora", "adafactor", "linear"),
    ("dora", "lion", "rex"),
    ("dora", "muon", "cosine-restarts"),
    ("dora", "prodigy", "constant"),
    ("dora", "prodigy-schedule-free", "constant"),
    ("lokr", "adamw", "rex"),
    ("lokr", "adafactor", "cosine"),
    ("lokr", "lion", "cosine-restarts"),
    ("lokr", "muon", "constant"),
    ("lokr", "prodigy", "linear"),
    ("loha", "adamw", "cosine-restarts"),
    ("loha", "adafactor", "constant"),
    ("loha", "lion", "cosine"),
    ("loha", "prodigy", "rex"),
    ("loha", "prodigy-schedule-free", "constant"),
    ("oft", "adamw", "constant"),
    ("oft", "adafactor", "cosine-restarts"),
    ("oft", "muon", "cosine"),
    ("oft", "prodigy", "rex"),
    ("oft", "prodigy-schedule-free", "linear"),
    ("lora", "adamw", "cosine"),
    ("lora", "prodigy-schedule-free", "cosine"),
    ("lora", "prodigy-schedule-free", "cosine-restarts"),
    ("loha", "adamw", "linear"),
    ("full", "adamw", "cosine-restarts"),
    ("full", "adafactor", "linear"),
    ("full", "lion", "constant"),
    ("full", "muon", "rex"),
    ("full", "prodigy", "cosine"),
    ("full", "prodigy-schedule-free", "rex"),
]
#: Needs bitsandbytes, which the tests do without.
UNTRIED = {"adamw-8bit"}
#: Knobs of adapters as they are where nobody sets them: for all weights nothing else is allowed.
UNSET = {"adapter__rank": 8, "adapter__alpha": 8.0}
RATES = {"prodigy": 1.0, "prodigy-schedule-free": 1.0, "lion": 1e-4}


PARTS = (
    {*catalog.names("adapter"), WHOLE},
    set(catalog.names("optimizer")) - UNTRIED,
    set(catalog.names("schedule")),
)


@pytest.mark.parametrize(("one", "other"), combinations(range(3), 2))
def test_every_two_parts_of_the_catalogue_are_tried_together(one: int, other: int) -> None:
    tried = {(row[one], row[other]) for row in PAIRS + MORE}

    assert tried == set(product(PARTS[one], PARTS[other]))


@pytest.mark.parametrize(
    ("kind", "optimizer", "schedule"), [*PAIRS, *(pytest.param(*row, marks=pytest.mark.slow) for row in MORE)]
)
def test_a_kind_resumes_to_the_bit(recipe: Recipes, home: Path, kind: str, optimizer: str, schedule: str) -> None:
    chosen = recipe(
        adapter__kind=kind, optim__name=optimizer, schedule__name=schedule, optim__lr=RATES.get(optimizer, 1e-3),
        schedule__steps=4, guard__validate_every=0, **(UNSET if kind == WHOLE else {}),
    )  # fmt: skip
    whole = acetune.train(chosen, name="whole", home=home)
    with pytest.raises(Stopped):
        acetune.train(chosen, name="halves", home=home, job=stop_after(2))

    halves = acetune.resume("halves", home=home)

    assert same(weights(whole.folder), weights(halves.folder))
    assert same(moments(whole.folder), moments(halves.folder))
    assert losses(whole.folder) == losses(halves.folder)


@pytest.mark.parametrize("kind", ["dora", pytest.param("oft", marks=pytest.mark.slow)])
def test_a_kind_is_measured_against_the_untouched_base(recipe: Recipes, home: Path, kind: str) -> None:
    result = acetune.train(recipe(adapter__kind=kind, schedule__steps=1), name="run", home=home)
    plain = acetune.train(recipe(schedule__steps=1), name="plain", home=home)

    base = "evaluation/base.json"
    assert (result.folder / base).read_bytes() == (plain.folder / base).read_bytes()


def test_an_oft_run_leaves_a_folder_that_generate_uses_and_says_why(recipe: Recipes, home: Path) -> None:
    job, events = collector()
    result = acetune.train(
        recipe(adapter__kind="oft", schedule__steps=1, guard__validate_every=0), name="run", home=home, job=job
    )
    request = acetune.Request(
        caption="x", variant="tiny", seconds=1.0, adapter=result.adapter, out=home / "a.wav", strengths=(0.0, 0.5)
    )

    assert result.adapter.name == "run_final" and result.adapter.is_dir()
    assert "formats.no_single_file" in {event.code for event in events if isinstance(event, Noticed)}
    assert len(acetune.generate(request, home=home)) == 2
    with pytest.raises(WrongAdapter, match="ComfyUI") as refused:
        acetune.export(result.folder, to=("universal",), home=home)
    assert "--to peft" in refused.value.remedy()


def test_a_refused_combination_leaves_no_run(recipe: Recipes, home: Path) -> None:
    with pytest.raises(SettingError, match="lokr adapters have no adapter.rslora") as refused:
        acetune.train(recipe(adapter__kind="lokr", adapter__rslora=True), name="run", home=home)

    assert "lora or dora" in refused.value.remedy()
    assert not (home / "runs/run/recipe.yaml").exists()


def test_layers_with_ranks_of_their_own_are_trained_planned_and_resumed(recipe: Recipes, home: Path) -> None:
    chosen = recipe(
        adapter__targets="re:layers\\.[01]\\..*(q_proj|up_proj)", adapter__rank_pattern="mlp=2, layers.1.self_attn.*=8",
        schedule__steps=3, guard__validate_every=0,
    )  # fmt: skip
    with pytest.raises(Stopped):
        acetune.train(chosen, name="run", home=home, job=stop_after(1))

    result = acetune.resume("run", home=home)

    ranks = {name: len(w) for name, w in weights(result.folder).items() if "lora_A" in name}
    assert ranks == {
        "layers.0.self_attn.to_q.lora_A.weight": 4, "layers.0.cross_attn.to_q.lora_A.weight": 4,
        "layers.0.mlp.up_proj.lora_A.weight": 2, "layers.1.self_attn.to_q.lora_A.weight": 8,
        "layers.1.cross_attn.to_q.lora_A.weight": 4, "layers.1.mlp.up_proj.lora_A.weight": 2,
    }  # fmt: skip
    plan = json.loads((result.folder / "plan.json").read_text())
    assert plan["adapter_parameters"] == sum(w.numel() for w in weights(result.folder).values())
