"""Which audio a path in a table means."""

from __future__ import annotations

from pathlib import Path

import pytest

from acetune.data.places import Places

_SONGS = ("a.mp3", "live/b.mp3", "live/c.mp3", "studio/c.mp3", "audio/d.mp3", "x.wav", "x.mp3", "é.mp3")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in _SONGS:
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "else.mp3").touch()
    (tmp_path / "audio").mkdir()
    (tmp_path / "audio/far.mp3").touch()
    return tmp_path / "set"


def found(root: Path, *claims: str, folder: str = ".", outside: bool = False) -> list[str]:
    places = Places(lambda: [root / name for name in _SONGS], outside=outside)
    paths = places.find([claim.replace("ROOT", str(root)) for claim in claims], Path(root / folder))
    return [path.relative_to(root.parent).as_posix().removeprefix("set/") for path in paths]


@pytest.mark.parametrize(
    ("claim", "path"),
    [
        ("ROOT/a.mp3", "a.mp3"),
        ("./live/b.mp3", "live/b.mp3"),
        ("d.mp3", "audio/d.mp3"),
        ("old/folder/a.mp3", "a.mp3"),
        ("/home/me/studio/c.mp3", "studio/c.mp3"),
        ("D:\\music\\live\\c.mp3", "live/c.mp3"),
        ("D:\\music\\a.mp3", "a.mp3"),
        ("A.MP3", "a.mp3"),
        ("e\u0301.mp3", "é.mp3"),
        ("b", "live/b.mp3"),
    ],
)
def test_a_path_leads_to_one_song(root: Path, claim: str, path: str) -> None:
    assert found(root, claim) == [path]


@pytest.mark.parametrize(
    ("claim", "path"), [("../live/c.mp3", "live/c.mp3"), ("live/c.mp3", "live/c.mp3"), ("d.mp3", "audio/d.mp3")]
)
def test_a_path_may_start_at_the_file_or_above_it(root: Path, claim: str, path: str) -> None:
    assert found(root, claim, folder="studio") == [path]


@pytest.mark.parametrize(("claim", "paths"), [("c.mp3", ["live/c.mp3", "studio/c.mp3"]), ("x", ["x.wav", "x.mp3"])])
def test_two_songs_of_one_name_are_both_returned(root: Path, claim: str, paths: list[str]) -> None:
    assert found(root, claim) == paths


@pytest.mark.parametrize("claim", ["", "/", "gone.mp3", "../else.mp3", "ROOT/../else.mp3", "a.txt", "z" * 5000])
def test_what_is_not_in_the_folder_is_not_found(root: Path, claim: str) -> None:
    assert found(root, claim) == []


@pytest.mark.parametrize(
    ("claim", "path"), [("../else.mp3", "else.mp3"), ("ROOT/../else.mp3", "else.mp3"), ("far.mp3", "audio/far.mp3")]
)
def test_audio_elsewhere_is_found_where_that_is_allowed(root: Path, claim: str, path: str) -> None:
    assert found(root, claim, outside=True) == [path]


@pytest.mark.parametrize("claim", ["/etc/passwd", "../set"])
def test_nothing_but_audio_is_ever_found(root: Path, claim: str) -> None:
    assert found(root, claim, outside=True) == []


def test_the_second_path_counts_where_the_first_leads_nowhere(root: Path) -> None:
    assert found(root, "/gone/a song.mp3", "a.mp3") == ["a.mp3"]
