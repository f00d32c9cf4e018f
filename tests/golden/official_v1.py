"""The recorded numbers of the official ACE-Step v1 code, and tiny networks with its procedural weights.

The rule of the weights (README of the recordings): standard normals of a generator seeded by the name of the tensor, of
a size that depends on its shape.
"""

from __future__ import annotations

import functools
import json
import math
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from acetune.families.acestep_v1 import names
from acetune.families.acestep_v1.network import AceStepV1Transformer, NetworkConfig

FOLDER = Path(__file__).parent / "ace-step-v1"


def normals(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return the standard normals of a name in float64."""
    generator = np.random.RandomState(zlib.crc32(name.encode()) & 0xFFFFFFFF)  # noqa: NPY002
    return generator.standard_normal(math.prod(shape)).reshape(shape)


def given(name: str, shape: tuple[int, ...], scale: float = 1.0) -> Tensor:
    """Return an input."""
    return torch.from_numpy((normals(f"input:{name}", shape) * scale).astype(np.float32))


def weight(name: str, shape: tuple[int, ...]) -> Tensor:
    """Return a parameter by its full name in the checkpoint."""
    z = normals(name, shape)
    if name.endswith("weight_g"):
        z = 1 + 0.1 * z
    elif len(shape) >= 2:
        z = z / math.sqrt(math.prod(shape[1:]))
    elif name.endswith(("weight", "gamma")):
        z = 1 + 0.1 * z
    else:
        z = 0.05 * z
    return torch.from_numpy(z.astype(np.float32))


def filled(module: nn.Module, prefix: str = "") -> nn.Module:
    """Fill a module with the procedural weights of its names, as they are shaped in the checkpoint."""
    for name, parameter in module.state_dict().items():
        shape = (*parameter.shape, 1) if names.is_narrow(name) else tuple(parameter.shape)
        parameter.copy_(weight(prefix + name, shape).view(parameter.shape))
    return module.eval()


def tiny_config() -> NetworkConfig:
    """Return the sizes of the recorded tiny network."""
    config = json.loads((FOLDER / "tiny_transformer_config.json").read_text())
    top, lyric = config["transformer"], config["lyric_encoder_overrides"]
    return NetworkConfig(
        layers=top["num_layers"], heads=top["num_attention_heads"], head_dim=top["attention_head_dim"],
        speaker_width=top["speaker_embedding_dim"], text_width=top["text_embedding_dim"],
        vocabulary=top["lyric_encoder_vocab_size"], lyric_width=lyric["output_size"],
        lyric_heads=lyric["attention_heads"], lyric_units=lyric["linear_units"], lyric_layers=lyric["num_blocks"],
        ssl_depth=top["ssl_encoder_depths"][0] + 1, ssl_widths=tuple(top["ssl_latent_dims"]),
    )  # fmt: skip


@functools.cache
def _tiny_weights(**changes: int) -> dict[str, Tensor]:
    return filled(AceStepV1Transformer(replace(tiny_config(), **changes))).state_dict()


def tiny(**changes: int) -> AceStepV1Transformer:
    """Return the recorded tiny network, or one with other sizes."""
    network = AceStepV1Transformer(replace(tiny_config(), **changes))
    network.load_state_dict(_tiny_weights(**changes))
    return network.eval()


def read(name: str) -> dict[str, Tensor]:
    """Return the tensors of a golden file."""
    return load_file(FOLDER / f"{name}.safetensors")


def assert_close(found: Tensor, wanted: Tensor, rtol: float = 1e-4, atol: float = 2e-5) -> None:
    """Compare to the tolerance of the recordings."""
    torch.testing.assert_close(found, wanted, rtol=rtol, atol=atol)
