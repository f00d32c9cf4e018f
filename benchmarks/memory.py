"""What a training step keeps for its backward pass: `python benchmarks/memory.py`.

Bytes of saved tensors in one block at the published 2B width, with a 16-bit frozen network and a rank 16 adapter in
float32: by difference between four and two blocks, so that what is kept once a step drops out, and between two lengths.
Counted, not timed: the numbers do not depend on the machine. The planner's figure stands beside them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from diffusers import AceStepTransformer1DModel as Stock
from timing import Table, arguments, publish
from torch import Tensor, nn

from acetune.adapters import attach
from acetune.adapters.adapter import Facts
from acetune.families.acestep_v15 import names, tiny
from acetune.families.acestep_v15.network import AceStepTransformer1DModel as Ours
from acetune.families.acestep_v15.variants import CARD
from acetune.planning.adapters import layout
from acetune.planning.memory import MicroBatch, block_bytes
from acetune.sections import AdapterSection

#: Two lengths, in tokens of music and of conditions.
TOKENS, CONDITIONS = (256, 384), (128, 256)
SIZE = CARD.variant("turbo").size


def network(kind: type[nn.Module], layers: int) -> nn.Module:
    """Return a network of so many blocks with an adapter on all attention; its weights stay as memory has them."""
    variant = replace(CARD.variant("tiny"), size=replace(SIZE, layers=layers))
    with torch.device("meta"):
        made = kind(**tiny.configs(variant)["transformer"]).bfloat16().requires_grad_(False)
    made.to_empty(device="cpu")
    facts = Facts(
        kind="lora", rank=16, alpha=16.0, rslora=False, modules=names.targets("attention", layers),
        family="acestep_v15", variant="turbo", fingerprint="", objective={}, trigger=None, name="benchmark",
    )  # fmt: skip
    attach.attach(made, facts)
    return made


def kept_bytes(made: nn.Module, tokens: int, conditions: int) -> int:
    """Return the bytes that a forward pass keeps for the backward pass, each storage once, weights not counted."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in made.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    frames = SIZE.patch * tokens
    music, context = (torch.randn(1, frames, width).bfloat16() for width in (SIZE.channels, 2 * SIZE.channels))
    told, t = torch.randn(1, conditions, SIZE.condition_width).bfloat16(), torch.tensor([0.5]).bfloat16()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = made(music, t, t, told, context)
    assert out[0].requires_grad  # what was kept is alive until here
    return sum(kept.values())


def planned_bytes(layers: int, tokens: int, conditions: int) -> float:
    """Return the activations that the planner reckons with for so many blocks."""
    size, batch = replace(SIZE, layers=layers), MicroBatch(tokens, conditions)
    inputs = layout(AdapterSection(rank=16), CARD, size).kept_bytes(size, batch, 2)
    return layers * block_bytes(size, batch, 2) + inputs


def slopes(name: str, kept: Callable[[int, int, int], float]) -> tuple[float | str, ...]:
    """Return a row: KiB that one more token of music, and one more of conditions, keeps in one block.

    Args:
        name: Of the row.
        kept: Returns bytes of so many blocks, tokens and conditions.
    """

    def block(tokens: int, conditions: int) -> float:
        return (kept(4, tokens, conditions) - kept(2, tokens, conditions)) / 2 / 1024

    start = block(TOKENS[0], CONDITIONS[0])
    by_token = (block(TOKENS[1], CONDITIONS[0]) - start) / (TOKENS[1] - TOKENS[0])
    by_condition = (block(TOKENS[0], CONDITIONS[1]) - start) / (CONDITIONS[1] - CONDITIONS[0])
    return (name, by_token, by_condition)


def counted(kind: type[nn.Module]) -> Callable[[int, int, int], float]:
    """Return what counts the bytes of a network class."""
    made = {layers: network(kind, layers) for layers in (4, 2)}
    return lambda layers, tokens, conditions: kept_bytes(made[layers], tokens, conditions)


def main() -> None:
    chosen = arguments(__doc__).parse_args()
    rows = (
        slopes("ours", counted(Ours)),
        slopes("stock diffusers", counted(Stock)),
        slopes("planner", planned_bytes),
    )
    columns = ("network", "KiB a token", "KiB a condition token")
    publish([Table("Kept for the backward pass in one block", columns, rows)], chosen.json)


if __name__ == "__main__":
    main()
