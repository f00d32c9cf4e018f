"""Adapters in, adapters out: resize, merge, scale, extract and strip; each result is one universal file, read back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import torch

from acetune.adapters import arithmetic
from acetune.adapters.adapter import Adapter, Facts
from acetune.adapters.arithmetic import Kept, Singular, Size
from acetune.errors import SettingError, WrongAdapter
from acetune.events import Job, Progress, Saved, StageEnded, StageStarted
from acetune.families.family import FamilyCard, ModelFamily
from acetune.families.variant import Variant
from acetune.formats.export import dtype_of
from acetune.formats.format import write_checked
from acetune.formats.sources import AdapterFile
from acetune.formats.universal import UNIVERSAL
from acetune.recipe import family_of, resolve
from acetune.workspace import Workspace

if TYPE_CHECKING:
    from torch import Tensor

#: What only people want to know of an adapter, and what it is without it.
_PRIVATE: Final[Mapping[str, Any]] = MappingProxyType(
    {"trigger": None, "name": "", "objective": {}, "start": None, "step": 0, "trained_alpha": None}
)


def resize(
    source: AdapterFile, out: Path, size: Size, *, dtype: str = "float32", job: Job | None = None
) -> tuple[Kept, ...]:  # fmt: skip
    """Write LoRA that keeps the largest part of an adapter's change (its singular values), layer by layer.

    Args:
        source: LoRA, LoKr or LoHa.
        out: File to write.
        size: Largest rank, or the share of the squared singular values to keep, or both.
        dtype: Number format of the weights.
        job: Hears of doubts, and what was written.

    Returns:
        What was kept of each layer.

    Raises:
        SettingError: For a file that exists.
        WrongAdapter: If the source cannot be read, or is of a kind that does not add.
        CorruptFile: If the written file does not give the weights back; it is gone then.
    """
    small, kept = arithmetic.resized(source.read(job), size)
    _write(small, out, dtype, job)
    return kept


def merge(
    sources: Sequence[AdapterFile],
    shares: Sequence[float],
    out: Path,
    *,
    dtype: str = "float32",
    job: Job | None = None,
) -> Facts:
    """Write LoRA that does what several adapters do together, exactly: ranks add up (`resize` takes them down).

    Args:
        sources: LoRA, LoKr or LoHa of one family and width.
        shares: Strength of each, in their order; one for each.
        out: File to write.
        dtype: Number format of the weights.
        job: Hears of doubts, and what was written.

    Raises:
        SettingError: If there are more or fewer strengths than adapters, or the file exists.
        WrongAdapter: If a source cannot be read, does not add, or belongs to another network than the first.
        CorruptFile: If the written file does not give the weights back; it is gone then.
    """
    if len(sources) != len(shares) or not sources:
        raise SettingError("formats.shares", adapters=len(sources), shares=len(shares))
    adapters = [source.read(job) for source in sources]
    _, first = family_of(adapters[0].facts.variant)
    for one in adapters:
        _, other = family_of(one.facts.variant)
        if (one.facts.family, other.size) != (adapters[0].facts.family, first.size):
            raise WrongAdapter("adapter.other_base", trained=other.name, used=first.name)
    whole = arithmetic.merged(adapters, shares)
    _write(whole, out, dtype, job)
    return whole.facts


def scale(
    source: AdapterFile, out: Path, factor: float, *, dtype: str = "float32", job: Job | None = None
) -> Facts:  # fmt: skip
    """Write an adapter that does at strength 1 what the source does at this strength (raises as `resize`)."""
    other = arithmetic.scaled(source.read(job), factor)
    _write(other, out, dtype, job)
    return other.facts


def strip(source: AdapterFile, out: Path, *, dtype: str = "float32", job: Job | None = None) -> tuple[str, ...]:
    """Write an adapter without what only people want to know: trigger, name, training facts (raises as `resize`).

    What is needed to use it stays: kind, ranks, layers, variant and the fingerprint of its base.

    Returns:
        The facts that are gone.
    """
    adapter = source.read(job)
    if any(name.endswith("lora_magnitude_vector") for name in adapter.weights):
        arithmetic.refuse_unadded(adapter.facts)
    gone = tuple(name for name, empty in _PRIVATE.items() if getattr(adapter.facts, name) not in (empty, None))
    plain = replace(adapter.facts, **_PRIVATE)
    baked = Adapter(adapter.weights, plain).baked()
    _write(Adapter(baked.weights, replace(baked.facts, trained_alpha=baked.facts.alpha)), out, dtype, job)
    return gone


@dataclass(frozen=True)
class Tuned:
    """A tuned model and what it was tuned from.

    Attributes:
        path: Folder or file with its weights.
        variant: What it was tuned from.
        base: Weights of that; None for where they are found by themselves.
    """

    path: Path
    variant: str
    base: Path | None = None


def extract(
    tuned: Tuned, out: Path, size: Size, *, home: Path | None = None, job: Job | None = None
) -> tuple[Kept, ...]:  # fmt: skip
    """Write LoRA of what a tuned model is more than its base, by the singular values of the difference.

    Args:
        tuned: Both models.
        out: File to write.
        size: How much to keep of each layer.
        home: Workspace folder.
        job: Hears the progress; told what else differs, which no adapter holds.

    Returns:
        What was kept of each layer.

    Raises:
        SettingError: If nothing differs, or the file exists.
        MissingDependency, DataError: If weights are not here, or of another model.
    """
    job = job or Job()
    card, known = family_of(tuned.variant)
    _refuse_existing(out)
    before, after = (_network(card, known, path, home, job) for path in (tuned.base, tuned.path))
    layers = tuple(card.layer_sizes(known.size, "re:.*"))
    moved = [layer for layer in layers if not torch.equal(before[f"{layer}.weight"], after[f"{layer}.weight"])]
    if not moved:
        raise SettingError("formats.nothing_differs", path=tuned.path, variant=known.name)
    others = [n for n in before if n.removesuffix(".weight") not in layers and not torch.equal(before[n], after[n])]
    if others:
        job.tell(WrongAdapter("formats.not_extracted", count=len(others), first=others[0]), subject=str(tuned.path))
    job.report(StageStarted(stage="extract", total=len(moved), unit="layers"))
    facts = Facts(kind="lora", rank=1, alpha=1.0, modules=tuple(moved), family=card.name, variant=known.name,
                  fingerprint="", name=tuned.path.stem)  # fmt: skip
    small, kept = arithmetic.lora_of(_differences(before, after, moved, job), facts, size)
    _write(small, out, "float32", job)
    job.report(StageEnded(stage="extract", result={"files": [str(out)]}))
    return kept


def _differences(
    before: Mapping[str, Tensor], after: Mapping[str, Tensor], layers: Sequence[str], job: Job
) -> Iterator[tuple[str, Singular]]:  # fmt: skip
    """Yield each layer with the decomposition of its difference."""
    for done, layer in enumerate(layers, start=1):
        job.check_stop("extract")
        yield layer, arithmetic.decompose(after[f"{layer}.weight"].double() - before[f"{layer}.weight"].double())
        job.report(Progress(stage="extract", done=done, total=len(layers), item=layer))


def _network(
    card: FamilyCard, variant: Variant, path: Path | None, home: Path | None, job: Job
) -> Mapping[str, Tensor]:
    """Return the weights of a network, in float32 on the CPU."""
    settings = {"model.variant": variant.name, "model.path": None if path is None else str(path)}
    family: ModelFamily = card.open(resolve([("extract", settings)]).recipe, Workspace.at(home).models, job)
    weights: Mapping[str, Tensor] = family.load_network(torch.device("cpu"), torch.float32).state_dict()
    return weights


def _write(adapter: Adapter, out: Path, dtype: str, job: Job | None) -> None:
    """Write an adapter as a universal file and read it back.

    Raises:
        SettingError: If the file exists.
        WrongAdapter: If no single file holds its kind.
        CorruptFile: If it is not what was written; it is gone then.
    """
    _refuse_existing(out)
    refused = UNIVERSAL.refusal(adapter.facts)
    if refused:
        raise refused
    card, _ = family_of(adapter.facts.variant)
    write_checked(UNIVERSAL, adapter, card, out, getattr(torch, dtype_of(dtype)))
    (job or Job()).report(Saved(path=str(out), what=UNIVERSAL.name, step=adapter.facts.step))


def _refuse_existing(out: Path) -> None:
    """Raise SettingError for a file that exists or is none that this writes."""
    if out.suffix != ".safetensors":
        raise SettingError("formats.no_safetensors", path=out)
    if out.exists():
        raise SettingError("formats.exists", path=out)
