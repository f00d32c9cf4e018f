"""Forgetting a song: its row, its texts and its encoded parts are gone, and the runs that used it are named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from probing import collector

import acetune
from acetune import files
from acetune.data import manifest as manifests
from acetune.data.editing import edit
from acetune.data.history import read_entries
from acetune.data.manifest import append_results
from acetune.data.purging import traces_of
from acetune.data.renaming import rename
from acetune.data.scan import scan
from acetune.data.track import Mark, Source
from acetune.data.undoing import undo
from acetune.encoding import uses
from acetune.encoding.cache import Cache, listing, prune
from acetune.encoding.forget import forget
from acetune.encoding.parts import TrackParts
from acetune.errors import DataError
from acetune.events import Noticed
from acetune.recipe import Recipe, resolve, save
from acetune.run import Run
from world import QUICK, tone


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    """Three songs, of which two have the same lyrics."""
    folder = tmp_path / "songs"
    for number, name in enumerate("abc"):
        tone(folder / f"{name}.flac", 2.0, seed=40 + number)
        (folder / f"{name}.caption.txt").write_text(f"style {name}, synth")
        (folder / f"{name}.lyrics.txt").write_text("[verse]\nla" if name != "b" else "[verse]\nsecret words")
    scan(folder)
    return folder


@pytest.fixture
def home(tmp_path: Path, models: Path) -> Path:
    """A workspace with a cache of its own."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "models").symlink_to(models)
    return tmp_path / "home"


@pytest.fixture
def chosen(songs: Path) -> Recipe:
    return resolve([("test", {**QUICK, "data.dataset": str(songs), "schedule.steps": 2})]).recipe


def places(home: Path) -> set[tuple[str, str]]:
    return {(entry.kind, entry.name) for entry in listing(home / "cache")}


def part(songs: Path, path: str, latents: str, texts: list[str], lyrics: str) -> TrackParts:
    """Return the parts of a song under names of our own."""
    track = next(track for track in manifests.load(songs).tracks if track.path == path)
    return TrackParts(track, {}, latents, dict(zip(["caption", "tags"], texts, strict=False)), {"": lyrics})


def encoded(home: Path, *parts: TrackParts) -> Cache:
    """Put parts into the cache as encoding does, with nothing in them."""
    cache = Cache(home / "cache")
    uses.record(cache, parts)
    for p in parts:
        for kind, name in (
            ("latents", p.latents),
            *(("lyrics", name) for name in p.lyrics.values()),
            *(("text", name) for name in p.texts.values()),
        ):
            cache.write(kind, name, {"x": torch.zeros(1)})
    return cache


