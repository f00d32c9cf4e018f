"""What every adapter format does, and the check that a written file is the adapter."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch
from torch import nn

from acetune import catalog
from acetune.adapters import attach
from acetune.adapters.adapter import Adapter, Facts
from acetune.errors import CorruptFile, WrongAdapter
from acetune.events import Job
from acetune.families.family import FamilyCard, ModelFamily
from acetune.formats.placing import placed

if TYPE_CHECKING:
    from torch import Tensor

#: Number formats of exported weights, and how far the forward pass may move by their rounding (relative to the
#: largest velocity).
TOLERANCE = {"bfloat16": 2e-2, "float16": 5e-3, "float32": 1e-5}
#: What every training writes, where the kind of its adapter allows.
_USUAL = ("universal", "peft")
#: Frames of the music that is compared on.
_PROBE_FRAMES = 32
_PROBE_TIME = 0.5


class Format(Protocol):
    """A way to write an adapter for other programs."""

    @property
    def name(self) -> str:
        """What users type."""
        ...

    @property
    def summary(self) -> str:
        """Who reads it, in a few words."""
        ...

    def target(self, folder: Path, stem: str) -> Path:
        """Return the file or folder that `write` makes."""
        ...

    def refusal(self, facts: Facts) -> WrongAdapter | None:
        """Return why adapters of this kind cannot be written so, or None."""
        ...

    def caveat(self, adapter: Adapter, card: FamilyCard) -> WrongAdapter | None:
        """Return which program will not read this adapter, or None."""
        ...

    def held(self, adapter: Adapter, network: nn.Module) -> Adapter:
        """Return the adapter as a file holds it, the scale inside.

        Args:
            adapter: What was trained.
            network: The one it was trained on, with or without an adapter of this kind; some formats say what they
                say relative to its weights.
        """
        ...

    def write(self, adapter: Adapter, card: FamilyCard, target: Path, dtype: torch.dtype) -> None:
        """Write an adapter, whole or not at all; a folder must not be there yet.

        Raises:
            DiskFull, NotWritable: As the file system says.
        """
        ...

    def read(self, target: Path, card: FamilyCard) -> Adapter:
        """Return what `write` wrote, as other programs will understand it."""
        ...


def suitable(facts: Facts, job: Job | None = None) -> tuple[Format, ...]:
    """Return the formats that every training writes, less those that cannot hold its adapter.

    Args:
        facts: Of the adapter.
        job: Hears which are missing, and why.
    """
    forms: list[Format] = [catalog.resolve("exporter", name) for name in _USUAL]
    refused = [(form, form.refusal(facts)) for form in forms]
    for form, why in refused:
        if why and job:
            job.tell(why, subject=form.name)
    return tuple(form for form, why in refused if why is None)


def write_checked(form: Format, adapter: Adapter, card: FamilyCard, target: Path, dtype: torch.dtype) -> Adapter:
    """Write an adapter, read it back and return what was read: every key, every value.

    Args:
        form: How.
        adapter: What `Format.held` returned.
        card: Of its family.
        target: File or folder.
        dtype: Number format of the weights.

    Raises:
        CorruptFile: If what was read is not what was written; what was at the target is there still.
        SettingError: If something is there that acetune did not write.
        DiskFull, NotWritable: As the file system says.
    """
    with placed(target) as draft:
        return _read_back(form, adapter, card, draft, dtype)


def export_checked(form: Format, adapter: Adapter, card: FamilyCard, target: Path, dtype: str, bench: Bench) -> float:
    """Write an adapter, read it back, run it, and return how far the velocity moved (see `check_forward`).

    Raises:
        CorruptFile: If the file does not give the adapter back; what was at the target is there still.
        SettingError: If something is there that acetune did not write.
        DiskFull: If there is no room.
        NotWritable: If the folder may not be written.
    """
    with placed(target) as draft:
        read = _read_back(form, form.held(adapter, bench.network), card, draft, getattr(torch, dtype))
        return check_forward(bench.family, bench.network, adapter, read, dtype)


def _read_back(form: Format, held: Adapter, card: FamilyCard, draft: Path, dtype: torch.dtype) -> Adapter:
    """Write an adapter and return what was read (raises as `write_checked`)."""
    form.write(held, card, draft, dtype)
    read = form.read(draft, card)
    wanted, found = (one.rounded(dtype).weights for one in (held.baked(), read))
    equal = wanted.keys() == found.keys() and all(torch.equal(wanted[name], value) for name, value in found.items())
    if not equal:
        raise CorruptFile("formats.not_equal", path=draft.name, found=len(read.weights), total=len(wanted))
    return read


@dataclass(frozen=True)
class Bench:
    """A network with the trained adapter attached, on which exports are compared."""

    family: ModelFamily
    network: nn.Module


def check_forward(family: ModelFamily, network: nn.Module, trained: Adapter, read: Adapter, dtype: str) -> float:
    """Return how far the network's velocity moves when the read adapter takes the trained one's place.

    Args:
        family: Predicts.
        network: Has the trained adapter attached, and has it again afterwards.
        trained: Scale not baked.
        read: What a file gave back.
        dtype: Number format of the file, which sets the tolerance.

    Returns:
        Largest difference relative to the largest velocity.

    Raises:
        CorruptFile: If it is larger than rounding explains.
    """
    before = probe_velocity(family, network)
    _exchange(network, trained, read)
    after = probe_velocity(family, network)
    _exchange(network, read, trained)
    moved = float((after - before).abs().max() / before.abs().max())
    if not moved <= TOLERANCE[dtype]:
        raise CorruptFile("formats.other_forward", moved=f"{moved:.2g}", allowed=TOLERANCE[dtype])
    return moved


def _exchange(network: nn.Module, old: Adapter, new: Adapter) -> None:
    """Let an adapter take the place of another; where ranks differ, which a format may even out, it is put on anew."""
    if (old.facts.rank, old.facts.ranks) == (new.facts.rank, new.facts.ranks):
        attach.load(network, new)
        return
    attach.detach(network)
    attach.attach_trained(network, new)


@torch.no_grad()
def probe_velocity(family: ModelFamily, network: nn.Module) -> Tensor:
    """Return the velocity of the probe."""
    device = next(network.parameters()).device
    batch = family.probe(_PROBE_FRAMES, device)
    training = network.training
    network.eval()
    t = torch.full((1,), _PROBE_TIME, device=device)
    velocity = family.predict(network, batch, batch.x0, t, torch.zeros(1, dtype=torch.bool, device=device))
    network.train(training)
    return velocity
