"""The most memory that a step holds at once, counted on tensors without contents: `python benchmarks/peak.py`.

A second step of the real network class at its full width and depth, forward, backward, clipping and update, runs on
torch's meta device, which knows sizes and no numbers. Every storage is counted from its first use until it is freed.
Attention is what a card computes: its kernels keep queries, keys, values, the result and one number a query, not the
scores. Counted, not timed: the numbers do not depend on the machine. The planner's figure stands beside them, without
its allowance for the allocator and the runtime, which no count knows.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from timing import Table, arguments, publish
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from acetune import compute
from acetune.adapters import attach
from acetune.adapters.adapter import Facts
from acetune.families.acestep_v15 import tiny
from acetune.families.acestep_v15.family import AceStepV15
from acetune.families.acestep_v15.network import AceStepTransformer1DModel
from acetune.families.acestep_v15.variants import CARD
from acetune.families.family import Batch
from acetune.planning import adapters
from acetune.planning.memory import CONTEXT_BYTES, SLACK, NetworkSize
from acetune.planning.needs import memory_of
from acetune.planning.sampling import CONDITIONS
from acetune.recipe import Recipe, resolve

#: Where nothing has contents.
META = torch.device("meta")
#: Kernels that need a mask as numbers store the rows of it at multiples of this.
_ALIGNED = 8


@dataclass(frozen=True)
class Setting:
    """What makes a step large or small."""

    variant: str = "turbo"
    tokens: int = 750
    batch: int = 1
    rank: int = 16
    targets: str = "attention"
    kind: str = "lora"
    recompute: bool = False

    def __str__(self) -> str:
        """Return the setting in words."""
        words = [self.variant, f"{self.tokens} tokens", f"batch {self.batch}", f"{self.kind} {self.rank}", self.targets]
        return ", ".join([*words, *["recomputed"] * self.recompute])

    @property
    def recipe(self) -> Recipe:
        """The same as a user would ask for it."""
        size = CARD.variant(self.variant).size
        knobs = {
            "model.variant": self.variant, "data.batch_size": self.batch, "adapter.kind": self.kind,
            "adapter.rank": self.rank, "adapter.alpha": float(self.rank), "adapter.targets": self.targets,
            "data.crop_seconds": self.tokens * size.patch / size.frames_per_second,
            "compute.recompute": self.recompute, "compute.dtype": "bfloat16",
        }  # fmt: skip
        return resolve([("setting", knobs)]).recipe


#: Two sizes of the network; lengths of one, two and four (and a half) minutes; each knob at both ends.
SETTINGS = (
    Setting(),
    Setting(recompute=True),
    Setting(tokens=3000),
    Setting(tokens=3000, recompute=True),
    Setting(tokens=6000, rank=128, targets="attention+mlp"),
    Setting(tokens=6000, batch=4, rank=128, recompute=True),
    Setting(batch=4, targets="attention+mlp"),
    Setting(batch=4, rank=128, targets="attention+mlp", recompute=True),
    Setting("xl-turbo", rank=128),
    Setting("xl-turbo", rank=128, targets="attention+mlp", recompute=True),
    Setting("xl-turbo", tokens=3000, targets="attention+mlp"),
    Setting("xl-turbo", tokens=6000, batch=4, recompute=True),
)


class Live(TorchDispatchMode):
    """Counts the bytes that are alive on a device, each storage once."""

    def __init__(self, device: torch.device = META) -> None:
        super().__init__()
        self._device = device
        self.now, self.peak = 0, 0
        self._sizes: dict[int, int] = {}

    def add(self, tensor: Tensor) -> None:
        """Count a tensor until nothing has its storage any more."""
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self._sizes and tensor.device == self._device:
            self._sizes[key] = storage.nbytes()
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._drop, key)

    def _drop(self, key: int) -> None:
        self.now -= self._sizes.pop(key)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and count what it makes."""
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor):
                self.add(leaf)
        return out


class Kernel(torch.autograd.Function):
    """Attention as flash (no mask) and memory-efficient kernels hold memory; the contents are none."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        """Return the result, laid out as the kernels do: tokens before heads."""
        batch, heads, length, width = q.shape
        bias = mask
        if mask is not None and (mask.dtype != q.dtype or mask.shape[-1] % _ALIGNED):
            keys = -(-mask.shape[-1] // _ALIGNED) * _ALIGNED  # in the format of the queries, once for all heads
            bias = torch.empty(*mask.shape[:-1], keys, dtype=q.dtype, device=META)
        out = torch.empty(batch, length, heads, width, dtype=q.dtype, device=META).transpose(1, 2)
        ctx.save_for_backward(q, k, v, out, torch.empty(batch, heads, length, device=META), bias)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Return gradients; on the way there is one of the queries in 32 bit, and keys and values for every head."""
        q, k, v, _, normaliser, _ = ctx.saved_tensors
        torch.empty_like(normaliser)
        summed = torch.empty(q.shape, dtype=torch.float32, device=META)
        wide = [torch.empty(*q.shape[:2], *x.shape[2:], dtype=x.dtype, device=META) for x in (k, v)]
        found = [torch.empty_like(q), *wide]
        if k.shape != wide[0].shape:
            found[1:] = [torch.empty_like(k), torch.empty_like(v)]
        del summed, wide
        return (*found, None)


