"""What a trigger does: judged by song, against the base network with the very same caption."""

from __future__ import annotations

import pytest

from acetune.training.trigger_effect import answer, effect
from acetune.training.validate import Losses

NAMES = ("a", "b", "c", "d", "e")


def losses(*units: float) -> Losses:
    return Losses(60, "songs", (0.5,), NAMES, tuple((unit,) for unit in units))


BASE = {0.0: losses(1, 2, 3, 4, 5)}
WITH = {**BASE, 1.0: losses(0.5, 1.5, 2.5, 3.5, 4.5)}


@pytest.mark.parametrize(
    ("without", "expected"),
    [
        ((0.9, 1.9, 2.91, 3.9, 4.9), "works"),
        ((0.5, 1.5, 2.5, 3.5, 4.5), "cannot tell"),
        ((0.2, 1.9, 2.1, 3.9, 4.2), "cannot tell"),
        ((0.1, 1.1, 2.11, 3.1, 4.1), "works against"),
    ],
)
def test_a_trigger_works_where_the_adapter_gains_more_with_it(without: tuple[float, ...], expected: str) -> None:
    found = effect(WITH, {**BASE, 1.0: losses(*without)}, frozenset(NAMES))

    assert found is not None and answer(found) == expected


def test_what_the_word_does_to_the_base_network_is_no_gain_of_the_adapter() -> None:
    bare = {0.0: losses(2, 3, 4, 5, 6), 1.0: losses(1.5, 2.5, 3.5, 4.5, 5.5)}
    found = effect(WITH, bare, frozenset(NAMES))

    assert found is not None and found.gain.mean == pytest.approx(0)


def test_songs_without_another_caption_do_not_count() -> None:
    found = effect(WITH, {**BASE, 1.0: losses(0.9, 9, 9, 9, 9)}, frozenset("a"))

    assert found is not None and found.gain.units == 1 and found.gain.mean == pytest.approx(-0.4)


def test_where_no_caption_differs_there_is_no_effect() -> None:
    assert effect(WITH, WITH, frozenset()) is None
