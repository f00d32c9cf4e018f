import json
import multiprocessing
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from acetune.data.manifest import Manifest, append_results, compact, load, read, save, update
from acetune.data.settings import DatasetSettings
from acetune.data.track import Mark, Source, Track
from acetune.errors import DataError

SHA = "ab" * 32
SONG = Track(path="a.wav", seconds=60, audio_sha256=SHA)
ROW = {"file_name": "a.wav", "seconds": 60, "audio_sha256": SHA}
MODEL, SIGNAL, FILE, USER = (Mark(s) for s in (Source.MODEL, Source.SIGNAL, Source.FILE, Source.USER))


def data_set(folder, *tracks, **settings):
    manifest = Manifest(folder, tracks, DatasetSettings(**{"name": "songs", **settings}))
    save(manifest)
    return manifest


def write_rows(folder, *rows):
    text = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)
    (folder / "metadata.jsonl").write_text(text, encoding="utf-8")


def row(folder):
    return json.loads((folder / "metadata.jsonl").read_text(encoding="utf-8"))


def append_many(folder, name):
    for number in range(10):
        append_results(Path(folder), f"{name}{number}.wav", {"bpm": 120.0}, {"bpm": SIGNAL})


def test_a_row_holds_only_what_is_known(tmp_path):
    data_set(tmp_path, replace(SONG, caption="爵士", tags=("jazz",)))

    assert row(tmp_path) == {**ROW, "caption": "爵士", "tags": ["jazz"]}
    assert "爵士" in (tmp_path / "metadata.jsonl").read_text(encoding="utf-8")


def test_unknown_columns_survive(tmp_path):
    write_rows(tmp_path, {**ROW, "mood": {"sad": [1, None]}, "path": "x", "n": None})
    compact(tmp_path)

    assert row(tmp_path) == {**ROW, "mood": {"sad": [1, None]}, "path": "x", "n": None}


def test_a_null_written_by_hand_is_a_missing_value(tmp_path):
    write_rows(tmp_path, {**ROW, "bpm": None, "provenance": None})

    assert load(tmp_path).tracks == (SONG,)


def test_a_manifest_written_by_hand_may_use_usual_spellings(tmp_path):
    by_hand = {**ROW, "tags": "jazz, slow", "timesignature": 4}
    (tmp_path / "metadata.jsonl").write_bytes(b"\xef\xbb\xbf" + json.dumps(by_hand).encode() + b"\r\n\r\n")

    assert load(tmp_path).tracks == (replace(SONG, tags=("jazz", "slow"), timesignature="4"),)


def test_line_separators_inside_lyrics_do_not_split_a_row(tmp_path):
    manifest = data_set(tmp_path, replace(SONG, lyrics="one\u2028two\x85three\nfour"))

    assert load(tmp_path) == manifest


def test_half_a_character_survives_as_an_escape(tmp_path):
    write_rows(tmp_path, json.dumps({**ROW, "caption": "\udc80"}))
    compact(tmp_path)

    assert load(tmp_path).tracks[0].caption == "\udc80"


def test_a_value_changed_by_hand_belongs_to_the_person(tmp_path):
    data_set(tmp_path, SONG.with_value("bpm", 90.0, SIGNAL).with_value("genre", "jazz", FILE))
    write_rows(tmp_path, {**row(tmp_path), "bpm": 91})
    track = load(tmp_path).tracks[0]

    assert (track.source_of("bpm"), track.source_of("genre")) == (Source.USER, Source.FILE)


@pytest.mark.parametrize(
    ("broken", "names"),
    [
        ("{", ":2 is not a JSON object"),
        ("[1]", ":2 is not a JSON object"),
        ("[" * 100_000, ":2 is not a JSON object"),
        ({"seconds": 1}, '"file_name" cannot be None'),
        ({"file_name": "../a.wav"}, '"file_name" cannot be'),
        ({"file_name": "/a.wav"}, '"file_name" cannot be'),
        ({"file_name": "b.wav", "seconds": "long"}, "\"seconds\" cannot be 'long'"),
        ('{"file_name": "b.wav", "seconds": NaN}', "\"seconds\" cannot be 'nan'"),
        ({"file_name": "b.wav", "seconds": -1}, '"seconds" cannot be'),
        ({"file_name": "b.wav", "repeats": 0}, '"repeats" cannot be'),
        ({"file_name": "b.wav", "split": "test"}, '"split" cannot be'),
        ({"file_name": "b.wav", "excluded": "yes"}, '"excluded" cannot be'),
        ({"file_name": "b.wav", "tags": [["x"]]}, '"tags" cannot be'),
        ({"file_name": "b.wav", "provenance": {"bpm": {"source": "moon"}}}, '"provenance" cannot be'),
        ({"file_name": "b.wav", "provenance": [1]}, '"provenance" cannot be'),
        ({"file_name": "a.wav", "seconds": 1}, "listed twice, first in line 1"),
    ],
)
def test_a_wrong_line_is_named_with_what_is_wrong(tmp_path, broken, names):
    write_rows(tmp_path, {"file_name": "a.wav", "seconds": 60}, broken)

    with pytest.raises(DataError) as error:
        load(tmp_path)

    assert "metadata.jsonl:2" in error.value.message()
    assert names in error.value.message()


