"""Adapters that other trainers wrote, under any of the names in use: LoRA, DoRA, LoKr, LoHa, OFT.

What they were trained on, and with which alpha, is read where it stands and asked for where it does not. The scale goes
inside the weights: other trainers may give each layer an alpha of its own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from acetune.adapters.adapter import Adapter, Facts, module_of
from acetune.adapters.kinds import kind
from acetune.errors import WrongAdapter
from acetune.events import Json
from acetune.families.family import FamilyCard
from acetune.families.foreign_files import ForeignFile
from acetune.families.foreign_kronecker import factor_of, kronecker
from acetune.families.variant import Variant

if TYPE_CHECKING:
    from torch import Tensor

#: Kinds by PEFT's names.
_KINDS = {"LORA": "lora", "LOKR": "lokr", "LOHA": "loha", "OFT": "oft"}
#: What stands before the names of layers: PEFT's prefix (one trainer wrote it twice), ComfyUI's, diffusers'.
_PREFIX = re.compile(r"^(base_model\.model\.)*(diffusion_model\.|model\.)?(decoder\.|transformer\.)?")
#: The same before names whose dots are underscores: kohya's, LyCORIS'. The inner one may be part of a name.
_FLAT = re.compile(r"^(lora_unet_|lora_transformer_|lycoris_)")
_INNER_FLAT = re.compile(r"^(decoder_|transformer_)")
#: The same part by other names; slots of PEFT and of diffusers are no part of it.
_PARTS = (
    (".lora_down.", ".lora_A."), (".lora_up.", ".lora_B."), (".lora.down.", ".lora_A."), (".lora.up.", ".lora_B."),
    (".default", ""), (".lora_adapter", ""),
)  # fmt: skip
#: Numbers in bfloat16 are as near as that to what was meant.
_ROUNDED = 1e-2
_LORA = frozenset({"lora_A.weight", "lora_B.weight"})
_DORA = _LORA | {"lora_magnitude_vector"}
_LOHA = frozenset({"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"})
_LOKR = frozenset({"lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b"})
#: Where the rank of a layer can be read: the part and its axis.
_RANKS = (("lora_A.weight", 0), ("hada_w1_b", 0), ("lokr_w2_b", 0), ("lokr_w1_b", 0))


def foreign_adapter(file: ForeignFile, variant: Variant, card: FamilyCard, alpha: float | None = None) -> Adapter:
    """Return the adapter of a file or folder without our facts, its scale inside.

    Args:
        file: What was read.
        variant: What it was trained on.
        card: Of that family.
        alpha: What somebody says it is, whatever the file says; None trusts the file, and where that says nothing
            takes the rank, as ComfyUI does.

    Raises:
        WrongAdapter: If it is of a kind that is not known, or tunes layers that the variant does not have.
    """
    named = _renamed(file, variant, card)
    alphas = _alphas(file, named)
    raw = {name: value.float() for name, value in named.items() if not name.endswith(".alpha")}
    known = _kind(file, raw)
    _refuse_incomplete(file, known, raw)
    shown = _ranks(raw)
    weights, shapes = kronecker(raw) if known == "lokr" else (raw, {})
    modules = tuple(dict.fromkeys(map(module_of, weights)))
    rank = int(_number_of(file.said.get("oft_block_size" if known == "oft" else "r")) or 0)
    ranks = dict.fromkeys(modules, rank) | (shapes or shown)
    usual = rank if not shapes and rank else max(ranks.values())
    alphas = dict.fromkeys(modules, alpha) if alpha is not None else alphas
    scales = {
        name: scale_of(file, alphas.get(name), (card.official_name(name), name), shown.get(name, ranks[name]))
        for name in modules
    }
    if known == "lokr" and not file.peft:  # LyCORIS has no scale where both matrices are whole
        scales |= {name: 1.0 for name in modules if name not in shown}
    carrier = kind(known).scaled
    facts = Facts(
        kind=known, rank=usual, alpha=float(usual),
        factor=factor_of(file, weights, card.layer_sizes(variant.size, "re:.*")) if known == "lokr" else None,
        ranks={name: own for name, own in ranks.items() if own != usual}, modules=modules, family=card.name,
        variant=variant.name, fingerprint="", name=file.path.stem, trained_alpha=_alpha(file, alphas, usual),
    )  # fmt: skip
    return Adapter(
        {n: v * scales[module_of(n)] if carrier and n.endswith(carrier) else v for n, v in weights.items()}, facts
    )


def fitting(file: ForeignFile, card: FamilyCard) -> tuple[Variant, ...]:
    """Return the variants whose network has every layer of a file in its size; the one that it names, if it does."""
    said = PurePosixPath(str(file.said.get("base_model_name_or_path", "")).replace("\\", "/")).name
    named = card.variant(said)
    if named is not None:
        return (named,)
    return tuple(variant for variant in card.variants if _fits(file, variant, card))


def doubts(file: ForeignFile, alpha: float | None) -> Iterator[WrongAdapter]:
    """Yield what a file does not say or cannot give, where nobody said it instead."""
    if file.training:
        yield WrongAdapter("adapter.weights_only", path=file.path)
    said = any(_number_of(file.said.get(name)) is not None for name in ("lora_alpha", "alpha", "oft_block_size"))
    if alpha is None and not said and not any(name.endswith(".alpha") for name in file.tensors):
        yield WrongAdapter("adapter.unsaid_alpha", path=file.path)


def _fits(file: ForeignFile, variant: Variant, card: FamilyCard) -> bool:
    """Whether a variant has every layer of a file, in the size that LoRA's matrices show."""
    sizes = card.layer_sizes(variant.size, "re:.*")
    try:
        named = _renamed(file, variant, card)
    except WrongAdapter:
        return False
    axes = {"lora_A.weight": (1, 0), "hada_w1_b": (1, 0), "lora_B.weight": (0, 1), "hada_w1_a": (0, 1)}
    return all(
        value.shape[axis] == sizes[module_of(name)][side]
        for name, value in named.items()
        for part, (axis, side) in axes.items()
        if name.endswith(f".{part}")
    )


