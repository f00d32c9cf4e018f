"""Is "learned" said when it is true, and only then? A short form of `benchmarks/learning_proof.py`, on other seeds."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [200, 201])
def test_an_unseen_style_is_learned_and_nothing_else_is(seed: int, tmp_path: Path) -> None:
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from learning_proof import Proof

    words = {case: judged.word for case, judged in Proof(tmp_path, steps=100).judged(seed).items()}
    sys.path.remove(str(ROOT / "benchmarks"))

    assert words.pop("an unseen style") == "learned"
    assert words.pop("a file without keys") == "refused"
    assert "learned" not in words.values()
