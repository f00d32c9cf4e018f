import json
import os

import pytest

from acetune import recipe
from acetune.errors import CorruptFile, SettingError
from acetune.workspace import Workspace


def make_run(workspace, name, age=0):
    folder = workspace.runs / name
    recipe.save(recipe.Recipe(), folder / "recipe.yaml")
    os.utime(folder / "recipe.yaml", (1_700_000_000 - age, 1_700_000_000 - age))
    return folder


def test_the_given_folder_is_the_home(tmp_path, monkeypatch):
    monkeypatch.setenv("ACETUNE_HOME", str(tmp_path / "other"))

    assert Workspace.at(tmp_path).home == tmp_path


def test_the_environment_names_the_home(tmp_path, monkeypatch):
    monkeypatch.setenv("ACETUNE_HOME", str(tmp_path))

    assert Workspace.at().home == tmp_path


@pytest.mark.parametrize("value", ["", None])
def test_else_the_home_is_a_folder_here(tmp_path, monkeypatch, value):
    monkeypatch.delenv("ACETUNE_HOME", raising=False)
    if value is not None:
        monkeypatch.setenv("ACETUNE_HOME", value)
    monkeypatch.chdir(tmp_path)

    assert Workspace.at().home == tmp_path / "acetune"


def test_a_tilde_is_the_users_own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("ACETUNE_HOME", "~/tunes")

    assert Workspace.at().home == tmp_path / "tunes"


def test_looking_makes_nothing(tmp_path):
    workspace = Workspace.at(tmp_path / "home")

    assert (workspace.datasets(), workspace.list_runs()) == ((), ())
    assert {path.name for path in (workspace.models, workspace.cache, workspace.runs)} == {"models", "cache", "runs"}
    assert not workspace.home.exists()


def test_data_sets_are_remembered_once_in_order(tmp_path):
    workspace = Workspace.at(tmp_path / "home")
    for name in ("b", "a", "b"):
        (tmp_path / name).mkdir(exist_ok=True)
        workspace.remember(tmp_path / name)

    assert workspace.datasets() == (tmp_path / "b", tmp_path / "a")


def test_a_data_set_that_is_gone_is_forgotten(tmp_path):
    workspace = Workspace.at(tmp_path / "home")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        workspace.remember(tmp_path / name)
    (tmp_path / "a").rmdir()

    assert workspace.datasets() == (tmp_path / "b",)


def test_a_relative_data_set_is_found_from_anywhere(tmp_path, monkeypatch):
    (tmp_path / "songs").mkdir()
    monkeypatch.chdir(tmp_path)
    workspace = Workspace.at(tmp_path / "home")
    workspace.remember((tmp_path / "songs").relative_to(tmp_path))

    assert workspace.datasets() == (tmp_path / "songs",)


def test_a_workspace_of_a_newer_acetune_is_refused(tmp_path):
    (tmp_path / "workspace.json").write_text(json.dumps({"version": 2, "datasets": []}))

    with pytest.raises(SettingError) as caught:
        Workspace.at(tmp_path).datasets()

    assert caught.value.code == "workspace.newer"


def test_a_damaged_workspace_file_is_a_corrupt_file(tmp_path):
    (tmp_path / "workspace.json").write_text("{")

    with pytest.raises(CorruptFile):
        Workspace.at(tmp_path).datasets()


def test_runs_are_listed_the_oldest_first(tmp_path):
    workspace = Workspace.at(tmp_path)
    new, old = make_run(workspace, "a"), make_run(workspace, "b", age=60)
    (workspace.runs / "no-run").mkdir()

    assert workspace.list_runs() == (old, new)


def test_a_run_is_found_by_name_and_by_folder(tmp_path):
    workspace = Workspace.at(tmp_path)
    folder = make_run(workspace, "album")

    assert workspace.find_run("album") == folder
    assert workspace.find_run(folder) == folder
    assert Workspace.at(tmp_path / "elsewhere").find_run(str(folder)) == folder


def test_an_unknown_run_is_refused_and_the_known_ones_are_named(tmp_path):
    workspace = Workspace.at(tmp_path)
    make_run(workspace, "album")

    with pytest.raises(SettingError) as caught:
        workspace.find_run("albun")

    assert "albun" in caught.value.message()
    assert "album" in caught.value.remedy()


def test_without_runs_the_error_says_so(tmp_path):
    with pytest.raises(SettingError) as caught:
        Workspace.at(tmp_path).find_run("album")

    assert "none yet" in caught.value.remedy()
