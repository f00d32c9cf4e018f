"""Frozen weights in 8 or 4 bits under an adapter (bitsandbytes), which leaves more memory to what is trained.

int8 (LLM.int8, arXiv:2208.07339) has one scale a row, with the few inputs that stand out computed in 16 bit; nf4
(QLoRA, arXiv:2305.14314) sixteen values placed for normal weights, with a scale for 64 of them that is quantised too.
Only linear layers of the blocks are replaced: they are nearly all of the network; the rest is what every block sees.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import nn

from acetune.errors import MissingDependency

#: Inputs beyond this are computed in 16 bit in int8 layers (the paper's threshold).
_OUTLIER: Final = 6.0


def check_installed(form: str) -> None:
    """Raise MissingDependency if a quantised base is asked for and bitsandbytes is not installed."""
    if form != "none":
        _library()


def quantise(network: nn.Module, form: str, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """Return a frozen network on a device, with the linear layers of its blocks quantised one by one.

    The whole of it is never there in 16 bit: load it on the processor.

    Args:
        network: Frozen; changed in place.
        form: "int8" or "nf4".
        device: Where it will run.
        dtype: In which products are computed.

    Raises:
        MissingDependency: If bitsandbytes is not installed.
    """
    library = _library()
    for name in _linears(network):
        parent, _, child = name.rpartition(".")
        owner = network.get_submodule(parent)
        setattr(owner, child, _layer(library, getattr(owner, child), form, dtype).to(device))
    network.is_loaded_in_8bit = form == "int8"  # type: ignore[assignment]  # where PEFT looks
    network.is_loaded_in_4bit = form == "nf4"  # type: ignore[assignment]
    return network.to(device)


def _linears(network: nn.Module) -> list[str]:
    """Return the names of linear layers inside lists of modules, which blocks are."""
    lists = [f"{name}." for name, module in network.named_modules() if isinstance(module, nn.ModuleList)]
    linears = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    return [name for name in linears if name.startswith(tuple(lists))]


def _layer(library: Any, plain: nn.Linear, form: str, dtype: torch.dtype) -> nn.Module:
    """Return a layer that will be quantised when it is moved."""
    shape: dict[str, Any] = {"bias": plain.bias is not None, "device": "meta"}
    made: nn.Module
    if form == "int8":
        made = library.nn.Linear8bitLt(
            plain.in_features, plain.out_features, has_fp16_weights=False, threshold=_OUTLIER, **shape
        )
        made.weight = library.nn.Int8Params(plain.weight.data, requires_grad=False, has_fp16_weights=False)
    else:
        made = library.nn.LinearNF4(plain.in_features, plain.out_features, compute_dtype=dtype, **shape)
        made.weight = library.nn.Params4bit(plain.weight.data, requires_grad=False, quant_type="nf4", module=made)
    if plain.bias is not None:
        made.bias = plain.bias
    return made.requires_grad_(False)


def _library() -> Any:
    """Return bitsandbytes.

    Raises:
        MissingDependency: If it is not installed.
    """
    try:
        import bitsandbytes
    except ImportError as cause:
        raise MissingDependency("compute.no_bitsandbytes") from cause
    return bitsandbytes
