"""Adding, scaling, cutting down and comparing adapters by the change that they make to each layer's matrix.

LoRA is handled by its factors and never multiplied out; LoKr and LoHa become LoRA where two adapters meet, by a
singular value decomposition of their change. Everything is computed in float64, so that a
chain of steps loses nothing that a file in float32 would keep.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from acetune.adapters.adapter import Adapter, Facts, scale
from acetune.errors import SettingError, WrongAdapter

#: Kinds whose effect is a matrix that is added, whatever the frozen one is.
ADDED = ("lora", "lokr", "loha")
#: Singular values below this share of the largest are rounding of float32.
_NOTHING = 1e-7

#: U (out, n), the singular values (n,), falling, and V transposed (n, in) of a change.
Singular = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class Size:
    """How much of a change is kept.

    Attributes:
        rank: At most so many directions; None for as many as there are.
        energy: As many directions as keep this share of the squared singular values, layer by layer.

    Raises:
        SettingError: For a rank below 1, or a share that is not above 0 and up to 1.
    """

    rank: int | None = None
    energy: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what nothing can be cut down to."""
        if (self.rank is not None and self.rank < 1) or not 0 < self.energy <= 1:
            raise SettingError("formats.bad_size", rank=self.rank, energy=self.energy)


@dataclass(frozen=True)
class Kept:
    """What was kept of a layer: its rank then and now, and the share of the squared singular values."""

    layer: str
    before: int
    rank: int
    energy: float


def change(adapter: Adapter, module: str) -> Tensor:
    """Return what is added to a layer's matrix at strength 1, (out, in).

    Raises:
        WrongAdapter: If the kind does not add (DoRA, OFT).
    """
    refuse_unadded(adapter.facts)
    part = _parts(adapter, module)
    factor = scale(adapter.facts, module)
    if adapter.facts.kind == "lora":
        return factor * part["lora_B.weight"] @ part["lora_A.weight"]
    if adapter.facts.kind == "loha":
        one, two = (part[f"hada_w{n}_a"] @ part[f"hada_w{n}_b"] for n in "12")
        return factor * one * two
    second = part["lokr_w2"] if "lokr_w2" in part else part["lokr_w2_a"] @ part["lokr_w2_b"]
    return factor * torch.kron(part["lokr_w1"].contiguous(), second.contiguous())


def refuse_unadded(facts: Facts) -> None:
    """Raise WrongAdapter for a kind whose effect depends on the frozen weights."""
    if facts.kind not in ADDED:
        raise WrongAdapter("adapter.not_added", kind=facts.kind, able=", ".join(ADDED))


def resized(adapter: Adapter, size: Size) -> tuple[Adapter, tuple[Kept, ...]]:
    """Return LoRA that keeps so much of every layer's change, and what it keeps.

    It is the nearest one of its ranks (Eckart and Young), its scale inside the weights.

    Raises:
        WrongAdapter: If the kind does not add.
    """
    singular = ((module, _decomposed(adapter, module)) for module in adapter.facts.modules)
    return lora_of(singular, adapter.facts, size)


def lora_of(
    singular: Iterator[tuple[str, Singular]], facts: Facts, size: Size
) -> tuple[Adapter, tuple[Kept, ...]]:  # fmt: skip
    """Return LoRA of decomposed changes.

    Args:
        singular: Layer by layer.
        facts: Of what they are; kind, ranks and alpha follow from what is kept.
        size: What is kept.
    """
    weights: dict[str, Tensor] = {}
    kept: list[Kept] = []
    for module, (u, values, v) in singular:
        energies = values.square().cumsum(0)
        rank, real = _rank(values, energies, size), int((values > _NOTHING * values[0]).sum())
        root = values[:rank].sqrt()
        weights[f"{module}.lora_A.weight"] = (root.unsqueeze(1) * v[:rank]).float().contiguous()
        weights[f"{module}.lora_B.weight"] = (u[:, :rank] * root).float().contiguous()
        share = float(energies[rank - 1] / energies[-1]) if energies[-1] > 0 else 1.0
        kept.append(Kept(module, real, rank, share))
    return Adapter(weights, _lora_facts(facts, {one.layer: one.rank for one in kept})), tuple(kept)


def merged(adapters: Sequence[Adapter], shares: Sequence[float]) -> Adapter:
    """Return LoRA that does what several adapters do together, each at its strength: exactly, their ranks added up.

    Args:
        adapters: Of one family and width.
        shares: Strength of each; negative ones take away.

    Raises:
        SettingError: If a strength is no number.
        WrongAdapter: If a kind does not add.
    """
    for share in shares:
        if not math.isfinite(share):
            raise SettingError("formats.bad_strength", strength=share)
    plain = [_widened(one).baked() if one.facts.kind == "lora" else resized(one, Size())[0] for one in adapters]
    modules = tuple(dict.fromkeys(module for one in plain for module in one.facts.modules))
    weights: dict[str, Tensor] = {}
    for module in modules:
        here = [(_parts(one, module), share) for one, share in zip(plain, shares, strict=True)
                if module in one.facts.modules]  # fmt: skip
        weights[f"{module}.lora_A.weight"] = torch.cat([part["lora_A.weight"] for part, _ in here]).float()
        weights[f"{module}.lora_B.weight"] = torch.cat(
            [share * part["lora_B.weight"] for part, share in here], dim=1
        ).float()  # fmt: skip
    ranks = {module: weights[f"{module}.lora_A.weight"].shape[0] for module in modules}
    return Adapter(weights, _lora_facts(_joined(adapters), ranks))


