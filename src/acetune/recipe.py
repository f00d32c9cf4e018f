"""A recipe: all knobs of one training, and how it is made of layers, read, written and compared.

The knobs are declared in `acetune.sections` and, for those of one family only, in its own module.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import SerializeAsAny

from acetune import catalog, files
from acetune.errors import SettingError
from acetune.knobs import (
    Knob,
    Section,
    build,
    flatten,
    from_yaml,
    knobs_of,
    merge,
    nest,
    renamed,
    to_yaml,
)
from acetune.sections import (
    WHOLE,
    AdapterSection,
    ComputeSection,
    DataSection,
    FamilySection,
    GuardSection,
    ModelSection,
    ObjectiveSection,
    OptimSection,
    PreviewSection,
    ScheduleSection,
)

#: Layout of recipe.yaml; newer files are refused.
VERSION: Literal[1] = 1

#: Flags that people use without naming their section.
SHORT_NAMES = {
    "rank": "adapter.rank",
    "alpha": "adapter.alpha",
    "start-from": "adapter.start",
    "lr": "optim.lr",
    "steps": "schedule.steps",
    "epochs": "schedule.epochs",
    "batch-size": "data.batch_size",
    "accumulation": "data.accumulation",
    "crop-seconds": "data.crop_seconds",
    "prior": "data.prior",
    "save-every": "guard.save_every",
    "device": "compute.device",
    "devices": "compute.devices",
    "seed": "data.seed",
}

#: Words of other trainers for our knobs, accepted in files and flags.
ALIASES = {
    "adapter.r": "adapter.rank",
    "adapter.dim": "adapter.rank",
    "adapter.lora_rank": "adapter.rank",
    "adapter.lora_alpha": "adapter.alpha",
    "adapter.lora_dropout": "adapter.dropout",
    "adapter.target_modules": "adapter.targets",
    "optim.learning_rate": "optim.lr",
    "optim.max_grad_norm": "optim.clip",
    "schedule.max_steps": "schedule.steps",
    "schedule.warmup_steps": "schedule.warmup",
    "data.gradient_accumulation": "data.accumulation",
    "data.train_batch_size": "data.batch_size",
    "objective.cfg_ratio": "objective.condition_dropout",
}

#: Every other name of a knob, in snake case.
_NAMES = {short.replace("-", "_"): name for short, name in SHORT_NAMES.items()} | ALIASES


class Recipe(Section):
    """All knobs of one training, frozen. Law: ``load(dump(r)) == r``."""

    version: Literal[1] = 1
    model: ModelSection = ModelSection()
    data: DataSection = DataSection()
    adapter: AdapterSection = AdapterSection()
    objective: ObjectiveSection = ObjectiveSection()
    optim: OptimSection = OptimSection()
    schedule: ScheduleSection = ScheduleSection()
    guard: GuardSection = GuardSection()
    preview: PreviewSection = PreviewSection()
    compute: ComputeSection = ComputeSection()
    family: SerializeAsAny[FamilySection] = FamilySection()


@dataclass(frozen=True)
class Resolved:
    """A recipe and where each of its values came from (knob name to origin; "default" where nobody spoke)."""

    recipe: Recipe
    origins: Mapping[str, str]


def resolve(layers: Iterable[tuple[str, Mapping[str, object]]]) -> Resolved:
    """Build a recipe from layers of nested values; a later layer wins.

    The variant's own defaults lie below all of them. Choosing steps in a layer takes epochs of earlier layers back,
    and the other way round.

    Args:
        layers: Pairs of an origin (shown to people) and values.

    Raises:
        SettingError: For unknown knobs (with the nearest name), values out of range, knobs of adapters where all
            weights are trained, and unknown variants.
    """
    flat = [(origin, renamed(flatten(values), _NAMES, origin)) for origin, values in layers]
    chosen = [layer["model.variant"] for _, layer in flat if layer.get("model.variant") is not None]
    card, variant = family_of(str(chosen[-1] if chosen else ModelSection().variant))
    family: type[FamilySection] = card.recipe_section()
    stack = [(f"variant {variant.name}", flatten(variant.recipe)), *flat]
    legal = {k.name for k in knobs(family)} | {"version"}
    values, origins = merge(stack, legal, tuple(_NAMES), ("schedule.steps", "schedule.epochs"))
    sections = nest({**values, "model.variant": variant.name})
    top, own = sections.pop("", {}), build(family, sections.pop("family", {}), origins, "family.")
    recipe = build(Recipe, {**top, **sections, "family": own}, origins)
    _check_whole(recipe, flatten(variant.recipe))
    return Resolved(recipe, origins)


def _check_whole(recipe: Recipe, usual: Mapping[str, object]) -> None:
    """Refuse knobs of adapters where all weights are trained, unless they are what nobody chose.

    Raises:
        SettingError: Naming the first.
    """
    if recipe.adapter.kind != WHOLE:
        return
    defaults = {**AdapterSection().model_dump(), "kind": WHOLE}
    for name, value in recipe.adapter.model_dump().items():
        if value not in (defaults[name], usual.get(f"adapter.{name}", defaults[name])):
            raise SettingError("recipe.not_for_full", knob=f"adapter.{name}", value=value)


def changed(recipe: Recipe, changes: Mapping[str, object]) -> Recipe:
    """Return a recipe with other values of some knobs; errors are those of `resolve`."""
    return resolve([("recipe", recipe.model_dump(mode="json")), ("change", changes)]).recipe


def anchored(recipe: Recipe) -> Recipe:
    """Return a recipe that names its data set from the root of the file system on, and is found from anywhere."""
    return changed(recipe, {"data.dataset": str(recipe.data.folder)}) if recipe.data.dataset else recipe


def load(path: Path) -> Recipe:
    """Read recipe.yaml.

    Raises:
        SettingError: If it is missing, is no YAML mapping, is newer than this acetune, or holds a bad value.
    """
    return resolve([(path.name, read_layer(path))]).recipe


def read_layer(path: Path) -> Mapping[str, object]:
    """Read a YAML file as one layer for `resolve`; a section without knobs says nothing (raises as `load`)."""
    values = from_yaml(path)
    if values.get("version", VERSION) != VERSION:
        raise SettingError("recipe.newer", path=path, version=values["version"], known=VERSION)
    return {name: value for name, value in values.items() if value is not None or name not in Recipe.model_fields}


def dump(recipe: Recipe) -> str:
    """Return a recipe as commented YAML."""
    helps = {k.name: k for k in knobs(type(recipe.family))}
    return to_yaml(recipe.model_dump(mode="json"), helps)


def save(recipe: Recipe, path: Path) -> None:
    """Write recipe.yaml, all of it or nothing."""
    files.write_text(path, dump(recipe))


def knobs(family: type[FamilySection] = FamilySection) -> tuple[Knob, ...]:
    """Return all knobs, those of the family last."""
    sections: dict[str, type[Section]] = {n: type(f.default) for n, f in Recipe.model_fields.items() if n != "version"}
    return tuple(k for name, section in {**sections, "family": family}.items() for k in knobs_of(name, section))


def fixed_differences(old: Recipe, new: Recipe) -> tuple[str, ...]:
    """Name the knobs that differ and may not change when a run is resumed."""
    before, after = flatten(old.model_dump(mode="json")), flatten(new.model_dump(mode="json"))
    fixed = [k.name for k in knobs(type(new.family)) if not k.free]
    return tuple(name for name in fixed if before.get(name) != after.get(name))


def family_of(variant: str) -> tuple[Any, Any]:
    """Return the card of the family that has this variant, and the variant (aliases accepted).

    Raises:
        SettingError: If no family has it; the nearest name is offered.
    """
    known: list[str] = []
    for name in catalog.names("family"):
        card = catalog.resolve("family", name)
        found = card.variant(variant)
        if found is not None:
            return card, found
        known += [v.name for v in card.variants]
    raise SettingError(
        "recipe.unknown_variant",
        variant=variant,
        known=", ".join(known),
        hint=catalog.nearest(variant, tuple(known)),
    )
