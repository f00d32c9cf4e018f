"""What a data set says of a run's songs is found, wherever one looks from; what cannot be read is no permission."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from acetune.errors import CorruptFile, DataError
from acetune.recipe import resolve, save
from acetune.run import Run
from acetune.sharing.rights import rights_of

YES = {"file_name": "a.flac", "audio_sha256": "a1", "seconds": 3.0, "licence": "CC0", "consent": "recording"}
NO = {**YES, "consent": "no"}


def run_of(
    folder: Path, rows: list[Mapping[str, object]], *, dataset: str | None = None, sha: str | None = "a1"
) -> Run:
    """A run that used the song a.flac, and its data set."""
    (folder / "songs").mkdir(parents=True)
    (folder / "songs" / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = Run(folder / "run")
    run.folder.mkdir()
    save(resolve([("test", {"data.dataset": dataset or str(folder / "songs")})]).recipe, run.recipe_file)
    run.record_tracks({"train": [("a.flac", sha)]})
    return run


@pytest.mark.parametrize("dataset", ["~/songs", "songs"])
def test_a_refusal_is_found_where_the_data_set_is_not_named_from_the_root_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dataset: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    run = run_of(tmp_path, [NO], dataset=dataset)
    monkeypatch.chdir(tmp_path)

    assert (rights_of(run).found, rights_of(run).refused) == (1, 1)


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([NO, {**YES, "file_name": "copy.flac"}], id="copied afterwards"),
        pytest.param([{**NO, "file_name": "copy.flac"}, YES], id="refused as a copy"),
        pytest.param([{**NO, "audio_sha256": None}], id="not scanned again"),
        pytest.param([{**NO, "audio_sha256": "b2"}], id="other audio in its place"),
        pytest.param([{**NO, "file_name": "moved.flac"}], id="moved"),
    ],
)
def test_any_refusal_of_a_song_counts(tmp_path: Path, rows: list[Mapping[str, object]]) -> None:
    assert rights_of(run_of(tmp_path, rows)).refused == 1


def test_a_song_without_a_hash_is_known_by_its_place(tmp_path: Path) -> None:
    rights = rights_of(run_of(tmp_path, [NO, {**YES, "file_name": "b.flac", "audio_sha256": None}], sha=None))

    assert (rights.found, rights.refused) == (1, 1)


def test_another_song_in_its_place_permits_nothing(tmp_path: Path) -> None:
    rights = rights_of(run_of(tmp_path, [{**YES, "audio_sha256": "b2"}]))

    assert (rights.found, rights.consented, rights.licences) == (0, 0, {})


def test_a_data_set_that_is_gone_says_nothing(tmp_path: Path) -> None:
    run = run_of(tmp_path, [NO])
    (tmp_path / "songs").rename(tmp_path / "elsewhere")

    assert (rights_of(run).songs, rights_of(run).found, rights_of(run).refused) == (1, 0, 0)


def test_a_damaged_data_set_is_no_permission(tmp_path: Path) -> None:
    run = run_of(tmp_path, [NO])
    (tmp_path / "songs" / "metadata.jsonl").write_text('{"file_name": "a.flac", "cons')

    with pytest.raises(DataError) as refused:
        rights_of(run)

    assert refused.value.code == "data.bad_line"


def test_a_data_set_without_its_list_is_no_permission(tmp_path: Path) -> None:
    run = run_of(tmp_path, [NO])
    (tmp_path / "songs" / "metadata.jsonl").unlink()

    with pytest.raises(DataError) as refused:
        rights_of(run)

    assert refused.value.code == "data.not_scanned"


@pytest.mark.parametrize("content", ["[]", '{"tracks": [3]}', '{"tracks": [{"path": 3}]}', "{"])
def test_a_damaged_list_of_songs_is_said(tmp_path: Path, content: str) -> None:
    run = run_of(tmp_path, [NO])
    run.tracks_file.write_text(content)

    with pytest.raises(CorruptFile):
        rights_of(run)
