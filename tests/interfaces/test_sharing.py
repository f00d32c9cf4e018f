"""Commands that bring songs in and take data sets out, from outside."""

from __future__ import annotations

import io
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from acetune.cli.main import main
from acetune.data import manifest as manifests
from acetune.data.adding import add
from world import tone


class Terminal(io.StringIO):
    """Standard input with a person who answers."""

    def isatty(self) -> bool:
        return True


def last_result(out: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(out.splitlines()[-1])["result"]
    return found


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A song and a data set of it."""
    folder = tmp_path_factory.mktemp("stored")
    add([tone(folder / "old.wav", 1, seed=1, rate_hz=8000)], folder / "songs")
    return folder


@pytest.fixture
def songs(tmp_path: Path, stored: Path) -> Path:
    """The data set, with the song that it was made of beside."""
    shutil.copytree(stored, tmp_path, dirs_exist_ok=True)
    return tmp_path / "songs"


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return tone(tmp_path / "新歌.wav", 1, seed=2, rate_hz=8000)


def test_added_songs_are_counted(new: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["data", "add", str(new), str(tmp_path / "set")])

    assert code == 0
    assert capsys.readouterr().out.splitlines() == [
        f"Songs added to {tmp_path / 'set'}: 1, not added: 0.",
        "Tracks in it: 1 (0:01).",
    ]


def test_what_was_put_away_is_said(new: Path, songs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["data", "add", str(new), str(songs), "--on-conflict", "clear"])
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("What was there before: "))

    assert (Path(line.removeprefix("What was there before: ")) / "old.wav").is_file()


def test_programs_get_what_was_added_and_what_was_not(
    new: Path, songs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["data", "add", str(new), str(tmp_path / "old.wav"), str(songs), "--on-conflict", "add", "--json"])
    result = last_result(capsys.readouterr().out)

    assert result["added"] == {"xinge.wav": str(new)}
    assert result["tracks"] == 2
    assert [skip["code"] for skip in result["skipped"]] == ["share.twin"]  # type: ignore[attr-defined,index]


def test_without_a_terminal_the_flag_is_named(
    new: Path, songs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("add\n"))
    code = main(["data", "add", str(new), str(songs)])
    message, remedy = capsys.readouterr().err.splitlines()

    assert code == 2
    assert message == f"{songs} has songs already (1)."
    assert "--on-conflict" in remedy


@pytest.mark.parametrize(("answers", "folder"), [("add\n", "songs"), ("perhaps\nother\n", "songs-2")])
def test_at_a_terminal_a_person_is_asked(
    new: Path, songs: Path, monkeypatch: pytest.MonkeyPatch, answers: str, folder: str
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answers))
    code = main(["data", "add", str(new), str(songs)])

    assert code == 0
    assert (songs.with_name(folder) / "xinge.wav").is_file()


def test_nobody_is_asked_on_behalf_of_a_program(new: Path, songs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("add\n"))

    assert main(["data", "add", str(new), str(songs), "--json"]) == 2


def test_an_export_says_what_it_wrote_and_what_not(songs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(
        [
            "data",
            "sample",
            str(songs.with_name("old.wav")),
            str(songs),
            "--caption",
            "warm",
            "--bpm",
            "92",
            "--keyscale",
            "Am",
        ]
    )
    capsys.readouterr()
    code = main(["data", "export", str(songs), "--to", "zip", "--layout", "v1", "-o", str(songs.with_name("a.zip"))])
    shown = capsys.readouterr()

    assert code == 0
    assert shown.out == f"Tracks written: 1, to {songs.with_name('a.zip')}\n"
    assert "v1 cannot hold everything; missing or changed there, with the number of songs: " in shown.err
    assert "keyscale (1)" in shown.err


def test_a_sample_is_made_of_words_in_a_file(songs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (songs.with_name("words.txt")).write_text("[Verse]\nla, la")
    arguments = ["--lyrics", str(songs.with_name("words.txt")), "--field", "tags=rock,live", "--language", "en"]
    code = main(["data", "sample", str(songs.with_name("old.wav")), str(songs), *arguments])
    (track,) = manifests.load(songs).tracks

    assert code == 0
    assert capsys.readouterr().out == f"{songs / 'old.wav'}\n"
    assert (track.lyrics, track.tags, track.language) == ("[Verse]\nla, la", ("rock", "live"), "en")


@pytest.mark.parametrize(
    ("arguments", "first"),
    [
        (["--field", "bpm"], "'bpm' is not NAME=VALUE."),
        (["--field", "bmp=3"], "'bmp' is no field of a song. Did you mean 'bpm'?"),
        (["--bpm", "fast"], "bpm cannot be 'fast'."),
    ],
)
def test_a_sample_with_a_wrong_field_is_refused(
    new: Path, tmp_path: Path, arguments: list[str], first: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["data", "sample", str(new), str(tmp_path / "set"), *arguments])

    assert code == 2
    assert capsys.readouterr().err.splitlines()[0] == first
    assert not (tmp_path / "set").exists()


def test_samples_are_printed_as_lists(songs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(
        [
            "data",
            "sample",
            str(songs.with_name("old.wav")),
            str(songs),
            "--caption",
            "warm, soft",
            "--language",
            "instrumental",
        ]
    )
    capsys.readouterr()
    main(["data", "collect", str(songs)])

    assert capsys.readouterr().out.splitlines() == [
        f"audio_files: {songs / 'old.wav'}",
        'captions: "warm, soft"',
        "lyrics_list: [Instrumental]",
        "bpm_list: 0",
        'keyscale_list: ""',
        "language_list: instrumental",
    ]


def test_samples_are_printed_as_json(songs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["data", "sample", str(songs.with_name("old.wav")), str(songs), "--caption", "warm, soft"])
    capsys.readouterr()
    main(["data", "collect", str(songs), "--as", "json"])
    lists = json.loads(capsys.readouterr().out)

    assert lists["captions"] == ["warm, soft"]
    assert lists["bpm_list"] == [None]


@pytest.mark.slow
@pytest.mark.parametrize("moment", [0.0, 0.05, 0.1, 0.15, 0.2, 0.3])
@pytest.mark.parametrize("conflict", ["add", "clear"])
def test_a_killed_add_leaves_a_data_set_and_can_be_done_again(
    songs: Path, tmp_path: Path, moment: float, conflict: str
) -> None:
    inbox = tmp_path / "inbox"
    for number in range(12):
        tone(inbox / f"{number}.wav", 1, seed=10 + number)
    script = (
        "import sys; from acetune.data.adding import add; from acetune.events import Job, Progress\n"
        "def hear(event):\n"
        "    if isinstance(event, Progress) and event.stage == 'copy' and event.done == 6: print('now', flush=True)\n"
        f"add([{str(inbox)!r}], {str(songs)!r}, on_conflict={conflict!r}, job=Job(hear))"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(moment)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    kept = [*songs.glob("old.wav"), *songs.glob(".acetune/removed-*/old.wav")]
    add([inbox], songs, on_conflict="clear")

    assert len(kept) == 1
    assert len(manifests.load(songs).tracks) == 12
    assert len([*songs.glob(".acetune/removed-*/old.wav")]) == 1
    assert not [*songs.glob(".acetune/incoming-*")]