def _renamed(file: ForeignFile, variant: Variant, card: FamilyCard) -> dict[str, Tensor]:
    """Return a file's tensors under our names.

    Raises:
        WrongAdapter: If a name belongs to no layer of the variant.
    """
    layers = tuple(card.layer_sizes(variant.size, "re:.*"))
    dotted = {one: layer for layer in layers for one in (layer, card.official_name(layer))}
    flat = {name.replace(".", "_"): layer for name, layer in dotted.items()}
    found: dict[str, Tensor] = {}
    strange: dict[str, None] = {}
    for name, tensor in file.tensors.items():
        plain = name
        for theirs, ours in _PARTS:
            plain = plain.replace(theirs, ours)
        module = module_of(plain)
        bare = _FLAT.sub("", module)
        layer = dotted.get(_PREFIX.sub("", module)) or flat.get(bare) or flat.get(_INNER_FLAT.sub("", bare))
        if layer is None:
            strange[module] = None
        else:
            found[layer + plain.removeprefix(module)] = tensor
    if strange:
        told = {"path": file.path, "variant": variant.name, "first": next(iter(strange))}
        if found:
            raise WrongAdapter("adapter.strange_layers", count=len(strange), **told)
        raise WrongAdapter("adapter.nothing_matches", total=len(file.tensors), **told)
    return found


def _kind(file: ForeignFile, weights: Mapping[str, Tensor]) -> str:
    """Return the kind of an adapter.

    Raises:
        WrongAdapter: If it is none of ours, or counts the lengths of rows in a way that it does not say.
    """
    parts = {name.removeprefix(f"{module_of(name)}.") for name in weights}
    if "dora_scale" in parts:
        raise WrongAdapter("adapter.unsaid_lengths", path=file.path)
    shapes = {"lora": _LORA, "dora": _DORA, "loha": _LOHA, "lokr": _LOKR}
    seen = next((name for name, known in shapes.items() if parts and parts <= known), "none")
    said = _KINDS.get(str(file.said.get("peft_type", "")), seen)
    if said == "oft" and parts == {"oft_R.weight"}:
        return said
    if seen == "none" or said not in (seen, "lora" if seen == "dora" else seen):
        raise WrongAdapter("adapter.foreign_kind", path=file.path)
    return seen


