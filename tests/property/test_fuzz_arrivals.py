"""Damaged archives and damaged audio: one of our errors or a whole result, soon, and nothing outside the folder."""

from __future__ import annotations

import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from acetune.data.adding import add
from acetune.data.unpack import unpack
from acetune.errors import AcetuneError
from acetune.events import Event, Job, Progress
from encoder import encode
from world import tone

_SUFFIXES = (".wav", ".flac", ".aiff", ".ogg", ".mp3", ".opus", ".m4a")
_PATIENCE_SECONDS = 10.0
#: Numbers that lengths and counts of headers do not like.
_NASTY = (b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x80\x00\x00\x00")

few_or_many = pytest.mark.parametrize("count", [20, pytest.param(250, marks=pytest.mark.slow)])


def damaged(data: bytes, rng: np.random.Generator, window: int) -> bytes:
    """Return bytes that are damaged in one to four places, most of them near the beginning or the end."""
    broken = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        near = int(rng.integers(0, min(window, len(broken))))
        at = near if rng.random() < 0.6 else max(0, len(broken) - near - 4)
        kind = rng.integers(0, 5)
        if kind == 0:
            broken[at] ^= int(rng.integers(1, 256))
        elif kind == 1:
            broken[at : at + 4] = _NASTY[rng.integers(0, len(_NASTY))]
        elif kind == 2:
            del broken[at : at + int(rng.integers(1, 64))]
        elif kind == 3:
            broken[at:at] = rng.bytes(int(rng.integers(1, 64)))
        else:
            del broken[max(1, at) :]
        if not broken:
            return b""
    return bytes(broken)


def everything_but(folder: Path, inside: str) -> set[Path]:
    return {path for path in folder.rglob("*") if not path.is_relative_to(folder / inside)}


@few_or_many
def test_a_damaged_archive_is_an_error_or_a_folder(tmp_path: Path, count: int) -> None:
    rng = np.random.default_rng(count)
    whole = tmp_path / "whole.zip"
    with zipfile.ZipFile(whole, "w") as zipped:
        zipped.writestr("songs/a.wav", rng.bytes(3000))
        zipped.writestr("songs/metadata.jsonl", '{"file_name": "a.wav"}\n' * 50, zipfile.ZIP_DEFLATED)
        zipped.writestr("songs/青花瓷.txt", "la la", zipfile.ZIP_DEFLATED)
    data = whole.read_bytes()
    (tmp_path / "work").mkdir()
    refused, slowest = 0, 0.0
    for number in range(count):
        (tmp_path / "work" / "a.zip").write_bytes(damaged(data, rng, 400))
        start = time.monotonic()
        try:
            unpack(tmp_path / "work" / "a.zip", tmp_path / "work" / f"out{number}", Job())
        except AcetuneError as error:
            assert error.exit_code == 2
            assert not (tmp_path / "work" / f"out{number}").exists()
            refused += 1
        slowest = max(slowest, time.monotonic() - start)

    assert everything_but(tmp_path, "work") == {whole}
    assert refused > count // 2
    assert slowest < _PATIENCE_SECONDS


@few_or_many
def test_a_damaged_song_is_taken_or_listed_with_its_reason(tmp_path: Path, count: int) -> None:
    rng = np.random.default_rng(count)
    songs = []
    for suffix in _SUFFIXES:
        path = tmp_path / f"whole{suffix}"
        if suffix in (".wav", ".flac"):
            tone(path, 1.0, seed=1)
        elif suffix == ".aiff":
            import soundfile

            soundfile.write(path, rng.normal(0, 0.1, (48_000, 2)), 48_000)
        else:
            encode(path, rng.normal(0, 0.1, (48_000, 2)).astype(np.float32))
        songs.append(path.read_bytes())
        path.unlink()
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    for number in range(count):
        kind = number % len(_SUFFIXES)
        (inbox / f"song{number}{_SUFFIXES[kind]}").write_bytes(damaged(songs[kind], rng, 200))
    heard: list[Progress] = []

    def hear(event: Event) -> None:
        if isinstance(event, Progress):
            heard.append(event)

    tone(inbox / "good.wav", 1.0, seed=2)
    result = add([inbox], tmp_path / "songs", job=Job(hear))
    gaps = [later.time - earlier.time for earlier, later in zip(heard, heard[1:], strict=False)]

    assert len(result.added) + len(result.skipped) == count + 1
    assert len(result.skipped) > count // 4
    assert all(skip.reason and "\n" not in skip.reason for skip in result.skipped)
    assert everything_but(tmp_path, "songs") == {inbox, *inbox.iterdir()}
    assert max(gaps) < _PATIENCE_SECONDS
