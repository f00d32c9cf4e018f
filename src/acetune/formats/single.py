"""Single files under the names that one program knows: ComfyUI's, kohya's, diffusers', LyCORIS', acestep.cpp's.

Every one has the scale inside the weights, and an alpha that is the rank where its readers expect one: whatever rule a
reader has for alpha, alpha / rank is 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from acetune import files
from acetune.adapters import magnitude
from acetune.adapters.adapter import HEADER, Adapter, Facts
from acetune.errors import WrongAdapter
from acetune.families.adapter_names import read_adapter, spelled
from acetune.families.family import FamilyCard
from acetune.formats.universal import alphas, for_diffusers, header
from acetune.storage import save_tensors


def _relative(adapter: Adapter, network: nn.Module) -> Adapter:
    """Return an adapter with the scale inside and row lengths as ComfyUI counts them."""
    return magnitude.relative(adapter.baked(), network)


def _baked(adapter: Adapter, network: nn.Module) -> Adapter:
    """Return an adapter with the scale inside, and else as PEFT has it."""
    return adapter.baked()


def _uniform(adapter: Adapter, network: nn.Module) -> Adapter:
    """Return LoRA with the scale inside and one rank everywhere: zeros fill up what is smaller."""
    baked = adapter.baked()
    rank = max(baked.facts.ranks.get(module, baked.facts.rank) for module in baked.facts.modules)
    facts = replace(baked.facts, rank=rank, alpha=float(rank), ranks={})
    return Adapter({name: _filled(name, value, rank) for name, value in baked.weights.items()}, facts)


def _filled(name: str, value: Tensor, rank: int) -> Tensor:
    """Return A (rank, in) or B (out, rank) with rows or columns of zeros up to a rank."""
    missing = rank - value.shape[0 if name.endswith("lora_A.weight") else 1]
    room = (0, 0, 0, missing) if name.endswith("lora_A.weight") else (0, missing)
    return torch.nn.functional.pad(value, room)


def _no_header(facts: Facts) -> dict[str, str]:
    """Return nothing: readers look at the names."""
    return {}


def _kohya_header(facts: Facts) -> dict[str, str]:
    """Return what kohya's scripts say of an adapter."""
    return {
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(facts.rank),
        "ss_network_alpha": str(facts.rank),
    }


@dataclass(frozen=True, kw_only=True)
class SingleFile:
    """The `acetune.formats.format.Format` of a program with names of its own.

    Attributes:
        name, summary: As of every format.
        spelling: Names of modules, of `acetune.families.adapter_names.SPELLINGS`.
        kinds: Of adapters that the program reads.
        up_down: Whether LoRA's matrices are called lora_down and lora_up.
        alphas: Whether each module has a scalar ``.alpha`` in float32.
        fitted: Brings an adapter of the network into the form of the file.
        header: What the header says beside our facts.
    """

    name: str
    summary: str
    spelling: str
    kinds: tuple[str, ...]
    up_down: bool = True
    alphas: bool = True
    fitted: Callable[[Adapter, nn.Module], Adapter] = _relative
    header: Callable[[Facts], dict[str, str]] = _no_header

    def target(self, folder: Path, stem: str) -> Path:
        """Return the file that `write` makes."""
        return folder / f"{stem}_{self.name}.safetensors"

    def refusal(self, facts: Facts) -> WrongAdapter | None:
        """Return why the program cannot read adapters of this kind, or None."""
        if facts.kind in self.kinds:
            return None
        return WrongAdapter("formats.unread_kind", kind=facts.kind, form=self.name, kinds=", ".join(self.kinds))

    def caveat(self, adapter: Adapter, card: FamilyCard) -> WrongAdapter | None:
        """Return None: the file is for one program."""
        return None

    def held(self, adapter: Adapter, network: nn.Module) -> Adapter:
        """Return the adapter as the program understands it, the scale inside."""
        return self.fitted(adapter, network)

    def write(self, adapter: Adapter, card: FamilyCard, target: Path, dtype: torch.dtype) -> None:
        """Write the file; see `acetune.formats.format.Format.write`."""
        held = adapter.baked().rounded(dtype)
        tensors = spelled(held, card, self.spelling)
        if self.up_down:
            tensors = {_up_down(name): tensor for name, tensor in tensors.items()}
        if self.alphas:
            tensors |= alphas(held, card, self.spelling)
        metadata = {"format": "pt", HEADER: held.facts.to_json(), **self.header(held.facts)}
        with files.draft_file(target) as draft:
            save_tensors(draft, tensors, metadata)

    def read(self, target: Path, card: FamilyCard) -> Adapter:
        """Return the adapter of such a file (raises as `acetune.families.adapter_names.read_adapter`)."""
        return read_adapter(target)


def _up_down(name: str) -> str:
    """Return the name of a weight with kohya's words for LoRA's matrices."""
    return name.replace(".lora_A.", ".lora_down.").replace(".lora_B.", ".lora_up.")


_COMFYUI_KINDS = ("lora", "dora", "lokr", "loha")
COMFYUI = SingleFile(
    name="comfyui", summary="one file for ComfyUI, with an alpha", spelling="official", kinds=_COMFYUI_KINDS
)
COMFYUI_GENERIC = SingleFile(
    name="comfyui-generic",
    summary="one file for ComfyUI and ai-toolkit, under the names of ComfyUI's own checkpoint",
    spelling="comfyui",
    kinds=_COMFYUI_KINDS,
)
KOHYA = SingleFile(
    name="kohya",
    summary="one file under the names of kohya's scripts, which ComfyUI reads too",
    spelling="kohya",
    kinds=_COMFYUI_KINDS,
    header=_kohya_header,
)
DIFFUSERS = SingleFile(
    name="diffusers",
    summary="one file for diffusers, whatever layers are tuned",
    spelling="diffusers",
    kinds=("lora", "dora"),
    up_down=False,
    alphas=False,
    fitted=_baked,
    header=for_diffusers,
)
LYCORIS = SingleFile(
    name="lycoris",
    summary="one file under the names of the LyCORIS library",
    spelling="lycoris",
    kinds=("lokr", "loha"),
    header=header,
)
ACESTEP_CPP = SingleFile(
    name="acestep-cpp",
    summary="one LoRA file of one rank for acestep.cpp and HOT-Step",
    spelling="official",
    kinds=("lora",),
    up_down=False,
    fitted=_uniform,
)
