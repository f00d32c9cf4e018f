"""Snapshots for maps: what training moves, and that the training does not notice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from probing import Recipes, losses, same, stop_after
from safetensors import safe_open
from safetensors.torch import load_file

import acetune
from acetune.errors import Stopped

pytestmark = pytest.mark.slow


def snapshots(folder: Path) -> dict[int, Path]:
    """Return the snapshots of a run by step."""
    return {int(file.stem): file for file in sorted(folder.glob("probes/*.safetensors"))}


@pytest.mark.parametrize(
    "changes", [{"adapter__dropout": 0.1}, {"adapter__kind": "full", "adapter__rank": 8, "adapter__alpha": 8.0}]
)
def test_snapshots_say_how_far_each_block_moved_and_change_nothing(
    recipe: Recipes, home: Path, changes: dict[str, object]
) -> None:
    changes = {**changes, "guard__validate_every": 3, "guard__save_every": 3}
    probed = acetune.train(recipe(preview__probes=3, **changes), name="probed", home=home)
    quiet = acetune.train(recipe(**changes), name="quiet", home=home)

    files = snapshots(probed.folder)
    first, last = load_file(files[3]), load_file(files[6])
    songs, blocks = last["blocks"].shape[:2]
    assert list(files) == [0, 3, 6]
    assert (songs, last["latents"].shape[0], last["prompts"].shape[0]) == (3, 3, 3)
    assert (first["blocks"].norm(dim=-1) > 0).all() and (last["blocks"] != first["blocks"]).any()
    assert blocks == 4 and (first["latents"] == last["latents"]).all()
    assert losses(probed.folder) == losses(quiet.folder)


def test_a_resumed_run_measures_from_the_same_base(recipe: Recipes, home: Path) -> None:
    whole = acetune.train(recipe(preview__probes=2), name="whole", home=home)
    with pytest.raises(Stopped):
        acetune.train(recipe(preview__probes=2), name="run", home=home, job=stop_after(3))

    done = acetune.resume("run", home=home)
    assert same(load_file(snapshots(done.folder)[6]), load_file(snapshots(whole.folder)[6]))


def test_other_songs_have_a_base_of_their_own(recipe: Recipes, home: Path) -> None:
    with pytest.raises(Stopped):
        acetune.train(recipe(preview__probes=2), name="run", home=home, job=stop_after(3))
    done = acetune.resume("run", changes={"preview.probes": 3}, home=home)

    with safe_open(snapshots(done.folder)[0], "pt") as file:
        songs = json.loads(file.metadata()["songs"])
    assert len(songs) == 3
    assert load_file(snapshots(done.folder)[6])["blocks"].shape[0] == 3
