"""Every knob, declared once.

From these declarations come YAML files, command-line flags, forms, node inputs and the reference page. A knob says
what it does, its unit and range, and whether it may change when a run is resumed.
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
    Words,
    build,
    flatten,
    from_yaml,
    knob,
    knobs_of,
    merge,
    nest,
    renamed,
    to_yaml,
)

#: Layout of recipe.yaml; newer files are refused.
VERSION: Literal[1] = 1

#: Flags that people use without naming their section.
SHORT_NAMES = {
    "rank": "adapter.rank",
    "alpha": "adapter.alpha",
    "lr": "optim.lr",
    "steps": "schedule.steps",
    "epochs": "schedule.epochs",
    "batch-size": "data.batch_size",
    "accumulation": "data.accumulation",
    "crop-seconds": "data.crop_seconds",
    "save-every": "guard.save_every",
    "device": "compute.device",
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


class ModelSection(Section):
    """Which network is tuned."""

    variant: str = knob("tiny", "Trained checkpoint to start from (`acetune models ls` lists them).")
    path: str | None = knob(None, "Folder or file with its weights, where it is not in a usual place.", free=True)


class DataSection(Section):
    """Which songs, and how they are cut and grouped."""

    dataset: str = knob("", "Folder of songs that `acetune scan` has read.", free=True)
    max_seconds: float = knob(240.0, "Songs are encoded up to this length.", unit="s", ge=1, le=600)
    normalise: Literal["none", "peak"] = knob("none", "Loudness treatment before encoding; peak is -1 dBFS.")
    crop_seconds: float = knob(60.0, "Longest window of a song in one example.", unit="s", gt=0, le=600)
    batch_size: int = knob(1, "Crops in one micro-batch.", unit="crops", ge=1, le=512)
    accumulation: int = knob(1, "Micro-batches in one step.", ge=1, le=4096)
    holdout: float | None = knob(
        None, "Held out for validation: a share below 1, a number of songs from 1 on, 0 for none.", ge=0
    )
    latents: Literal["mean", "sample"] = knob(
        "sample", "Encoder's mean, or a fresh draw of its distribution at each visit.", expert=True
    )
    tags_share: float = knob(0.1, "Share of visits that use a track's tags in place of its caption.", ge=0, le=1)
    seed: int = knob(42, "Every random draw of a run follows from it.", ge=0, le=2**63 - 1)


class AdapterSection(Section):
    """What is trained."""

    kind: Literal["lora"] = knob("lora", "Kind of adapter.")
    rank: int = knob(64, "Rank of each weight change (r, dim).", ge=1, le=1024)
    alpha: float = knob(64.0, "Strength before division by the rank; scale = alpha / rank.", gt=0, le=8192)
    rslora: bool = knob(False, "Scale by alpha / sqrt(rank) (arXiv:2312.03732).", expert=True)
    dropout: float = knob(0.0, "Chance that an adapter input is dropped.", ge=0, lt=1)
    targets: Words = knob("attention", "attention, attention+mlp, self, cross, or module names separated by commas.")


class ObjectiveSection(Section):
    """What the network is asked to do."""

    timesteps: Literal["auto", "acestep", "turbo8", "logit_normal", "uniform"] = knob(
        "auto", "How t is drawn; auto is what the variant was trained with."
    )
    condition_dropout: float | None = knob(
        None, "Chance that a crop is shown without its conditions; empty is what the variant was trained with.",
        ge=0, le=1,
    )  # fmt: skip
    weighting: Literal["none", "min_snr"] = knob("none", "Weight of an error by its t.", expert=True)
    min_snr_gamma: float = knob(5.0, "Cap of the signal-to-noise ratio for min_snr.", gt=0, le=100, expert=True)


class OptimSection(Section):
    """How weights are updated."""

    name: str = knob("adamw", "Optimizer: adamw, adamw-8bit, adafactor, lion, muon, prodigy or prodigy-schedule-free.")
    lr: float = knob(1e-4, "Peak learning rate.", gt=0, le=1)
    beta1: float = knob(0.9, "Memory of the gradient.", ge=0, lt=1, expert=True)
    beta2: float = knob(0.999, "Memory of the squared gradient.", ge=0, lt=1, expert=True)
    eps: float = knob(1e-8, "Added to the denominator.", gt=0, le=1e-2, expert=True)
    weight_decay: float = knob(0.01, "Decoupled weight decay.", ge=0, le=1, expert=True)
    clip: float = knob(1.0, "Largest gradient norm; 0 for no limit.", ge=0, le=1e6)


class ScheduleSection(Section):
    """How long, and how the learning rate moves."""

    name: str = knob("cosine", "Learning rate after warm-up: cosine, cosine-restarts, linear, rex or constant.")
    steps: int | None = knob(None, "Optimizer updates; empty lets the planner choose.", ge=1, le=10**7, free=True)
    epochs: float | None = knob(None, "Passes over the songs, in place of steps.", gt=0, le=10**6, free=True)
    warmup: int | None = knob(
        None,
        "Steps of linear warm-up; empty is the smaller of 100 and a tenth of the run.",
        unit="steps",
        ge=0,
    )
    final: float = knob(0.01, "Learning rate at the end, as a share of its peak.", ge=0, le=1, expert=True)


class GuardSection(Section):
    """What is saved and checked on the way."""

    save_every: int | None = knob(
        None,
        "Steps between checkpoints; 0 for the last one only; empty is a quarter of the run.",
        ge=0,
        free=True,
    )
    keep_last: int = knob(2, "Recent checkpoints to keep.", ge=1, le=1000, free=True)
    keep_every: int = knob(0, "Also keep checkpoints at multiples of this many steps; 0 for none.", ge=0, free=True)
    validate_every: int | None = knob(
        None, "Steps between validations; 0 for none; empty is a quarter of the run.", ge=0, free=True
    )


class ComputeSection(Section):
    """Where and how it is computed."""

    device: str = knob("auto", "auto, cpu, cuda, cuda:N, mps or xpu.", free=True)
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = knob("auto", "Number format of the frozen weights.")
    recompute: bool = knob(
        False, "Recompute activations in the backward pass: less memory, about 50 % more time.", free=True
    )
    threads: int | None = knob(None, "Processor threads; empty leaves it to torch.", ge=1, le=1024, expert=True)
    resident_gb: float = knob(
        4.0, "Encoded songs kept in main memory; beyond it they are read from disk.", unit="GB", ge=0, free=True,
        expert=True,
    )  # fmt: skip


class FamilySection(Section):
    """Knobs that only one family of models has; each family declares its own."""


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
        SettingError: For unknown knobs (with the nearest name), values out of range and unknown variants.
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
    return Resolved(build(Recipe, {**top, **sections, "family": own}, origins), origins)


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
