"""What an adapter's knobs come to: refused where they make no sense together, laid out, and counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from acetune import catalog
from acetune.errors import SettingError
from acetune.planning.memory import MicroBatch, NetworkSize
from acetune.sections import WHOLE, AdapterSection

#: Knobs that only some kinds have, and the attribute of a kind that says so.
_LIMITED = (("dropout", "dropout"), ("rslora", "rslora"), ("factor", "factor"), ("rank_pattern", "ranks"))

#: Bytes of a number of an adapter.
_WIDE: Final = 4
#: Largest rank, as that of ``adapter.rank``.
_MOST = 1024


class Card(Protocol):
    """What is asked of a family: `acetune.families.family.FamilyCard` is one."""

    def layer_sizes(self, size: NetworkSize, targets: str) -> Mapping[str, tuple[int, int]]:
        """Return inputs and outputs of the layers that a choice of targets means."""
        ...


@dataclass(frozen=True)
class Layer:
    """One tuned layer."""

    inputs: int
    outputs: int
    rank: int


@dataclass(frozen=True)
class Layout:
    """The layers that an adapter tunes, by our name.

    Attributes:
        knobs: What was asked.
        blocks: Of the network.
        layers: Their sizes and ranks; none where all weights are trained.
        parameters_of_all: Weights of the whole network, where they are trained.
    """

    knobs: AdapterSection
    blocks: int
    layers: Mapping[str, Layer]
    parameters_of_all: int = 0

    @property
    def ranks(self) -> dict[str, int]:
        """Return the ranks of the layers that have another one than ``adapter.rank``."""
        return {name: layer.rank for name, layer in self.layers.items() if layer.rank != self.knobs.rank}

    @property
    def parameters(self) -> int:
        """Return the number of trained weights."""
        if self.parameters_of_all:
            return self.parameters_of_all
        kind, factor = catalog.resolve("adapter", self.knobs.kind), self.knobs.factor
        return sum(kind.count(layer.inputs, layer.outputs, layer.rank, factor) for layer in self.layers.values())

    def kept_bytes(self, size: NetworkSize, batch: MicroBatch, number: int) -> int:
        """Return what trained layers keep for the backward pass, of all blocks.

        Each keeps its input in the format that it computes in. A float32 adapter on a 16-bit network keeps a copy for
        each layer; on a float32 network, layers with one input share it.

        Args:
            size: Of the network.
            batch: What it sees.
            number: Bytes of a number that frozen weights compute with.
        """
        if self.parameters_of_all:
            return size.layers * batch.tokens * number * sum(inputs for inputs, _ in size.linears)
        kind = catalog.resolve("adapter", self.knobs.kind)
        more = sum(kind.kept(layer.inputs, layer.outputs, batch.tokens) for layer in self.layers.values())
        inputs: dict[tuple[str, int], int] = {}
        for name, layer in self.layers.items():
            tokens = batch.conditions if name.endswith(size.told) else batch.tokens
            place = name if number < _WIDE else name.rpartition(".")[0]
            inputs[place, layer.inputs] = _WIDE * tokens * layer.inputs
        return sum(inputs.values()) + int(more)


def layout(knobs: AdapterSection, card: Card, size: NetworkSize) -> Layout:
    """Return the layers that an adapter of these knobs tunes.

    Args:
        knobs: What is asked.
        card: Of the family.
        size: Of the network.

    Raises:
        SettingError: If a knob does nothing for this kind, a word of targets or of the rank pattern matches nothing, or
            blocks do not divide a layer's inputs.
    """
    if knobs.kind == WHOLE:
        return Layout(knobs, size.layers, {}, size.parameters)
    _refuse_what_does_nothing(knobs)
    sizes = card.layer_sizes(size, knobs.targets)
    ranks = dict.fromkeys(sizes, knobs.rank)
    for words, rank in _entries(knobs.rank_pattern):
        meant = [name for name in card.layer_sizes(size, words) if name in sizes]
        if not meant:
            raise SettingError("adapter.no_rank_target", words=words, targets=knobs.targets)
        ranks.update(dict.fromkeys(meant, rank))
    if knobs.kind == "oft":
        _refuse_odd_blocks(knobs.rank, sizes)
    return Layout(knobs, size.layers, {name: Layer(*shape, ranks[name]) for name, shape in sizes.items()})


def _entries(pattern: str) -> list[tuple[str, int]]:
    """Return words and ranks of a pattern such as ``cross=32, layers.0.*=16``.

    Raises:
        SettingError: If an entry is something else.
    """
    found = []
    for entry in filter(None, (part.strip() for part in pattern.split(","))):
        words, _, rank = (part.strip() for part in entry.rpartition("="))
        if not words or not rank.isdecimal() or not 1 <= int(rank) <= _MOST:
            raise SettingError("adapter.bad_rank", entry=entry)
        found.append((words, int(rank)))
    return found


def _refuse_what_does_nothing(knobs: AdapterSection) -> None:
    """Raise SettingError for a knob that this kind does not have."""
    for knob, attribute in _LIMITED:
        if getattr(knobs, knob) and not getattr(catalog.resolve("adapter", knobs.kind), attribute):
            able = [name for name in catalog.names("adapter") if getattr(catalog.resolve("adapter", name), attribute)]
            raise SettingError("adapter.without", kind=knobs.kind, knob=f"adapter.{knob}", able=" or ".join(able))


def _refuse_odd_blocks(rank: int, sizes: Mapping[str, tuple[int, int]]) -> None:
    """Raise SettingError if blocks of this size do not divide the inputs of every layer, or hold one input only."""
    odd = next((inputs for inputs, _ in sizes.values() if inputs % rank or rank == 1), None)
    if odd:
        raise SettingError("adapter.blocks", rank=rank, width=odd)
