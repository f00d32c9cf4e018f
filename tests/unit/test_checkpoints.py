import json

import pytest

from acetune.annotation.annotator import Setup
from acetune.annotation.checkpoints import PUBLISHED, find, is_whole
from acetune.errors import DataError, MissingDependency

ID = "owner/listener"


def checkpoint(folder, weights=("model.safetensors",), index=None):
    """Write what a checkpoint's folder has, without its contents."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    for name in weights:
        (folder / name).write_bytes(b"")
    if index is not None:
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    return folder


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The hub's cache, empty."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def cached(hub, repository, inside=""):
    """Put a repository into the hub's cache."""
    home = hub / f"models--{repository.replace('/', '--')}"
    (home / "refs").mkdir(parents=True)
    (home / "refs/main").write_text("c" * 40)
    return checkpoint(home / "snapshots" / ("c" * 40) / inside)


def setup(folder, **chosen):
    return Setup(folder / "models", folder / "annotation", model_ids=chosen)


@pytest.mark.parametrize(
    ("weights", "index", "whole"),
    [
        (["model.safetensors"], None, True),
        (["pytorch_model.bin"], None, True),
        (["model.bin"], None, True),
        (["a.safetensors", "b.safetensors"], {"x": "a.safetensors", "y": "b.safetensors"}, True),
        (["a.safetensors"], {"x": "a.safetensors", "y": "b.safetensors"}, False),
        (["a.safetensors"], [], False),
        (["a.safetensors"], {}, False),
        ([], None, False),
        (["model.safetensors.part"], None, False),
    ],
)
def test_a_checkpoint_is_whole_with_its_configuration_and_all_its_weights(tmp_path, weights, index, whole):
    assert is_whole(checkpoint(tmp_path / "one", weights, index)) is whole


def test_weights_without_a_configuration_are_no_checkpoint(tmp_path):
    (checkpoint(tmp_path / "one") / "config.json").unlink()

    assert not is_whole(tmp_path / "one")


@pytest.mark.parametrize("place", ["models/caption", "models/checkpoints/listener"])
def test_weights_in_the_workspace_are_found(tmp_path, hub, place):
    folder = checkpoint(tmp_path / place)

    assert find(setup(tmp_path), "caption", ID) == folder


def test_weights_in_the_cache_of_the_hub_are_found(tmp_path, hub):
    folder = cached(hub, ID)

    assert find(setup(tmp_path), "caption", ID) == folder


def test_a_model_that_is_a_folder_of_its_repository_is_found_there(tmp_path, hub):
    known = PUBLISHED["codes"]
    folder = cached(hub, known.repository, known.folder)

    assert find(setup(tmp_path), "codes", known.repository) == folder


def test_the_workspace_comes_before_the_cache_and_a_cut_download_is_passed_over(tmp_path, hub):
    other = cached(hub, ID)
    checkpoint(tmp_path / "models/caption", weights=["model.safetensors.part"])
    cut = find(setup(tmp_path), "caption", ID)
    checkpoint(tmp_path / "models/checkpoints/listener")

    assert cut == other
    assert find(setup(tmp_path), "caption", ID) == tmp_path / "models/checkpoints/listener"


def test_what_the_user_chose_comes_first(tmp_path, hub):
    checkpoint(tmp_path / "models/caption")
    mine = checkpoint(tmp_path / "mine")
    theirs = cached(hub, "somebody/else")

    assert find(setup(tmp_path, caption=str(mine)), "caption", ID) == mine
    assert find(setup(tmp_path, caption="somebody/else"), "caption", ID) == theirs


def test_weights_that_are_nowhere_are_missed_with_the_command_that_gets_them(tmp_path, hub):
    with pytest.raises(MissingDependency) as caught:
        find(setup(tmp_path), "caption", PUBLISHED["caption"].repository)

    assert caught.value.code == "listening.no_weights"
    assert "acetune models get caption" in caught.value.remedy()
    assert "22.4 GB, licence MIT" in caught.value.remedy()


@pytest.mark.parametrize("chosen", ["somebody/else", "no such/place/at all", "/nowhere/at/all"])
def test_a_chosen_model_that_is_nowhere_is_named(tmp_path, hub, chosen):
    checkpoint(tmp_path / "models/caption")
    with pytest.raises(MissingDependency) as caught:
        find(setup(tmp_path, caption=chosen), "caption", ID)

    assert caught.value.code == "listening.no_such_model"
    assert chosen in caught.value.message()


def test_a_chosen_folder_without_a_checkpoint_is_refused(tmp_path, hub):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError) as caught:
        find(setup(tmp_path, caption=str(tmp_path / "empty")), "caption", ID)

    assert caught.value.code == "listening.no_checkpoint"


def test_finding_weights_does_not_bring_torch(tmp_path):
    import subprocess
    import sys

    code = "import sys; from acetune.annotation import checkpoints; print('torch' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert said.strip() == "False"
