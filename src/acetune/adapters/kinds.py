"""The kinds of adapters: what each is in PEFT, how many weights it has, and how its files are named. No torch.

W is a frozen matrix (out, in), r the rank, s the scale:

- LoRA (arXiv:2106.09685): W + s B A.
- DoRA (arXiv:2402.09353): the rows of W + s B A, brought to trained lengths.
- LoKr (arXiv:2309.14859): W + s (w1 x w2), a Kronecker product.
- LoHa (arXiv:2108.06098): W + s (w1_a w1_b) * (w2_a w2_b), elementwise.
- OFT (arXiv:2306.07280): W R, R a rotation of blocks of inputs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from acetune import catalog

if TYPE_CHECKING:
    from acetune.adapters.adapter import Facts


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of adapter.

    Attributes:
        name: What users type.
        config: PEFT's configuration for facts and a dropout.
        count: Weights on a layer of so many inputs and outputs, with this rank and factor.
        kept: Bytes that a layer of so many inputs and outputs keeps of so many tokens for the backward pass, beyond
            what LoRA does (docs/log.md).
        zero: The weights that start at zero, so that a fresh adapter changes nothing.
        scaled: The weights that carry the scale in files; None where the kind has no scale.
        dropout, rslora, factor, ranks: Whether these knobs do something.
        blended: Whether strength mixes the outputs with and without, since no factor of the weights does.
        quantised: Formats in which the base may be: those of bitsandbytes' layers that PEFT's of this kind work on.
        lycoris: Whether single files have the names of the LyCORIS library.
    """

    name: str
    config: Callable[[Facts, float], Any]
    count: Callable[[int, int, int, int | None], int]
    zero: str
    scaled: str | None
    kept: Callable[[int, int, int], int] = lambda inputs, outputs, tokens: 0
    dropout: bool = False
    rslora: bool = False
    factor: bool = False
    ranks: bool = True
    blended: bool = False
    quantised: tuple[str, ...] = ()
    lycoris: bool = False


def kind(name: str) -> Kind:
    """Return a kind by its name (raises as `acetune.catalog.resolve`)."""
    found: Kind = catalog.resolve("adapter", name)
    return found


def _shared(facts: Facts) -> dict[str, Any]:
    """Return what the configurations of all kinds with a rank say alike."""
    ranks = {re.escape(module): rank for module, rank in facts.ranks.items()}  # PEFT takes them for expressions
    return {
        "r": facts.rank,
        "target_modules": list(facts.modules),
        "rank_pattern": ranks,
        "alpha_pattern": {module: facts.alpha * rank / facts.rank for module, rank in ranks.items()},
    }


def _lora(facts: Facts, dropout: float, *, dora: bool = False) -> Any:
    """Return PEFT's configuration of LoRA or DoRA."""
    from peft import LoraConfig

    return LoraConfig(
        **_shared(facts),
        lora_alpha=facts.alpha,
        use_rslora=facts.rslora,
        use_dora=dora,
        lora_dropout=dropout,
        bias="none",
    )


def _dora(facts: Facts, dropout: float) -> Any:
    """Return PEFT's configuration of DoRA."""
    return _lora(facts, dropout, dora=True)


def _lokr(facts: Facts, dropout: float) -> Any:
    """Return PEFT's configuration of LoKr; the left matrix is whole, as in the official trainer."""
    from peft import LoKrConfig

    return LoKrConfig(**_shared(facts), alpha=facts.alpha, decompose_factor=facts.factor or -1)


def _loha(facts: Facts, dropout: float) -> Any:
    """Return PEFT's configuration of LoHa."""
    from peft import LoHaConfig

    return LoHaConfig(**_shared(facts), alpha=facts.alpha)


def _oft(facts: Facts, dropout: float) -> Any:
    """Return PEFT's configuration of OFT; the rank is the size of its blocks."""
    from peft import OFTConfig

    return OFTConfig(r=0, oft_block_size=facts.rank, target_modules=list(facts.modules), bias="none")


def factors(dimension: int, factor: int | None = None) -> tuple[int, int]:
    """Return the two factors into which LoKr cuts a width: ``factor`` first where it divides it.

    Args:
        dimension: The width.
        factor: Wanted first factor; None for the pair nearest to a square.
    """
    if factor and dimension % factor == 0:
        return factor, dimension // factor
    limit = min(factor or dimension, math.isqrt(dimension))
    first = max(number for number in range(1, limit + 1) if dimension % number == 0)
    return first, dimension // first


def _count_lokr(inputs: int, outputs: int, rank: int, factor: int | None) -> int:
    """Return the weights of w1 (out_1, in_1) and of w2 (out_2, in_2), which is cut in two where that is smaller."""
    (in_1, in_2), (out_1, out_2) = factors(inputs, factor), factors(outputs, factor)
    whole = rank >= max(in_2, out_2) / 2
    return in_1 * out_1 + (in_2 * out_2 if whole else rank * (in_2 + out_2))


def _whole(inputs: int, outputs: int, tokens: int) -> int:
    """Return the bytes of a whole weight change in float32, which is multiplied with the inputs."""
    return 4 * inputs * outputs


LORA = Kind(
    name="lora",
    config=_lora,
    count=lambda inputs, outputs, rank, factor: rank * (inputs + outputs),
    zero="lora_B.weight",
    scaled="lora_B.weight",
    dropout=True,
    rslora=True,
    quantised=("int8", "nf4"),
)
DORA = Kind(
    name="dora",
    config=_dora,
    count=lambda inputs, outputs, rank, factor: rank * (inputs + outputs) + outputs,
    kept=lambda inputs, outputs, tokens: 6 * tokens * outputs,  # both results, in 16 and in 32 bit
    zero="lora_B.weight",
    scaled="lora_B.weight",
    dropout=True,
    rslora=True,
    blended=True,
    quantised=("nf4",),  # in int8 PEFT loses the scales where it looks at the weights
)
LOKR = Kind(
    name="lokr",
    config=_lokr,
    count=_count_lokr,
    kept=_whole,
    zero="lokr_w1",
    scaled="lokr_w1",
    factor=True,
    lycoris=True,
)
LOHA = Kind(
    name="loha",
    config=_loha,
    count=lambda inputs, outputs, rank, factor: 2 * rank * (inputs + outputs),
    kept=_whole,
    zero="hada_w2_b",
    scaled="hada_w2_b",
    lycoris=True,
)
OFT = Kind(
    name="oft",
    config=_oft,
    count=lambda inputs, outputs, rank, factor: inputs * (rank - 1) // 2,
    zero="oft_R.weight",
    scaled=None,
    ranks=False,
    blended=True,
)
