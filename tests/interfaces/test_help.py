"""Help texts, kept as files: ``ACETUNE_REGENERATE=1 pytest tests/interfaces/test_help.py`` writes them anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from acetune.catalog import VERBS
from acetune.cli.app import COMMANDS, GROUPS
from acetune.cli.main import main
from acetune.cli.reference import command_words

_STORED = Path(__file__).parent / "help"
#: Read before a fixture takes the variables of acetune away.
_REGENERATE = "ACETUNE_REGENERATE" in os.environ
_ALL = ("", *GROUPS, *(" ".join(words) for words in command_words()))


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize("command", _ALL)
def test_the_help_of_a_command_is_the_stored_one(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    stored = _STORED / f"{command.replace(' ', '-') or 'acetune'}.txt"
    code = main([*command.split(), "--help"])
    shown = capsys.readouterr().out
    if _REGENERATE:
        stored.write_text(shown, encoding="utf-8", newline="\n")

    assert code == 0
    assert shown == stored.read_text(encoding="utf-8")


def test_no_help_file_is_left_over() -> None:
    expected = {f"{command.replace(' ', '-') or 'acetune'}.txt" for command in _ALL}

    assert {file.name for file in _STORED.iterdir()} == expected


def test_every_verb_of_the_library_is_a_command() -> None:
    assert set(VERBS) <= set(COMMANDS)


def test_no_arguments_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "Commands:" in capsys.readouterr().out


def test_the_help_of_train_names_each_knob_with_default_range_and_unit(capsys: pytest.CaptureFixture[str]) -> None:
    main(["train", "--help"])
    text = capsys.readouterr().out

    assert "--crop-seconds, --data.crop_seconds  [default 60.0; s; >= 0.5 and <= 600]" in text
    assert "--family.timbre_cls" in text


def test_the_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    import acetune

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"acetune {acetune.__version__}\n"