def _alphas(file: ForeignFile, named: Mapping[str, Tensor]) -> dict[str, float]:
    """Return the alpha that layers say for themselves.

    A trainer of ACE-Step v1 writes the whole scale into it, ComfyUI wants the scale times the rank: where that is what
    the configuration says, the configuration is what counts.
    """
    alphas = {module_of(name): float(value) for name, value in named.items() if name.endswith(".alpha")}
    rank = int(_number_of(file.said.get("r")) or 0)
    if rank > 0 and _number_of(file.said.get("lora_alpha")) is not None:
        scale = scale_of(file, None, ("", ""), rank)
        for meant in (scale, scale * rank):
            if all(math.isclose(value, meant, rel_tol=_ROUNDED) for value in alphas.values()):
                return {}
    return alphas


def _refuse_incomplete(file: ForeignFile, kind_name: str, weights: Mapping[str, Tensor]) -> None:
    """Raise WrongAdapter where a layer lacks a part without which its change cannot be computed."""
    parts: dict[str, set[str]] = {}
    for name in weights:
        parts.setdefault(module_of(name), set()).add(name.removeprefix(f"{module_of(name)}."))
    for layer, here in parts.items():
        missing = [need for need in _needed(kind_name, here) if need not in here]
        if missing:
            raise WrongAdapter("adapter.incomplete", path=file.path, layer=layer, missing=", ".join(missing))


def _needed(kind_name: str, here: Collection[str]) -> tuple[str, ...]:
    """Return the parts that a layer of a kind must have; each matrix of LoKr is whole or cut in two."""
    if kind_name == "lokr":
        return tuple(
            part
            for whole in ("lokr_w1", "lokr_w2")
            for part in ((whole,) if whole in here else (f"{whole}_a", f"{whole}_b"))
        )
    return tuple(sorted({"lora": _LORA, "dora": _DORA, "loha": _LOHA}.get(kind_name, ())))


def _ranks(weights: Mapping[str, Tensor]) -> dict[str, int]:
    """Return the rank of each layer whose weights show it."""
    return {
        module_of(name): value.shape[axis]
        for name, value in weights.items()
        for part, axis in _RANKS
        if name.endswith(part)
    }


def _alpha(file: ForeignFile, alphas: Mapping[str, float], rank: int) -> float:
    """Return the alpha while training, as far as one number says it."""
    return float(next(iter(alphas.values()), _said_alpha(file, rank)))


def _said_alpha(file: ForeignFile, rank: float) -> float:
    """Return the alpha that a file says for all layers; the rank where it says none that is a number."""
    said = (_number_of(file.said.get(name)) for name in ("lora_alpha", "alpha"))
    return next((alpha for alpha in said if alpha is not None), float(rank))


def _number_of(said: Json) -> float | None:
    """Return a finite number that stands in a file; None for words such as "Dynamic", and for nothing."""
    try:
        found = float(said) if isinstance(said, (int, float, str)) else math.nan
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def scale_of(file: ForeignFile, own: float | None, names: tuple[str, str], rank: int) -> float:
    """Return the scale of a layer.

    Args:
        file: May say an alpha for all and others for some.
        own: The layer's ``.alpha``. Where nobody says one it is the rank, as ComfyUI has it.
        names: Official and ours of the layer; patterns have either.
        rank: Of the layer.
    """
    from peft.utils.other import get_pattern_key

    said: Mapping[str, Json] = file.said
    patterns = said.get("alpha_pattern")
    numbers = {key: _number_of(value) for key, value in (patterns if isinstance(patterns, dict) else {}).items()}
    pattern = {key: value for key, value in numbers.items() if value is not None}
    usual = _said_alpha(file, rank)
    keys = (get_pattern_key(list(pattern), name) for name in names)
    alpha = next((pattern[key] for key in keys if key in pattern), usual) if own is None else own
    return alpha / (math.sqrt(rank) if said.get("use_rslora") else rank)
