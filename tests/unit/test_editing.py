import json
import multiprocessing
from dataclasses import replace
from types import MappingProxyType

import pytest

from acetune.data.changes import version_of
from acetune.data.editing import edit
from acetune.data.history import known, read_entries
from acetune.data.manifest import Manifest, append_results, load, save, update
from acetune.data.settings import DatasetSettings
from acetune.data.track import Mark, Source, Track
from acetune.data.undoing import undo
from acetune.errors import DataError

SIGNAL, FILE = Mark(Source.SIGNAL), Mark(Source.FILE)
EXTRA = MappingProxyType({"mood": {"sad": [1, None]}, "n": None, "keyscale": "H flat"})


def song(name, **values):
    values = {"caption": f"song {name}", "audio_sha256": name * 64, **values}
    return Track(path=f"{name}.mp3", seconds=60, **values)


@pytest.fixture
def songs(tmp_path):
    tracks = (song("a", extra=EXTRA), song("b", genre="Rock"), song("c", caption=None, bpm=90.0))
    save(Manifest(tmp_path, tracks, DatasetSettings("songs", "zx")))
    return tmp_path


def captions(folder):
    return [track.caption for track in load(folder).tracks]


def by_hand(folder, number, **values):
    lines = (folder / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    lines[number] = json.dumps({**json.loads(lines[number]), **values})
    (folder / "metadata.jsonl").write_text("\n".join(lines), encoding="utf-8")


def edit_many(folder, name):
    for number in range(8):
        edit(folder, "append", "caption", f"{name}{number}", tracks=["a.mp3"])


def test_an_edit_changes_the_tracks_that_are_meant(songs):
    done = edit(songs, "set", "caption", "warm piano", tracks=["a*", "c.mp3"])

    assert captions(songs) == ["warm piano", "song b", "warm piano"]
    assert [change.path for change in done.changes] == ["a.mp3", "c.mp3"]


def test_a_dry_run_tells_what_an_edit_would_do_and_writes_nothing(songs):
    before = {path: path.read_bytes() for path in songs.rglob("*") if path.is_file()}
    seen = edit(songs, "set", "caption", "warm piano", dry_run=True)

    assert {path: path.read_bytes() for path in songs.rglob("*") if path.is_file()} == before
    assert seen.changes[0].value("caption", after=False) == "song a"
    assert seen.changes[0].value("caption", after=True) == "warm piano"
    assert seen.changes == edit(songs, "set", "caption", "warm piano").changes


@pytest.mark.parametrize(
    ("where", "paths"),
    [
        ({"genre": "rock"}, ["b.mp3"]),
        ({"genre": ""}, ["a.mp3", "c.mp3"]),
        ({"caption": "SONG*"}, ["a.mp3", "b.mp3"]),
        ({"caption": ""}, ["c.mp3"]),
        ({"bpm": "90"}, ["c.mp3"]),
        ({"excluded": "false", "genre": "rock"}, ["b.mp3"]),
        ({"keyscale": "h flat"}, ["a.mp3"]),
    ],
    ids=str,
)
def test_conditions_choose_tracks(songs, where, paths):
    seen = edit(songs, "exclude", where=where, dry_run=True)

    assert [change.path for change in seen.changes] == paths


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({"tracks": ["z*"]}, "edit.no_track"),
        ({"tracks": ["a.mp3", "z.mp3"]}, "edit.no_track"),
        ({"where": {"moood": "x"}}, "edit.no_column"),
        ({"where": {"genre": "jazz"}}, "edit.none_fits"),
    ],
)
def test_an_edit_that_means_no_track_is_an_error(songs, how, code):
    with pytest.raises(DataError) as error:
        edit(songs, "exclude", **how)

    assert error.value.code == code


def test_names_with_brackets_are_found_as_they_are(songs):
    save(Manifest(songs, (replace(song("a"), path="live/a [1].mp3"),), DatasetSettings("songs")))

    assert len(edit(songs, "exclude", tracks=["live/a [1].mp3"]).changes) == 1


def test_unknown_columns_survive_an_edit(songs):
    edit(songs, "set", "caption", "warm piano")

    assert known(songs).tracks[0].extra == EXTRA


