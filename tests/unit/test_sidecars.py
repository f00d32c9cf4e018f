import json

import pytest

from acetune.data.sidecars import read_sidecars

LYRICS = "[verse]\nla la\n\n[chorus]\nlo lo"
FOUR_LINES = "la la la\nlo lo lo\nli li li\nlu lu lu"


def reading(folder, **files):
    for ending, content in files.items():
        data = content if isinstance(content, bytes) else content.encode()
        (folder / f"song{ENDINGS[ending]}").write_bytes(data)
    return read_sidecars(folder / "song.mp3")


ENDINGS = {
    "caption": ".caption.txt",
    "prompt": "_prompt.txt",
    "lyrics": ".lyrics.txt",
    "lyrics_v1": "_lyrics.txt",
    "json": ".json",
    "txt": ".txt",
    "bak": ".txt.bak",
}


def codes(found):
    return [finding.code for finding in found.findings]


def test_the_layout_of_v1_is_read(tmp_path):
    found = reading(tmp_path, prompt="jazz, slow, jazz,", lyrics_v1=LYRICS)

    assert found.values == {"caption": "jazz, slow, jazz,", "tags": ("jazz", "slow"), "lyrics": LYRICS}
    assert not found.findings


def test_the_layout_of_15_is_read(tmp_path):
    row = {
        "caption": "slow jazz",
        "bpm": 92.5,
        "keyscale": "a-moll",
        "timesignature": "4/4",
        "language": "zh-CN",
        "genre": "jazz",
        "tags": ["slow", "piano"],
        "instrumental": False,
        "mood": "sad",
    }
    found = reading(tmp_path, json=json.dumps(row), lyrics=LYRICS)

    assert found.values == {
        "caption": "slow jazz",
        "bpm": 92.5,
        "keyscale": "A minor",
        "timesignature": "4",
        "language": "zh",
        "genre": "jazz",
        "tags": ("slow", "piano"),
        "instrumental": False,
        "lyrics": LYRICS,
    }
    assert found.extra == {"mood": "sad"}
    assert {file.name: layout for file, layout in found.layouts.items()} == {
        "song.json": "json",
        "song.lyrics.txt": "lyrics_txt",
    }


def test_the_json_file_counts_before_named_files_and_those_before_a_bare_text(tmp_path):
    found = reading(
        tmp_path, json='{"caption": "from json"}', caption="from caption", lyrics="from lyrics", txt=FOUR_LINES
    )

    assert (found.values["caption"], found.values["lyrics"]) == ("from json", "from lyrics")


@pytest.mark.parametrize(
    ("field", "nothing"),
    [("bpm", 0), ("bpm", "0"), ("bpm", "N/A"), ("bpm", None), ("tags", []), ("tags", " , "), ("keyscale", "n/a")]
    + [("caption", " "), ("language", "unknown"), ("timesignature", ""), ("lyrics", "")],
)
def test_what_says_nothing_is_missing_and_no_finding(tmp_path, field, nothing):
    found = reading(tmp_path, json=json.dumps({field: nothing}))

    assert (found.values, codes(found)) == ({}, [])


@pytest.mark.parametrize(
    "row",
    [
        {"lyrics": "[Instrumental]"},
        {"lyrics": " [INSTRUMENTAL] "},
        {"language": "instrumental"},
        {"tags": "jazz, Instrumental"},
        {"instrumental": True},
        {"instrumental": "yes"},
    ],
)
def test_what_says_instrumental_is_instrumental(tmp_path, row):
    found = reading(tmp_path, json=json.dumps(row))

    assert found.values["instrumental"] is True
    assert not {"lyrics", "language"} & set(found.values)


def test_empty_lyrics_are_missing_and_not_instrumental(tmp_path):
    assert not reading(tmp_path, lyrics=" \n").values


