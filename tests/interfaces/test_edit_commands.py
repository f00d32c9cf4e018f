"""Commands that change a data set, from outside."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from acetune.cli.main import main
from acetune.data.editing import edit
from acetune.data.manifest import load
from recorded import recorded_run, tone

Out = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def songs(tmp_path: Path, clean: None, capsys: Out) -> Path:
    """Two scanned songs in the folder ``songs``."""
    for number, name in enumerate("ab", start=2):
        tone(tmp_path / "songs" / f"{name}.wav", 110.0 * number, seconds=0.6)
        (tmp_path / "songs" / f"{name}.caption.txt").write_text(f"style {name}, slow")
    main(["scan", "songs", "-q"])
    capsys.readouterr()
    return tmp_path / "songs"


class Terminal(io.StringIO):
    """Standard input where a person types."""

    def isatty(self) -> bool:
        return True


def captions(folder: Path) -> list[str | None]:
    return [track.caption for track in load(folder).tracks]


def result(out: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(out.splitlines()[-1])["result"]
    return found


def test_a_dry_run_shows_differences_and_changes_nothing(songs: Path, capsys: Out) -> None:
    code = main(["data", "edit", "songs", "set", "caption", "warm piano", "--tracks", "a*", "--dry-run"])

    assert code == 0
    assert capsys.readouterr().out.splitlines() == [
        "a.wav", "- caption: style a, slow", "+ caption: warm piano", "Nothing was changed.",
    ]  # fmt: skip
    assert captions(songs) == ["style a, slow", "style b, slow"]


def test_differences_of_texts_with_lines_are_shown_line_by_line(songs: Path, capsys: Out) -> None:
    edit(songs, "set", "lyrics", "[Verse]\none\ntwo\nthree\nfour", tracks=["a.wav"])
    main(["data", "edit", "songs", "replace", "lyrics", "four", "vier", "--dry-run"])

    assert capsys.readouterr().out.splitlines()[1:5] == ["  lyrics:", "@@ -4,2 +4,2 @@", " three", "-four"]


def test_an_edit_without_a_terminal_is_made_at_once_and_can_be_undone(songs: Path, capsys: Out) -> None:
    main(["data", "edit", "songs", "append", "caption", "live"])
    edited = captions(songs)
    code = main(["data", "undo", "songs"])

    assert (code, edited, captions(songs)) == (
        0, ["style a, slow, live", "style b, slow, live"], ["style a, slow", "style b, slow"],
    )  # fmt: skip
    assert capsys.readouterr().out.splitlines() == [
        'Tracks changed: 2. `acetune data undo "songs"` takes it back.',
        "Taken back: append caption live (tracks: 2).",
    ]


@pytest.mark.parametrize(("answer", "changed"), [("y\n", True), ("n\n", False)])
def test_at_a_terminal_a_person_is_asked(
    songs: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch, answer: str, changed: bool
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    main(["data", "edit", "songs", "set", "caption", "x"])
    shown = capsys.readouterr().err

    assert (captions(songs) == ["x", "x"]) is changed
    assert "- caption: style a, slow" in shown
    assert "Go on?" in shown


def test_with_yes_nobody_is_asked(songs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(""))
    main(["data", "edit", "songs", "set", "caption", "x", "--yes"])

    assert captions(songs) == ["x", "x"]


def test_programs_get_each_column_before_and_after(songs: Path, capsys: Out) -> None:
    main(["data", "edit", "songs", "set", "bpm", "92.5", "--where", "caption=*b*", "--json"])
    found = result(capsys.readouterr().out)

    assert found["changes"] == [{"path": "b.wav", "columns": {"bpm": {"before": None, "after": 92.5}}}]
    assert found["done"] is True
    assert list(found["versions"]) == ["b.wav"]  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("words", "first"),
    [
        (["sett", "caption", "x"], "There is no operation called sett. Did you mean 'set'?"),
        (["set", "bpm", "fast"], 'bpm cannot be "fast"; nothing was changed.'),
        (["set", "capshun", "x"], "capshun is no field that can be changed so. Did you mean 'caption'?"),
        (["repeat"], "repeat needs other words."),
        (["exclude", "--tracks", "z*"], "None of the 2 tracks is called z*."),
        (["exclude", "--where", "genre"], "genre is no condition."),
        (["regex", "caption", "(", "x"], "The pattern ( cannot be used: missing ) at position 1."),
        (["regex", "caption", "s", "\\2"], "The pattern s cannot be used: invalid group reference"),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_two_lines_and_exit_code_2(
    songs: Path, capsys: Out, words: list[str], first: str
) -> None:
    code = main(["data", "edit", "songs", *words])
    lines = capsys.readouterr().err.splitlines()

    assert (code, len(lines)) == (2, 2)
    assert lines[0].startswith(first)
    assert captions(songs) == ["style a, slow", "style b, slow"]


def test_changes_are_listed_the_last_one_first(songs: Path, capsys: Out) -> None:
    main(["data", "undo", "songs", "--list"])
    main(["data", "edit", "songs", "exclude", "--tracks", "a.wav"])
    main(["data", "trigger", "songs", "zxband"])
    capsys.readouterr()
    main(["data", "undo", "songs", "--list"])
    rows = [line.split(maxsplit=3)[2:] for line in capsys.readouterr().out.splitlines()]

    assert rows[1:] == [["0", "trigger zxband prepend"], ["1", "exclude"]]


def test_undo_with_nothing_to_take_back_is_exit_code_2(songs: Path, capsys: Out) -> None:
    code = main(["data", "undo", "songs"])

    assert code == 2
    assert capsys.readouterr().err.splitlines()[0] == "There is nothing to take back in songs."


def test_a_trigger_is_set_shown_and_cleared(songs: Path, capsys: Out) -> None:
    main(["data", "trigger", "songs", "slow", "--position", "append"])
    set_to = load(songs).settings
    main(["data", "trigger", "songs", "--clear"])
    captured = capsys.readouterr()

    assert (set_to.trigger, set_to.trigger_position, load(songs).settings.trigger) == ("slow", "append", None)
    assert captured.out.splitlines() == ["Trigger: slow (append).", "No trigger."]
    assert 'The trigger "slow" is a word that 2 tracks use already' in captured.err


@pytest.mark.parametrize("words", [[], ["zx", "--clear"]])
def test_a_trigger_is_given_or_cleared_and_not_both(songs: Path, words: list[str]) -> None:
    assert main(["data", "trigger", "songs", *words]) == 2


def test_scan_with_a_trigger_can_be_taken_back(songs: Path) -> None:
    main(["scan", "songs", "--trigger", "zxband"])
    main(["data", "undo", "songs"])

    assert load(songs).settings.trigger is None


def test_renaming_is_shown_done_and_taken_back(songs: Path, capsys: Out) -> None:
    main(["data", "rename", "songs", "--pattern", "{number:02}-{stem}", "--dry-run"])
    shown = capsys.readouterr().out.splitlines()
    main(["data", "rename", "songs", "--pattern", "{number:02}-{stem}"])
    renamed = sorted(path.name for path in songs.glob("*.wav"))
    main(["data", "undo", "songs"])

    assert shown[:2] == ["a.caption.txt -> 01-a.caption.txt", "a.wav -> 01-a.wav"]
    assert (renamed, sorted(path.name for path in songs.glob("*.wav"))) == (
        ["01-a.wav", "02-b.wav"], ["a.wav", "b.wav"],
    )  # fmt: skip


def test_lyrics_are_only_shown_until_they_shall_be_written(songs: Path, capsys: Out) -> None:
    edit(songs, "set", "lyrics", "chorus:\nla")
    main(["data", "lyrics", "songs"])
    before = load(songs).tracks[0].lyrics
    main(["data", "lyrics", "songs", "--normalise"])

    assert (before, load(songs).tracks[0].lyrics) == ("chorus:\nla", "[Chorus]\nLa")


def test_a_data_set_in_numbers_for_people_and_programs(songs: Path, capsys: Out) -> None:
    edit(songs, "set", "bpm", "90", tracks=["a.wav"])
    main(["data", "stats", "songs"])
    people = capsys.readouterr().out
    main(["data", "stats", "songs", "--json"])
    found = result(capsys.readouterr().out)

    assert "BPM, lowest / middle / highest        90 / 90 / 90 (1)" in people.splitlines()
    assert "caption  file 2" in people.splitlines()
    assert (found["tracks"], found["keys"]) == (2, {"": 2})


def test_forgetting_needs_a_yes(songs: Path, capsys: Out) -> None:
    asked = main(["data", "forget", "songs", "a.wav", "--delete-audio"])
    kept = (songs / "a.wav").is_file()
    code = main(["data", "forget", "songs", "a.wav", "--delete-audio", "--yes"])

    assert (asked, kept, code) == (2, True, 0)
    assert [track.path for track in load(songs).tracks] == ["b.wav"]
    assert capsys.readouterr().out.splitlines() == ["Forgotten: a.wav.", "No run of this workspace used it."]


def test_forgetting_shows_the_runs_that_used_a_song(tmp_path: Path, songs: Path, capsys: Out) -> None:
    run = recorded_run(tmp_path / "home")
    sha256 = load(songs).tracks[0].audio_sha256
    run.record_tracks({"train": [("a.wav", sha256)], "validation": []})
    main(["data", "forget", "songs", "a.wav", "--dry-run"])
    out = capsys.readouterr().out

    assert "Runs that used it: 1." in out
    assert "album: trained on it" in out