def test_listed_songs_that_no_scan_could_read_survive_an_edit(songs):
    save(Manifest(songs, (song("a"), Track(path="gone.mp3", seconds=0, caption="mine")), DatasetSettings("songs")))
    edit(songs, "set", "caption", "x", tracks=["a.mp3"])

    assert known(songs).tracks[1] == Track(path="gone.mp3", seconds=0, caption="mine")


def test_a_folder_without_a_manifest_names_the_command(tmp_path):
    with pytest.raises(DataError, match="acetune scan"):
        edit(tmp_path, "exclude")


def test_an_edit_that_changes_nothing_leaves_no_trace(songs):
    done = edit(songs, "replace", "caption", "techno", "x")

    assert (done.changes, read_entries(songs)) == ((), ())


def test_what_annotators_found_meanwhile_is_kept(songs):
    append_results(songs, "a.mp3", {"bpm": 120.0}, {"bpm": SIGNAL})
    edit(songs, "set", "caption", "x")

    assert load(songs).tracks[0].bpm == 120.0


def test_an_edit_of_what_somebody_saw_is_made_if_nothing_changed_since(songs):
    seen = edit(songs, "set", "caption", "x", dry_run=True)
    edit(songs, "set", "caption", "x", expected=seen.versions)

    assert captions(songs) == ["x", "x", "x"]


def test_a_track_that_changed_since_it_was_seen_is_named_and_nothing_is_written(songs):
    seen = edit(songs, "set", "caption", "x", dry_run=True)
    by_hand(songs, 1, genre="Pop")
    before = (songs / "metadata.jsonl").read_bytes()

    with pytest.raises(DataError, match=r"1 tracks changed since they were shown: b\.mp3"):
        edit(songs, "set", "caption", "x", expected=seen.versions)
    assert (songs / "metadata.jsonl").read_bytes() == before
    assert read_entries(songs) == ()


def test_only_what_somebody_saw_is_changed(songs):
    first = load(songs).tracks[0]
    edit(songs, "set", "caption", "x", expected={first.path: version_of(first)})

    assert captions(songs) == ["x", "song b", None]


def test_versions_after_an_edit_are_good_for_the_next_one(songs):
    done = edit(songs, "set", "caption", "x")
    edit(songs, "set", "caption", "y", expected=done.versions)

    assert captions(songs) == ["y", "y", "y"]


def test_a_version_changes_with_a_mark_alone():
    track = song("a").with_value("bpm", 90.0, SIGNAL)

    assert version_of(track) != version_of(replace(track, provenance=MappingProxyType({"bpm": FILE})))
    assert version_of(track) == version_of(replace(track))


def test_two_processes_that_edit_at_once_lose_nothing(songs):
    context = multiprocessing.get_context("spawn")
    others = [context.Process(target=edit_many, args=(str(songs), name)) for name in "xy"]
    for other in others:
        other.start()
    for other in others:
        other.join()
    words = load(songs).tracks[0].caption.split(", ")

    assert sorted(words) == sorted(["song a", *(f"{name}{number}" for name in "xy" for number in range(8))])
    assert len(read_entries(songs)) == 16


def test_undo_takes_the_last_edit_back_and_then_the_one_before(songs):
    edit(songs, "set", "caption", "one")
    edit(songs, "set", "caption", "two", tracks=["a.mp3"])
    undone = [undo(songs).operation, captions(songs), undo(songs).operation, captions(songs)]

    assert undone == [
        "set caption two", ["one", "one", "one"], "set caption one", ["song a", "song b", None],
    ]  # fmt: skip


def test_undo_gives_a_value_back_to_whom_it_belonged(songs):
    update(songs, lambda m: replace(m, tracks=tuple(t.with_value("bpm", 80.0, SIGNAL) for t in m.tracks)))
    edit(songs, "set", "bpm", "91")
    undo(songs)

    assert load(songs).tracks[0].provenance["bpm"] == SIGNAL
    assert load(songs).tracks[2].source_of("bpm") is Source.USER


def test_undo_brings_back_what_could_not_be_read(songs):
    edit(songs, "set", "key", "Am")
    undo(songs)

    assert known(songs).tracks[0].extra == EXTRA


