"""Which strength is recommended: the trained one, unless held-out music tells another from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from acetune.run import Run, recommended_strength
from acetune.training import strengths
from acetune.training.validate import Losses


def losses(*units: float) -> Losses:
    names = tuple(f"song{number}" for number in range(len(units)))
    return Losses(60, "songs", (0.5,), names, tuple((unit,) for unit in units))


#: Six songs whose losses differ much from each other.
BASE = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)


def lower(by: float, spread: float = 0.0) -> Losses:
    """Losses below the base network's: each song by this much, every other one more or less."""
    return losses(*(unit - by + spread * (-1) ** number for number, unit in enumerate(BASE)))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (lower(0.2), lower(0.1), (1.0, "as trained")),
        (lower(0.1), lower(0.2, 0.01), (0.75, "lower loss")),
        (lower(0.1), lower(0.2, 0.5), (1.0, "interval spans zero")),
        (lower(0.1), lower(0.1001), (1.0, "difference too small")),
    ],
)
def test_another_strength_than_one_needs_evidence(one: Losses, other: Losses, expected: tuple[float, str]) -> None:
    found = strengths.swept({0.0: losses(*BASE), 0.75: other, 1.0: one})

    assert (found.recommended, found.reason) == expected


def test_with_too_few_songs_the_trained_strength_stays() -> None:
    found = strengths.swept({0.0: losses(3, 3), 0.5: losses(1, 1), 1.0: losses(2, 2)})

    assert (found.recommended, found.reason, found.best) == (1.0, "too few units", 0.5)


def test_an_adapter_that_only_harms_is_not_recommended_away() -> None:
    found = strengths.swept({0.0: losses(*BASE), 0.5: lower(-0.1), 1.0: lower(-0.2)})

    assert (found.recommended, found.reason) == (1.0, "base is best")


def test_of_equal_strengths_the_one_nearest_to_the_trained_one_is_the_best() -> None:
    found = strengths.swept({0.0: losses(*BASE), 0.5: lower(0.2), 1.0: lower(0.2), 1.5: lower(0.2)})

    assert found.best == 1.0


def test_a_recommendation_belongs_to_its_step(tmp_path: Path) -> None:
    run = Run(tmp_path)
    strengths.save(run, strengths.swept({0.0: losses(*BASE), 0.75: lower(0.2), 1.0: lower(0.1)}))

    assert [recommended_strength(run, step) for step in (60, None, 80)] == [0.75, 0.75, None]