def test_a_manifest_that_is_no_utf8_is_named(tmp_path):
    (tmp_path / "metadata.jsonl").write_bytes("爵士".encode("gbk"))

    with pytest.raises(DataError, match="not UTF-8"):
        load(tmp_path)


def test_a_folder_that_was_not_scanned_names_the_command(tmp_path):
    with pytest.raises(DataError, match="acetune scan"):
        load(tmp_path)


def test_songs_listed_without_a_length_must_be_scanned(tmp_path):
    write_rows(tmp_path, {"file_name": "a.wav"})

    with pytest.raises(DataError, match="acetune scan"):
        load(tmp_path)

    assert read(tmp_path).tracks == (replace(SONG, seconds=0, audio_sha256=None),)


def test_songs_listed_without_the_hash_that_names_their_parts_must_be_scanned(tmp_path):
    data_set(tmp_path, SONG, replace(SONG, path="b.wav", audio_sha256=None))

    with pytest.raises(DataError, match="acetune scan"):
        load(tmp_path)


def test_after_a_scan_a_listed_song_that_cannot_be_read_holds_nobody_up_and_stays_listed(tmp_path):
    unread = Track(path="b.wav", seconds=0, caption="mine")
    data_set(tmp_path, SONG, unread)

    assert load(tmp_path).tracks == compact(tmp_path).tracks == (SONG,)
    assert read(tmp_path).tracks == (SONG, unread)


def test_songs_of_which_none_could_be_read_are_no_data_set(tmp_path):
    data_set(tmp_path, Track(path="a.wav", seconds=0))

    with pytest.raises(DataError, match="acetune scan"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("column", "typed", "value"),
    [
        ("keyscale", "Am", "A minor"),
        ("keyscale", "8A", "A minor"),
        ("language", "en-US", "en"),
        ("timesignature", "6/8", "6"),
        ("bpm", "120", 120.0),
        ("bpm", 0, None),
        ("bpm", "N/A", None),
        ("bpm", "fast", None),
        ("keyscale", "H flat", None),
        ("instrumental", "yes", True),
        ("seconds", "61.5", 61.5),
        ("repeats", "2", 2),
    ],
)
def test_values_typed_by_hand_are_read_as_those_of_other_files(tmp_path, column, typed, value):
    write_rows(tmp_path, {**ROW, column: typed})

    assert getattr(load(tmp_path).tracks[0], column) == value


def test_what_cannot_be_read_stays_in_the_file_until_somebody_says_better(tmp_path):
    write_rows(tmp_path, {**ROW, "keyscale": "H flat"})
    compact(tmp_path)
    before = row(tmp_path)
    append_results(tmp_path, "a.wav", {"keyscale": "C major"}, {"keyscale": SIGNAL})
    compact(tmp_path)

    assert (before["keyscale"], row(tmp_path)["keyscale"]) == ("H flat", "C major")


@pytest.mark.parametrize("verb", [load, read, compact, lambda folder: append_results(folder, "a", {}, {})])
def test_a_missing_folder_is_named_and_not_created(tmp_path, verb):
    with pytest.raises(DataError, match="There is no folder"):
        verb(tmp_path / "gone")

    assert not (tmp_path / "gone").exists()


def test_settings_written_by_hand_are_read(tmp_path):
    data_set(tmp_path, SONG)
    (tmp_path / ".acetune/dataset.yaml").write_text("version: 1\ntrigger: zxq\ntrigger_position: append\n")
    manifest = load(tmp_path)

    assert manifest.settings == DatasetSettings(tmp_path.name, "zxq", "append")


def test_a_comment_in_the_settings_survives_a_change_of_tracks(tmp_path):
    data_set(tmp_path, SONG)
    settings = tmp_path / ".acetune/dataset.yaml"
    settings.write_text(settings.read_text() + "# mine\n")
    compact(tmp_path)

    assert "# mine" in settings.read_text()


@pytest.mark.parametrize(
    "text", ["triger: x", "name: 5", "trigger_position: middle", "[1]", "a: [", "name: null", "1: 2"]
)
def test_settings_that_cannot_be_meant_are_refused(tmp_path, text):
    data_set(tmp_path, SONG)
    (tmp_path / ".acetune/dataset.yaml").write_text(text)

    with pytest.raises(DataError, match=r"dataset\.yaml cannot be used"):
        load(tmp_path)


