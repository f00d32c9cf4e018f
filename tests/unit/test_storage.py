"""Tensors in one file or in shards, as diffusers lays them out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from acetune.adapters import trained
from acetune.adapters.adapter import Adapter, Facts
from acetune.errors import CorruptFile, WrongAdapter
from acetune.storage import save_shards, shards

WEIGHTS = {f"layer{number}.weight": torch.full((4, 8), float(number)) for number in range(5)}  # 128 bytes each
FACTS = Facts(
    kind="full", rank=0, alpha=0.0, modules=(), family="acestep_v15", variant="tiny", fingerprint="f", name="run"
)


def test_few_bytes_are_one_file_without_an_index(tmp_path: Path) -> None:
    save_shards(tmp_path, "weights", WEIGHTS)

    assert [file.name for file in tmp_path.iterdir()] == ["weights.safetensors"]
    assert shards(tmp_path, "weights") == (tmp_path / "weights.safetensors",)


def test_shards_hold_at_most_so_many_bytes_and_the_index_names_each_tensors_file(tmp_path: Path) -> None:
    save_shards(tmp_path, "weights", WEIGHTS, most_bytes=300)

    index = json.loads((tmp_path / "weights.safetensors.index.json").read_text())
    names = [f"weights-0000{number}-of-00003.safetensors" for number in (1, 2, 3)]
    assert index["metadata"] == {"total_size": 640}
    assert list(index["weight_map"].values()) == [names[0]] * 2 + [names[1]] * 2 + [names[2]]
    assert shards(tmp_path, "weights") == tuple(tmp_path / name for name in names)


def test_all_weights_come_back_from_shards_with_their_facts(tmp_path: Path) -> None:
    trained.save(Adapter(WEIGHTS, FACTS), tmp_path, most_bytes=300)

    loaded = trained.load(tmp_path)

    assert len(list((tmp_path / "network").glob("*.safetensors"))) == 3
    assert loaded.weights.keys() == WEIGHTS.keys()
    assert all(torch.equal(loaded.weights[name], WEIGHTS[name]) for name in WEIGHTS)
    assert loaded.facts == trained.facts_of(tmp_path) == FACTS


def test_a_missing_shard_is_noticed(tmp_path: Path) -> None:
    trained.save(Adapter(WEIGHTS, FACTS), tmp_path, most_bytes=300)
    (tmp_path / "network" / "diffusion_pytorch_model-00002-of-00003.safetensors").unlink()

    with pytest.raises(WrongAdapter, match="00002-of-00003"):
        trained.check(tmp_path)


def test_a_cut_shard_is_noticed(tmp_path: Path) -> None:
    trained.save(Adapter(WEIGHTS, FACTS), tmp_path, most_bytes=300)
    shard = tmp_path / "network" / "diffusion_pytorch_model-00002-of-00003.safetensors"
    shard.write_bytes(shard.read_bytes()[:-8])

    with pytest.raises(CorruptFile):
        trained.check(tmp_path)
