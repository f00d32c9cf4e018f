"""Two steps for real, before anything is kept: what a step takes on this device, in seconds and in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import torch
from torch import nn

from acetune import catalog, compute
from acetune.adapters.adapter import Facts
from acetune.adapters.quantised import check_installed
from acetune.data import manifest as manifests
from acetune.data.split import split
from acetune.errors import OutOfMemory
from acetune.events import Job, Json
from acetune.families.family import Batch, ModelFamily
from acetune.families.objective import Objective
from acetune.flow import path
from acetune.planning.memory import CONTEXT_BYTES, NetworkSize
from acetune.planning.needs import largest, layout_of
from acetune.planning.plan import Plan, plan, training_crops
from acetune.planning.previews import preview_bytes
from acetune.planning.sampling import CONDITIONS
from acetune.recipe import Recipe, family_of
from acetune.sections import WHOLE
from acetune.training.trainable import precision, trainable
from acetune.training.updater import Updater
from acetune.workspace import Workspace


@dataclass(frozen=True)
class Probe:
    """What was measured beside what was reckoned.

    Attributes:
        plan: Time and memory brought to what was measured.
        reckoned: The plan from formulas alone.
        device: Where.
        seconds: Of one micro-batch of the longest crops.
        memory_bytes: Most memory of a step, with the runtime; None on devices that do not tell.
    """

    plan: Plan
    reckoned: Plan
    device: str
    seconds: float
    memory_bytes: int | None

    def to_json(self) -> dict[str, Json]:
        """Return the plan as JSON values, with what was measured and reckoned."""
        found: dict[str, Json] = {
            "device": self.device,
            "micro_seconds": self.seconds,
            "memory_bytes": self.memory_bytes,
            "reckoned_micro_seconds": self.reckoned.micro_seconds,
            "reckoned_memory_bytes": self.reckoned.memory_bytes,
        }
        return {**self.plan.to_json(), "probe": found}


def probe(recipe: Recipe, *, home: str | Path | None = None, job: Job | None = None) -> Probe:
    """Plan a training from two steps that are done for real, with its own network, adapter and crop length.

    Music and conditions are made up; nothing is encoded, and no run is made. The first step warms up.

    Args:
        recipe: What to train; ``data.dataset`` must be a scanned folder.
        home: Workspace folder.
        job: Hears of downloads; can stop.

    Raises:
        OutOfMemory: If the device's memory does not suffice for a step.
        Others: As `acetune.planning.plan.plan` and the opening of a model.
    """
    reckoned = plan(recipe, home=home)
    check_installed(recipe.compute.quantise)
    card, variant = family_of(recipe.model.variant)
    family: ModelFamily = card.open(recipe, Workspace.at(home).models, job or Job())
    device = compute.device(recipe.compute.device)
    try:
        with compute.threads(recipe.compute.threads):
            seconds, memory = _measure(recipe, family, variant.size, device)
    except RuntimeError as error:
        if not compute.is_out_of_memory(error):
            raise
        raise OutOfMemory("training.memory", device=recipe.compute.device) from error
    memory = memory and memory + CONTEXT_BYTES + preview_bytes(recipe)
    slower = reckoned.micro_batches * (seconds - reckoned.micro_seconds)
    found = replace(
        reckoned,
        minutes=reckoned.minutes + slower / 60,
        memory_bytes=memory or reckoned.memory_bytes,
        micro_seconds=seconds,
    )
    return Probe(found, reckoned, str(device), seconds, memory)


def _measure(recipe: Recipe, family: ModelFamily, size: NetworkSize, device: torch.device) -> tuple[float, int | None]:
    """Return seconds of a micro-batch and the most bytes of a step."""
    dtype = compute.dtype(recipe.compute.dtype, device)
    facts = _facts(recipe, family, size)
    network, parameters = trainable(recipe, family, facts, device, dtype)
    if recipe.compute.recompute:
        network.enable_gradient_checkpointing()  # type: ignore[operator]
    make: Callable[..., Updater] = catalog.resolve("optimizer", recipe.optim.name)
    optimizer = make(parameters.values(), recipe.optim)
    batch = _stand_in(recipe, family, size, device)
    count = min(recipe.data.accumulation, 2)  # the second begins with gradients: more are as large

    def micro_batch() -> None:
        with precision(facts, device, dtype):
            _backward(recipe, family, network.train(), batch)

    compute.forget_peak(device)
    for _ in range(2):
        begin = perf_counter()
        for _ in range(count):
            micro_batch()
        _update(parameters, optimizer)
        compute.wait(device)
    return (perf_counter() - begin) / count, compute.peak_bytes(device)


def _backward(recipe: Recipe, family: ModelFamily, network: nn.Module, batch: Batch) -> None:
    """Add the gradients of one micro-batch."""
    objective = Objective.of(recipe, family.variant)
    crops = batch.x0.shape[0]
    noise = torch.ones_like(batch.x0)
    t = objective.times(recipe.data.seed, 0, range(crops)).to(batch.x0.device)
    predicted = family.predict(network, batch, path.noisy(batch.x0, noise, t), t, torch.zeros_like(t, dtype=torch.bool))
    objective.losses(predicted, path.velocity(batch.x0, noise), t).mean().backward()  # type: ignore[no-untyped-call]


def _update(parameters: Mapping[str, nn.Parameter], optimizer: Updater) -> None:
    """Clip and update once."""
    torch.nn.utils.clip_grad_norm_(list(parameters.values()), 1.0)
    optimizer.found_inf = torch.zeros((), device=next(iter(parameters.values())).device)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def _stand_in(recipe: Recipe, family: ModelFamily, size: NetworkSize, device: torch.device) -> Batch:
    """Return the largest micro-batch of a recipe with made-up contents."""
    tracks = [t for t in manifests.load(recipe.data.folder).tracks if not t.excluded]
    crops = training_crops(recipe, size, split(tracks, recipe.data.holdout, recipe.data.seed))
    micro = largest(recipe, size, crops)
    return family.probe(max(crops), device, micro.crops, CONDITIONS)


def _facts(recipe: Recipe, family: ModelFamily, size: NetworkSize) -> Facts:
    """Return what an adapter of this recipe is."""
    knobs, layout = recipe.adapter, layout_of(recipe, size)
    return Facts(
        kind=knobs.kind,
        rank=0 if knobs.kind == WHOLE else knobs.rank,
        alpha=0.0 if knobs.kind == WHOLE else knobs.alpha,
        rslora=knobs.rslora,
        factor=knobs.factor,
        ranks=layout.ranks,
        modules=tuple(layout.layers),
        family="",
        variant=family.variant.name,
        fingerprint="",
    )
