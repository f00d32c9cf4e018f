"""Weight files are checked before they are used, and foreign pickles are never executed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from acetune.errors import DataError
from acetune.events import Job
from acetune.families import weights
from acetune.families.pickles import convert, read_pt
from acetune.families.tensors import read_header
from acetune.families.variant import Repository


def test_verify_finds_a_truncated_file_that_nobody_recorded(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    save_file({"a": torch.zeros(1000)}, file)
    file.write_bytes(file.read_bytes()[:-1])

    with pytest.raises(DataError) as fault:
        weights.verify([tmp_path], Job())

    assert fault.value.code == "weights.truncated"


def test_a_header_names_every_tensor_without_reading_it(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(3, 5), "b": torch.ones(2, dtype=torch.bfloat16)}, tmp_path / "f.safetensors")

    refs = read_header(tmp_path / "f.safetensors")

    assert {name: (ref.dtype, ref.shape, ref.size) for name, ref in refs.items()} == {
        "a": ("F32", (3, 5), 60),
        "b": ("BF16", (2,), 4),
    }


def test_a_pt_file_is_read_as_named_tensors_and_converted_once_for_each_content(tmp_path: Path) -> None:
    torch.save({"x": torch.ones(2), "meta": {"y": torch.zeros(1), "name": "song"}}, tmp_path / "file.pt")
    nested = [read_pt(tmp_path / "file.pt", tmp_path / "cache") for _ in range(2)]
    torch.save(torch.zeros(1), tmp_path / "file.pt")

    bare = read_pt(tmp_path / "file.pt", tmp_path / "cache")

    assert [{name: tensor.tolist() for name, tensor in each.items()} for each in nested] == [
        {"x": [1, 1], "meta.y": [0]}
    ] * 2
    assert {name: tensor.tolist() for name, tensor in bare.items()} == {"tensor": [0]}
    assert len(list((tmp_path / "cache").iterdir())) == 2


class Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_a_pt_file_with_a_program_in_it_is_refused_and_not_run(tmp_path: Path) -> None:
    torch.save({"tensor": torch.zeros(1), "trap": Trap(tmp_path / "sprung")}, tmp_path / "file.pt")

    with pytest.raises(DataError) as refusal:
        read_pt(tmp_path / "file.pt", tmp_path / "cache")

    assert refusal.value.code == "weights.unsafe_pickle"
    assert not (tmp_path / "sprung").exists()
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_broken_pt_file_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "file.pt").write_bytes(b"PK\x03\x04 half a zip")

    with pytest.raises(DataError) as refusal:
        read_pt(tmp_path / "file.pt", tmp_path / "cache")

    assert refusal.value.code == "weights.broken_pickle"
    assert "\n" not in refusal.value.message()


@pytest.mark.parametrize("content", [b"", b"not a pickle", b"\x80\x02K\x01."])
def test_no_content_of_a_pt_file_is_let_through_by_accident(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "file.pt").write_bytes(content)

    assert convert(tmp_path / "file.pt", tmp_path / "out.safetensors") != 0
    assert not (tmp_path / "out.safetensors").exists()


def test_repositories_of_one_bundle_share_the_official_tree(tmp_path: Path) -> None:
    bundle = Repository("ACE-Step/Ace-Step1.5", ("vae/*", "Qwen3-Embedding-0.6B/*"), 1, "MIT")
    own = Repository("ACE-Step/acestep-v15-base", ("config.json", "*.safetensors"), 1, "MIT")

    assert weights.target_of(bundle, tmp_path) == tmp_path / "checkpoints"
    assert weights.target_of(own, tmp_path) == tmp_path / "checkpoints" / "acestep-v15-base"
