"""The planner's memory against what a step of the real network classes holds, counted on the meta device."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SETTINGS = range(12)


@pytest.fixture(scope="module")
def peak():
    """The benchmark that counts."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    import peak

    yield peak
    sys.path.remove(str(ROOT / "benchmarks"))


@pytest.mark.parametrize("number", [1, 6])
def test_a_step_of_two_blocks_holds_what_the_planner_says(peak, number):
    setting = peak.SETTINGS[number]

    assert peak.planned_bytes(setting, 2) == pytest.approx(peak.counted_bytes(setting, 2), rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("number", SETTINGS)
def test_a_step_of_the_whole_network_holds_what_the_planner_says(peak, number):
    setting, layers = peak.SETTINGS[number], peak.depth(peak.SETTINGS[number])

    assert len(peak.SETTINGS) == len(SETTINGS)
    assert peak.planned_bytes(setting, layers) == pytest.approx(peak.counted_bytes(setting, layers), rel=0.1)
