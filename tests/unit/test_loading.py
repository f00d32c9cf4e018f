import os
import subprocess
import sys

import psutil
import pytest
import torch
from safetensors.torch import save_file
from transformers import Qwen3Config, Qwen3ForCausalLM

from acetune import compute
from acetune.annotation.loading import count_parameters, fitting_format, lack_of_room, loaded
from acetune.errors import DataError, MissingDependency, OutOfMemory

CPU = torch.device("cpu")
GPU = torch.device("meta")  # only asked what kind it is
GB = 10**9


@pytest.fixture
def free(monkeypatch):
    """Return a function that sets the free memory of all devices."""
    return lambda size: monkeypatch.setattr(compute, "memory", lambda where: (None, size))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny causal model."""
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=64, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8,
    )  # fmt: skip
    place = tmp_path_factory.mktemp("models") / "tiny"
    Qwen3ForCausalLM(config).save_pretrained(place)
    return place


@pytest.mark.parametrize(
    ("where", "parameters", "size", "expected"),
    [
        (CPU, 0.1e9, 1 * GB, "float32"),
        (CPU, 9e9, 32 * GB, "half"),
        (GPU, 9e9, 24 * GB, "half"),
        (GPU, 9e9, 16 * GB, "nf4"),
        (GPU, 9e9, 12 * GB, "nf4"),
        (GPU, 4e9, 12 * GB, "half"),
        (GPU, 4e9, 8 * GB, "nf4"),
        (GPU, 9e9, None, "half"),
    ],
)
def test_the_best_number_format_that_fits_is_taken(free, monkeypatch, where, parameters, size, expected):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    free(size)

    assert fitting_format(int(parameters), where) == expected


@pytest.mark.parametrize(("where", "size"), [(CPU, 16 * GB), (GPU, 8 * GB)])
def test_a_model_that_fits_in_no_format_is_refused_with_the_sizes(free, where, size):
    free(size)
    with pytest.raises(OutOfMemory) as caught:
        fitting_format(9 * GB, where)

    assert f"{size / GB:.1f} GB are free" in caught.value.message()


def test_four_bits_need_a_package_and_say_which(free, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    free(12 * GB)
    with pytest.raises(MissingDependency) as caught:
        fitting_format(9 * GB, GPU)

    assert "20.0 GB of free memory, or 10.1 GB in four bits" in caught.value.message()
    assert "acetune[8bit]" in caught.value.remedy()


def test_weights_are_counted_without_reading_them(tmp_path):
    save_file({"thinker.a": torch.zeros(3, 4), "talker.b": torch.zeros(100)}, tmp_path / "model-1.safetensors")
    save_file({"thinker.c": torch.zeros(5)}, tmp_path / "model-2.safetensors")

    assert count_parameters(tmp_path, "thinker.") == 17
    assert count_parameters(tmp_path, "model.") == count_parameters(tmp_path) == 117


def test_older_weight_files_are_counted_by_their_size(tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(bytes(2000))

    assert count_parameters(tmp_path) == 1000


def test_a_model_is_loaded_frozen_and_its_memory_is_free_afterwards(folder):
    with loaded(Qwen3ForCausalLM, folder, "cpu") as model:
        sizes = {parameter.numel() for parameter in model.parameters()}
        frozen = not any(parameter.requires_grad for parameter in model.parameters()) and not model.training

    assert frozen
    assert 0 not in sizes
    assert {tensor.untyped_storage().nbytes() for tensor in (*model.parameters(), *model.buffers())} == {0}


def test_missing_weights_are_an_error_and_not_random_ones(folder, tmp_path):
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    save_file({"model.norm.weight": torch.ones(16)}, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with (
        pytest.raises(DataError) as caught,
        loaded(Qwen3ForCausalLM, tmp_path, "cpu"),
    ):
        pass

    assert caught.value.code == "listening.unloadable"
    assert "of its weights are missing" in caught.value.message()


@pytest.mark.parametrize("damage", [b"", b"no safetensors at all", bytes(64)])
def test_a_damaged_file_is_an_error_in_one_sentence(folder, tmp_path, damage):
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    (tmp_path / "model.safetensors").write_bytes(damage)
    with pytest.raises(DataError) as caught, loaded(Qwen3ForCausalLM, tmp_path, "cpu"):
        pass

    assert caught.value.code == "listening.unloadable"
    assert "\n" not in caught.value.message()


def test_a_broken_configuration_is_an_error(folder, tmp_path):
    (tmp_path / "config.json").write_text("{")
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    with pytest.raises(DataError) as caught, loaded(Qwen3ForCausalLM, tmp_path, "cpu"):
        pass

    assert caught.value.code == "listening.unloadable"


def fake_driver(folder, answer):
    """Put a driver's tool that gives this answer before all others."""
    tool = folder / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{answer}\n")
    tool.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.skipif(sys.platform == "win32", reason="the driver's tool is a shell script here")
@pytest.mark.parametrize(
    ("answer", "name", "room"),
    [
        ("echo '10000 MiB'; echo '20000 MiB'", "auto", (False, 20000 << 20)),
        ("echo '[N/A]'", "auto", (False, None)),
        ("echo '10000 MiB'", "cpu", (True, "main")),
        ("exit 9", "auto", (True, "main")),
        ("exit 9", "xpu", (False, None)),
    ],
)
def test_the_room_of_a_card_is_told_by_its_driver(tmp_path, monkeypatch, answer, name, room):
    monkeypatch.setenv("PATH", fake_driver(tmp_path, answer))
    monkeypatch.setattr("importlib.metadata.version", lambda package: "2.13.0")
    monkeypatch.setattr(sys, "platform", "linux")
    on_processor, free = compute.room(name)

    assert on_processor is room[0]
    assert free == room[1] if room[1] != "main" else free == pytest.approx(psutil.virtual_memory().available, rel=0.1)


def test_lack_of_room_is_told_without_torch(folder):
    code = (
        "import sys; from pathlib import Path; from acetune.annotation.loading import lack_of_room; "
        "print(lack_of_room(Path(sys.argv[1]), 'cpu'), 'torch' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)

    assert said.stdout.strip() == "None False"


def test_lack_of_room_names_what_is_needed(tmp_path, monkeypatch):
    with (tmp_path / "pytorch_model.bin").open("wb") as stream:
        stream.truncate(18 * GB)
    monkeypatch.setattr(compute, "room", lambda device: (False, 6 * GB))
    error = lack_of_room(tmp_path, "auto")

    assert error.code == "listening.too_big"
    assert "10.1 GB of free memory, and 6.0 GB are free" in error.message()
