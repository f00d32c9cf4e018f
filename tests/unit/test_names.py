"""Names of added files: readable, safe everywhere, and the same in every run."""

from __future__ import annotations

import pytest

from acetune.data.names import free_name, safe_stem

_SHA = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("song_01-b.final", "song_01-b.final"),
        ("周杰伦 - 青花瓷 (Live版)", "zhoujielun_-_qinghuaci_Liveban"),
        ("重庆", "chongqing"),
        ("Für Elise", "Fur_Elise"),
        ("Fu\u0308r Elise", "Fur_Elise"),
        ("Ærøskøbing straße", "AEroskobing_strasse"),
        ("ＡＢＣ　１２", "ABC_12"),
        ("a   b__c", "a_b_c"),
        (".hidden. ", "hidden"),
        ("../../etc/passwd", "etc_passwd"),
        ("C:\\songs\\x", "C_songs_x"),
        ("a\0b\nc\udcffd", "a_b_c_d"),
        ("BTS (방탄소년단) - Dynamite", "BTS_-_Dynamite"),
    ],
)
def test_a_name_becomes_readable_ascii(name: str, stem: str) -> None:
    assert safe_stem(name, _SHA) == stem


@pytest.mark.parametrize("name", ["夜に駆ける", "Группа крови", "01 봄날", "ไทย", "مرحبا"])
def test_a_name_in_another_script_is_called_after_the_content(name: str) -> None:
    assert safe_stem(name, _SHA) == "track-01234567"


@pytest.mark.parametrize("name", ["", "...", "---", " _ ", "!?"])
def test_a_name_without_letters_is_track(name: str) -> None:
    assert safe_stem(name, _SHA) == "track"


@pytest.mark.parametrize("name", ["CON", "nul", "Aux.live", "com1", "LPT9", "COM¹", "con. .", "metadata", "Dataset"])
def test_names_of_devices_and_of_files_of_the_set_are_avoided(name: str) -> None:
    assert safe_stem(name, _SHA).startswith("_")


def test_a_long_name_is_cut() -> None:
    assert safe_stem("x" * 200, _SHA) == "x" * 48


def test_a_free_name_is_kept_and_its_suffix_becomes_small() -> None:
    assert free_name("song", ".MP3", _SHA, set()) == "song.mp3"


def test_a_taken_name_gets_digits_of_the_content_whatever_its_case() -> None:
    assert free_name("Song", ".mp3", _SHA, {"song"}) == "Song-012345.mp3"


def test_names_stay_free_when_the_digits_are_taken_too() -> None:
    assert free_name("song", ".mp3", _SHA, {"song", "song-012345", "song-012345-2"}) == "song-012345-3.mp3"
