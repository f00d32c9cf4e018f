"""Damaged files of every layout: one clear sentence or a finding, never a traceback, a hang or a file elsewhere."""

from __future__ import annotations

import json
import os
import struct
import tempfile
import wave
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acetune.data.embedded import read_tags, state_tags
from acetune.data.importers import import_data
from acetune.data.manifest import load
from acetune.errors import AcetuneError

_WORDS = "[Verse 1]\nla la la\n\n[Chorus]\nlo lo"
_ROW = {
    "audio_path": "song.wav",
    "filename": "song.wav",
    "caption": "warm piano",
    "lyrics": _WORDS,
    "bpm": 92,
    "keyscale": "A minor",
    "timesignature": "4",
    "language": "en",
    "is_instrumental": False,
    "custom_tag": "zx",
    "labeled": False,
    "tags": ["slow", "jazz"],
    "recaption": {"simplified": "a song"},
    "repeats": 2,
    "line_times": [0.5, 1.0],
    "split": "test",
}
_TABLE = 'File;Caption;BPM;Key;Lyrics;simplified\nsong.wav;warm, slow;92,5;8A;"one\ntwo";a song\nsong;;;;;\n'
_LRC = "[ar:me]\n[offset:+500]\n[00:01.50]<00:01.5>la <00:02>la\n[00:03][00:09:10]lo\n[Chorus]\n[00:05.123]li"
_FIELDS = "# x\ncaption: warm\nbpm: 92\nkey: Am\ntags: zx\nrepeat: 2\nmood: sad\nlyrics:\n" + _WORDS
_TAGGED = f"<CAPTION>x</CAPTION><LYRICS>{_WORDS}</LYRICS><BPM>9</BPM><KEYSCALE>C major</KEYSCALE><DURATION>1</DURATION>"

#: A name and what such a file holds.
_FILES = (
    ("song.json", json.dumps(_ROW)),
    ("dataset.json", json.dumps({"metadata": {"custom_tag": "zx", "tag_position": "append"}, "samples": [_ROW, _ROW]})),
    ("rows.jsonl", json.dumps(_ROW) + "\n" + json.dumps({"file_name": "song.wav", "text": "x"})),
    ("metadata.csv", _TABLE),
    ("list.tsv", _TABLE.replace(";", "\t")),
    ("song.lrc", _LRC),
    ("song.txt", _FIELDS),
    ("song.txt", _TAGGED),
    ("song.txt", "warm, slow"),
    ("song.lyrics.txt", _LRC),
    ("song_prompt.txt", "warm, slow, 爵士"),
)
#: What breaks readers: separators and brackets of all formats, numbers beyond every range, paths out of the folder.
_TOKENS = tuple(
    token.encode("utf-8", "surrogatepass")
    for token in (
        *(
            '"',
            "'",
            "{",
            "}",
            "[",
            "]",
            "<",
            ">",
            ",",
            ";",
            "\t",
            "\r",
            "\n",
            "\0",
            "\\",
            ":",
            "=",
            "#",
            "\ufeff",
            "\ud800",
        ),
        *("../../../escaped.wav", "/etc/passwd", "C:\\escaped.wav", "\\\\host\\share\\a.wav", "con.wav", "a" * 5000),
        *("NaN", "1e999", "-1", "9" * 400, "null", "true", "{}", '[[[["', '"\\ud800"', '{"a":' * 2000, "[" * 5000),
        *(
            "lyrics:",
            "<LYRICS>",
            "[99:99.999]",
            "[9999:99]",
            "<99:99>",
            "[offset:-9999999]",
            "，",
            "：",
            "\u2028",
            "\x85",
        ),
    )
)

damage = st.lists(
    st.tuples(
        st.sampled_from(["cut", "drop", "insert", "repeat", "flip", "set"]),
        st.integers(0, 10_000),
        st.integers(1, 200),
        st.sampled_from(_TOKENS),
    ),
    min_size=1,
    max_size=5,
)
encodings = st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "gb18030"])


