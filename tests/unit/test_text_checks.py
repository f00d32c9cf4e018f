"""What is wrong with words and fields, as a table: the fields of a track and what is found."""

from __future__ import annotations

import pytest

from acetune.data.rows import to_track
from acetune.data.settings import DatasetSettings
from acetune.data.text_checks import text_findings

GOOD = {
    "file_name": "song.mp3",
    "seconds": 60.0,
    "caption": "dreamy synth pop, warm pads, soft female vocals",
    "lyrics": "[verse]\nla la\n[chorus]\noh oh",
    "bpm": 120,
    "keyscale": "A minor",
    "timesignature": "4",
    "language": "en",
    "instrumental": False,
}
PLAIN = {**GOOD, "caption": "dreamy synth pop"}
QUIET = {**PLAIN, "instrumental": True, "lyrics": None, "language": None}

#: A row, and the codes that are found in it.
ROWS = [
    (GOOD, []),
    (QUIET, []),
    ({**GOOD, "caption": None, "tags": ["pop"]}, []),
    ({**GOOD, "caption": None, "genre": "pop"}, []),
    ({**GOOD, "caption": None}, ["check.no_caption"]),
    ({**GOOD, "caption": ""}, ["check.no_caption"]),
    ({**PLAIN, "lyrics": None, "instrumental": None}, ["check.no_lyrics"]),
    ({**PLAIN, "lyrics": None}, ["check.sung_without_words"]),
    ({**PLAIN, "lyrics": "[Instrumental]"}, ["check.sung_without_words"]),
    ({**PLAIN, "lyrics": "[Instrumental]", "instrumental": None}, []),
    ({**QUIET, "lyrics": "[Instrumental]"}, []),
    ({**QUIET, "lyrics": "[verse]\nla la"}, ["check.instrumental_lyrics"]),
    ({**QUIET, "language": "en"}, ["check.instrumental_language"]),
    ({**QUIET, "language": "unknown"}, []),
    ({**QUIET, "caption": "pop with female vocals"}, ["check.caption_voice"]),
    ({**QUIET, "caption": "ambient, no vocals"}, []),
    ({**QUIET, "tags": ["ambient", "instrumental"]}, []),
    ({**GOOD, "caption": "pop, instrumental"}, ["check.caption_instrumental"]),
    ({**PLAIN, "tags": ["pop", "instrumental"]}, ["check.caption_instrumental"]),
    ({**GOOD, "caption": "pop, 120 BPM"}, []),
    ({**GOOD, "caption": "pop, about 118-122 BPM"}, []),
    ({**GOOD, "caption": "pop, 121 bpm"}, []),
    ({**GOOD, "bpm": 90, "caption": "pop, 120 BPM"}, ["check.caption_bpm"]),
    ({**GOOD, "bpm": 60, "caption": "pop, 120 BPM"}, ["check.caption_bpm"]),
    ({**GOOD, "bpm": 90, "caption": "pop", "tags": ["pop", "120 bpm"]}, ["check.caption_bpm"]),
    ({**GOOD, "bpm": None, "caption": "pop, 120 BPM"}, []),
    ({**GOOD, "caption": "pop in A minor"}, []),
    ({**GOOD, "caption": "pop in C major"}, ["check.caption_key"]),
    ({**GOOD, "keyscale": "D# minor", "caption": "pop, Eb minor"}, []),
    ({**GOOD, "keyscale": None, "caption": "pop in C major"}, []),
    ({**GOOD, "recaption": {"simplified": "pop in C major"}}, ["check.caption_key"]),
    ({**GOOD, "keyscale": "H sharp dorian"}, ["check.key_unread"]),
    ({**GOOD, "keyscale": "N/A"}, []),
    ({**GOOD, "keyscale": "Am"}, []),
    ({**GOOD, "keyscale": "8A"}, []),
    ({**GOOD, "bpm": "fast"}, ["check.value_unread"]),
    ({**GOOD, "bpm": 0}, []),
    ({**GOOD, "language": "English language"}, ["check.value_unread"]),
    ({**GOOD, "bpm": 20}, ["check.bpm_range"]),
    ({**GOOD, "bpm": 301}, ["check.bpm_range"]),
    ({**GOOD, "bpm": 29.6}, []),
    ({**GOOD, "timesignature": "7/8"}, ["check.metre"]),
    ({**GOOD, "timesignature": "5"}, ["check.metre"]),
    ({**GOOD, "timesignature": "6/8"}, []),
    ({**GOOD, "speaker_emb_path": "voices/anna.pt"}, ["check.speaker"]),
    ({**GOOD, "speaker_emb_path": ""}, []),
]


