"""A family is one file and one catalogue line: nothing else in acetune has to learn its name."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.torch import load_file

import acetune
from acetune import catalog
from acetune.adapters.adapter import load
from acetune.families.adapter_names import read_adapter
from acetune.recipe import Recipe, resolve


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(catalog.FAMILIES, "toy", "families.toy:CARD")


def toy_recipe(album: Path, **changes: object) -> Recipe:
    settings = {
        "model.variant": "toy", "data.dataset": str(album), "data.crop_seconds": 1.0, "schedule.steps": 40,
        "adapter.rank": 2, "adapter.alpha": 4.0, "optim.lr": 0.05, "compute.device": "cpu",
    }  # fmt: skip
    return resolve([("test", settings | {name.replace("__", "."): value for name, value in changes.items()})]).recipe


def test_a_toy_family_does_the_whole_job(toy: None, album: Path, tmp_path: Path) -> None:
    result = acetune.train(toy_recipe(album), name="toy", home=tmp_path)
    (exported,) = acetune.export("toy", home=tmp_path, dtype="float32", out=tmp_path)
    request = acetune.Request(caption="a", variant="toy", seconds=1.0, adapter=exported, out=tmp_path / "a.wav")
    (sound,) = acetune.generate(request, home=tmp_path)

    assert result.verdict == "learned"
    assert sound.is_file()
    assert read_adapter(exported).facts.family == "toy"
    assert all("toy_mix" in name for name in load(exported).weights)


def test_a_network_without_a_list_of_blocks_is_probed_by_its_parts(toy: None, album: Path, tmp_path: Path) -> None:
    recipe = toy_recipe(album, schedule__steps=2, preview__probes=1)

    result = acetune.train(recipe, name="toy", home=tmp_path)

    entered, mixed = load_file(result.folder / "probes" / "000002.safetensors")["blocks"][0]
    assert not entered.any()  # the adapter is behind it
    assert mixed[:4].any() and not mixed[4:].any()
