"""A PEFT folder: what the official app and PEFT load. The scale is baked, and the configuration says alpha = rank."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from acetune import files
from acetune.adapters.adapter import HEADER, Adapter, Facts
from acetune.adapters.kinds import kind
from acetune.errors import WrongAdapter
from acetune.events import Json
from acetune.families.adapter_names import read_adapter, spelled
from acetune.families.family import FamilyCard
from acetune.families.foreign_files import CONFIG
from acetune.storage import save_tensors

_WEIGHTS = "adapter_model.safetensors"


@dataclass(frozen=True)
class PeftFolder:
    """The format's `acetune.formats.format.Format`."""

    name: str = "peft"
    summary: str = "a folder for the official app and PEFT"

    def target(self, folder: Path, stem: str) -> Path:
        """Return the folder that `write` makes."""
        return folder / stem

    def refusal(self, facts: Facts) -> WrongAdapter | None:
        """Return None: PEFT has every kind."""
        return None

    def caveat(self, adapter: Adapter, card: FamilyCard) -> WrongAdapter | None:
        """Return None: PEFT reads whatever it wrote."""
        return None

    def held(self, adapter: Adapter, network: nn.Module) -> Adapter:
        """Return the adapter with the scale inside, and else as PEFT has it."""
        return adapter.baked()

    def write(self, adapter: Adapter, card: FamilyCard, target: Path, dtype: torch.dtype) -> None:
        """Write the folder; see `acetune.formats.format.Format.write`."""
        held = adapter.baked().rounded(dtype)
        with files.draft_folder(target) as draft:
            metadata = {"format": "pt", HEADER: held.facts.to_json()}
            save_tensors(draft / _WEIGHTS, spelled(held, card, "peft"), metadata)
            files.write_json(draft / CONFIG, _config(held.facts, card))

    def read(self, target: Path, card: FamilyCard) -> Adapter:
        """Return the adapter of such a folder (raises as `acetune.families.adapter_names.read_adapter`)."""
        return read_adapter(target)


def _config(facts: Facts, card: FamilyCard) -> dict[str, Json]:
    """Return adapter_config.json: PEFT's own, with official names and an alpha that is the rank."""
    named = replace(
        facts,
        modules=tuple(card.official_name(module) for module in facts.modules),
        ranks={card.official_name(module): rank for module, rank in facts.ranks.items()},
    )
    said = kind(facts.kind).config(named, 0.0).to_dict()
    plain = {key: sorted(value) if isinstance(value, set) else value for key, value in said.items()}
    modules: Json = list(named.modules)  # PEFT's set has no order
    whose: dict[str, Json] = {
        "task_type": "FEATURE_EXTRACTION",
        "base_model_name_or_path": facts.variant,
        "inference_mode": True,
    }
    return {**plain, **whose, "target_modules": modules}


PEFT = PeftFolder()
