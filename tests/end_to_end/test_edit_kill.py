"""kill -9 while a data set is changed leaves one that loads, with every caption, and that can be changed again."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from acetune.data.editing import edit
from acetune.data.history import read_entries
from acetune.data.manifest import Manifest, load, save
from acetune.data.renaming import rename
from acetune.data.settings import DatasetSettings
from acetune.data.track import Track
from acetune.data.undoing import undo

KILLS, SONGS = 12, 150

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")]


def edit_for_ever(folder: str) -> None:
    """Change all captions, and take every other change back."""
    for number in range(1_000_000):
        edit(folder, "append", "caption", str(number))
        if number % 3 == 2:
            undo(folder)


def rename_for_ever(folder: str) -> None:
    """Rename all songs in a circle, and take every other renaming back."""
    for number in range(1_000_000):
        rename(folder, f"{{number:03}}-{number}")
        if number % 3 == 2:
            undo(folder)


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    """Many songs, whose files hold their names."""
    names = [f"song{number:03}" for number in range(SONGS)]
    for name in names:
        (tmp_path / f"{name}.wav").write_text(name)
        (tmp_path / f"{name}_lyrics.txt").write_text(name)
    tracks = tuple(
        Track(path=f"{name}.wav", seconds=60, caption=name, lyrics="la\n" * 50, audio_sha256=name.ljust(64, "0"))
        for name in names
    )
    save(Manifest(tmp_path, tracks, DatasetSettings("songs")))
    return tmp_path


def lives(target: Callable[[str], None], folder: Path, seed: int, sign: str = "lock") -> int:
    """Kill a process again and again; each time the data set loads and knows every song.

    Returns:
        How often the kill came while a file of this name lay in ``.acetune``.
    """
    chance, context, met = random.Random(seed), multiprocessing.get_context("fork"), 0
    for _ in range(KILLS):
        work = context.Process(target=target, args=(str(folder),))
        work.start()
        time.sleep(chance.uniform(0.05, 0.4))
        while work.is_alive() and not (folder / ".acetune" / sign).exists():
            pass
        time.sleep(chance.uniform(0, 0.01))
        assert work.is_alive()
        os.kill(work.pid or 0, signal.SIGKILL)
        work.join()
        met += (folder / ".acetune" / sign).exists()

        assert len(load(folder).tracks) == SONGS
        assert all(json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines())
    return met


def test_captions_survive_kills_while_they_are_edited(songs: Path) -> None:
    lives(edit_for_ever, songs, 1)
    captions = [track.caption or "" for track in load(songs).tracks]

    assert [caption.split(", ")[0] for caption in captions] == [f"song{number:03}" for number in range(SONGS)]
    assert len({caption.partition(", ")[2] for caption in captions}) == 1  # an edit is made whole or not at all


def test_every_change_can_be_taken_back_after_kills(songs: Path) -> None:
    before = load(songs)
    lives(edit_for_ever, songs, 2)
    while read_entries(songs):
        undo(songs)
        if load(songs) == before:
            break

    assert load(songs) == before


def test_songs_and_texts_stay_together_after_kills_while_they_are_renamed(songs: Path) -> None:
    assert lives(rename_for_ever, songs, 3, sign="moves.json") > 0
    edit(songs, "set", "genre", "x")  # whoever changes the data set next finishes the renaming
    tracks = load(songs).tracks

    assert [(songs / track.path).read_text() for track in tracks] == [track.caption for track in tracks]
    assert [(songs / track.path.replace(".wav", "_lyrics.txt")).read_text() for track in tracks] == [
        track.caption for track in tracks
    ]
    assert len(list(songs.glob("*.wav"))) == SONGS
