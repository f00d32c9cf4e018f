"""Files of adapters that trainers of ACE-Step v1 leave: raw, with what diffusers adds, baked, with an alpha."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from acetune.events import Job
from acetune.families.adapter_names import read_adapter
from acetune.recipe import family_of

LAYERS = ("transformer_blocks.0.attn.to_q", "lyric_encoder.encoders.1.self_attn.linear_v")
#: As one trainer of this model is started: r 64 and alpha 1 there.
CONFIG = {"r": 4, "lora_alpha": 1, "use_rslora": True, "target_modules": ["to_q", "linear_v"]}
SCALE = 1 / math.sqrt(4)
NAME = "pytorch_lora_weights.safetensors"


@pytest.fixture(scope="module")
def raw() -> Mapping[str, Tensor]:
    """Matrices under the names of the files, without a scale."""
    card, variant = family_of("tiny-v1")
    sizes, drawn = card.layer_sizes(variant.size, "re:.*"), torch.Generator().manual_seed(1)
    shapes = {
        f"{layer}.lora_{part}.weight": shape
        for layer in LAYERS
        for part, shape in (("A", (4, sizes[layer][0])), ("B", (sizes[layer][1], 4)))
    }
    return {name: torch.randn(shape, generator=drawn) for name, shape in shapes.items()}


def assert_trained_change(path: Path, raw: Mapping[str, Tensor]) -> None:
    """Compare the weight change of each layer with that of the training; the scale is inside."""
    read = read_adapter(path, "tiny-v1")
    for layer in LAYERS:
        one, two = (f"{layer}.lora_{part}.weight" for part in "BA")
        torch.testing.assert_close(read.weights[one] @ read.weights[two], SCALE * raw[one] @ raw[two])


def test_a_raw_file_with_what_diffusers_adds_is_read(raw: Mapping[str, Tensor], tmp_path: Path) -> None:
    save_file(dict(raw), tmp_path / NAME, {"format": "pt", "lora_adapter_metadata": json.dumps(CONFIG)})

    assert_trained_change(tmp_path / NAME, raw)


@pytest.mark.parametrize("alpha", [None, SCALE, 4 * SCALE], ids=["raw", "the fork's alpha", "ComfyUI's alpha"])
def test_a_folder_with_the_configuration_of_its_training_is_read(
    raw: Mapping[str, Tensor], alpha: float | None, tmp_path: Path
) -> None:
    alphas = {} if alpha is None else {f"{layer}.alpha": torch.tensor(alpha) for layer in LAYERS}
    save_file({**raw, **alphas}, tmp_path / NAME)
    (tmp_path / "lora_config.json").write_text(json.dumps(CONFIG))

    assert_trained_change(tmp_path, raw)


@pytest.mark.parametrize("prefix", ["", "diffusion_model.", "transformer."])
def test_a_baked_file_is_read_as_it_is(raw: Mapping[str, Tensor], prefix: str, tmp_path: Path) -> None:
    save_file({prefix + name: value * math.sqrt(SCALE) for name, value in raw.items()}, tmp_path / NAME)

    assert_trained_change(tmp_path / NAME, raw)


def test_a_file_with_comfyuis_alpha_is_read(raw: Mapping[str, Tensor], tmp_path: Path) -> None:
    save_file({**raw, **{f"{layer}.alpha": torch.tensor(4 * SCALE) for layer in LAYERS}}, tmp_path / NAME)

    assert_trained_change(tmp_path / NAME, raw)


@pytest.mark.parametrize("prefix", ["lora_unet_", "lora_transformer_", "lycoris_", "lora_unet_transformer_"])
def test_a_file_with_underscores_for_dots_is_read(raw: Mapping[str, Tensor], prefix: str, tmp_path: Path) -> None:
    flat = {f"{prefix}{layer.replace('.', '_')}": layer for layer in LAYERS}
    file = {theirs + n.removeprefix(ours): v for theirs, ours in flat.items() for n, v in raw.items() if ours in n}
    file |= {f"{theirs}.alpha": torch.tensor(4 * SCALE) for theirs in flat}
    save_file(file, tmp_path / NAME)

    assert_trained_change(tmp_path / NAME, raw)


def test_a_raw_file_alone_says_that_nobody_knows_its_alpha(raw: Mapping[str, Tensor], tmp_path: Path) -> None:
    save_file(dict(raw), tmp_path / NAME)
    told: list[object] = []

    read_adapter(tmp_path / NAME, "tiny-v1", job=Job(told.append))

    assert any("adapter.unsaid_alpha" in str(event) for event in told)
