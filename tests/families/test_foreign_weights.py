"""What is no checkpoint of this variant is refused in words, before anything is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from layout_writer import rewrite, variant, write_layout
from safetensors.torch import save_file

from acetune.errors import DataError
from acetune.events import Event, Job, Noticed
from acetune.families.acestep_v15 import components
from acetune.families.acestep_v15.layouts import Weights, open_weights

CPU = torch.device("cpu")


def test_weights_that_say_they_are_of_another_kind_are_announced(tiny: Weights, models: Path) -> None:
    heard: list[Event] = []

    open_weights(variant("tiny-base"), tiny.found.network, models, Job(heard.append))

    assert [event.code for event in heard if isinstance(event, Noticed)] == ["weights.another_kind"]


def test_weights_of_another_width_are_refused_with_the_variants_they_fit(written, models: Path) -> None:
    with pytest.raises(DataError) as refusal:
        open_weights(variant("tiny"), written("tiny-xl", "comfyui-aio"), models, Job())

    assert refusal.value.code == "weights.wrong_width"
    assert refusal.value.params["found"] == 80
    assert refusal.value.params["expected"] == 64
    assert "tiny-xl" in refusal.value.remedy()


def test_a_truncated_file_is_refused(tiny: Weights, models: Path, tmp_path: Path) -> None:
    path = write_layout(tiny, "comfyui-aio", tmp_path)
    path.write_bytes(path.read_bytes()[:-1000])

    with pytest.raises(DataError) as refusal:
        open_weights(tiny.variant, path, models, Job())

    assert refusal.value.code == "weights.truncated"


def test_a_missing_shard_is_named(tiny: Weights, models: Path, tmp_path: Path) -> None:
    path = write_layout(tiny, "official-sharded", tmp_path)
    (path / "model-00002-of-00002.safetensors").unlink()

    with pytest.raises(DataError) as refusal:
        open_weights(tiny.variant, path, models, Job())

    assert refusal.value.code == "weights.missing_shard"
    assert "model-00002-of-00002" in refusal.value.message()


def test_a_file_of_something_else_is_refused(models: Path, tmp_path: Path) -> None:
    save_file({"lora_A.weight": torch.zeros(2)}, tmp_path / "adapter.safetensors")

    with pytest.raises(DataError) as refusal:
        open_weights(variant("tiny"), tmp_path / "adapter.safetensors", models, Job())

    assert refusal.value.code == "weights.unknown_file"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4\n", "weights.lfs_pointer"),
        (b"", "weights.not_safetensors"),
        (b"\x08\x00\x00\x00\x00\x00\x00\x00nonsense", "weights.not_safetensors"),
        (b"\xff" * 400, "weights.not_safetensors"),
    ],
)
def test_what_is_no_safetensors_file_is_refused(content: bytes, code: str, models: Path, tmp_path: Path) -> None:
    (tmp_path / "weights.safetensors").write_bytes(content)

    with pytest.raises(DataError) as refusal:
        open_weights(variant("tiny"), tmp_path / "weights.safetensors", models, Job())

    assert refusal.value.code == code


def test_weights_with_a_missing_and_a_foreign_tensor_are_refused_by_name(
    tiny: Weights, models: Path, tmp_path: Path
) -> None:
    path = write_layout(tiny, "comfyui-split", tmp_path)

    def change(known: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        known["decoder.layers.0.extra.weight"] = known.pop("decoder.norm_out.weight")
        return known

    rewrite(path, change)
    with pytest.raises(DataError) as refusal:
        open_weights(tiny.variant, path, models, Job()).load("transformer", CPU, torch.float32)

    assert refusal.value.code == "weights.mismatch"
    assert "1 missing (norm_out.weight); 1 unexpected (layers.0.extra.weight)" in refusal.value.message()


def test_weights_with_no_matching_tensor_are_refused(tiny: Weights) -> None:
    config = tiny.sources["transformer"].config
    with pytest.raises(DataError) as refusal:
        components.build("transformer", config, {"foreign": torch.zeros(1)}, device=CPU, dtype=torch.float32)

    assert refusal.value.code == "weights.no_match"


def test_quantised_weights_are_refused(tiny: Weights, models: Path, tmp_path: Path) -> None:
    path = write_layout(tiny, "comfyui-split", tmp_path)
    key = "decoder.layers.0.mlp.gate_proj.weight"
    rewrite(path, lambda known: known | {key: known[key].to(torch.float8_e4m3fn)})

    with pytest.raises(DataError) as refusal:
        open_weights(tiny.variant, path, models, Job())

    assert refusal.value.code == "weights.quantised"
