"""Folders of other trainers: which files are songs, and which entries of a manifest name them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from acetune.encoding.foreign_folders import read_folder
from acetune.errors import DataError


def folder_of(place: Path, *names: str, manifest: object = None) -> Path:
    for name in names:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(b"")
    if manifest is not None:
        (place / "manifest.json").write_text(manifest if isinstance(manifest, str) else json.dumps(manifest))
    return place


def names(place: Path) -> list[str]:
    return [file.name for file in read_folder(place).files]


def test_songs_come_in_the_order_of_their_names_without_a_manifest(tmp_path: Path) -> None:
    folder_of(tmp_path, "b.pt", "a.pt", "._a.pt", "fisher_map.json", "preprocess_meta.json", "c.txt")

    assert names(tmp_path) == ["a.pt", "b.pt"]


def test_the_folder_tensors_is_read_where_there_is_nothing_above_it(tmp_path: Path) -> None:
    folder_of(tmp_path, "tensors/a.pt", "a.mp3")

    assert names(tmp_path) == ["a.pt"]


@pytest.mark.parametrize(
    "entries",
    [
        ["C:\\ace step\\out\\b.pt", "/home/me/a.pt"],
        ["b.pt", "b.pt", "./a.pt"],
        [{"id": "b", "filename": "one.mp3"}, {"id": 7, "filename": "a.pt"}],
        [{"path": "x/b.pt"}, {"file": "y/a.pt"}],
    ],
)
def test_a_manifest_names_songs_by_the_last_part_of_their_paths(tmp_path: Path, entries: list[object]) -> None:
    folder_of(tmp_path, "a.pt", "b.pt", manifest={"samples": entries})

    assert names(tmp_path) == ["b.pt", "a.pt"]


def test_what_a_manifest_leaves_out_or_misses_is_said(tmp_path: Path) -> None:
    folder_of(tmp_path, "a.pt", "b.pt", "c.tmp.pt", "d.pt.__writing__", manifest={"samples": ["a.pt", "D:\\gone.pt"]})

    assert {name: reason.code for name, reason in read_folder(tmp_path).left_out.items()} == {
        "b.pt": "tensors.not_listed",
        "gone.pt": "tensors.not_there",
        "c.tmp.pt": "tensors.unfinished",
        "d.pt.__writing__": "tensors.unfinished",
    }


@pytest.mark.parametrize(
    "manifest",
    [
        {"samples": [{"id": 3, "filename": "one.mp3"}]},
        {"samples": []},
        {"samples": "a.pt"},
        {},
        {"samples": [None, 1.5]},
    ],
)
def test_a_manifest_that_names_none_of_the_files_chooses_nothing(tmp_path: Path, manifest: object) -> None:
    folder_of(tmp_path, "a.pt", "b.pt", manifest=manifest)

    assert names(tmp_path) == ["a.pt", "b.pt"]
    assert not read_folder(tmp_path).left_out


@pytest.mark.parametrize("manifest", ["{", "[]", "\ud800".encode("utf-8", "surrogatepass").decode("latin-1")])
def test_a_manifest_that_cannot_be_read_is_said_and_chooses_nothing(tmp_path: Path, manifest: str) -> None:
    folder_of(tmp_path, "a.pt", manifest=manifest)
    (finding,) = read_folder(tmp_path).findings

    assert names(tmp_path) == ["a.pt"]
    assert "manifest.json was not used" in finding.message() and "\n" not in finding.message()


@pytest.mark.parametrize(
    ("about", "trigger", "position"),
    [
        ({"custom_tag": " zx ", "tag_position": "append"}, "zx", "append"),
        ({"custom_tag": "", "tag_position": "before"}, None, None),
        ({"custom_tag": 3}, None, None),
        ([], None, None),
    ],
)
def test_a_manifest_gives_all_songs_a_trigger(
    tmp_path: Path, about: object, trigger: str | None, position: str | None
) -> None:
    found = read_folder(folder_of(tmp_path, "a.pt", manifest={"metadata": about, "samples": ["a.pt"]}))

    assert (found.trigger, found.position) == (trigger, position)


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no folder"):
        read_folder(tmp_path / "gone")
