"""A family is one file and one catalogue line: nothing else in acetune has to learn its name."""

from __future__ import annotations

from pathlib import Path

import pytest

import acetune
from acetune import catalog
from acetune.adapters.adapter import load
from acetune.families.adapter_names import read_adapter
from acetune.recipe import resolve


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(catalog.FAMILIES, "toy", "families.toy:CARD")


def test_a_toy_family_does_the_whole_job(toy: None, album: Path, tmp_path: Path) -> None:
    settings = {
        "model.variant": "toy", "data.dataset": str(album), "data.crop_seconds": 1.0, "schedule.steps": 40,
        "adapter.rank": 2, "adapter.alpha": 4.0, "optim.lr": 0.05, "compute.device": "cpu",
    }  # fmt: skip
    result = acetune.train(resolve([("test", settings)]).recipe, name="toy", home=tmp_path)
    (exported,) = acetune.export("toy", home=tmp_path, dtype="float32", out=tmp_path)
    request = acetune.Request(caption="a", variant="toy", seconds=1.0, adapter=exported, out=tmp_path / "a.wav")
    (sound,) = acetune.generate(request, home=tmp_path)

    assert result.verdict == "learned"
    assert sound.is_file()
    assert read_adapter(exported).facts.family == "toy"
    assert all("toy_mix" in name for name in load(exported).weights)
