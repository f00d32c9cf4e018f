"""DoRA's row lengths, as PEFT and as ComfyUI count them.

PEFT keeps the length m of each row of the tuned matrix: W' = m (W + D) / |W + D|. ComfyUI's loader divides by the
length of the *frozen* row: W' = d (W + D) / |W|. Both are the same matrix where d = m |W| / |W + D|, which can only be
said with the frozen weights at hand.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.integrations import dequantize_module_weight
from torch import Tensor, nn

from acetune.adapters.adapter import Adapter, module_of, scale

_PEFT, _COMFYUI = "lora_magnitude_vector", "dora_scale"


def relative(adapter: Adapter, network: nn.Module) -> Adapter:
    """Return an adapter with ComfyUI's ``dora_scale`` (out, 1) for PEFT's lengths; one without lengths as it is.

    Args:
        adapter: Of a network of this shape.
        network: With or without an adapter of this kind.
    """
    return _converted(adapter, network, _PEFT, _COMFYUI)


def absolute(adapter: Adapter, network: nn.Module) -> Adapter:
    """Undo `relative` (arguments as there)."""
    return _converted(adapter, network, _COMFYUI, _PEFT)


def frozen(network: nn.Module, module: str) -> Tensor:
    """Return the frozen weights (out, in) of a layer with or without an adapter, in float32."""
    layer = network.get_submodule(module)
    weight: Tensor = dequantize_module_weight(layer.get_base_layer() if isinstance(layer, BaseTunerLayer) else layer)
    return weight.detach().float()


def lengths(weight: Tensor) -> Tensor:
    """Return the lengths of the rows of a matrix, as PEFT computes them: a ratio of equal ones is exactly 1."""
    found: Tensor = torch.linalg.norm(weight, dim=1)
    return found


def _converted(adapter: Adapter, network: nn.Module, old: str, new: str) -> Adapter:
    """Return an adapter with lengths counted in another way."""
    weights: dict[str, Tensor] = {}
    for name, value in adapter.weights.items():
        if not name.endswith(old):
            weights[name] = value
            continue
        module = module_of(name)
        ratio = _growth(adapter, network, module)
        flat = value.cpu().double().flatten()
        other = flat * ratio if new == _PEFT else (flat / ratio).unsqueeze(1)
        weights[f"{module}.{new}"] = other.float().to(value.device)
    return Adapter(weights, adapter.facts)


def _growth(adapter: Adapter, network: nn.Module, module: str) -> Tensor:
    """Return how much longer the adapter makes the rows of a layer: |W + s B A| / |W|, (out,) in float64 on the CPU.

    Files promise the trained matrix to the rounding of float32, which lengths that are summed up in float32 would miss.
    """
    weight = frozen(network, module).cpu().double()
    change = scale(adapter.facts, module) * _change(adapter.weights, module)
    return lengths(weight + change) / lengths(weight)


def _change(weights: Mapping[str, Tensor], module: str) -> Tensor:
    """Return B A of a layer, (out, in) in float64."""
    b, a = (weights[f"{module}.lora_{part}.weight"].cpu().double() for part in "BA")
    return b @ a