def codes(row, settings=None, artist=None):
    return [finding.code for finding in findings(row, settings, artist)]


def findings(row, settings=None, artist=None):
    track = to_track(row, "metadata.jsonl:1")
    return list(text_findings(track, settings or DatasetSettings("songs"), artist))


@pytest.mark.parametrize(("row", "expected"), ROWS, ids=[",".join(codes) or "good" for _, codes in ROWS])
def test_what_is_wrong_with_a_row_is_found(row, expected):
    assert codes(row) == expected


#: Caption, tags, position, and what is found where the trigger is "zxband".
TRIGGERS = [
    ("dreamy pop", None, "prepend", []),
    ("zxband, dreamy pop", None, "prepend", ["check.trigger_listed"]),
    ("dreamy pop, ZXBAND", None, "append", ["check.trigger_listed"]),
    ("a zxband style song", None, "prepend", ["check.trigger_inside"]),
    ("zxbands, dreamy", None, "prepend", []),
    ("a zxband style song", None, "replace", []),
    (None, ["zxband", "pop"], "prepend", ["check.trigger_listed"]),
]


@pytest.mark.parametrize(("caption", "tags", "position", "expected"), TRIGGERS)
def test_a_trigger_in_a_caption_is_found(caption, tags, position, expected):
    settings = DatasetSettings("songs", trigger="zxband", trigger_position=position)

    assert codes({**GOOD, "caption": caption, "tags": tags}, settings) == expected


def test_a_track_has_its_own_trigger():
    settings = DatasetSettings("songs", trigger="zxband")
    row = {**GOOD, "caption": "zxband style", "trigger": "other"}

    assert codes(row, settings) == []


#: File name, artist in its tags, further columns, caption, and the artist that is found in it.
ARTISTS = [
    ("song.mp3", None, {}, "in the style of Zara Quill", None),
    ("song.mp3", "Zara Quill", {}, "in the style of zara quill", "Zara Quill"),
    ("Zara Quill - Blue Rain.mp3", None, {}, "a song by Zara Quill", "Zara Quill"),
    ("03 Zara Quill - Blue Rain.mp3", None, {}, "a song by Zara Quill", "Zara Quill"),
    ("03 - Blue Rain.mp3", None, {}, "03 drums", None),
    ("zara_quill_-_blue_rain.mp3", None, {}, "like Zara Quill", "zara quill"),
    ("song.mp3", None, {"artist": "Zara Quill"}, "Zara Quill at her best", "Zara Quill"),
    ("song.mp3", "Zara Quill feat. MC Nobody", {}, "mc nobody raps", "MC Nobody"),
    ("song.mp3", "周小明", {}, "周小明风格的情歌", "周小明"),
    ("song.mp3", "Rock", {}, "hard rock", None),
    ("song.mp3", "Unknown Artist", {}, "unknown artist", None),
    ("song.mp3", "Quill", {}, "quilled pads", None),
    ("song.mp3", "DJ", {}, "dj tools", None),
    ("Ann-Q - Blue.mp3", None, {}, "ann-q style", "Ann-Q"),
]


@pytest.mark.parametrize(("name", "in_tags", "columns", "caption", "expected"), ARTISTS)
def test_an_artist_in_a_caption_is_found(name, in_tags, columns, caption, expected):
    row = {**QUIET, "file_name": name, "caption": caption, **columns}
    found = [finding.value for finding in findings(row, artist=in_tags) if finding.code == "check.artist"]

    assert found == ([] if expected is None else [expected])


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(("row", "expected"), [pair for pair in ROWS if pair[1]])
def test_findings_have_their_sentences(row, expected, language):
    (finding,) = findings(row)

    assert finding.track == "song.mp3"
    assert finding.message(language).endswith("." if language == "en" else "。")
    assert finding.remedy(language)
    assert "{" not in finding.message(language) + finding.remedy(language)