def test_a_denied_instrumental_stays_denied(tmp_path):
    found = reading(tmp_path, json='{"instrumental": false, "tags": ["instrumental"]}')

    assert found.values["instrumental"] is False


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("bpm", "fast"),
        ("bpm", -3),
        ("bpm", "inf"),
        ("bpm", True),
        ("keyscale", "C dorian"),
        ("keyscale", 7),
        ("timesignature", "waltz"),
        ("language", "English, mostly"),
        ("instrumental", "maybe"),
        ("caption", ["a"]),
        ("tags", [1]),
    ],
)
def test_a_value_that_cannot_be_read_is_missing_and_a_finding_with_its_text(tmp_path, field, value):
    found = reading(tmp_path, json=json.dumps({field: value, "genre": "jazz"}))

    assert found.values == {"genre": "jazz"}
    assert codes(found) == ["data.sidecar_value"]
    assert str(value) in found.findings[0].message()


@pytest.mark.parametrize(
    ("written", "kept", "found"),
    [
        ("4/4", "4", []),
        ("6/8", "6", []),
        (3, "3", []),
        ("2", "2", []),
        ("7/8", "7/8", ["data.unusual_metre"]),
        ("5", "5", ["data.unusual_metre"]),
    ],
)
def test_a_metre_is_a_number_and_an_unusual_one_is_kept_as_written(tmp_path, written, kept, found):
    read = reading(tmp_path, json=json.dumps({"timesignature": written}))

    assert (read.values["timesignature"], codes(read)) == (kept, found)


@pytest.mark.parametrize(
    ("text", "values", "found"),
    [
        (LYRICS, {"lyrics": LYRICS}, []),
        (FOUR_LINES, {"lyrics": FOUR_LINES}, []),
        ("[instrumental]", {"instrumental": True}, []),
        ("slow jazz, piano", {"caption": "slow jazz, piano"}, []),
        ("慢爵士，钢琴", {"caption": "慢爵士，钢琴"}, []),
        ("slow jazz", {}, ["data.txt_ambiguous"]),
        ("slow jazz\nwith piano", {}, ["data.txt_ambiguous"]),
        ("", {}, []),
        ("<CAPTION>jazz, slow</CAPTION>", {"caption": "jazz, slow"}, []),
    ],
)
def test_a_bare_text_is_used_only_where_it_cannot_be_mistaken(tmp_path, text, values, found):
    read = reading(tmp_path, txt=text)

    assert (read.values, codes(read)) == (values, found)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ("爵士, 慢".encode(), []),
        ("爵士, 慢".encode("utf-8-sig"), []),
        ("爵士, 慢".encode("utf-16"), []),
        ("爵士, 慢".encode("gbk"), ["data.sidecar_gbk"]),
    ],
)
def test_text_is_read_in_the_encodings_people_have_and_a_guess_is_said(tmp_path, data, found):
    read = reading(tmp_path, caption=data)

    assert (read.values, codes(read)) == ({"caption": "爵士, 慢"}, found)


def test_line_ends_of_windows_are_plain_line_ends(tmp_path):
    assert reading(tmp_path, lyrics="la\r\nlo\r\n").values == {"lyrics": "la\nlo"}


@pytest.mark.parametrize("content", ["{", "[]", "", "[" * 100_000, b"\x81\xff\xff"])
def test_a_damaged_json_file_is_a_finding_and_hides_no_other(tmp_path, content):
    found = reading(tmp_path, json=content, caption="slow jazz")

    assert found.values == {"caption": "slow jazz"}
    assert codes(found) == ["data.sidecar_unreadable"]


def test_backups_are_not_read(tmp_path):
    assert reading(tmp_path, bak=FOUR_LINES) == read_sidecars(tmp_path / "other.mp3")


def test_a_title_in_a_file_beside_a_song_is_kept(tmp_path):
    assert reading(tmp_path, json='{"name": "My song", "seconds": 3, "duration": 3}').extra == {"name": "My song"}


def test_unknown_columns_that_hold_nothing_are_not_kept(tmp_path):
    assert reading(tmp_path, json='{"a": "", "b": null, "c": [], "d": {}, "e": 0, "f": false}').extra == {
        "e": 0,
        "f": False,
    }
