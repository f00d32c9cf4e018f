"""Weights of models that listen, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from acetune.annotation.checkpoints import PUBLISHED
from acetune.catalog import names
from acetune.cli.main import main


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no cache of the hub, and no connection to it."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def put(home: Path, name: str) -> Path:
    """Put a whole checkpoint where the command expects it."""
    folder = home / "models" / name
    folder.mkdir(parents=True)
    header = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    (folder / "config.json").write_text("{}")
    return folder


def test_models_that_listen_are_listed_with_size_licence_and_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path / "home", "caption")
    main(["models", "ls", "--json"])
    rows = {row["variant"]: row for row in json.loads(capsys.readouterr().out.splitlines()[-1])["result"]["models"]}

    assert set(PUBLISHED) <= set(rows)
    assert (rows["caption"]["here"], rows["lyrics"]["here"]) == (True, False)
    assert (rows["caption"]["licence"], rows["caption"]["bytes"]) == ("MIT", 22_400_000_000)


def test_the_place_of_a_model_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = put(tmp_path / "home", "caption")

    assert main(["models", "where", "caption"]) == 0
    assert str(folder) in capsys.readouterr().out


def test_a_model_that_is_missing_is_told_with_the_command_that_gets_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "where", "caption"]) == 2
    assert "acetune models get caption" in capsys.readouterr().err


def test_nothing_is_fetched_where_downloads_are_forbidden(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "get", "whisper"]) == 2
    assert "openai/whisper-large-v3-turbo" in capsys.readouterr().err


def test_what_is_here_is_not_fetched_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = put(tmp_path / "home", "whisper")

    assert main(["models", "get", "whisper"]) == 0
    assert str(folder) in capsys.readouterr().out


@pytest.mark.parametrize(("cut", "code"), [(0, 0), (2, 2)])
def test_damaged_files_are_found(tmp_path: Path, cut: int, code: int) -> None:
    file = put(tmp_path / "home", "lyrics") / "model.safetensors"
    file.write_bytes(file.read_bytes()[: file.stat().st_size - cut])

    assert main(["models", "verify", "lyrics"]) == code


def test_every_model_belongs_to_an_annotator_or_helps_one() -> None:
    assert set(PUBLISHED) - set(names("annotator")) <= {"vocals", "tags"}