@contextmanager
def kernels() -> Iterator[None]:
    """Let attention hold inside the block what a card's kernels hold; the meta device would keep all scores."""
    plain = F.scaled_dot_product_attention

    def attend(q: Tensor, k: Tensor, v: Tensor, attn_mask: Tensor | None = None, **_: object) -> Tensor:
        return Kernel.apply(q, k, v, attn_mask)

    F.scaled_dot_product_attention = attend
    try:
        yield
    finally:
        F.scaled_dot_product_attention = plain


def network(size: NetworkSize) -> nn.Module:
    """Return the network class at a size, frozen, in 16 bit."""
    with META:
        made = AceStepTransformer1DModel(**tiny.configs(replace(CARD.variant("tiny"), size=size))["transformer"])
    return made.bfloat16().requires_grad_(False).train()


def tuned(made: nn.Module, recipe: Recipe, size: NetworkSize) -> list[nn.Parameter]:
    """Return the parameters of a recipe's adapter on a network."""
    layout = adapters.layout(recipe.adapter, CARD, size)
    knobs = recipe.adapter
    facts = Facts(
        kind=knobs.kind, rank=knobs.rank, alpha=knobs.alpha, rslora=False, modules=tuple(layout.layers),
        family=CARD.name, variant=recipe.model.variant, fingerprint="", objective={}, trigger=None, name="peak",
    )  # fmt: skip
    return list(attach.attach(made, facts).values())


def depth(setting: Setting) -> int:
    """Return the blocks of a setting's network."""
    return CARD.variant(setting.variant).size.layers


def batch_of(setting: Setting, size: NetworkSize) -> Batch:
    """Return crops and conditions as they come from the collator: in 32 bit, masked where there are several."""
    frames = setting.tokens * size.patch
    conditions = {
        "tokens": torch.empty(setting.batch, CONDITIONS, size.condition_width, device=META),
        "null": torch.empty(1, size.condition_width, device=META),
        "context": torch.empty(frames, size.channels, device=META),
    }
    if setting.batch > 1:
        conditions["mask"] = torch.empty(setting.batch, CONDITIONS, device=META, dtype=torch.bool)
    return Batch(torch.empty(setting.batch, frames, size.channels, device=META), conditions)


def counted_bytes(setting: Setting, layers: int) -> int:
    """Return the most bytes that are alive at once in the second step of a training.

    Args:
        setting: What is trained, on what.
        layers: Blocks of the network.
    """
    variant, recipe = CARD.variant(setting.variant), setting.recipe
    size = replace(variant.size, layers=layers)
    family = AceStepV15(variant, None, recipe.family)  # type: ignore[arg-type]  # no weights: nothing is loaded
    live = Live()
    with kernels():
        made = network(size)
        parameters = tuned(made, recipe, size)
        if setting.recompute:
            made.enable_gradient_checkpointing()
        for tensor in (*made.parameters(), *made.buffers()):
            live.add(tensor)
        optimizer = torch.optim.AdamW(parameters, foreach=False)
        with live:
            for _ in range(2):
                step(family, made, batch_of(setting, size), optimizer)
    return live.peak


def step(family: AceStepV15, made: nn.Module, batch: Batch, optimizer: torch.optim.Optimizer) -> None:
    """Do one micro-batch and its update, as `acetune.training.session.Session.update` does."""
    crops = batch.x0.shape[0]
    noise, t = torch.empty_like(batch.x0), torch.empty(crops, device=META)
    dropped = torch.empty(crops, dtype=torch.bool, device=META)
    x_t = torch.lerp(batch.x0, noise, t[:, None, None])
    predicted = family.predict(made, batch, x_t, t, dropped)
    (predicted - (noise - batch.x0)).square().mean().backward()
    torch.nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def planned_bytes(setting: Setting, layers: int) -> float:
    """Return what the planner reckons with for the same, without allocator and runtime (arguments as above)."""
    size = replace(CARD.variant(setting.variant).size, layers=layers)
    crops = (setting.tokens * size.patch,) * setting.batch
    return (memory_of(setting.recipe, size, crops, compute.machine("cpu")) - CONTEXT_BYTES) / (1 + SLACK)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--layers", type=int, help="blocks of the networks; all of them otherwise")
    chosen = parser.parse_args()
    rows = []
    for setting in SETTINGS:
        layers = chosen.layers or depth(setting)
        counted, planned = counted_bytes(setting, layers), planned_bytes(setting, layers)
        rows.append((str(setting), counted / 2**30, planned / 2**30, planned / counted))
    columns = ("setting", "counted GiB", "planned GiB", "planned / counted")
    publish([Table("The most memory of a step, 16-bit weights", columns, tuple(rows))], chosen.json)


if __name__ == "__main__":
    main()
