"""The adapters of a generation: which, how strong, and several on one network."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn

from acetune.adapters import attach
from acetune.adapters.adapter import Adapter
from acetune.errors import SettingError, WrongAdapter
from acetune.events import Job
from acetune.families.adapter_names import read_adapter
from acetune.generation.request import Request
from acetune.recipe import family_of

#: A file and its strength: ``style.safetensors:0.8``.
_WITH_STRENGTH: Final = re.compile(r"(.+):(-?\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Worn:
    """One adapter of a generation.

    Attributes:
        adapter: Weights and facts.
        name: Of its run, else of its file.
        strength: Told with the file; None where it was not.
    """

    adapter: Adapter
    name: str
    strength: float | None

    def at(self, strength: float | None) -> float:
        """Return the strength it has where all have this one; None for what each recommends."""
        if strength is not None:
            return strength * (1.0 if self.strength is None else self.strength)
        return self.adapter.facts.strength if self.strength is None else self.strength


def worn(request: Request, job: Job) -> tuple[Worn, ...]:
    """Return the adapters of a request; a recommended strength that is used is said.

    Raises:
        WrongAdapter: If one belongs to another family or to a network of other sizes.
    """
    told = request.adapter
    listed = [told] if isinstance(told, (str, Path)) else list(told or ())
    found = tuple(_read(entry, request.variant, job) for entry in listed)
    for one in found:
        if request.strengths is None and one.strength is None and one.at(None) != 1:
            finding = SettingError("generation.recommended", name=one.name, strength=one.at(None))
            job.tell(finding, severity="info")
    return found


def put_on(network: nn.Module, adapters: Sequence[Worn]) -> Callable[[Sequence[float]], None]:
    """Put adapters on a frozen network, and return what sets their strengths.

    Raises:
        WrongAdapter: If one does not fit.
    """
    if len(adapters) == 1:
        adapter = adapters[0].adapter
        attach.attach_trained(network, adapter)
        return lambda strengths: attach.set_strength(network, adapter.facts, strengths[0])
    stacks: dict[str, _Stack] = {}
    for place, one in enumerate(adapters):
        attach.attach_trained(network, one.adapter)
        layers = {name: module for name, module in network.named_modules() if isinstance(module, BaseTunerLayer)}
        attach.detach(network)
        for name, layer in layers.items():
            stacks.setdefault(name, _Stack(network.get_submodule(name))).add(place, layer)
    for name, stack in stacks.items():
        parent, _, child = name.rpartition(".")
        setattr(network.get_submodule(parent), child, stack)

    def set_strengths(strengths: Sequence[float]) -> None:
        for stack in stacks.values():
            stack.strengths = tuple(strengths)

    return set_strengths


class _Stack(nn.Module):
    """A frozen layer under several adapters: its output and, at its strength, what each adds to that."""

    def __init__(self, frozen: nn.Module) -> None:
        super().__init__()
        self.frozen = frozen
        self.layers: list[tuple[int, Any]] = []
        self.strengths: tuple[float, ...] = ()

    def add(self, place: int, layer: nn.Module) -> None:
        """Add the layer of one adapter; its place finds its strength."""
        self.layers.append((place, layer))

    def forward(self, x: Tensor) -> Tensor:
        """Return the output of all together."""
        plain: Tensor = self.frozen(x)
        added = [self.strengths[place] * (layer(x) - plain) for place, layer in self.layers if self.strengths[place]]
        return plain + sum(added) if added else plain


def _read(entry: str | Path, variant: str, job: Job) -> Worn:
    """Return the adapter of a file, or of a file with its strength; the job hears of doubts."""
    match = None if Path(entry).exists() else _WITH_STRENGTH.fullmatch(str(entry))
    path, strength = (Path(match[1]), float(match[2])) if match else (Path(entry), None)
    adapter = read_adapter(path, variant, job=job)
    trained_card, trained = family_of(adapter.facts.variant)
    card, used = family_of(variant)
    if trained_card.name != card.name or trained.size != used.size:
        raise WrongAdapter("adapter.other_base", trained=trained.name, used=used.name)
    return Worn(adapter, adapter.facts.name or path.stem, strength)
