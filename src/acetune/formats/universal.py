"""The universal file: one safetensors that ComfyUI, diffusers, the official app and PEFT read alike at strength 1.

Official names with PEFT's prefix, only lora_A and lora_B, and the scale baked into B: ComfyUI knows no alpha but
``.alpha`` tensors, which diffusers refuses; diffusers takes alpha = rank without metadata. With the scale inside the
weights all of them do the same.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch

from acetune import files
from acetune.adapters.adapter import HEADER, Adapter, Facts
from acetune.errors import WrongAdapter
from acetune.families.adapter_names import official, read_adapter
from acetune.families.family import FamilyCard
from acetune.storage import save_tensors


@dataclass(frozen=True)
class Universal:
    """The format's `acetune.formats.format.Format`."""

    name: str = "universal"
    summary: str = "one file for ComfyUI, diffusers and acetune"

    def target(self, folder: Path, stem: str) -> Path:
        """Return the file that `write` makes."""
        return folder / f"{stem}.safetensors"

    def caveat(self, adapter: Adapter, card: FamilyCard) -> WrongAdapter | None:
        """Return a warning where diffusers would load nothing: it knows official files by their q and k projections."""
        names = [card.official_name(module) for module in adapter.facts.modules]
        if any("q_proj" in name or "k_proj" in name for name in names):
            return None
        return WrongAdapter("formats.not_for_diffusers")

    def write(self, adapter: Adapter, card: FamilyCard, target: Path, dtype: torch.dtype) -> None:
        """Write the file; see `acetune.formats.format.Format.write`."""
        baked = adapter.baked()
        metadata = {"format": "pt", HEADER: baked.facts.to_json(), "lora_adapter_metadata": _diffusers(baked.facts)}
        with files.draft_file(target) as draft:
            save_tensors(draft, official(baked, card, dtype), metadata)

    def read(self, target: Path, card: FamilyCard) -> Adapter:
        """Return the adapter of a universal file (raises as `acetune.families.adapter_names.read_adapter`)."""
        return read_adapter(target)


def _diffusers(facts: Facts) -> str:
    """Return the header from which diffusers takes rank, alpha and targets (its own module names)."""
    return json.dumps(
        {
            "transformer.r": facts.rank,
            "transformer.lora_alpha": facts.rank,
            "transformer.target_modules": list(facts.modules),
            "transformer.peft_type": "LORA",
        }
    )


UNIVERSAL = Universal()
