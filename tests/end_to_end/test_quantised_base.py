"""A training on a base in 8 or 4 bits, where bitsandbytes is installed: resumed, exported, made of the plain base."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from probing import Recipes, losses, same, stop_after, weights

import acetune
from acetune.errors import MissingDependency, Stopped


@pytest.mark.slow
@pytest.mark.parametrize(("form", "kind"), [("int8", "lora"), ("nf4", "lora"), ("nf4", "dora")])
def test_it_learns_and_resumes_to_the_bit(recipe: Recipes, home: Path, form: str, kind: str) -> None:
    pytest.importorskip("bitsandbytes")
    knobs = {"schedule__steps": 4, "compute__quantise": form, "optim__lr": 1e-3, "adapter__kind": kind}
    whole = acetune.train(recipe(**knobs), name="whole", home=home)
    with pytest.raises(Stopped):
        acetune.train(recipe(**knobs), name="halves", home=home, job=stop_after(2))
    halves = acetune.resume("halves", home=home)
    plain = acetune.train(recipe(**knobs | {"compute__quantise": "none"}), name="plain", home=home)

    assert same(weights(halves.folder), weights(whole.folder))
    assert losses(whole.folder) == pytest.approx(losses(plain.folder), rel=0.1)
    assert losses(whole.folder) != losses(plain.folder)
    assert whole.adapter.stat().st_size == pytest.approx(plain.adapter.stat().st_size, rel=0.01)


def test_without_bitsandbytes_nothing_begins(recipe: Recipes, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)

    with pytest.raises(MissingDependency, match="bitsandbytes"):
        acetune.train(recipe(compute__quantise="nf4"), name="run", home=home)
    assert not (home / "runs" / "run" / "recipe.yaml").exists()
