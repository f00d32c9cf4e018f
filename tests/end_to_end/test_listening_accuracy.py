"""How often tempo, metre and key of composed songs are right; the benchmark prints the same for more of them."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def heard():
    """What the signal annotators hear in the songs that nothing was ever tuned on."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    import annotation

    yield [annotation.hear(song) for song in annotation.composed(annotation.UNSEEN, 48)]
    sys.path.remove(str(ROOT / "benchmarks"))


@pytest.mark.slow
@pytest.mark.parametrize(("at", "least"), [(0, 0.95), (1, 0.80), (2, 0.88)], ids=["tempo", "key", "metre"])
def test_most_composed_songs_are_heard_rightly(heard, at, least):
    right = [song.right(0.02)[at] for song in heard]

    assert len(right) == 48
    assert sum(right) / len(right) >= least
