"""The published and the embedded variant of ACE-Step v1, and the family's card. No torch.

Sizes: configuration of the published checkpoint. Licence: Apache-2.0, as its model card says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from acetune.errors import MissingDependency
from acetune.events import Job
from acetune.families import weights
from acetune.families.acestep_v1 import names
from acetune.families.acestep_v1.sizes import V1Size
from acetune.families.family import ModelFamily
from acetune.families.variant import Repository, Sampling, Samplings, Variant
from acetune.knobs import knob
from acetune.planning.memory import NetworkSize
from acetune.recipe import Recipe
from acetune.sections import FamilySection

_PUBLISHED = V1Size(
    hidden=2560, intermediate=6400, layers=24, heads=20, kv_heads=20, head_dim=128, condition_width=768, channels=128,
)  # fmt: skip
_TINY = V1Size(
    hidden=32, intermediate=80, layers=3, heads=2, kv_heads=2, head_dim=16, condition_width=32, channels=128,
    speaker_width=16, vocabulary=128, lyric_width=32, lyric_heads=2, lyric_units=64, lyric_layers=2, ssl_depth=2,
    ssl_widths=(24, 20),
)  # fmt: skip

#: The folder's name comes from a file at the top; the rest are four folders.
_REPOSITORY = Repository(
    "ACE-Step/ACE-Step-v1-3.5B", ("README.md", "*/*.json", "*/*.safetensors"), 7_900_000_000, "Apache-2.0"
)

#: What the checkpoint was trained with: a thousand times of a logit-normal law around the middle, shifted by 3, and
#: errors on x_0 (spec: sigma-weighted velocity).
_TRAINED_WITH: Mapping[str, object] = {"timestep_mean": 0.0, "weighting": "x0"}

#: What the published pipeline can be asked for.
_SAMPLINGS = Samplings(
    ("euler", "heun", "pingpong"), ("apg", "cfg", "cfg-zero", "double"), ("nothing", "weak"), intervals=True
)

VARIANTS = (
    Variant(
        name="tiny-v1",
        summary="Embedded random network with the parts of ACE-Step v1: the whole job in seconds; the sound is noise.",
        size=_TINY,
        timesteps="shifted1000",
        condition_dropout=0.15,
        sampling=Sampling(steps=12, shift=3.0, guidance=7.0),
        samplings=_SAMPLINGS,
        recipe={
            "data": {"crop_seconds": 6.0, "batch_size": 2},
            "adapter": {"rank": 8, "alpha": 8.0},
            "objective": _TRAINED_WITH,
            "optim": {"lr": 2e-3, "beta2": 0.99},
            "schedule": {"steps": 60},
        },
        taught=False,
    ),
    Variant(
        name="v1",
        summary="ACE-Step v1 (3.5B): sixty steps with guidance.",
        size=_PUBLISHED,
        timesteps="shifted1000",
        condition_dropout=0.15,
        sampling=Sampling(steps=60, shift=3.0, guidance=15.0),
        samplings=_SAMPLINGS,
        repositories=(_REPOSITORY,),
        aliases=("ACE-Step-v1-3.5B", "v1-3.5b"),
        recipe={"objective": _TRAINED_WITH},
    ),
)


class AceStepV1Section(FamilySection):
    """Knobs that only ACE-Step v1 has."""

    simple_tags: bool = knob(True, "Write [Verse 2] as [verse]: only bare tags have tokens of their own.", expert=True)


@dataclass(frozen=True)
class AceStepV1Card:
    """See `acetune.families.family.FamilyCard`."""

    name: str = "acestep_v1"
    variants: tuple[Variant, ...] = VARIANTS

    def variant(self, name: str) -> Variant | None:
        """Return the variant of this name or alias."""
        return next((v for v in self.variants if name == v.name or name in v.aliases), None)

    def recipe_section(self) -> type[FamilySection]:
        """Return the family's own knobs."""
        return AceStepV1Section

    @property
    def adapter_prefix(self) -> str:
        """Nothing: the official app loads through diffusers, which saves bare names; ComfyUI knows no others."""
        return ""

    def official_name(self, module: str) -> str:
        """Return the official app's name of a module: ours."""
        return module

    def network_name(self, module: str) -> str:
        """Return our name of a module of the official app: its own."""
        return module

    def checkpoint_name(self, module: str) -> str:
        """Return the name of a module in the published checkpoint: ours."""
        return module

    def layer_sizes(self, size: NetworkSize, targets: str) -> Mapping[str, tuple[int, int]]:
        """Return inputs and outputs of the layers that a choice of targets means; see `FamilyCard.layer_sizes`."""
        return names.layer_sizes(targets, size)

    def locate(self, variant: Variant, models: Path) -> Mapping[str, Path | None] | None:
        """Return where the parts of a variant's weights are; see `FamilyCard.locate`."""
        from acetune.families.acestep_v1 import places

        found = places.locate(variant, None, models)
        return None if found is None else found.parts

    def fetch(self, variant: Variant, models: Path, job: Job) -> Mapping[str, Path | None]:
        """Make sure that the weights of a variant are here; see `FamilyCard.fetch`."""
        from acetune.families.acestep_v1 import checkpoint

        return checkpoint.obtain(variant, None, models, job).parts

    def verify(self, variant: Variant, models: Path, job: Job) -> None:
        """Check the weight files of a variant; see `FamilyCard.verify`."""
        found = self.locate(variant, models)
        if found is None:
            size = weights.in_gb(sum(repository.size_bytes for repository in variant.repositories))
            licence = _REPOSITORY.licence
            raise MissingDependency("weights.missing", name=variant.name, parts="all of it", size=size, licence=licence)
        weights.verify([part for part in found.values() if part], job)

    def open(self, recipe: Recipe, models: Path, job: Job) -> ModelFamily:
        """Find (or fetch) the weights that a recipe names; see `acetune.families.family.FamilyCard.open`."""
        from acetune.families.acestep_v1.family import AceStepV1

        return AceStepV1.open(recipe, models, job)


CARD = AceStepV1Card()
