"""A PEFT folder: what the official app and PEFT load. The scale is baked, and the configuration says alpha = rank."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from acetune import files
from acetune.adapters.adapter import HEADER, Adapter, Facts
from acetune.errors import WrongAdapter
from acetune.families.adapter_names import official, read_adapter
from acetune.families.family import FamilyCard
from acetune.storage import save_tensors

_WEIGHTS, _CONFIG = "adapter_model.safetensors", "adapter_config.json"


@dataclass(frozen=True)
class PeftFolder:
    """The format's `acetune.formats.format.Format`."""

    name: str = "peft"
    summary: str = "a folder for the official app and PEFT"

    def target(self, folder: Path, stem: str) -> Path:
        """Return the folder that `write` makes."""
        return folder / stem

    def caveat(self, adapter: Adapter, card: FamilyCard) -> WrongAdapter | None:
        """Return None: PEFT reads whatever it wrote."""
        return None

    def write(self, adapter: Adapter, card: FamilyCard, target: Path, dtype: torch.dtype) -> None:
        """Write the folder; see `acetune.formats.format.Format.write`."""
        baked = adapter.baked()
        with files.disk_errors(target):
            files.remove(target)
        with files.draft_folder(target) as draft:
            metadata = {"format": "pt", HEADER: baked.facts.to_json()}
            save_tensors(draft / _WEIGHTS, official(baked, card, dtype), metadata)
            files.write_json(draft / _CONFIG, _config(baked.facts, card))

    def read(self, target: Path, card: FamilyCard) -> Adapter:
        """Return the adapter of such a folder (raises as `acetune.families.adapter_names.read_adapter`)."""
        return read_adapter(target)


def _config(facts: Facts, card: FamilyCard) -> dict[str, object]:
    """Return adapter_config.json; alpha equals the rank since the scale is in the weights."""
    return {
        "peft_type": "LORA",
        "task_type": "FEATURE_EXTRACTION",
        "base_model_name_or_path": facts.variant,
        "r": facts.rank,
        "lora_alpha": facts.rank,
        "lora_dropout": 0.0,
        "bias": "none",
        "use_rslora": False,
        "use_dora": False,
        "inference_mode": True,
        "rank_pattern": {},
        "alpha_pattern": {},
        "target_modules": [card.official_name(module) for module in facts.modules],
    }


PEFT = PeftFolder()