def scaled(adapter: Adapter, factor: float) -> Adapter:
    """Return an adapter that does at strength 1 what it did at this one.

    Raises:
        SettingError: If the factor is no number.
        WrongAdapter: If the kind does not add.
    """
    if not math.isfinite(factor):
        raise SettingError("formats.bad_strength", strength=factor)
    refuse_unadded(adapter.facts)
    baked = _widened(adapter).baked()
    weights = baked.scaled(replace(baked.facts, alpha=baked.facts.alpha / factor)) if factor else {}
    if not factor:
        weights = {name: torch.zeros_like(value) for name, value in baked.weights.items()}
    return Adapter(weights, replace(baked.facts, strength=baked.facts.strength / factor if factor else 1.0))


def norms(adapter: Adapter) -> dict[str, float]:
    """Return the Frobenius norm of each layer's change; of DoRA without its lengths, of OFT its turning angles'."""
    facts = adapter.facts
    plain = Adapter(adapter.weights, replace(facts, kind="lora")) if facts.kind == "dora" else adapter
    if facts.kind == "oft":
        return {module: float(_parts(adapter, module)["oft_R.weight"].norm()) for module in facts.modules}
    return {module: _product(plain, plain, module) ** 0.5 for module in facts.modules}


def angle(one: Adapter, two: Adapter, module: str) -> tuple[float, float]:
    """Return the cosine between two changes of a layer, and the norm of their difference beside the first one's."""
    first, both, second = (_product(*pair, module) for pair in ((one, one), (one, two), (two, two)))
    apart = max(first - 2 * both + second, 0.0) ** 0.5
    cosine = both / (first * second) ** 0.5 if first and second else float(first == second)
    return cosine, apart / first**0.5 if first else float("inf") if apart else 0.0


def _product(one: Adapter, two: Adapter, module: str) -> float:
    """Return the sum of the products of two changes' elements; of LoRA without multiplying it out."""
    if one.facts.kind == two.facts.kind == "lora":
        (b1, a1), (b2, a2) = (_factors(each, module) for each in (one, two))
        return float(((b1.T @ b2) * (a1 @ a2.T)).sum())
    return float((change(one, module) * change(two, module)).sum())


def _widened(adapter: Adapter) -> Adapter:
    """Return an adapter in float64, so that factors go into its weights without rounding."""
    return Adapter({name: value.detach().cpu().double() for name, value in adapter.weights.items()}, adapter.facts)


def _parts(adapter: Adapter, module: str) -> dict[str, Tensor]:
    """Return a layer's weights by their part, in float64 on the CPU."""
    start = f"{module}."
    return {
        name.removeprefix(start): value.detach().cpu().double()
        for name, value in adapter.weights.items()
        if name.startswith(start)
    }


def _factors(adapter: Adapter, module: str) -> tuple[Tensor, Tensor]:
    """Return LoRA's B with the scale, and A."""
    part = _parts(adapter, module)
    return scale(adapter.facts, module) * part["lora_B.weight"], part["lora_A.weight"]


def _decomposed(adapter: Adapter, module: str) -> Singular:
    """Return the singular value decomposition of a layer's change; of LoRA by its factors."""
    if adapter.facts.kind != "lora":
        return decompose(change(adapter, module))
    b, a = _factors(adapter, module)
    (left, upper), (right, lower) = torch.linalg.qr(b), torch.linalg.qr(a.T)
    u, values, v = decompose(upper @ lower.T)
    return left @ u, values, v @ right.T


def decompose(matrix: Tensor) -> Singular:
    """Return the singular value decomposition of a matrix."""
    u, values, v = torch.linalg.svd(matrix, full_matrices=False)
    return u, values, v


def _rank(values: Tensor, energies: Tensor, size: Size) -> int:
    """Return how many directions of a layer are kept: at least one."""
    enough = int((energies < size.energy * energies[-1]).sum()) + 1
    real = int((values > _NOTHING * values[0]).sum())
    return max(1, min(enough, real, size.rank or real))


def _lora_facts(facts: Facts, ranks: Mapping[str, int]) -> Facts:
    """Return the facts of LoRA with these ranks and the scale inside."""
    usual = max(ranks.values())
    return replace(
        facts, kind="lora", rank=usual, alpha=float(usual), rslora=False, factor=None, modules=tuple(ranks),
        ranks={module: rank for module, rank in ranks.items() if rank != usual},
    )  # fmt: skip


def _joined(adapters: Sequence[Adapter]) -> Facts:
    """Return the facts that several adapters have together."""
    every = [one.facts for one in adapters]
    triggers = list(dict.fromkeys(one.trigger for one in every if one.trigger))
    same = len({one.fingerprint for one in every}) == 1
    return replace(
        every[0], name="+".join(dict.fromkeys(one.name for one in every if one.name)), step=0, start=None,
        trigger=", ".join(triggers) or None, fingerprint=every[0].fingerprint if same else "", strength=1.0,
        trained_alpha=None, objective={},
    )  # fmt: skip