def test_a_newer_format_is_refused_by_readers_and_writers(tmp_path):
    manifest = data_set(tmp_path, SONG)
    (tmp_path / ".acetune/dataset.yaml").write_text("version: 2\nname: x\n")

    with pytest.raises(DataError, match="format version 2"):
        load(tmp_path)
    with pytest.raises(DataError, match="format version 2"):
        save(manifest)


def test_appended_results_do_not_rewrite_the_manifest(tmp_path):
    data_set(tmp_path, SONG)
    before = (tmp_path / "metadata.jsonl").read_bytes()
    append_results(tmp_path, "a.wav", {"bpm": 91, "tags": ("slow",), "key": None}, {"bpm": SIGNAL, "tags": MODEL})
    track = load(tmp_path).tracks[0]

    assert (tmp_path / "metadata.jsonl").read_bytes() == before
    assert (track.bpm, track.tags, track.provenance["bpm"]) == (91.0, ("slow",), SIGNAL)


@pytest.mark.parametrize(
    ("mark", "overwrite", "caption"),
    [
        (USER, False, "new"),
        (FILE, False, "old"),
        (FILE, True, "new"),
        (SIGNAL, True, "old"),
    ],
)
def test_a_higher_source_is_never_replaced(tmp_path, mark, overwrite, caption):
    data_set(tmp_path, SONG.with_value("caption", "old", FILE))
    append_results(tmp_path, "a.wav", {"caption": "new"}, {"caption": mark}, overwrite=overwrite)

    assert load(tmp_path).tracks[0].caption == caption


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_half_written_result_is_ignored_and_the_next_one_is_not_harmed(tmp_path, cut):
    data_set(tmp_path, SONG)
    append_results(tmp_path, "a.wav", {"bpm": 90.0}, {"bpm": SIGNAL})
    append_results(tmp_path, "a.wav", {"genre": "jazz"}, {"genre": MODEL})
    journal = tmp_path / ".acetune/journal.jsonl"
    journal.write_bytes(journal.read_bytes()[: -1 - cut])
    append_results(tmp_path, "a.wav", {"caption": "slow"}, {"caption": MODEL})
    track = load(tmp_path).tracks[0]

    assert (track.bpm, track.genre, track.caption) == (90.0, None, "slow")


def test_results_of_unknown_tracks_and_fields_are_passed_over(tmp_path):
    manifest = data_set(tmp_path, SONG)
    append_results(tmp_path, "other.wav", {"bpm": 90.0}, {"bpm": SIGNAL})
    append_results(tmp_path, "a.wav", {"mood": "sad"}, {"mood": SIGNAL})

    assert load(tmp_path) == manifest


def test_compacting_keeps_what_is_read_and_empties_the_journal(tmp_path):
    data_set(tmp_path, SONG)
    append_results(tmp_path, "a.wav", {"bpm": 90.5}, {"bpm": Mark(Source.SIGNAL, 0.8)})
    before = load(tmp_path)

    assert compact(tmp_path) == before
    assert load(tmp_path) == before
    assert not (tmp_path / ".acetune/journal.jsonl").exists()
    assert row(tmp_path)["provenance"]["bpm"].items() >= {"source": "signal", "confidence": 0.8}.items()


def test_results_that_arrive_before_an_update_are_part_of_it(tmp_path):
    data_set(tmp_path, SONG)
    append_results(tmp_path, "a.wav", {"bpm": 90.0}, {"bpm": SIGNAL})

    def mark_as_held_out(current):
        return replace(current, tracks=tuple(replace(t, split="validation") for t in current.tracks))

    update(tmp_path, mark_as_held_out)

    assert (load(tmp_path).tracks[0].bpm, load(tmp_path).tracks[0].split) == (90.0, "validation")


def test_a_change_that_fails_leaves_everything_as_it_was(tmp_path):
    manifest = data_set(tmp_path, SONG)

    def fail(current):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        update(tmp_path, fail)

    assert load(tmp_path) == manifest
    assert {path.name for path in (tmp_path / ".acetune").iterdir()} == {"dataset.yaml"}


def test_two_processes_that_append_lose_nothing(tmp_path):
    data_set(
        tmp_path, *(Track(path=f"{name}{n}.wav", seconds=60, audio_sha256=SHA) for name in "xy" for n in range(10))
    )
    context = multiprocessing.get_context("spawn")
    others = [context.Process(target=append_many, args=(str(tmp_path), name)) for name in "xy"]
    for other in others:
        other.start()
    for other in others:
        other.join()

    assert [track.bpm for track in load(tmp_path).tracks] == [120.0] * 20


def test_an_empty_data_set_can_be_saved(tmp_path):
    manifest = data_set(tmp_path)

    assert load(tmp_path) == manifest


def test_extra_columns_never_hide_a_known_one(tmp_path):
    data_set(tmp_path, replace(SONG, caption="mine", extra=MappingProxyType({"caption": "other"})))

    assert load(tmp_path).tracks[0].caption == "mine"