def holds(folder: Path, text: str) -> list[str]:
    """Return the files in which a text stands."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return sorted(path.relative_to(folder).as_posix() for path in files if text.encode() in path.read_bytes())


def test_a_song_is_gone_from_the_rows_the_history_and_the_results(songs: Path, home: Path) -> None:
    edit(songs, "set", "caption", "mine", tracks=["b.flac"])
    edit(songs, "append", "caption", "all of them")
    append_results(songs, "b.flac", {"genre": "hidden genre"}, {"genre": Mark(Source.MODEL)})
    done = forget(songs, "b.flac", delete_audio=True, home=home)

    assert done.traces.listed
    assert done.traces.changes == 2
    assert [track.path for track in manifests.load(songs).tracks] == ["a.flac", "c.flac"]
    assert [holds(songs, text) for text in ("secret words", "mine", "hidden genre", done.traces.sha256 or "")] == [
        [], [], [], [],
    ]  # fmt: skip
    assert sorted(path.name for path in done.deleted) == ["b.caption.txt", "b.flac", "b.lyrics.txt"]
    assert not (songs / "b.flac").exists()


def test_changes_of_other_songs_can_still_be_taken_back(songs: Path, home: Path) -> None:
    before = [track for track in manifests.load(songs).tracks if track.path != "b.flac"]
    edit(songs, "append", "caption", "all of them")
    rename(songs, "{number}-{stem}")
    forget(songs, "2-b.flac", delete_audio=True, home=home)
    undo(songs)
    undo(songs)

    assert list(manifests.load(songs).tracks) == before
    assert (songs / "a.flac").is_file()
    assert (songs / "c.lyrics.txt").is_file()


def test_what_was_typed_for_a_song_is_gone_too(songs: Path, home: Path) -> None:
    edit(songs, "replace", "lyrics", "secret words", "other words")
    edit(songs, "set", "genre", "very private", tracks=["a*", "b*"])
    forget(songs, "b.flac", delete_audio=True, home=home)

    assert [entry.title for entry in read_entries(songs)] == ["set"]
    assert holds(songs, "secret") == []


def test_without_deleting_the_song_stays_and_that_is_told(songs: Path, home: Path) -> None:
    job, events = collector()
    forget(songs, "b.flac", home=home, job=job)

    assert (songs / "b.flac").is_file()
    assert [event.code for event in events if isinstance(event, Noticed)] == ["edit.audio_stays"]


def test_a_dry_run_removes_nothing(songs: Path, home: Path) -> None:
    edit(songs, "set", "genre", "x")
    before = {path: path.read_bytes() for path in songs.rglob("*") if path.is_file()}
    forget(songs, "b.flac", delete_audio=True, dry_run=True, home=home)

    assert {path: path.read_bytes() for path in songs.rglob("*") if path.is_file()} == before


def test_a_song_that_left_the_data_set_long_ago_is_found_in_its_history(songs: Path, home: Path) -> None:
    edit(songs, "set", "genre", "x")
    (songs / "b.flac").unlink()
    scan(songs)
    done = forget(songs, "b.flac", home=home)

    assert (done.traces.listed, done.traces.changes) == (False, 1)
    assert holds(songs / ".acetune", "b.flac") == []


def test_songs_that_were_put_away_are_deleted_with_what_is_written_of_them(songs: Path, home: Path) -> None:
    away = songs / ".acetune" / "removed-1"
    away.mkdir()
    for name in ("b.flac", "b.lyrics.txt", "a.flac"):
        shutil.copy(songs / name, away / name)
    shutil.copy(songs / "metadata.jsonl", away / "metadata.jsonl")
    forget(songs, "b.flac", delete_audio=True, home=home)

    assert sorted(path.name for path in away.iterdir()) == ["a.flac", "metadata.jsonl"]
    assert holds(songs, "secret words") == []


@pytest.mark.parametrize("name", ["z.flac", "", "b"])
def test_an_unknown_song_is_an_error(songs: Path, home: Path, name: str) -> None:
    with pytest.raises(DataError, match="is called"):
        forget(songs, name, home=home)


def test_a_name_that_two_songs_have_is_an_error(songs: Path, home: Path) -> None:
    tone(songs / "live" / "b.flac", 1.0, seed=99)
    scan(songs)

    assert traces_of(songs, "b.flac").path == "b.flac"
    assert traces_of(songs, "live/b.flac").path == "live/b.flac"
    (songs / "b.flac").rename(songs / "live" / "x.flac")
    tone(songs / "old" / "b.flac", 1.0, seed=98)
    scan(songs)
    with pytest.raises(DataError, match="fits 2 tracks"):
        forget(songs, "b.flac", home=home)


def test_only_the_encoded_parts_of_that_song_are_deleted(songs: Path, home: Path, chosen: Recipe) -> None:
    acetune.encode(chosen, home=home)
    full = places(home)
    sha256 = manifests.load(songs).tracks[0].audio_sha256 or ""
    done = forget(songs, "a.flac", home=home)
    left = places(home)

    assert {kind for kind, _ in full - left} == {"latents", "text"}
    assert (done.parts, len(full - left)) == (2, 2)
    assert done.bytes > 0
    assert uses.used_only_by(Cache(home / "cache"), sha256) == ()
    assert acetune.encode(chosen, home=home).encoded == 0


def test_parts_of_earlier_texts_are_deleted_too(songs: Path, home: Path) -> None:
    cache = encoded(home, part(songs, "b.flac", "l1", ["t1"], "y1"))
    encoded(home, part(songs, "b.flac", "l1", ["t2", "t3"], "y1"))

    assert forget(songs, "b.flac", home=home).parts == 5
    assert list(listing(cache.root)) == []


def test_parts_that_another_song_uses_too_stay(songs: Path, home: Path) -> None:
    encoded(home, part(songs, "b.flac", "l1", ["t1"], "same"), part(songs, "a.flac", "l2", ["t2"], "same"))
    forget(songs, "b.flac", home=home)

    assert places(home) == {("lyrics", "same"), ("latents", "l2"), ("text", "t2")}


def test_a_twin_keeps_what_was_encoded(songs: Path, home: Path) -> None:
    shutil.copy(songs / "b.flac", songs / "twin.flac")
    scan(songs)
    edit(songs, "set", "caption", "for both")
    encoded(home, part(songs, "b.flac", "l1", ["t1"], "y1"))
    job, events = collector()
    done = forget(songs, "b.flac", home=home, job=job)

    assert done.traces.twins == ("twin.flac",)
    assert len(places(home)) == 3
    assert "edit.twin" in [event.code for event in events if isinstance(event, Noticed)]
    assert "twin.flac" in [change.path for entry in read_entries(songs) for change in entry.tracks]


def test_parts_that_do_not_say_whose_they_are_are_told(songs: Path, home: Path) -> None:
    cache = encoded(home, part(songs, "b.flac", "l1", ["t1"], "y1"))
    shutil.rmtree(cache.root / "songs")
    job, events = collector()
    done = forget(songs, "b.flac", home=home, job=job)

    assert done.parts == 0
    assert "edit.unlisted_parts" in [event.code for event in events if isinstance(event, Noticed)]


def test_a_list_of_parts_that_was_half_written_is_gone_on_with(songs: Path, home: Path) -> None:
    wanted = part(songs, "b.flac", "l1", ["t1"], "y1")
    cache = encoded(home, wanted)
    file = next((cache.root / "songs").rglob("*.txt"))
    file.write_bytes(file.read_bytes()[:-5])
    uses.record(cache, [wanted])

    assert forget(songs, "b.flac", home=home).parts == 3


def test_what_annotators_keep_of_a_song_is_deleted(songs: Path, home: Path) -> None:
    (songs / "b.flac").rename(songs / "Nobody - Nothing.flac")
    scan(songs)
    sha256 = traces_of(songs, "Nobody - Nothing.flac").sha256
    kept = home / "annotation" / "lrclib"
    for name, artist in (("mine", "Nobody"), ("other", "Somebody")):
        asked = {"artist_name": artist, "track_name": "Nothing", "duration": "2"}
        files.write_json(kept / f"{name}.json", {"asked": asked, "answer": {"plainLyrics": "la"}})
    (kept / "damaged.json").write_text("{")
    files.write_text(home / "annotation" / "vectors" / "model" / f"{sha256}-plan.safetensors", "")
    done = forget(songs, "Nobody - Nothing.flac", home=home)

    assert len(done.heard) == 2
    assert sorted(path.name for path in (home / "annotation").rglob("*.*")) == ["damaged.json", "other.json"]


def test_pruning_everything_takes_the_lists_along(songs: Path, home: Path) -> None:
    cache = encoded(home, part(songs, "b.flac", "l1", ["t1"], "y1"))
    prune(cache.root)

    assert [path for path in cache.root.rglob("*") if path.is_file()] == []


def test_runs_and_adapters_that_used_a_song_are_named_and_only_the_run_names_it(
    songs: Path, home: Path, chosen: Recipe
) -> None:
    edit(songs, "split", "validation", tracks=["c.flac"])
    acetune.train(chosen, name="first", home=home)
    edit(songs, "exclude", tracks=["b.flac"])
    acetune.train(chosen, name="second", home=home)
    found = {name: forget(songs, name, dry_run=True, home=home).runs for name in ("a.flac", "b.flac", "c.flac")}

    assert [(run.run, run.part) for run in found["a.flac"]] == [("first", "train"), ("second", "train")]
    assert [(run.run, run.part) for run in found["b.flac"]] == [("first", "train")]
    assert [(run.run, run.part) for run in found["c.flac"]] == [("first", "validation"), ("second", "validation")]
    assert "first_final.safetensors" in [path.name for path in found["b.flac"][0].adapters]
    assert holds(home / "runs" / "first", manifests.load(songs).tracks[0].audio_sha256 or "?") == ["tracks.json"]
    assert holds(home / "runs" / "first" / "adapter", "a.flac") == []


def test_a_run_that_cannot_say_which_songs_it_used_is_told(songs: Path, home: Path, chosen: Recipe) -> None:
    save(chosen, Run(home / "runs" / "first").recipe_file)
    job, events = collector()
    done = forget(songs, "b.flac", home=home, dry_run=True, delete_audio=True, job=job)

    assert done.runs == ()
    assert [event.code for event in events if isinstance(event, Noticed)] == ["edit.unknown_songs"]
