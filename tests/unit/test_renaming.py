import os
from contextlib import suppress
from dataclasses import replace

import pytest

from acetune.data import moving
from acetune.data.editing import edit
from acetune.data.history import read_entries, settle
from acetune.data.manifest import load, update
from acetune.data.moving import Move
from acetune.data.renaming import rename
from acetune.data.scan import scan
from acetune.data.undoing import undo
from acetune.errors import CorruptFile, DataError, SettingError
from world import tone


def files(folder):
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and ".acetune" not in path.parts and path.name != "metadata.jsonl"
    )


def paths(folder):
    return [track.path for track in load(folder).tracks]


@pytest.fixture
def songs(tmp_path):
    for number, name in enumerate(["b", "a", "live/青花瓷 (live)"]):
        tone(tmp_path / f"{name}.wav", 0.6, seed=number)
    (tmp_path / "a_lyrics.txt").write_text("[verse]\nla")
    (tmp_path / "a.caption.txt").write_text("jazz, slow")
    (tmp_path / "live/青花瓷 (live).lrc").write_text("[00:01.00]la")
    (tmp_path / "cover.jpg").write_bytes(b"jpg")
    scan(tmp_path)
    return tmp_path


def test_songs_get_safe_names_and_their_texts_go_along(songs):
    rename(songs)

    assert files(songs) == [
        "a.caption.txt", "a.wav", "a_lyrics.txt", "b.wav", "cover.jpg",
        "live/qinghuaci_live.lrc", "live/qinghuaci_live.wav",
    ]  # fmt: skip
    assert paths(songs) == ["a.wav", "b.wav", "live/qinghuaci_live.wav"]


def test_the_first_name_is_kept_in_the_row(songs):
    rename(songs)
    rename(songs, "{number}")

    assert load(songs).tracks[2].extra["original_name"] == "青花瓷 (live).wav"


def test_a_second_renaming_finds_nothing_to_do(songs):
    rename(songs)

    assert rename(songs).moves == ()


def test_a_dry_run_moves_nothing(songs):
    before = files(songs)
    seen = rename(songs, "{number:03}-{stem}", dry_run=True)

    assert files(songs) == before
    assert dict(seen.songs)["a.wav"] == "001-a.wav"
    assert Move("a_lyrics.txt", "001-a_lyrics.txt") in seen.moves


def test_a_pattern_names_what_is_known_of_a_song(songs):
    edit(songs, "set", "bpm", "92.6", tracks=["a.wav"])
    edit(songs, "set", "key", "Am", tracks=["a.wav"])
    seen = rename(songs, "{bpm} {keyscale} {genre}-{stem}", tracks=["a.wav"], dry_run=True)

    assert dict(seen.songs) == {"a.wav": "93 A minor -a.wav"}


def test_a_pattern_may_be_made_safe(songs):
    rename(songs, "{number} - {stem}", safe=True, tracks=["live/*"])

    assert paths(songs)[2] == "live/3_-_qinghuaci_live.wav"


def test_undo_gives_songs_and_texts_their_names_back(songs):
    before = files(songs), load(songs)
    rename(songs, "{number}")
    undo(songs)

    assert (files(songs), load(songs)) == before


def test_names_may_go_round_in_a_circle(songs):
    audio = {name: (songs / name).read_bytes() for name in ("a.wav", "b.wav")}
    rename(songs, "{number}", tracks=["a.wav", "b.wav"])
    update(songs, lambda m: replace(m, tracks=(m.tracks[1], m.tracks[0], *m.tracks[2:])))
    rename(songs, "{number}", tracks=["1.wav", "2.wav"])

    assert ((songs / "2.wav").read_bytes(), (songs / "1.wav").read_bytes()) == (audio["a.wav"], audio["b.wav"])
    assert (songs / "2_lyrics.txt").is_file()
    assert paths(songs)[:2] == ["1.wav", "2.wav"]


def test_songs_that_differ_in_their_suffix_stay_together(songs):
    tone(songs / "a.flac", 0.7, seed=9)
    scan(songs)
    rename(songs, "{number}-x", tracks=["a.wav"])

    assert {"1-x.wav", "1-x.flac", "1-x_lyrics.txt"} <= set(files(songs))


@pytest.mark.skipif(os.path.exists(__file__.upper()), reason="names that differ in case only are one here")
def test_names_that_differ_in_case_only_become_different(songs):
    tone(songs / "A.wav", 0.7, seed=9)
    scan(songs)
    rename(songs)

    assert len({path.casefold() for path in paths(songs)}) == 4


@pytest.mark.parametrize("pattern", ["x", "X{genre}"])
def test_two_songs_of_one_name_are_refused_and_nothing_moves(songs, pattern):
    before = files(songs)

    with pytest.raises(DataError, match="would both be called"):
        rename(songs, pattern)
    assert files(songs) == before
    assert read_entries(songs) == ()


