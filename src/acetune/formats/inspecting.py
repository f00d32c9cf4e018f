"""What is in an adapter file, and how two of them differ."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from acetune.adapters import arithmetic
from acetune.adapters.adapter import Adapter, Facts, scale
from acetune.events import Job, Json
from acetune.families.adapter_names import fitting_variants, is_ours
from acetune.families.foreign_files import read_foreign, weights_file
from acetune.formats.sources import AdapterFile

#: Facts that are the same for every training from one recipe, or belong to the file.
_UNCOMPARED: Final = ("modules", "ranks")


@dataclass(frozen=True)
class Layer:
    """A tuned layer: its rank, the factor of its change, and the Frobenius norm of that."""

    name: str
    rank: int
    scale: float
    norm: float


@dataclass(frozen=True)
class Inspection:
    """What an adapter file says, and what its weights show.

    Attributes:
        ours: Whether acetune wrote it.
        fits: Variants whose network has all its layers; those that acetune wrote know the one.
        scale: What the change is multiplied with as it was trained; alpha is of the training too.
        facts: All that the file says, by the names of `acetune.adapters.adapter.Facts`.
        weights: How many numbers it holds.
        dtype: Their format.
        layers: Layer by layer, in the file's order.
    """

    ours: bool
    fits: tuple[str, ...]
    kind: str
    rank: int
    alpha: float
    scale: float
    facts: Mapping[str, Json]
    weights: int
    dtype: str
    layers: tuple[Layer, ...]


def inspect(source: AdapterFile, *, job: Job | None = None) -> Inspection:
    """Return what is in an adapter file, ours or another trainer's.

    Args:
        source: Where the file fits several variants and none is named, the first is taken for what it was trained on.
        job: Hears what a foreign file does not say.

    Raises:
        WrongAdapter: If it is no adapter of a model that is known.
        CorruptFile: If it is damaged.
    """
    path = source.path.expanduser()
    ours = is_ours(weights_file(path))
    fits = () if ours or source.variant else fitting_variants(read_foreign(path))
    adapter = AdapterFile(path, source.variant or next(iter(fits), None), source.alpha).read(job)
    facts = adapter.facts
    norms = arithmetic.norms(adapter)
    alpha = facts.alpha if facts.trained_alpha is None else facts.trained_alpha
    first = next(iter(adapter.weights.values()))
    return Inspection(
        ours, fits or (facts.variant,), facts.kind, facts.rank, alpha,
        scale=scale(facts) if facts.trained_alpha is None else alpha / facts.rank,
        facts=_said(facts),
        weights=sum(value.numel() for value in adapter.weights.values()),
        dtype=str(first.dtype).removeprefix("torch."),
        layers=tuple(
            Layer(name, facts.ranks.get(name, facts.rank), scale(facts, name), norms[name]) for name in facts.modules
        ),
    )  # fmt: skip


@dataclass(frozen=True)
class LayerDifference:
    """Two changes of one layer: their cosine, and the norm of their difference as a share of the first's norm."""

    name: str
    cosine: float
    apart: float


@dataclass(frozen=True)
class Difference:
    """What two adapters do not have in common.

    Attributes:
        facts: Name to both values.
        only_first, only_second: Layers that one of them tunes.
        layers: Those that both tune.
        apart: Norm of the difference of all changes, as a share of the first's norm.
    """

    facts: Mapping[str, tuple[Json, Json]]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    layers: tuple[LayerDifference, ...]
    apart: float


def diff(one: AdapterFile, two: AdapterFile, *, job: Job | None = None) -> Difference:
    """Return how two adapters differ: facts, layers, and what they change.

    Raises:
        WrongAdapter: If one cannot be read, or is of a kind whose change depends on the frozen weights.
        CorruptFile: If one is damaged.
    """
    first, second = one.read(job), two.read(job)
    for adapter in (first, second):
        arithmetic.refuse_unadded(adapter.facts)
    said = [_said(each.facts) for each in (first, second)]
    facts = {name: (said[0][name], said[1][name]) for name in said[0] if said[0][name] != said[1][name]}
    both = [name for name in first.facts.modules if name in second.facts.modules]
    layers = tuple(LayerDifference(name, *arithmetic.angle(first, second, name)) for name in both)
    return Difference(
        {name: values for name, values in facts.items() if name not in _UNCOMPARED},
        tuple(name for name in first.facts.modules if name not in both),
        tuple(name for name in second.facts.modules if name not in both), layers, _apart(first, second, layers),
    )  # fmt: skip


def _said(facts: Facts) -> dict[str, Json]:
    """Return facts by their names."""
    found: dict[str, Json] = json.loads(facts.to_json())
    return found


def _apart(first: Adapter, second: Adapter, layers: tuple[LayerDifference, ...]) -> float:
    """Return the norm of the difference of all changes beside the first's."""
    one, two = arithmetic.norms(first), arithmetic.norms(second)
    shared = {layer.name: layer.apart * one[layer.name] for layer in layers if one[layer.name]}
    lone = [norm for name, norm in (one | two).items() if name not in shared]
    total = sum(norm**2 for norm in one.values())
    return float((sum(n**2 for n in (*shared.values(), *lone)) / total) ** 0.5) if total else float("inf")
