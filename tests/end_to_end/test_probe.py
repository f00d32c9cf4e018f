"""A plan from two real steps: nothing is encoded or kept, and time is what it took."""

from __future__ import annotations

from pathlib import Path

import pytest
from probing import Recipes

from acetune.training.probing import probe

WHOLE = {"adapter__kind": "full", "adapter__rank": 8, "adapter__alpha": 8.0}


@pytest.mark.parametrize("knobs", [{}, WHOLE, {"compute__recompute": True, "data__accumulation": 4}])
def test_a_probe_measures_time_and_leaves_nothing(recipe: Recipes, home: Path, knobs: dict[str, object]) -> None:
    files = sorted(home.rglob("*"))
    found = probe(recipe(**knobs), home=home)

    assert sorted(path for path in home.rglob("*") if "models" not in path.parts) == [
        path for path in files if "models" not in path.parts
    ]
    assert 0 < found.seconds < 60
    assert (found.memory_bytes, found.plan.memory_bytes) == (None, found.reckoned.memory_bytes)
    slower = found.plan.micro_batches * (found.seconds - found.reckoned.micro_seconds)
    assert found.plan.minutes - found.reckoned.minutes == pytest.approx(slower / 60)
