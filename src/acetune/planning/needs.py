"""What a recipe needs of a device's memory: its knobs as the sizes that the formulas ask for."""

from __future__ import annotations

from collections.abc import Sequence

from acetune.compute import Machine
from acetune.planning import adapters
from acetune.planning.memory import Held, MicroBatch, NetworkSize, training_bytes
from acetune.planning.previews import preview_bytes
from acetune.planning.quantising import frozen_bytes, kept_bytes
from acetune.planning.sampling import CONDITIONS
from acetune.planning.sharding import holders, passing_bytes
from acetune.recipe import Recipe, family_of
from acetune.sections import WHOLE


def memory_of(recipe: Recipe, size: NetworkSize, crops: Sequence[int], machine: Machine) -> int:
    """Return the bytes that a training takes on an accelerator.

    Args:
        recipe: What to train.
        size: Of the network.
        crops: Length of every crop of an epoch, in frames.
        machine: Where it runs.
    """
    layout, batch = layout_of(recipe, size), largest(recipe, size, crops)
    wide = recipe.compute.dtype == "float32" or (recipe.compute.dtype == "auto" and machine.device == "cpu")
    number = 4 if wide else 2
    whole, form = recipe.adapter.kind == WHOLE, recipe.compute.quantise
    frozen = 0 if whole and wide else frozen_bytes(size, number, form)  # of trained weights: what they compute with
    held = Held(
        trained=-(-layout.parameters // holders(recipe)),
        frozen=frozen + (passing_bytes(size) if holders(recipe) > 1 else 0),
        number=number,
        inputs=layout.kept_bytes(size, batch, number) + kept_bytes(size, batch, number, form),
    )
    average = layout.parameters * 4 if recipe.adapter.ema else 0
    return training_bytes(size, batch, held, recompute=recipe.compute.recompute) + average + preview_bytes(recipe)


def largest(recipe: Recipe, size: NetworkSize, crops: Sequence[int]) -> MicroBatch:
    """Return the largest micro-batch of crops of these lengths, in frames."""
    count = min(recipe.data.batch_size, len(crops))
    return MicroBatch(
        tokens=max(crops) // size.patch * count,
        conditions=CONDITIONS * count,
        crops=count,
        alone=recipe.data.accumulation == 1,
    )


def layout_of(recipe: Recipe, size: NetworkSize) -> adapters.Layout:
    """Return what is trained."""
    return adapters.layout(recipe.adapter, family_of(recipe.model.variant)[0], size)
