"""Tags inside audio files."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import numpy as np
import pytest

from acetune.data.embedded import read_tags, state_tags
from acetune.data.scan import scan


def audio(path: Path, codec: str, tags: dict[str, str]) -> Path:
    """Write a tenth of a second with tags, as FFmpeg writes them."""
    with av.open(str(path), "w") as out:
        out.metadata.update(tags)
        stream = out.add_stream(codec, rate=44_100, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4410), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44_100
        for packet in (*stream.encode(frame), *stream.encode(None)):
            out.mux(packet)
    return path


def with_id3(path: Path, *frames: bytes) -> Path:
    """Put ID3v2.3 frames in front of an mp3 file."""
    body = b"".join(frames)
    size = bytes((len(body) >> shift) & 0x7F for shift in (21, 14, 7, 0))
    path.write_bytes(b"ID3\x03\x00\x00" + size + body + audio(path, "libmp3lame", {}).read_bytes())
    return path


def frame(name: bytes, content: bytes) -> bytes:
    return name + struct.pack(">IH", len(content), 0) + content


_USLT = frame(b"USLT", b"\x00eng\x00one\ntwo")
_SYLT = frame(
    b"SYLT", b"\x00eng\x02\x01\x00" + b"one\x00" + struct.pack(">I", 1500) + b"\ntwo\x00" + struct.pack(">I", 3000)
)


def test_tags_of_flac_are_read(tmp_path: Path) -> None:
    tags = {
        "lyrics": "one\ntwo",
        "bpm": "120.5",
        "initialkey": "8A",
        "genre": "Pop",
        "isrc": "USXX12345678",
        "mood": "x",
    }
    path = audio(tmp_path / "a.flac", "flac", tags)
    said = state_tags(path, read_tags(path))

    assert said is not None
    assert said.values == {
        "lyrics": "one\ntwo",
        "bpm": 120.5,
        "keyscale": "A minor",
        "genre": "Pop",
        "isrc": "USXX12345678",
    }


def test_lyrics_of_mp3_are_read(tmp_path: Path) -> None:
    assert read_tags(with_id3(tmp_path / "a.mp3", _USLT)) == {"lyrics": "one\ntwo"}


def test_lyrics_with_times_count_before_plain_ones(tmp_path: Path) -> None:
    path = with_id3(tmp_path / "a.mp3", _USLT, _SYLT)
    said = state_tags(path, read_tags(path))

    assert said is not None
    assert said.timed is not None
    assert (said.values["lyrics"], said.timed.times) == ("one\ntwo", (1.5, 3.0))


@pytest.mark.parametrize("genre", ["Other", "unknown", " "])
def test_a_genre_that_says_nothing_is_missing(tmp_path: Path, genre: str) -> None:
    path = audio(tmp_path / "a.flac", "flac", {"genre": genre})
    said = state_tags(path, read_tags(path))

    assert said is None or not said.values


def test_a_file_without_tags_states_nothing(tmp_path: Path) -> None:
    path = audio(tmp_path / "a.flac", "flac", {})

    assert state_tags(path, read_tags(path)) is None


@pytest.mark.parametrize(
    "content", [b"", b"ID3\x03\x00\x00\x7f\x7f\x7f\x7fUSLT", b"fLaC\x04\xff\xff\xff" + b"\xff" * 40]
)
def test_tags_that_cannot_be_read_are_no_failure(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(content)
    said = state_tags(path, read_tags(path))

    assert said is None or [finding.code for finding in said.findings] == ["import.bad_tags"]


def test_tags_in_the_audio_never_replace_what_an_earlier_reading_said(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "song.flac"), "w") as out:
        out.metadata.update({"genre": "Polka"})
        stream = out.add_stream("flac", rate=48_000, layout="mono")
        stream.format = "s16"
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 48_000), np.int16), format="s16", layout="mono")
        sound.sample_rate = 48_000
        for packet in (*stream.encode(sound), *stream.encode(None)):
            out.mux(packet)
    (tmp_path / "song.json").write_text('{"genre": "rock"}')
    scan(tmp_path)
    (tmp_path / "song.json").unlink()

    (track,) = scan(tmp_path).manifest.tracks

    assert track.genre == "rock"
