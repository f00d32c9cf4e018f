"""The recorded numbers of the official model code and tiny networks that hold its weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from acetune.families.acestep_v15 import components, configs, names
from acetune.families.acestep_v15.network import AceStepTransformer1DModel

FOLDER = Path(__file__).parent / "ace-step-1.5"


@dataclass
class Golden:
    """Weights, inputs and outputs of one recorded model."""

    name: str
    config: dict[str, object]
    weights: dict[str, Tensor]
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]

    def component(self, component: str) -> nn.Module:
        """Build a component with the recorded weights."""
        wanted = {}
        for key, tensor in self.weights.items():
            owner, name = names.component_of(key)
            if owner == component:
                wanted[name] = tensor
        if component == "condition_encoder":
            wanted["silence_latent"] = torch.zeros(1, 15000, 8)
        config = configs.from_official(component, self.config)
        network = AceStepTransformer1DModel if component == "transformer" else None
        return components.build(
            component, config, wanted, device=torch.device("cpu"), dtype=torch.float32, network_class=network
        )


def read(name: str) -> dict[str, Tensor]:
    """Return the tensors of a golden file."""
    return load_file(FOLDER / f"{name}.safetensors")


def load(name: str) -> Golden:
    """Return one recorded model."""
    config = json.loads((FOLDER / f"{name}_config.json").read_text())
    return Golden(name, config, read(f"{name}_weights"), read(f"{name}_inputs"), read(f"{name}_outputs"))


def assert_close(found: Tensor, wanted: Tensor, tolerance: float = 1e-5) -> None:
    """Compare relative to the largest value."""
    assert found.shape == wanted.shape
    difference = (found - wanted).abs().max() / wanted.abs().max()
    assert difference <= tolerance, f"relative difference {difference:.2e}"
