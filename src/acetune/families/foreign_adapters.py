"""Adapters that other trainers wrote: PEFT folders, and single LoRA files under any of the prefixes in use.

They do not say what they were trained on, so that somebody must name the variant. The scale goes inside the weights:
other trainers may give each layer an alpha of its own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from acetune import files
from acetune.adapters.adapter import Adapter, Facts, module_of
from acetune.adapters.kinds import kind
from acetune.errors import WrongAdapter
from acetune.events import Json
from acetune.families.family import FamilyCard

if TYPE_CHECKING:
    from torch import Tensor

CONFIG = "adapter_config.json"
#: Kinds by PEFT's names.
_KINDS = {"LORA": "lora", "LOKR": "lokr", "LOHA": "loha", "OFT": "oft"}
#: What stands before the names of layers: PEFT's prefix (one trainer wrote it twice), ComfyUI's, diffusers'.
_PREFIX = re.compile(r"^(base_model\.model\.)*(diffusion_model\.)?(decoder\.|transformer\.)?")
#: The same part by other names.
_PARTS = ((".lora_down.", ".lora_A."), (".lora_up.", ".lora_B."), (".default", ""))
#: Where the rank of a layer can be read: the part and its axis.
_RANKS = (("lora_A.weight", 0), ("hada_w1_b", 0))


def foreign_adapter(path: Path, tensors: Mapping[str, Tensor], variant: str, card: FamilyCard) -> Adapter:
    """Return the adapter of a file or folder without our facts, its scale inside.

    Args:
        path: The folder, where there is one; its adapter_config.json says kind and alpha.
        tensors: Of the file, as it names them.
        variant: What it was trained on.
        card: Of that family.

    Raises:
        WrongAdapter: If it is of a kind that is not known.
    """
    config = _config(path)
    named = {_named(name, card): tensor.float() for name, tensor in tensors.items()}
    alphas = {module_of(name): float(value) for name, value in named.items() if name.endswith(".alpha")}
    weights = {name: value for name, value in named.items() if not name.endswith(".alpha")}
    known = _kind(path, config, weights)
    modules = tuple(dict.fromkeys(map(module_of, weights)))
    rank = cast("int", config.get("oft_block_size") if known == "oft" else config.get("r")) or 0
    ranks = dict.fromkeys(modules, rank) | _ranks(weights)
    usual = rank or max(ranks.values())
    factors = {name: _scale(config, alphas.get(name), card.official_name(name), ranks[name]) for name in modules}
    carrier = kind(known).scaled
    factor = cast("int", config.get("decompose_factor", -1))
    facts = Facts(
        kind=known, rank=usual, alpha=float(usual), factor=factor if factor > 1 else None,
        ranks={name: own for name, own in ranks.items() if own != usual}, modules=modules, family=card.name,
        variant=variant, fingerprint="", name=path.stem,
    )  # fmt: skip
    return Adapter(
        {n: v * factors[module_of(n)] if carrier and n.endswith(carrier) else v for n, v in weights.items()}, facts
    )


def _config(path: Path) -> dict[str, Json]:
    """Return what adapter_config.json says; nothing for a single file."""
    file = path / CONFIG
    return cast("dict[str, Json]", files.read_json(file)) if file.is_file() else {}


def _kind(path: Path, config: Mapping[str, Json], weights: Mapping[str, Tensor]) -> str:
    """Return the kind of an adapter.

    Raises:
        WrongAdapter: If it is none of ours, or a single file of something else than LoRA, whose formulas differ between
            programs.
    """
    said = str(config.get("peft_type", "LORA" if not config else "none"))
    parts = {name.removeprefix(f"{module_of(name)}.") for name in weights}
    if said not in _KINDS or not parts or (said == "LORA" and not parts <= _LORA | _DORA):
        raise WrongAdapter("adapter.foreign_kind", path=path)
    return "dora" if said == "LORA" and parts & _DORA else _KINDS[said]


_LORA = frozenset({"lora_A.weight", "lora_B.weight"})
_DORA = frozenset({"lora_magnitude_vector"})


def _named(name: str, card: FamilyCard) -> str:
    """Return our name of a weight."""
    plain = _PREFIX.sub("", name)
    for theirs, ours in _PARTS:
        plain = plain.replace(theirs, ours)
    module = module_of(plain)
    return card.network_name(module) + plain.removeprefix(module)


def _ranks(weights: Mapping[str, Tensor]) -> dict[str, int]:
    """Return the rank of each layer whose weights show it."""
    return {
        module_of(name): value.shape[axis]
        for name, value in weights.items()
        for part, axis in _RANKS
        if name.endswith(part)
    }


def _scale(config: Mapping[str, Json], own: float | None, official: str, rank: int) -> float:
    """Return the scale of a layer.

    Args:
        config: Of PEFT; may have an alpha for all and others for some.
        own: The layer's ``.alpha``. Where nobody says one it is the rank, as ComfyUI has it.
        official: The layer's name, as patterns have it.
        rank: Of the layer.
    """
    from peft.utils.other import get_pattern_key

    pattern = cast("dict[str, float]", config.get("alpha_pattern") or {})
    usual = cast("float", config.get("lora_alpha", config.get("alpha", rank)))
    alpha = pattern.get(get_pattern_key(list(pattern), official), usual) if own is None else own
    return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)
