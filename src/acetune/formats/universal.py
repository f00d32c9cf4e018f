"""The universal file: one safetensors that acetune and as many other programs as possible read alike at strength 1.

LoRA has official names with the prefix that the model's own app wants, only lora_A and lora_B, and the scale baked
into B: ComfyUI knows no alpha but ``.alpha`` tensors, which diffusers refuses; diffusers takes alpha = rank without
metadata. With the scale inside the weights all of them do the same. DoRA adds row lengths as ComfyUI counts them. LoKr
and LoHa have the names of the LyCORIS library, which ComfyUI and the official app know; their alpha is the rank, a
factor of 1. OFT of PEFT turns inputs where ComfyUI's turns outputs: no single file holds it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from acetune import files
from acetune.adapters import magnitude
from acetune.adapters.adapter import HEADER, Adapter, Facts
from acetune.adapters.kinds import kind
from acetune.errors import WrongAdapter
from acetune.events import Json
from acetune.families.adapter_names import official, read_adapter, spelled
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

    def refusal(self, facts: Facts) -> WrongAdapter | None:
        """Return why an adapter of OFT has no single file."""
        return WrongAdapter("formats.no_single_file", kind=facts.kind) if facts.kind == "oft" else None

    def caveat(self, adapter: Adapter, card: FamilyCard) -> WrongAdapter | None:
        """Return a warning where diffusers would load nothing, or the wrong thing.

        It reads plain LoRA only, and knows official files with a prefix by their q and k projections.
        """
        if adapter.facts.kind != "lora":
            return WrongAdapter("formats.lora_only", kind=adapter.facts.kind)
        names = [card.official_name(module) for module in adapter.facts.modules]
        if not card.adapter_prefix or any("q_proj" in name or "k_proj" in name for name in names):
            return None
        return WrongAdapter("formats.not_for_diffusers")

    def held(self, adapter: Adapter, network: nn.Module) -> Adapter:
        """Return the adapter with the scale inside and row lengths as ComfyUI counts them."""
        return magnitude.relative(adapter.baked(), network)

    def write(self, adapter: Adapter, card: FamilyCard, target: Path, dtype: torch.dtype) -> None:
        """Write the file; see `acetune.formats.format.Format.write`."""
        held = adapter.baked().rounded(dtype)
        plain = not kind(held.facts.kind).lycoris
        tensors = official(held, card) if plain else spelled(held, card, "lycoris") | alphas(held, card, "lycoris")
        metadata = {"format": "pt", HEADER: held.facts.to_json(), **header(held.facts)}
        with files.draft_file(target) as draft:
            save_tensors(draft, tensors, metadata)

    def read(self, target: Path, card: FamilyCard) -> Adapter:
        """Return the adapter of a universal file (raises as `acetune.families.adapter_names.read_adapter`)."""
        return read_adapter(target)


def alphas(held: Adapter, card: FamilyCard, spelling: str) -> dict[str, Tensor]:
    """Return an alpha for each module that equals its rank, as the LyCORIS library expects one: a factor of 1."""
    facts = held.facts
    found = {f"{module}.alpha": torch.tensor(float(facts.ranks.get(module, facts.rank))) for module in facts.modules}
    return spelled(Adapter(found, facts), card, spelling)


def header(facts: Facts) -> dict[str, str]:
    """Return what else the header says: rank, alpha and targets for diffusers, or the kind for the official app."""
    if facts.kind == "lora":
        return for_diffusers(facts)
    if not kind(facts.kind).lycoris:
        return {}
    config = {"linear_dim": facts.rank, "linear_alpha": facts.rank, "factor": facts.factor or -1}
    return {"algo": facts.kind, "format": "lycoris", f"{facts.kind}_config": json.dumps(config)}


def for_diffusers(facts: Facts) -> dict[str, str]:
    """Return the header by which diffusers knows ranks, alphas (equal to them) and layers of LoRA or DoRA."""
    said: dict[str, Json] = {
        "transformer.r": facts.rank,
        "transformer.lora_alpha": facts.rank,
        "transformer.target_modules": list(facts.modules),
        "transformer.peft_type": "LORA",
    }
    if facts.kind == "dora":
        said["transformer.use_dora"] = True
    if facts.ranks:
        said |= {f"transformer.{what}_pattern": dict(facts.ranks) for what in ("rank", "alpha")}
    return {"lora_adapter_metadata": json.dumps(said)}


UNIVERSAL = Universal()
