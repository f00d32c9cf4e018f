"""When a run may say that it learned, that it got worse, or that it cannot tell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from acetune.training.validate import Losses, difference, verdict


def losses(step: int, values: Sequence[float]) -> Losses:
    """Return losses of so many songs, the same at both times."""
    names = tuple(f"song{number}" for number in range(len(values)))
    return Losses(step, "songs", (0.3, 0.9), names, tuple((value, value) for value in values))


def judged(base: Sequence[float], changes: Sequence[float]) -> tuple[str, str]:
    """Return the verdict on songs whose losses changed by so much."""
    now = [before + change for before, change in zip(base, changes, strict=True)]
    return verdict(difference(losses(0, base), losses(9, now)), "songs")


BASE = (0.8, 1.1, 2.4, 0.9, 1.6, 1.2)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ((-0.02, -0.03, -0.02, -0.01, -0.03, -0.02), ("learned", "interval below zero")),
        ((0.02, 0.03, 0.02, 0.01, 0.03, 0.02), ("worse", "interval above zero")),
        ((-0.05, 0.04, -0.03, 0.05, -0.06, 0.01), ("cannot tell", "interval spans zero")),
        ((-0.02, -0.02, 0.02, 0.02, -0.02, -0.02), ("cannot tell", "interval spans zero")),
        ((0.0,) * 6, ("cannot tell", "difference too small")),
    ],
)
def test_the_verdict_is_what_the_interval_of_the_songs_allows(
    changes: Sequence[float], expected: tuple[str, str]
) -> None:
    assert judged(BASE, changes) == expected


@pytest.mark.parametrize("sign", [-1, 1])
def test_next_to_nothing_is_nothing_however_sure_its_sign_is(sign: int) -> None:
    assert judged(BASE, (sign * 1e-6,) * 6) == ("cannot tell", "difference too small")


@pytest.mark.parametrize(("sign", "word"), [(-1, "learned"), (1, "worse")])
def test_a_small_difference_that_every_song_shares_counts(sign: int, word: str) -> None:
    assert judged(BASE, (sign * 2e-3,) * 6)[0] == word


def test_three_songs_say_nothing() -> None:
    assert judged(BASE[:3], (-0.5,) * 3) == ("cannot tell", "too few units")


def test_chance_alone_is_called_learned_about_once_in_forty() -> None:
    draw = np.random.default_rng(7)
    words = [judged(BASE, draw.normal(0.0, 0.05, 6))[0] for _ in range(1000)]

    assert 10 <= words.count("learned") <= 45
    assert 10 <= words.count("worse") <= 45
