"""Names of the audio autoencoder's tensors in original Oobleck files (ComfyUI keeps these) and in diffusers. No torch.

The original nests numbered Sequentials; diffusers gives each member a name. Weight norm has two spellings: a gain
``weight_g`` with a direction ``weight_v``, or ``parametrizations.weight.original0`` and ``original1``.
"""

from __future__ import annotations

import re

#: Blocks on each side: one for each of the ratios 2, 4, 4, 6, 10.
_BLOCKS = 5

_UNIT = ("snake1", "conv1", "snake2", "conv2")
_BLOCK = {
    "encoder": ("res_unit1", "res_unit2", "res_unit3", "snake1", "conv1"),
    "decoder": ("snake1", "conv_t1", "res_unit1", "res_unit2", "res_unit3"),
}
_SIDE = ("conv1", *(f"block.{i}" for i in range(_BLOCKS)), "snake1", "conv2")
_NORM = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
_ORIGINAL = re.compile(r"(encoder|decoder)\.layers\.(\d+)(?:\.layers\.(\d+))?(?:\.layers\.(\d+))?\.([a-z].*)")


def to_diffusers(name: str) -> str:
    """Return diffusers' name of a tensor that has either name, in either spelling of weight norm.

    A name that is in neither table is returned as it is, for a strict load to complain about.
    """
    for spelling, ours in _NORM.items():
        name = name.replace(spelling, ours)
    match = _ORIGINAL.fullmatch(name)
    if match is None:
        return name
    side, *places, leaf = match.groups()
    tables = (_SIDE, _BLOCK[side], _UNIT)
    indices = [int(place) for place in places if place is not None]
    if any(index >= len(table) for index, table in zip(indices, tables, strict=False)):
        return name
    return ".".join((side, *(table[i] for i, table in zip(indices, tables, strict=False)), leaf))


def to_original(name: str) -> str:
    """Return the original name of one of diffusers' tensors (undoes `to_diffusers`)."""
    side, rest = name.split(".", 1)
    path = [side]
    for table in (_SIDE, _BLOCK[side], _UNIT):
        part = next((part for part in table if rest.startswith(f"{part}.")), None)
        if part is None:
            break
        path += ["layers", str(table.index(part))]
        rest = rest.removeprefix(f"{part}.")
    return ".".join((*path, rest))


def is_snake(name: str) -> bool:
    """Whether a tensor is a parameter of an activation: (C,) in original files, (1, C, 1) in diffusers."""
    return name.endswith((".alpha", ".beta"))
