"""Songs come into a data set under safe names, once, with their texts, and nothing that was there is lost."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from acetune.data import manifest as manifests
from acetune.data.adding import add
from acetune.data.scan import scan
from acetune.data.track import Source
from acetune.errors import AcetuneError, DataError, NotWritable, SettingError, Stopped
from acetune.events import Event, Job, Noticed, Progress
from acetune.locks import lock
from world import tone


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """Two songs somewhere, one of them with a caption."""
    folder = tmp_path / "inbox"
    tone(folder / "周杰伦 - 青花瓷.wav", 1, seed=1, rate_hz=8000)
    tone(folder / "夜に駆ける.WAV", 1, seed=2, rate_hz=8000)
    (folder / "周杰伦 - 青花瓷_prompt.txt").write_text("pop, guzheng", encoding="utf-8")
    return folder


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    """A scanned data set of one song with a caption that a person changed."""
    folder = tmp_path / "songs"
    tone(folder / "old.wav", 1, seed=3, rate_hz=8000)
    (folder / "old.caption.txt").write_text("old caption")
    scan(folder)
    row = json.loads((folder / "metadata.jsonl").read_text())
    (folder / "metadata.jsonl").write_text(json.dumps({**row, "caption": "a person's"}) + "\n")
    return folder


def everything(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def rows(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]


def test_songs_get_safe_names_and_keep_their_texts_and_their_old_names(inbox: Path, tmp_path: Path) -> None:
    result = add(sorted(inbox.glob("*.[wW]*")), tmp_path / "new")
    pop, other = rows(tmp_path / "new")

    assert pop["file_name"] == "zhoujielun_-_qinghuaci.wav"
    assert pop["original_name"] == "周杰伦 - 青花瓷.wav"
    assert (pop["caption"], pop["tags"]) == ("pop, guzheng", ["pop", "guzheng"])
    assert other["file_name"] == f"track-{str(other['audio_sha256'])[:8]}.wav"
    assert result.added == {
        str(pop["file_name"]): str(inbox / "周杰伦 - 青花瓷.wav"),
        str(other["file_name"]): str(inbox / "夜に駆ける.WAV"),
    }
    assert manifests.load(tmp_path / "new").tracks[0].source_of("caption") == Source.FILE


def test_a_folder_stands_for_its_songs_which_stay_where_they_are(inbox: Path, tmp_path: Path) -> None:
    before = everything(inbox)
    result = add([inbox], tmp_path / "new")

    assert len(result.added) == 2
    assert everything(inbox) == before
    assert result.scanned.manifest == manifests.load(tmp_path / "new")


def test_moved_songs_are_gone_from_where_they_were(inbox: Path, tmp_path: Path) -> None:
    (inbox / "notes.txt").write_text("mine")
    add([inbox], tmp_path / "new", move=True)

    assert [file.name for file in inbox.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("moving", [False, True])
def test_a_song_that_is_there_already_is_refused_with_its_twin_named(songs: Path, tmp_path: Path, moving: bool) -> None:
    copy = shutil.copy(songs / "old.wav", tmp_path / "copy.wav")
    tone(tmp_path / "new.wav", 1, seed=4, rate_hz=8000)
    heard: list[Event] = []
    result = add([copy, tmp_path / "new.wav"], songs, on_conflict="add", move=moving, job=Job(heard.append))

    assert [(skip.path, skip.code) for skip in result.skipped] == [(str(copy), "share.twin")]
    assert "as old.wav" in result.skipped[0].reason
    assert any(isinstance(event, Noticed) and event.code == "share.twin" for event in heard)
    assert Path(copy).is_file()


def test_the_same_song_named_twice_is_taken_once(inbox: Path, tmp_path: Path) -> None:
    first, second = sorted(inbox.glob("*.[wW]*"))
    shutil.copy(first, inbox / "again.wav")
    result = add([first, second, first, inbox / "again.wav"], tmp_path / "new")

    assert len(result.added) == 2
    assert [skip.path for skip in result.skipped] == [str(inbox / "again.wav")]


def test_a_folder_that_has_songs_needs_a_decision(inbox: Path, songs: Path) -> None:
    before = everything(songs)

    with pytest.raises(DataError) as caught:
        add([inbox], songs)
    assert caught.value.code == "share.occupied"
    assert "--on-conflict" in caught.value.remedy()
    assert everything(songs) == before


def test_who_asks_is_told_what_is_there_and_what_can_be_done(inbox: Path, songs: Path) -> None:
    asked: list[tuple[str, Sequence[str]]] = []

    def ask(problem: AcetuneError, answers: Sequence[str]) -> str:
        asked.append((problem.message(), answers))
        return "other"

    result = add([inbox], songs, ask=ask)

    assert asked == [(f"{songs} has songs already (1).", ("other", "add", "clear"))]
    assert result.folder == songs.with_name("songs-2")


def test_an_unknown_decision_is_refused(inbox: Path, songs: Path) -> None:
    with pytest.raises(SettingError) as caught:
        add([inbox], songs, on_conflict="replace")  # type: ignore[arg-type]
    assert "other, add, clear" in caught.value.remedy()


def test_other_takes_a_new_folder_beside_it(inbox: Path, songs: Path) -> None:
    before = everything(songs)
    songs.with_name("songs-2").mkdir()
    result = add([inbox], songs, on_conflict="other")

    assert result.folder == songs.with_name("songs-3")
    assert len(manifests.load(result.folder).tracks) == 2
    assert everything(songs) == before


def test_add_leaves_what_is_there(inbox: Path, songs: Path) -> None:
    add([inbox], songs, on_conflict="add")
    manifest = manifests.load(songs)

    assert [track.path for track in manifest.tracks][0] == "old.wav"
    assert manifest.tracks[0].caption == "a person's"
    assert len(manifest.tracks) == 3


def test_clear_puts_away_what_was_there(inbox: Path, songs: Path) -> None:
    before = everything(songs)
    (songs / "cover.png").write_bytes(b"art")
    result = add([inbox], songs, on_conflict="clear")

    assert result.removed is not None
    assert result.removed.parent == songs / ".acetune"
    assert everything(result.removed) == {
        name: before[name] for name in ("old.wav", "old.caption.txt", "metadata.jsonl")
    }
    assert len(manifests.load(songs).tracks) == 2
    assert (songs / "cover.png").is_file()


@pytest.mark.parametrize("name", ["old.wav", "older.wav"])
def test_a_song_that_was_cleared_and_comes_back_keeps_what_is_known_of_it(songs: Path, name: str) -> None:
    source = songs / name
    (songs / "old.wav").rename(source)
    data = source.read_bytes()
    add([source], songs, on_conflict="clear", move=True)
    (track,) = manifests.load(songs).tracks

    assert source.read_bytes() == data
    assert (track.path, track.caption, track.extra["original_name"]) == (name, "a person's", name)


@pytest.mark.parametrize("there", ["OLD.txt", "old_lyrics.txt", "Old.png"])
def test_a_new_song_never_shares_a_stem(songs: Path, tmp_path: Path, there: str) -> None:
    (songs / "old.wav").rename(songs / "other.wav")
    (songs / "old.caption.txt").unlink()
    (songs / there).write_bytes(b"no music")
    new = tone(tmp_path / "old.wav", 1, seed=5, rate_hz=8000)
    (name,) = add([new], songs, on_conflict="add").added

    assert name.startswith("old-")
    assert (songs / there).read_bytes() == b"no music"


def test_what_cannot_be_used_is_listed_and_the_rest_is_taken(inbox: Path, tmp_path: Path) -> None:
    tone(inbox / "short.wav", 0.2, rate_hz=8000)
    (inbox / "broken.mp3").write_bytes(b"no music at all" * 100)
    (inbox / "notes.pdf").write_bytes(b"")
    result = add([inbox, inbox / "notes.pdf"], tmp_path / "new")

    assert {Path(skip.path).name: skip.code for skip in result.skipped} == {
        "short.wav": "data.too_short",
        "broken.mp3": "audio.unreadable",
        "notes.pdf": "share.no_audio",
    }
    assert len(result.added) == 2


def test_where_nothing_can_be_taken_nothing_is_changed(songs: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.wav").write_bytes(b"no music")
    before = everything(songs)

    with pytest.raises(DataError) as caught:
        add([tmp_path / "broken.wav"], songs, on_conflict="clear")
    assert caught.value.code == "share.none_added"
    assert everything(songs) == before


@pytest.mark.parametrize(
    ("files", "code"), [(["gone.wav"], "share.no_file"), (["empty"], "share.no_songs")], ids=["missing", "empty folder"]
)
def test_a_file_that_is_not_there_is_an_error(tmp_path: Path, files: list[str], code: str) -> None:
    (tmp_path / "empty").mkdir()

    with pytest.raises(DataError) as caught:
        add([tmp_path / name for name in files], tmp_path / "new")
    assert caught.value.code == code
    assert not (tmp_path / "new").exists()


def test_a_forgotten_folder_is_an_error(inbox: Path) -> None:
    first, second = sorted(inbox.glob("*.[wW]*"))

    with pytest.raises(DataError) as caught:
        add([first], second)
    assert caught.value.code == "share.no_folder"


@pytest.mark.parametrize(("there", "after"), [(False, 3), (True, 1), (True, 3)])
def test_a_stop_changes_nothing(inbox: Path, songs: Path, tmp_path: Path, there: bool, after: int) -> None:
    target = songs if there else tmp_path / "new"
    before = everything(tmp_path)
    heard: list[Progress] = []

    def hear(event: Event) -> None:
        if isinstance(event, Progress):
            heard.append(event)

    with pytest.raises(Stopped):
        add([inbox], target, on_conflict="clear", job=Job(hear, lambda: len(heard) >= after))
    assert everything(tmp_path) == before
    assert not (tmp_path / "new").exists()


def test_two_that_add_at_once_do_not_meet(inbox: Path, songs: Path) -> None:
    with lock(songs / ".acetune" / "adding", "share.locked"), pytest.raises(SettingError) as caught:
        add([inbox], songs, on_conflict="add")
    assert caught.value.code == "share.locked"


def test_what_a_killed_process_left_is_swept_away(inbox: Path, songs: Path) -> None:
    tone(songs / ".acetune" / "incoming-1234" / "half.wav", 1)
    tone(songs / ".acetune" / "incoming-1234.draft-5678" / "half.wav", 1)
    add([inbox], songs, on_conflict="add")

    assert not list((songs / ".acetune").glob("incoming-*"))


def test_a_folder_that_cannot_be_made_is_said(inbox: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(NotWritable):
        add([inbox], tmp_path / "file" / "new")