def damaged(data: bytes, changes: list[tuple[str, int, int, bytes]]) -> bytes:
    for kind, where, length, token in changes:
        place = where % (len(data) + 1)
        after = data[place + length :]
        new = {
            "cut": data[:place],
            "drop": data[:place] + after,
            "insert": data[:place] + token + data[place:],
            "repeat": data[:place] + data[place : place + length] * 3 + after,
            "set": data[:place] + bytes([length]) * min(length, 3) + data[place + 3 :],
            "flip": data[:place] + bytes(byte ^ 0x80 for byte in data[place : place + length]) + after,
        }
        data = new[kind]
    return data


def check_reading(file: tuple[str, str], encoding: str, changes: list[tuple[str, int, int, bytes]]) -> None:
    """Import a folder with one damaged file: the song comes, or one sentence says why not."""
    name, text = file
    with tempfile.TemporaryDirectory() as place:
        source, dest = Path(place, "source"), Path(place, "dest")
        source.mkdir()
        with wave.open(str(source / "song.wav"), "wb") as song:
            song.setparams((1, 2, 2000, 0, "NONE", ""))
            song.writeframes(b"\1\2" * 2000)
        (source / name).write_bytes(damaged(text.encode(encoding), changes))
        try:
            import_data(source, dest, txt_means="lyrics")
        except AcetuneError as error:
            assert error.message()
            assert error.remedy()
        else:
            assert [track.path for track in load(dest).tracks] == ["song.wav"]
        assert set(os.listdir(place)) <= {"source", "dest"}
        assert set(os.listdir(source)) == {"song.wav", name}
        assert not dest.exists() or set(os.listdir(dest)) <= {"song.wav", "metadata.jsonl", ".acetune"}


def fuzzed(examples: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that tries so many damaged files; each must be read within five seconds."""
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(max_examples=examples, deadline=5000, suppress_health_check=slow)


@given(st.sampled_from(_FILES), encodings, damage)
@fuzzed(150)
def test_a_damaged_file_is_a_sentence_or_a_finding(
    file: tuple[str, str], encoding: str, changes: list[tuple[str, int, int, bytes]]
) -> None:
    check_reading(file, encoding, changes)


@pytest.mark.slow
@given(st.sampled_from(_FILES), encodings, damage)
@fuzzed(1500)
def test_many_damaged_files_are_a_sentence_or_a_finding(
    file: tuple[str, str], encoding: str, changes: list[tuple[str, int, int, bytes]]
) -> None:
    check_reading(file, encoding, changes)


def _frame(name: bytes, content: bytes) -> bytes:
    return name + struct.pack(">IH", len(content), 0) + content


_FRAMES = (
    _frame(b"TIT2", b"\0title")
    + _frame(b"TBPM", b"\x00120")
    + _frame(b"TKEY", b"\0Am")
    + _frame(b"USLT", b"\0eng\0one\ntwo")
    + _frame(b"SYLT", b"\0eng\x02\x01\0one\0" + struct.pack(">I", 1500) + b"two\0" + struct.pack(">I", 3000))
)
_TAGS = (
    (".mp3", b"ID3\x03\0\0\0\0\x01\x00" + _FRAMES + b"\xff\xfb\x90\0" + bytes(500)),
    (".flac", b"fLaC\x84\0\0\x30\x04\0\0\0abcd\x02\0\0\0\x0a\0\0\0LYRICS=one\x07\0\0\0BPM=120" + bytes(60)),
    (
        ".m4a",
        struct.pack(">I4s8s", 20, b"ftyp", b"M4A mp42") + struct.pack(">I4sI4s", 90, b"moov", 70, b"udta") + bytes(80),
    ),
    (".wav", b"RIFF\x40\0\0\0WAVEid3 \x30\0\0\0ID3\x03\0\0\0\0\0\x20" + _FRAMES),
    (".ogg", b"OggS\0\x02" + bytes(20) + b"\x01\x1e\x01vorbis" + bytes(60)),
)


@given(st.sampled_from(_TAGS), damage)
@fuzzed(150)
def test_damaged_tags_are_a_finding(tagged: tuple[str, bytes], changes: list[tuple[str, int, int, bytes]]) -> None:
    suffix, data = tagged
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, f"song{suffix}")
        path.write_bytes(damaged(data, changes))
        said = state_tags(path, read_tags(path))

        assert said is None or all(finding.message() for finding in said.findings)
