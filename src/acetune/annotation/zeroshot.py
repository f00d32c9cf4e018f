"""Choosing among labels by how near their vectors are to those of a song; pure functions on arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from acetune.annotation.labels import Windows
from acetune.annotation.vectors import Vectors

#: A label must be this many times as likely as by chance, and nearer than the middle one by this much of a cosine
#: (first guesses, not yet checked with published weights).
_TIMES_CHANCE: Final = 1.5
_LEAST_LEAD: Final = 0.03
#: An instrument or a voice may be heard in few windows only.
_BEST_WINDOWS: Final = 3
#: How far a label may stand from what was measured before its odds fall to 61 %.
_SPREAD: Final = 0.25

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Choice:
    """A label by its place in the list, and how likely it is among them (0 to 1)."""

    place: int
    confidence: float


def joined(sentences: Vectors) -> Vectors:
    """Return one vector for several sentences that say the same: their mean, of length 1."""
    mean = sentences.mean(axis=0)
    unit: Vectors = mean / max(float(np.linalg.norm(mean)), 1e-12)
    return unit


def scores(windows: Vectors, labels: Vectors, how: Windows) -> Scores:
    """Return how near each label is to a song, as cosines.

    Args:
        windows: Of the song, shape (windows, dimensions).
        labels: Shape (labels, dimensions).
        how: "all" windows speak for the whole song, or each label by the three that are "best" for it.
    """
    if how == "all":
        return np.asarray(labels @ joined(windows), dtype=np.float64)
    cosines = np.sort(windows @ labels.T, axis=0)[-_BEST_WINDOWS:]
    return np.asarray(cosines.mean(axis=0), dtype=np.float64)


def two_sides(windows: Vectors, sides: Vectors) -> Scores:
    """Return how near two sides of a question are in the windows where the second leads most: a voice may pause.

    Args:
        windows: Of the song, shape (windows, dimensions).
        sides: Shape (2, dimensions).
    """
    cosines = windows @ sides.T
    best = np.argsort(cosines[:, 1] - cosines[:, 0])[-_BEST_WINDOWS:]
    return np.asarray(cosines[best].mean(axis=0), dtype=np.float64)


def bias(songs: Sequence[Vectors], labels: Vectors, how: Windows) -> Scores:
    """Return how near each label is to songs of all sorts: what it has to beat. Arguments as of `scores`."""
    return np.asarray(np.mean([scores(song, labels, how) for song in songs], axis=0), dtype=np.float64)


def choose(nearness: Scores, scale: float, top: int) -> tuple[Choice, ...]:
    """Return the labels that stand out, the likeliest first; none where none does.

    Args:
        nearness: Of each label, as a cosine.
        scale: Inverse temperature of the softmax over the labels.
        top: Labels at most.
    """
    odds = softmax(scale * nearness)
    lead = nearness - np.median(nearness)
    clear = (odds >= _TIMES_CHANCE / len(odds)) & (lead >= _LEAST_LEAD)
    best = [int(place) for place in np.argsort(-odds, kind="stable")[:top] if clear[place]]
    return tuple(Choice(place, float(odds[place])) for place in best)


def choose_level(nearness: Scores, scale: float, levels: Sequence[float | None], measured: float) -> tuple[Choice, ...]:
    """Return the label that fits best to what a model hears and to what was measured; none where it is mere chance.

    Args:
        nearness: Of each label, as a cosine.
        scale: Inverse temperature.
        levels: Where each label stands (0 to 1); None for one that the measure says nothing of.
        measured: Where the song stands.
    """
    known = np.array([level is not None for level in levels])
    places = np.array([0.0 if level is None else level for level in levels])
    distance = np.where(known, (places - measured) / _SPREAD, 1.0)
    odds = softmax(scale * nearness - 0.5 * distance**2)
    best = int(np.argmax(odds))
    return (Choice(best, float(odds[best])),) if odds[best] >= _TIMES_CHANCE / len(odds) else ()


def softmax(logits: Scores) -> Scores:
    """Return shares that add up to 1."""
    odds = np.exp(logits - logits.max())
    shares: Scores = odds / odds.sum()
    return shares
