"""The published and the embedded variants of ACE-Step 1.5, and the family's card. No torch.

Sizes: configuration files of the published checkpoints. Licence: MIT, as their model cards say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from acetune.errors import MissingDependency
from acetune.events import Job
from acetune.families import weights
from acetune.families.acestep_v15 import names
from acetune.families.family import ModelFamily
from acetune.families.variant import Repository, Sampling, Variant
from acetune.knobs import knob
from acetune.planning.memory import NetworkSize
from acetune.recipe import Recipe
from acetune.sections import FamilySection

if TYPE_CHECKING:
    from acetune.families.acestep_v15.places import Found

_2B = NetworkSize(
    hidden=2048,
    intermediate=6144,
    layers=24,
    heads=16,
    kv_heads=8,
    head_dim=128,
    condition_width=2048,
    channels=64,
)
_XL = NetworkSize(
    hidden=2560,
    intermediate=9728,
    layers=32,
    heads=32,
    kv_heads=8,
    head_dim=128,
    condition_width=2048,
    channels=64,
)
_TINY = NetworkSize(
    hidden=64, intermediate=128, layers=4, heads=4, kv_heads=2, head_dim=16, condition_width=64, channels=8,
    window=16,
)  # fmt: skip
_TINY_XL = replace(_TINY, hidden=80, intermediate=160, heads=8)
_TINY_COMFY = replace(_2B, hidden=256, intermediate=512, layers=2, heads=8, condition_width=256)

#: Turbo is guidance-distilled: no guidance, eight steps, shift 3 (official registry).
_TURBO = Sampling(steps=8, shift=3.0, guidance=1.0)
#: Base and sft: fifty steps, shift 1, APG guidance 7 (official registry).
_GUIDED = Sampling(steps=50, shift=1.0, guidance=7.0)

#: Every checkpoint covers and repaints; the official app asks base and sft alone for the rest.
_TASKS = ("text2music", "cover", "repaint")
_ALL_TASKS = (*_TASKS, "extract", "lego", "complete")

_MAIN = "ACE-Step/Ace-Step1.5"
_SHARED = Repository(_MAIN, ("vae/*", "Qwen3-Embedding-0.6B/*"), 1_530_000_000, "MIT")
_WEIGHTS = ("config.json", "*.safetensors", "*.safetensors.index.json", "silence_latent.pt")


def _published(name: str, summary: str, size: NetworkSize, *, turbo: bool) -> Variant:
    """Return a variant whose weights are on the hub under its official folder name."""
    folder = f"acestep-v15-{name}"
    size_bytes = 9_980_000_000 if size is _XL else 4_790_000_000
    if name == "turbo":
        own = Repository(_MAIN, tuple(f"{folder}/{pattern}" for pattern in _WEIGHTS), size_bytes, "MIT")
    else:
        own = Repository(f"ACE-Step/{folder}", _WEIGHTS, size_bytes, "MIT")
    return Variant(
        name=name,
        summary=summary,
        size=size,
        timesteps="turbo8" if turbo else "acestep",
        condition_dropout=0.0 if turbo else 0.15,
        sampling=_TURBO if turbo else _GUIDED,
        tasks=_TASKS if turbo else _ALL_TASKS,
        repositories=(own, _SHARED),
        aliases=(folder,),
    )


#: What makes an embedded variant finish in seconds on a processor.
_QUICK: Mapping[str, Mapping[str, object]] = {
    "data": {"crop_seconds": 6.0, "batch_size": 2},
    "adapter": {"rank": 8, "alpha": 8.0},
    "optim": {"lr": 2e-3, "beta2": 0.99},  # which remembers 100 steps
    "schedule": {"steps": 60},
}


def _embedded(name: str, summary: str, size: NetworkSize, *, turbo: bool = True, taught: bool = False) -> Variant:
    """Return a variant that acetune makes from a seed, its network from a file where it was taught."""
    return Variant(
        name=name,
        summary=summary,
        size=size,
        timesteps="turbo8" if turbo else "acestep",
        condition_dropout=0.0 if turbo else 0.15,
        sampling=_TURBO if turbo else replace(_GUIDED, steps=12),
        tasks=_TASKS if turbo else _ALL_TASKS,
        recipe=_QUICK,
        taught=taught,
    )


VARIANTS = (
    _embedded("tiny", "Embedded network that learned made-up music, turbo-like: the whole job in seconds; the sound is "
              "noise.", _TINY, taught=True),
    _embedded("tiny-base", "Embedded random network, base-like: continuous t, condition dropout, guidance.", _TINY,
              turbo=False),
    _embedded("tiny-xl", "Embedded random network that is wider than its encoder, like XL.", _TINY_XL),
    _embedded("tiny-comfy", "Embedded random network with the widths that ComfyUI fixes.", _TINY_COMFY),
    _published("turbo", "2B, eight steps, no guidance: the usual choice.", _2B, turbo=True),
    replace(_published("turbo-shift1", "2B turbo distilled at shift 1.", _2B, turbo=True),
            sampling=replace(_TURBO, shift=1.0)),
    _published("turbo-shift3", "2B turbo distilled at shift 3.", _2B, turbo=True),
    replace(_published("turbo-continuous", "2B turbo distilled over continuous t.", _2B, turbo=True),
            timesteps="acestep"),
    _published("base", "2B before distillation: fifty steps with guidance; adapters also work on sft and turbo.", _2B,
               turbo=False),
    _published("sft", "2B after supervised fine-tuning: fifty steps with guidance.", _2B, turbo=False),
    _published("xl-turbo", "XL (4.2B network), eight steps, no guidance.", _XL, turbo=True),
    _published("xl-base", "XL (4.2B network) before distillation.", _XL, turbo=False),
    _published("xl-sft", "XL (4.2B network) after supervised fine-tuning.", _XL, turbo=False),
)  # fmt: skip


class AceStepV15Section(FamilySection):
    """Knobs that only ACE-Step 1.5 has."""

    timbre_cls: Literal["auto", "on", "off"] = knob(
        "auto", "Timbre token of XL; auto is what the official app does: on for XL, off for 2B.", expert=True
    )
    lyric_format: Literal["template", "legacy_raw"] = knob(
        "template", "template is what inference uses; legacy_raw repeats old trainers (no header, 512 tokens).",
        expert=True,
    )  # fmt: skip


@dataclass(frozen=True)
class AceStepV15Card:
    """The family's `FamilyCard`."""

    name: str = "acestep_v15"
    variants: tuple[Variant, ...] = VARIANTS

    def variant(self, name: str) -> Variant | None:
        """Return the variant of this name or alias."""
        return next((v for v in self.variants if name == v.name or name in v.aliases), None)

    def recipe_section(self) -> type[FamilySection]:
        """Return the family's own knobs."""
        return AceStepV15Section

    @property
    def adapter_prefix(self) -> str:
        """PEFT's: the official app loads through it."""
        return "base_model.model."

    def official_name(self, module: str) -> str:
        """Return the official app's name of a module of our network."""
        return names.to_official(module)

    def network_name(self, module: str) -> str:
        """Return our name of a module that the official app names so."""
        return names.to_diffusers(module)

    def checkpoint_name(self, module: str) -> str:
        """Return a module's name in the official checkpoint."""
        return names.official_key("transformer", module)

    def layer_sizes(self, size: NetworkSize, targets: str) -> Mapping[str, tuple[int, int]]:
        """Return inputs and outputs of the layers that a choice of targets means; see `FamilyCard.layer_sizes`."""
        return names.layer_sizes(targets, size)

    def locate(self, variant: Variant, models: Path) -> Mapping[str, Path | None] | None:
        """Return where the parts of a variant's weights are; see `FamilyCard.locate`."""
        from acetune.families.acestep_v15 import places

        found = places.locate(variant, None, models)
        return None if found is None else _parts(found)

    def fetch(self, variant: Variant, models: Path, job: Job) -> Mapping[str, Path | None]:
        """Make sure that the weights of a variant are here; see `FamilyCard.fetch`."""
        from acetune.families.acestep_v15 import layouts

        return _parts(layouts.obtain(variant, None, models, job))

    def verify(self, variant: Variant, models: Path, job: Job) -> None:
        """Check the weight files of a variant; see `FamilyCard.verify`."""
        from acetune.families.acestep_v15 import places

        found = places.locate(variant, None, models)
        if found is None:
            size = weights.in_gb(sum(repository.size_bytes for repository in variant.repositories))
            raise MissingDependency("weights.missing", name=variant.name, parts="all of it", size=size, licence="MIT")
        weights.verify([part for part in _parts(found).values() if part], job)

    def open(self, recipe: Recipe, models: Path, job: Job) -> ModelFamily:
        """Find (or fetch) the weights that a recipe names; see `acetune.families.family.FamilyCard.open`."""
        from acetune.families.acestep_v15.family import AceStepV15

        return AceStepV15.open(recipe, models, job)


def _parts(found: Found) -> Mapping[str, Path | None]:
    """Return the parts of found weights, the network first."""
    return {"network": found.network, "vae": found.vae, "text": found.text, "tokenizer": found.tokenizer}


CARD = AceStepV15Card()
