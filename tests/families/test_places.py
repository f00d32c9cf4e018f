"""Weights are found wherever people keep them, by their content, and what is not here is named."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from layout_writer import rewrite, variant, write_layout

from acetune.errors import DataError, MissingDependency
from acetune.events import Job
from acetune.families.acestep_v15 import places
from acetune.families.acestep_v15.layouts import Weights, open_weights


@pytest.mark.parametrize(
    "place", ["checkpoints/acestep-v15-tiny/model.safetensors", "checkpoints/acestep-v15-tiny", "checkpoints", ""]
)
def test_any_part_of_the_official_tree_names_the_checkpoint(tiny: Weights, written, place: str, models: Path) -> None:
    root = written("tiny", "official").parents[1]
    official = replace(tiny.variant, aliases=("acestep-v15-tiny",))

    found = places.locate(official, root / place, models)

    assert found is not None
    assert found.layout == "official"
    assert found.missing == ()


@pytest.mark.parametrize("place", ["models/diffusion_models/acestep_v1.5_tiny.safetensors", "models", ""])
def test_any_part_of_a_comfyui_tree_names_the_checkpoint(tiny: Weights, written, place: str, models: Path) -> None:
    root = written("tiny", "comfyui-split").parents[2]

    found = places.locate(tiny.variant, root / place, models)

    assert found is not None
    assert found.vae == root / "models" / "vae" / "ace_1.5_vae.safetensors"
    assert found.text == root / "models" / "text_encoders" / "qwen_0.6b_ace15.safetensors"


def test_weights_are_found_in_the_comfyui_that_the_environment_names(
    tiny: Weights, written, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ACETUNE_COMFYUI", str(written("tiny", "comfyui-split").parents[2]))

    found = places.locate(tiny.variant, None, tmp_path)

    assert found is not None
    assert found.layout == "comfyui-split"


def test_weights_are_found_in_the_official_tree_of_the_workspace(tmp_path: Path, tiny: Weights) -> None:
    write_layout(tiny, "official", tmp_path)

    found = places.locate(replace(tiny.variant, name="other", aliases=("acestep-v15-tiny",)), None, tmp_path)

    assert found is not None
    assert found.network == tmp_path / "checkpoints" / "acestep-v15-tiny"
    assert found.missing == ()


def put_into_cache(folder: Path, repository: str, source: Path, into: str = "") -> None:
    """Lay a folder out as the hub's cache does."""
    root = folder / "hub" / f"models--{repository.replace('/', '--')}"
    shutil.copytree(source, root / "snapshots" / ("a" * 40) / into)
    (root / "refs").mkdir(exist_ok=True)
    (root / "refs" / "main").write_text("a" * 40)


def test_weights_are_found_in_the_cache_of_the_hub(tiny: Weights, written, tmp_path: Path) -> None:
    official = written("tiny", "official")
    put_into_cache(tmp_path, "ACE-Step/acestep-v15-base", official)
    put_into_cache(tmp_path, places.MAIN, official.parent / "vae", "vae")
    put_into_cache(tmp_path, places.MAIN, official.parent / places.TEXT_FOLDER, places.TEXT_FOLDER)

    found = places.locate(variant("base"), None, tmp_path / "models")

    assert found is not None
    assert "models--ACE-Step--acestep-v15-base" in str(found.network)
    assert found.missing == ()


def test_a_hub_id_names_a_cached_checkpoint(tiny: Weights, tmp_path: Path) -> None:
    put_into_cache(tmp_path, "someone/finetune", tiny.found.network)

    again = open_weights(tiny.variant, Path("someone/finetune"), tmp_path / "models", Job())

    assert again.fingerprint("transformer") == tiny.fingerprint("transformer")


def test_a_half_fetched_folder_is_not_taken_for_a_checkpoint(written, tmp_path: Path) -> None:
    network = tmp_path / "checkpoints" / "acestep-v15-base"
    shutil.copytree(written("tiny", "official-sharded"), network)
    (network / "model-00002-of-00002.safetensors").unlink()

    assert places.locate(variant("base"), None, tmp_path) is None


@pytest.mark.parametrize("part", ["vae", "text"])
def test_a_relative_of_a_part_is_not_taken_for_it(part: str, tiny: Weights, tmp_path: Path) -> None:
    path = write_layout(tiny, "comfyui-split", tmp_path)
    key = "decoder.layers.2.layers.1.weight_v"
    if part == "vae":  # Stable Audio's autoencoder has the same names and other strides
        rewrite(tmp_path / "models/vae/ace_1.5_vae.safetensors", lambda known: known | {key: torch.zeros(8, 8, 16)})
    else:  # plain Qwen3 has the same width and more tokens
        larger = {"model.embed_tokens.weight": torch.zeros(151_936, 32, dtype=torch.bfloat16)}
        rewrite(tmp_path / "models/text_encoders/qwen_0.6b_ace15.safetensors", lambda known: known | larger)

    found = places.locate(tiny.variant, path, tmp_path / "elsewhere")

    assert found is not None
    assert getattr(found, part) is None


def test_no_torch_is_needed_to_look_for_weights() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from pathlib import Path; from acetune.families.acestep_v15 import layouts, places, variants;"
        "from acetune.families import hub;"
        "print(places.locate(variants.CARD.variant('xl-base'), None, Path('nowhere')), 'torch' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert answer.stdout.split() == ["None", "False"]


def test_published_weights_that_are_not_here_are_named_with_size_and_command(tmp_path: Path) -> None:
    with pytest.raises(MissingDependency) as refusal:
        open_weights(variant("xl-base"), None, tmp_path, Job())

    assert refusal.value.exit_code == 2
    assert "acetune models get xl-base" in refusal.value.remedy()
    assert "11.51 GB" in refusal.value.remedy()
    assert "MIT" in refusal.value.remedy()
    assert not any(tmp_path.iterdir())


def test_a_hub_id_that_is_not_cached_is_missing_when_offline(tmp_path: Path) -> None:
    with pytest.raises(MissingDependency):
        open_weights(variant("base"), Path("someone/finetune"), tmp_path, Job())


def test_a_path_that_is_not_there_is_refused(models: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError) as refusal:
        open_weights(variant("turbo"), tmp_path / "typo", models, Job())

    assert refusal.value.code == "weights.not_found"


def test_a_folder_without_weights_is_refused(models: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError) as refusal:
        open_weights(variant("turbo"), tmp_path, models, Job())

    assert refusal.value.code == "weights.unknown_folder"
