"""Files that describe many songs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from acetune.data.columns import check_columns
from acetune.data.sets import Album, SetFile, layout_of, read_set
from acetune.errors import DataError, MissingDependency, SettingError

_SAMPLE = {
    "id": "ab12cd34",
    "audio_path": "/music/a.mp3",
    "filename": "a.mp3",
    "caption": "warm piano",
    "genre": "jazz",
    "lyrics": "[Verse]\nla",
    "raw_lyrics": "la",
    "formatted_lyrics": "",
    "bpm": 92,
    "keyscale": "A minor",
    "timesignature": "4",
    "duration": 200,
    "language": "en",
    "is_instrumental": False,
    "custom_tag": "zxband",
    "labeled": True,
    "prompt_override": None,
}
_FIELDS = {
    "caption": "warm piano",
    "genre": "jazz",
    "lyrics": "[Verse]\nla",
    "bpm": 92,
    "keyscale": "A minor",
    "timesignature": "4",
    "language": "en",
    "instrumental": False,
}
_V1 = {
    "keys": "a",
    "filename": "data/a.mp3",
    "tags": ["pop", "slow"],
    "speaker_emb_path": "",
    "norm_lyrics": "[verse]\nla",
    "recaption": {"simplified": "a pop song", "expanded": None},
}


def written(folder: Path, name: str, content: object) -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def read(path: Path, **columns: str) -> SetFile:
    found = read_set(path, check_columns(columns))
    assert found is not None
    return found


def fields(found: SetFile) -> list[dict[str, object]]:
    return [dict(row.row.fields) for row in found.rows]


def test_the_data_set_of_the_official_trainer_is_read(tmp_path: Path) -> None:
    metadata = {"name": "my set", "custom_tag": "zxband", "tag_position": "append", "num_samples": 1, "genre_ratio": 0}
    found = read(written(tmp_path, "dataset.json", {"metadata": metadata, "samples": [_SAMPLE]}))

    assert fields(found) == [_FIELDS]
    assert found.rows[0].row.claims == ("/music/a.mp3", "a.mp3")
    assert found.rows[0].row.extra == {"id": "ab12cd34", "raw_lyrics": "la", "labeled": True}
    assert (found.layout, found.kind, found.album) == ("dataset_json", "row", Album("my set", "zxband", "append"))


@pytest.mark.parametrize("content", [[_SAMPLE], {"samples": [_SAMPLE]}])
def test_the_data_set_of_side_step_may_lack_its_metadata(tmp_path: Path, content: object) -> None:
    found = read(written(tmp_path, "dataset.json", content))

    assert fields(found) == [{**_FIELDS, "trigger": "zxband"}]
    assert found.album == Album()


def test_what_nobody_has_labelled_yet_is_missing(tmp_path: Path) -> None:
    row = {
        "audio_path": "a.mp3",
        "caption": "",
        "lyrics": "[Instrumental]",
        "is_instrumental": True,
        "language": "unknown",
        "labeled": False,
    }

    assert fields(read(written(tmp_path, "dataset.json", [row]))) == [{"caption": ""}]
    assert fields(read(written(tmp_path, "dataset.json", [{**row, "labeled": True}])))[0]["instrumental"] is True


@pytest.mark.parametrize(
    "content", [{}, [], "1", [1, 2], {"samples": 3}, [{"prompt": "x"}], [{"name": "x"}], {"metadata": {}}]
)
def test_json_that_names_no_songs_is_something_else(tmp_path: Path, content: object) -> None:
    assert read_set(written(tmp_path, "settings.json", content), {}) is None


def test_json_that_cannot_be_read_is_an_error_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="dataset"):
        read_set(written(tmp_path, "dataset.json", "{"), {})


def test_rows_of_audio_folder_are_read_and_a_broken_line_is_left_out(tmp_path: Path) -> None:
    lines = ['{"file_name": "a.mp3", "caption": "x", "text": "y"}', "{", "", '{"other": 1}']
    found = read(written(tmp_path, "metadata.jsonl", "\n".join(lines)))

    assert [(row.row.claims, dict(row.row.fields), dict(row.row.extra)) for row in found.rows] == [
        (("a.mp3",), {"caption": "x"}, {"text": "y"})
    ]
    assert [finding.code for finding in found.findings] == ["data.bad_line"]


def test_the_table_of_key_bpm_finder_is_read(tmp_path: Path) -> None:
    found = read(written(tmp_path, "list.csv", "File,Artist,Title,BPM,Key,Camelot\na.mp3,Me,Song,120.5,Am,8A\n"))

    assert fields(found) == [{"bpm": "120.5", "keyscale": "Am"}]
    assert found.rows[0].row.extra == {"Artist": "Me", "Title": "Song", "Camelot": "8A"}


@pytest.mark.parametrize(
    "header", ["filename,bpm,key,caption", "file,BPM,Key,Caption", "name,BPM,keyscale,description"]
)
def test_the_tables_of_the_fl_nodes_are_read(tmp_path: Path, header: str) -> None:
    found = read(written(tmp_path, "key_bpm.csv", f"{header}\na,90,C major,calm\n"))

    assert fields(found) == [{"bpm": "90", "keyscale": "C major", "caption": "calm"}]


def test_a_column_of_titles_names_the_audio_only_where_no_other_does(tmp_path: Path) -> None:
    titled, named = (
        read(written(tmp_path, "a.csv", "name,bpm\nx,1")),
        read(written(tmp_path, "b.csv", "name,file\nx,y")),
    )

    assert (titled.rows[0].row.claims, dict(titled.rows[0].row.extra)) == (("x",), {})
    assert (named.rows[0].row.claims, dict(named.rows[0].row.extra)) == (("y",), {"name": "x"})


def test_a_person_says_what_the_columns_of_a_spreadsheet_hold(tmp_path: Path) -> None:
    path = written(tmp_path, "mine.csv", 'Song;Mood;Text;Short;Count\na;"sad, slow";"one\ntwo";a sad song;3\n')
    said = {"song": "file", "Mood": "tags", "Text": "lyrics", "Short": "recaption.simplified", "Count": "repeats"}
    found = read(path, **said)

    assert found.rows[0].row.claims == ("a",)
    assert fields(found) == [
        {"tags": "sad, slow", "lyrics": "one\ntwo", "repeats": "3", "recaption": {"simplified": "a sad song"}}
    ]


def test_a_table_that_names_no_file_says_how_to_say_which_column_does(tmp_path: Path) -> None:
    found = read(written(tmp_path, "mine.csv", "Song,BPM\na,1"))
    (finding,) = found.findings

    assert (found.rows, found.columns) == ((), {"song", "bpm"})
    assert "Song, BPM" in finding.message()
    assert "--map COLUMN=file" in finding.remedy()


def test_a_field_that_there_is_not_is_refused_with_the_nearest() -> None:
    with pytest.raises(SettingError, match="Did you mean 'lyrics'"):
        check_columns({"Text": "lyric"})


def test_captions_by_kind_may_be_columns(tmp_path: Path) -> None:
    found = read(written(tmp_path, "a.csv", "file,simplified,recaption_expanded,recaption.mine\na,s,e,m\n"))

    assert fields(found) == [{"recaption": {"simplified": "s", "expanded": "e", "mine": "m"}}]


def test_tonic_and_scale_in_two_columns_are_one_key(tmp_path: Path) -> None:
    assert fields(read(written(tmp_path, "a.csv", "file,key,scale\na,C,minor\nb,Am,\n"))) == [
        {"keyscale": "C minor"},
        {"keyscale": "A minor"},
    ]


def test_repeated_rows_are_one_that_counts_as_often(tmp_path: Path) -> None:
    rows = [{"file": "a", "caption": "x"}, {"file": "b"}, {"caption": "x", "file": "a"}, {"file": "a", "caption": "y"}]
    found = read(written(tmp_path, "a.json", rows))

    assert [(row.row.claims[0], row.count, row.place) for row in found.rows] == [
        ("a", 2, "sample 1"),
        ("b", 1, "sample 2"),
        ("a", 1, "sample 4"),
    ]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    datasets.Dataset.from_list([_V1, _V1, {**_V1, "keys": "b"}]).save_to_disk(str(tmp_path / "one"))
    parts = {"train": datasets.Dataset.from_list([_V1]), "test": datasets.Dataset.from_list([{**_V1, "keys": "b"}])}
    datasets.DatasetDict(parts).save_to_disk(str(tmp_path / "two"))
    with_audio = {**_V1, "audio": {"path": "b.mp3", "bytes": b"\xff"}}
    datasets.Dataset.from_list([with_audio]).save_to_disk(str(tmp_path / "audio"))
    return tmp_path


def test_saved_rows_of_v1_are_read(saved: Path) -> None:
    found = read(saved / "one")

    assert [(row.row.extra["keys"], row.count) for row in found.rows] == [("a", 2), ("b", 1)]
    assert found.rows[0].row.claims == ("data/a.mp3",)
    assert found.rows[0].row.fields == {
        "tags": ["pop", "slow"],
        "lyrics": "[verse]\nla",
        "recaption": {"simplified": "a pop song", "expanded": None},
    }


def test_the_test_part_of_saved_rows_is_for_validation(saved: Path) -> None:
    assert [row["split"] for row in fields(read(saved / "two"))] == ["train", "test"]


def test_audio_inside_of_saved_rows_is_known_by_its_name(saved: Path) -> None:
    assert read(saved / "audio").rows[0].row.claims == ("data/a.mp3", "b.mp3")


def test_saved_rows_that_are_damaged_are_an_error_with_their_name(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    folder = tmp_path / "rows"
    folder.mkdir()
    written(folder, "state.json", "{")
    written(folder, "dataset_info.json", "{}")

    with pytest.raises(DataError, match="rows"):
        read_set(folder, {})


def test_without_the_package_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)

    with pytest.raises(MissingDependency) as error:
        read_set(tmp_path, {})
    assert "acetune[datasets]" in error.value.remedy()


def test_a_file_without_a_suffix_is_no_set_of_songs(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("hello")

    assert layout_of(tmp_path / "notes") is None
    assert layout_of(tmp_path).name == "saved_rows"
