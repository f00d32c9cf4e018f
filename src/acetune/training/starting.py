"""Starting a training from an adapter that exists: read, and compared with what is asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from acetune.adapters import attach
from acetune.adapters.adapter import Adapter, Facts
from acetune.errors import WrongAdapter
from acetune.events import Job
from acetune.families.adapter_names import read_adapter
from acetune.planning.adapters import Layout, layout
from acetune.recipe import Recipe, family_of

if TYPE_CHECKING:
    from acetune.training.session import Session


def starting_point(recipe: Recipe, job: Job | None = None) -> Adapter | None:
    """Return the adapter that a training starts from; None for a fresh one.

    Its alpha may differ: the weights will be scaled so that the network begins with what the adapter does.

    Args:
        recipe: ``adapter.start`` is a file or folder that `acetune.families.adapter_names.read_adapter` reads.
        job: Hears what an adapter of another trainer does not say.

    Raises:
        WrongAdapter: If it is no adapter, or one of another kind, rank or base size, or of other layers.
        CorruptFile: If it is damaged.
    """
    if recipe.adapter.start is None:
        return None
    card, variant = family_of(recipe.model.variant)
    adapter = read_adapter(Path(recipe.adapter.start).expanduser(), variant.name, job=job)
    trained_card, trained = family_of(adapter.facts.variant)
    if trained_card.name != card.name or trained.size != variant.size:
        raise WrongAdapter("adapter.other_base", trained=trained.name, used=variant.name)
    _refuse_another_shape(recipe.adapter.start, adapter.facts, layout(recipe.adapter, card, variant.size))
    return adapter


def begin(session: Session, adapter: Adapter) -> None:
    """Let a session begin with what an adapter does; its facts say which it was, without file names."""
    attach.start_from(session.network, session.facts, adapter)
    found = adapter.facts
    session.facts = replace(session.facts, start=f"{found.name or found.kind}, step {found.step}")


def _refuse_another_shape(path: str, found: Facts, wanted: Layout) -> None:
    """Raise WrongAdapter for an adapter whose weights do not fit one to one.

    Args:
        path: Where it is.
        found: Its facts.
        wanted: What is going to be trained.
    """
    knobs = wanted.knobs
    if found.kind != knobs.kind:
        raise WrongAdapter("adapter.start_kind", path=path, found=found.kind, wanted=knobs.kind)
    if found.factor != knobs.factor:
        factors = {"found": found.factor or "none", "wanted": knobs.factor or "none"}
        raise WrongAdapter("adapter.start_factor", path=path, **factors)
    different = sorted(set(found.modules) ^ set(wanted.layers))
    if different:
        counts = {"found": len(found.modules), "wanted": len(wanted.layers)}
        raise WrongAdapter("adapter.start_layers", path=path, first=different[0], **counts)
    ranks = {name: found.ranks.get(name, found.rank) for name in found.modules}
    other = next((name for name, rank in ranks.items() if rank != wanted.layers[name].rank), None)
    if other:
        here = {"found": ranks[other], "wanted": wanted.layers[other].rank}
        raise WrongAdapter("adapter.start_rank", path=path, layer=other, rank=found.rank, **here)
