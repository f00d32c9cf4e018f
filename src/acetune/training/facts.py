"""What is known of a training before its first step: the facts of its adapter, and a name for its songs."""

from __future__ import annotations

from acetune import files
from acetune.adapters.adapter import Facts
from acetune.encoding.encode import EncodedSet
from acetune.families.family import ModelFamily
from acetune.families.objective import Objective
from acetune.planning import adapters
from acetune.recipe import Recipe, family_of
from acetune.sections import WHOLE


def facts_of(recipe: Recipe, family: ModelFamily, objective: Objective, encoded: EncodedSet, name: str) -> Facts:
    """Return what the adapter will say of itself; no file names, captions or lyrics."""
    card, variant = family_of(recipe.model.variant)
    layout = adapters.layout(recipe.adapter, card, variant.size)
    adapter = recipe.adapter
    all_weights = adapter.kind == WHOLE
    return Facts(
        kind=adapter.kind,
        rank=0 if all_weights else adapter.rank,
        alpha=0.0 if all_weights else adapter.alpha,
        rslora=adapter.rslora,
        factor=adapter.factor,
        ranks=layout.ranks,
        modules=tuple(layout.layers),
        family=card.name,
        variant=family.variant.name,
        fingerprint=family.fingerprint,
        objective=dict(vars(objective)),
        trigger=encoded.manifest.settings.trigger,
        name=name,
    )


def name_of(encoded: EncodedSet) -> str:
    """Return what names songs and texts, whatever device they were encoded on and however they are cut."""
    asked = [
        (p.latents, sorted((form, vars(prompt)) for form, prompt in p.prompts.items()), next(iter(p.lyrics)))
        for p in encoded.parts
    ]
    return files.hash_of(sorted(asked, key=str))
