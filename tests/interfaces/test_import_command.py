"""`acetune data import` and what `scan` shows of files that were read."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from acetune.cli.main import main
from acetune.data.manifest import load
from recorded import tone


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    """A song of each of three tools."""
    folder = tmp_path / "songs"
    for number, name in enumerate("abc"):
        tone(folder / f"{name}.wav", 200.0 + number, seconds=0.6)
    (folder / "a.txt").write_text("caption: one\nbpm: 90")
    (folder / "b.txt").write_text("caption: two\nbpm: 91")
    (folder / "c.txt").write_text("just words")
    (folder / "cover.jpg").write_text("x")
    return folder


class Terminal(io.StringIO):
    """What a person types."""

    def isatty(self) -> bool:
        return True


def test_scan_shows_how_files_were_read_a_line_for_each_layout(songs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["scan", str(songs)])
    shown = capsys.readouterr()

    assert code == 0
    assert "Read as fields (Side-Step, SN): 2 (a.txt)" in shown.out
    assert "Ignored, nothing that describes songs: 1 (cover.jpg)" in shown.out
    assert "could be captions or lyrics" in shown.err


def test_scan_takes_the_flag_that_says_what_texts_are(songs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["scan", str(songs), "--txt-means", "caption", "--lang", "zh"])

    assert load(songs).tracks[2].caption == "just words"
    assert "读作描述：1（c.txt）" in capsys.readouterr().out


def test_every_file_is_in_the_result_for_programs(songs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["scan", str(songs), "--json"])
    result = json.loads(capsys.readouterr().out.splitlines()[-1])["result"]

    assert result["readings"] == [{"file": f"{name}.txt", "layout": "key_value"} for name in "ab"]
    assert result["ignored"] == {"c.txt": "doubtful", "cover.jpg": "other"}
    assert (result["tracks"], result["added"], result["skipped"]) == (3, 3, [])


def test_import_without_a_terminal_refuses_what_nobody_can_tell(
    songs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["data", "import", str(songs), str(tmp_path / "dest")])

    assert code == 2
    assert "--txt-means" in capsys.readouterr().err
    assert not (tmp_path / "dest").exists()


def test_a_person_at_the_terminal_is_asked_until_the_answer_is_one(
    songs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("7\n2\n"))
    code = main(["data", "import", str(songs), str(tmp_path / "dest")])

    assert code == 0
    assert load(tmp_path / "dest").tracks[2].lyrics == "just words"
    assert "could be captions or lyrics" in capsys.readouterr().err


def test_a_program_is_never_asked(songs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("2\n"))

    assert main(["data", "import", str(songs), "--json"]) == 2


def test_columns_are_named_on_the_command_line(songs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "list.csv").write_text("Song;Mood = tags\nsongs/a.wav;sad, slow\n")
    words = ["data", "import", str(tmp_path / "list.csv"), str(tmp_path / "dest")]
    code = main([*words, "--map", "Song=file", "--map", "Mood = tags=tags"])

    assert code == 0
    assert load(tmp_path / "dest").tracks[0].tags == ("sad", "slow")
    assert capsys.readouterr().out.splitlines()[-1] == f'Next: acetune annotate "{tmp_path / "dest"}"'


@pytest.mark.parametrize("said", ["Song", "=file", "Song=", "Song=fille"])
def test_a_column_that_holds_nothing_known_is_refused(songs: Path, said: str) -> None:
    assert main(["data", "import", str(songs), "--map", said]) == 2