@pytest.mark.parametrize("there", ["new.wav", "new_lyrics.txt", "NEW.wav"])
def test_a_name_that_another_file_has_is_refused(songs, there):
    (songs / there).write_text("mine")

    with pytest.raises(DataError, match="new"):
        rename(songs, "new", tracks=["a.wav"])
    assert (songs / there).read_text() == "mine"
    assert (songs / "a.wav").is_file()


@pytest.mark.parametrize(
    "pattern", ["{title}", "{stem", "{stem!r}", "{stem.__class__}", "{number:s}", "{0}", "{stem:>9}"]
)
def test_a_pattern_of_something_else_is_refused(songs, pattern):
    with pytest.raises(SettingError, match="cannot make names"):
        rename(songs, pattern)


@pytest.mark.parametrize("pattern", ["../{stem}", "a/{stem}", "con", "{genre}", "a:{stem}", "x" * 300, "\n{stem}"])
def test_a_name_that_some_system_does_not_take_is_refused(songs, pattern):
    with pytest.raises(DataError, match="on every system"):
        rename(songs, pattern, tracks=["a.wav"])
    assert (songs / "a.wav").is_file()


def test_a_track_that_changed_since_it_was_seen_is_not_renamed(songs):
    seen = rename(songs, "{number}", dry_run=True)
    edit(songs, "set", "genre", "pop", tracks=["b.wav"])

    with pytest.raises(DataError, match=r"changed since they were shown: b\.wav"):
        rename(songs, "{number}", expected=seen.versions)


def test_a_listed_song_whose_file_is_gone_keeps_its_row(songs):
    (songs / "b.wav").unlink()
    rename(songs, "{number}")

    assert paths(songs) == ["1.wav", "b.wav", "live/3.wav"]


class Killed(Exception):
    """The process died."""


@pytest.fixture(params=range(12))
def interrupted(request, songs, monkeypatch):
    """Rename in a circle and die at one of the moves."""
    rename(songs, "{number}", tracks=["a.wav", "b.wav"])
    update(songs, lambda m: replace(m, tracks=(m.tracks[1], m.tracks[0], *m.tracks[2:])))
    real, left = os.rename, [request.param]

    def die(old, new):
        if not left[0]:
            raise Killed
        left[0] -= 1
        real(old, new)

    monkeypatch.setattr(os, "rename", die)
    with suppress(Killed):
        rename(songs, "{number}")
    monkeypatch.undo()
    return songs


def rounds(folder):
    """Return what each song is called and whether its texts are beside it."""
    tracks = load(folder).tracks
    return {track.path: (track.caption, (folder / track.path).is_file()) for track in tracks}


def test_a_renaming_that_died_is_finished_by_the_next_change(interrupted):
    edit(interrupted, "set", "genre", "x")

    assert rounds(interrupted) == {"1.wav": (None, True), "2.wav": ("jazz, slow", True), "live/3.wav": (None, True)}
    assert {"2_lyrics.txt", "2.caption.txt", "live/3.lrc"} <= set(files(interrupted))
    assert not (interrupted / ".acetune/moves.json").exists()


def test_a_renaming_that_died_is_finished_by_a_scan_and_loses_no_caption(interrupted):
    manifest = scan(interrupted).manifest

    assert {track.path: track.caption for track in manifest.tracks} == {
        "1.wav": None, "2.wav": "jazz, slow", "live/3.wav": None,
    }  # fmt: skip


def test_a_renaming_that_died_can_be_undone(interrupted):
    undo(interrupted)

    assert rounds(interrupted) == {
        "1.wav": ("jazz, slow", True), "2.wav": (None, True), "live/青花瓷 (live).wav": (None, True),
    }  # fmt: skip
    assert {"1_lyrics.txt", "1.caption.txt"} <= set(files(interrupted))


def test_a_data_set_loads_while_a_renaming_is_unfinished(interrupted):
    assert len(load(interrupted).tracks) == 3


def test_a_file_that_came_into_the_way_is_named_and_kept(songs):
    plan = moving.Plan((Move("a.wav", "new.wav"),), {}, backward=False)
    (songs / "new.wav").write_text("mine")

    with pytest.raises(DataError, match=r"new\.wav"):
        moving.carry_out(songs, plan)
    assert (songs / "new.wav").read_text() == "mine"


def test_settling_a_data_set_without_a_plan_does_nothing(songs):
    before = (songs / "metadata.jsonl").stat().st_mtime_ns
    settle(songs)

    assert (songs / "metadata.jsonl").stat().st_mtime_ns == before


def test_a_plan_that_cannot_be_read_is_a_damaged_file(songs):
    (songs / ".acetune/moves.json").write_text('{"version": 1}')

    with pytest.raises(CorruptFile):
        settle(songs)