def test_with_nothing_to_undo_it_says_so(songs):
    with pytest.raises(DataError, match="nothing to take back"):
        undo(songs)


def test_undo_is_refused_where_somebody_changed_the_same_column_since(songs):
    edit(songs, "set", "caption", "warm piano")
    by_hand(songs, 1, caption="mine")
    before = (songs / "metadata.jsonl").read_bytes()

    with pytest.raises(DataError, match=r"b\.mp3 \(caption\)"):
        undo(songs)
    assert (songs / "metadata.jsonl").read_bytes() == before
    assert len(read_entries(songs)) == 1


def test_a_change_whose_every_place_was_changed_since_is_not_passed_over_for_an_older_one(songs):
    edit(songs, "set", "bpm", "99")
    edit(songs, "set", "caption", "warm piano", tracks=["a.mp3"])
    by_hand(songs, 0, caption="mine")

    with pytest.raises(DataError, match=r"a\.mp3 \(caption\)"):
        undo(songs)
    assert [track.bpm for track in load(songs).tracks] == [99.0, 99.0, 99.0]


def test_undo_may_keep_what_somebody_changed_since(songs):
    edit(songs, "set", "caption", "warm piano")
    by_hand(songs, 1, caption="mine")
    undo(songs, keep_changed=True)

    assert captions(songs) == ["song a", "mine", None]


def test_a_change_of_another_column_does_not_stand_in_the_way(songs):
    edit(songs, "set", "caption", "warm piano")
    append_results(songs, "a.mp3", {"bpm": 120.0}, {"bpm": SIGNAL})
    by_hand(songs, 1, genre="Pop")
    undo(songs)
    tracks = load(songs).tracks

    assert captions(songs) == ["song a", "song b", None]
    assert (tracks[0].bpm, tracks[0].provenance["bpm"], tracks[1].genre) == (120.0, SIGNAL, "Pop")


def test_a_track_that_is_gone_does_not_stand_in_the_way(songs):
    edit(songs, "set", "caption", "warm piano")
    update(songs, lambda current: replace(current, tracks=current.tracks[1:]))

    assert undo(songs).gone == ("a.mp3",)
    assert captions(songs) == ["song b", None]


def test_a_song_that_a_person_moved_since_is_found_by_its_audio(songs):
    edit(songs, "set", "caption", "warm piano")
    by_hand(songs, 0, file_name="live/z.mp3")
    undo(songs)

    assert [(track.path, track.caption) for track in load(songs).tracks][0] == ("live/z.mp3", "song a")


def test_an_edit_whose_process_died_before_its_rows_is_passed_over(songs):
    edit(songs, "set", "caption", "one")
    rows = (songs / "metadata.jsonl").read_bytes()
    edit(songs, "set", "caption", "two")
    (songs / "metadata.jsonl").write_bytes(rows)

    assert undo(songs).operation == "set caption one"
    assert captions(songs) == ["song a", "song b", None]


@pytest.mark.parametrize("cut", [1, 30])
def test_a_half_written_change_was_never_made_and_harms_no_other(songs, cut):
    edit(songs, "set", "caption", "one")
    edit(songs, "set", "genre", "two")
    history = songs / ".acetune/history.jsonl"
    history.write_bytes(history.read_bytes()[:-cut])
    edit(songs, "set", "owner", "me")

    assert [entry.title for entry in read_entries(songs)][::2] in (
        ["set caption one", "set owner me"],
        ["set caption one"],
    )
    assert undo(songs).operation == "set owner me"


def test_the_history_of_a_newer_acetune_is_refused(songs):
    (songs / ".acetune/history.jsonl").write_text('{"version": 2}\n')

    with pytest.raises(DataError, match="format version 2"):
        undo(songs)


def test_undo_of_another_change_than_the_one_that_was_seen_is_refused(songs):
    edit(songs, "set", "caption", "one")
    seen = undo(songs, dry_run=True)
    edit(songs, "set", "caption", "two")

    with pytest.raises(DataError, match="set caption two"):
        undo(songs, expected=seen.id)
    assert captions(songs) == ["two", "two", "two"]
