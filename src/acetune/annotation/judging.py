"""From vectors of a song to its tags: one decision for each dimension."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from types import MappingProxyType

import numpy as np

from acetune.annotation import zeroshot
from acetune.annotation.labels import Dimension
from acetune.annotation.vectors import Vectors
from acetune.annotation.zeroshot import Choice, Scores


@dataclass(frozen=True)
class Tag:
    """A tag and how likely it is among those of its dimension (0 to 1; 1 where it was known)."""

    text: str
    confidence: float


@dataclass(frozen=True)
class Description:
    """What was heard in a song.

    Attributes:
        tags: By dimension, the likeliest first; a dimension in which nothing stood out is missing.
        voice: How likely a voice is (0 to 1), whatever was known; None where the lists do not ask.
    """

    tags: Mapping[str, tuple[Tag, ...]]
    voice: float | None = None


@dataclass(frozen=True)
class Question:
    """A dimension as vectors.

    Attributes:
        dimension: Its list.
        labels: Vectors of the labels.
        gate: Vectors of the two sides of its gate; no rows without one.
        bias: What each label gets from songs of all sorts.
    """

    dimension: Dimension
    labels: Vectors
    gate: Vectors
    bias: Scores


def questions(
    dimensions: Sequence[Dimension], read: Callable[[Sequence[str]], Vectors], songs: Sequence[Vectors] = ()
) -> tuple[Question, ...]:
    """Return dimensions as vectors.

    Args:
        dimensions: The lists.
        read: From sentences to vectors; gets all of them at once.
        songs: Windows of songs of all sorts, to tell by what height of its own a label is nearer than it should be.
    """
    groups = [group for dimension in dimensions for group in _groups(dimension)]
    rows = read(tuple(chain.from_iterable(groups)))
    ends = np.cumsum([len(group) for group in groups])
    vectors = iter([zeroshot.joined(rows[end - len(group) : end]) for group, end in zip(groups, ends, strict=True)])
    made = []
    for dimension in dimensions:
        taken = np.stack([next(vectors) for _ in _groups(dimension)])
        labels, gate = np.split(taken, [len(dimension.labels)])
        height = zeroshot.bias(songs, labels, dimension.windows) if songs else np.zeros(len(labels))
        made.append(Question(dimension, labels, gate, height))
    return tuple(made)


def describe(
    asked: Sequence[Question], windows: Vectors, scale: float, *, level: float | None = None, sings: bool | None = None
) -> Description:
    """Return the tags of a song.

    Args:
        asked: What to decide.
        windows: Vectors of the song's windows.
        scale: Inverse temperature of the model.
        level: Measured energy (0 to 1), for labels that stand on that scale; None where it was not measured.
        sings: Whether there is a voice, where that is known.
    """
    tags: dict[str, tuple[Tag, ...]] = {}
    voice = None
    for question in asked:
        if len(question.gate):
            odds = zeroshot.softmax(scale * zeroshot.two_sides(windows, question.gate))
            voice = float(odds[1])
            tags[question.dimension.name] = _behind_gate(question, windows, scale, sings)
        else:
            tags[question.dimension.name] = _chosen(question, windows, scale, level)
    return Description(MappingProxyType({name: found for name, found in tags.items() if found}), voice)


def _groups(dimension: Dimension) -> tuple[tuple[str, ...], ...]:
    """Return the sentences of each label, then those of each side of the gate."""
    return (*dimension.prompts(), *(sentences for _, sentences in dimension.gate))


def _chosen(question: Question, windows: Vectors, scale: float, level: float | None) -> tuple[Tag, ...]:
    """Return the tags of a dimension."""
    dimension = question.dimension
    nearness = zeroshot.scores(windows, question.labels, dimension.windows) - question.bias
    levels = [label.level for label in dimension.labels]
    if level is not None and any(place is not None for place in levels):
        return _tags(dimension, zeroshot.choose_level(nearness, scale, levels, level))
    return _tags(dimension, zeroshot.choose(nearness, scale, dimension.top))


def _behind_gate(question: Question, windows: Vectors, scale: float, sings: bool | None) -> tuple[Tag, ...]:
    """Return the tags of a dimension whose labels count only where its gate is open; none where that is not clear."""
    (closed, _), (open_, _) = question.dimension.gate
    confidence = 1.0
    if sings is None:
        heard = zeroshot.choose(zeroshot.two_sides(windows, question.gate), scale, 1)
        if not heard:
            return ()
        sings, confidence = heard[0].place == 1, heard[0].confidence
    if not sings:
        return (Tag(closed, confidence),)
    return _chosen(question, windows, scale, None) or (Tag(open_, confidence),)


def _tags(dimension: Dimension, choices: Sequence[Choice]) -> tuple[Tag, ...]:
    """Return choices as tags."""
    return tuple(Tag(dimension.labels[choice.place].tag, choice.confidence) for choice in choices)
