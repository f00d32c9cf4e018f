"""How commands fail: one sentence, one remedy, the right exit code, whatever happened."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from acetune.cli.main import explain, main
from acetune.errors import Stopped
from recorded import recorded_run, tone


@pytest.mark.parametrize(
    ("arguments", "first", "second"),
    [
        (["trian"], "No such command 'trian'. Did you mean 'train'.", "`acetune --help` shows how it is used."),
        (["scan"], "Missing argument 'FOLDER'.", "`acetune scan --help` shows how it is used."),
        (["scan", "nowhere"], "There is no folder nowhere.", "Check the spelling"),
        (["train", "--rnak", "8"], "There is no option --rnak. Did you mean '--rank'?", "`acetune train --help`"),
        (["train", "--rank", "0"], "adapter.rank = 0 is not possible", "Choose another value"),
        (["train", "--rank", "many"], 'adapter.rank = "many" is not possible', "Choose another value"),
        (["train", "--adapter.rnk", "8"], "There is no option --adapter.rnk. Did you mean", "`acetune train --help`"),
        (["train", "--model", "trubo"], "There is no model variant called trubo. Did you mean 'turbo'?", "Known"),
        (["train", "--on-existing", "perhaps"], "Invalid value for '--on-existing'", "`acetune train --help`"),
        (["train", "-c", "none.yaml"], "none.yaml cannot be read.", "Check the path"),
        (["generate"], "Nothing says what to make.", "Add --caption"),
        (["generate", "--caption", "x", "--simple", "y"], "--caption and --simple say different", "Use one of"),
        (["data", "export", "songs", "-o", "x.zip"], "Missing option '--to'.", "`acetune data export --help`"),
        (["generate", "--caption", "x", "--seconds", "9999"], "Invalid value for '--seconds'", "`acetune generate"),
        (["generate", "--caption", "x", "--keyscale", "H flat"], "The key H flat cannot be read.", "Write it as"),
        (["generate", "--caption", "x", "--language", "english"], "english is not a language code.", "Use a code of"),
        (["generate", "--caption", "x", "--bpm", "nan"], "A tempo of nan bpm is not possible.", "Use a --bpm from 30"),
        (
            ["generate", "--caption", "x", "--bpm", "301"],
            "A tempo of 301.0 bpm is not possible.",
            "Use a --bpm from 30",
        ),
        (["report", "nobody"], "There is no run called nobody", "Known runs: none yet"),
        (["runs", "show", "nobody"], "There is no run called nobody", "Known runs"),
        (["models", "where", "trubo"], "There is no model variant called trubo.", "Known variants"),
        (["models", "get", "wisper"], "There is no model variant called wisper. Did you mean 'whisper'?", "Known"),
        (["config", "validate", "none.yaml"], "none.yaml cannot be read.", "Check the path"),
        (["scan", "--home"], "The option --home needs a value.", "Write the value after it"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_two_lines_and_exit_code_2(
    arguments: list[str], first: str, second: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(arguments)
    captured = capsys.readouterr()
    lines = captured.err.splitlines()

    assert code == 2
    assert captured.out == ""
    assert len(lines) == 2
    assert lines[0].startswith(first)
    assert lines[1].startswith(second)


def test_an_error_is_told_in_chinese(capsys: pytest.CaptureFixture[str]) -> None:
    main(["report", "nobody", "--lang", "zh"])

    assert "nobody" in capsys.readouterr().err.splitlines()[0]
    assert main(["scan", "nowhere", "--lang", "zh"]) == 2
    assert "文件夹" in capsys.readouterr().err


def test_an_error_is_the_last_event_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["scan", "nowhere", "--json"])
    captured = capsys.readouterr()
    last = json.loads(captured.out.splitlines()[-1])

    assert code == 2
    assert (last["kind"], last["stage"], last["outcome"]) == ("StageEnded", "acetune scan", "failed")
    assert last["result"]["code"] == "data.no_folder"
    assert captured.err.startswith("There is no folder nowhere.")


def test_a_fault_of_ours_is_one_sentence_and_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = recorded_run(tmp_path / "home")
    (run.evaluation / "base.json").write_text('{"units": [{"name": "a", "losses": ["x"]}]}', encoding="utf-8")
    code = main(["report", "album"])
    lines = capsys.readouterr().err.splitlines()

    assert code == 1
    assert len(lines) == 2
    assert "ValueError" in lines[0]
    assert "`acetune report` again with --debug" in lines[1]


def test_debug_shows_where_a_fault_arose(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = recorded_run(tmp_path / "home")
    (run.evaluation / "base.json").write_text('{"units": [{"name": "a", "losses": ["x"]}]}', encoding="utf-8")
    main(["report", "album", "--debug"])

    assert "Traceback" in capsys.readouterr().err


def test_a_damaged_file_of_ours_is_exit_code_4(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = recorded_run(tmp_path / "home")
    (run.folder / "plan.json").write_text("{", encoding="utf-8")

    assert main(["report", "album"]) == 4


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_exit_code_3(tmp_path: Path) -> None:
    run = recorded_run(tmp_path / "home")
    run.folder.chmod(0o500)
    code = main(["report", "album"])
    run.folder.chmod(0o700)

    assert code == 3


@pytest.mark.parametrize(
    ("error", "code", "exit_code"),
    [
        (MemoryError(), "cli.out_of_memory", 3),
        (RuntimeError("something else"), "cli.internal", 1),
        (Stopped("job.stopped", stage="scan"), "job.stopped", 130),
    ],
)
def test_every_failure_becomes_one_of_ours(error: Exception, code: str, exit_code: int) -> None:
    failure = explain(error, "train")

    assert (failure.code, failure.exit_code) == (code, exit_code)


def test_memory_of_a_device_that_ran_out_is_exit_code_3() -> None:
    import torch

    assert explain(torch.OutOfMemoryError("CUDA out of memory"), "train").code == "cli.out_of_memory"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no head")
def test_a_reader_that_has_seen_enough_is_no_failure() -> None:
    program = f"{sys.executable} -m acetune config schema | head -n 1"
    done = subprocess.run(program, shell=True, capture_output=True, text=True, check=False)

    assert done.stdout == "Knobs of section model:\n"
    assert done.stderr == ""


@pytest.mark.skipif(sys.platform == "win32", reason="a broken pipe has another name there")
def test_a_reader_of_events_that_leaves_does_not_end_the_work(tmp_path: Path) -> None:
    for number, name in enumerate("abc", start=2):
        tone(tmp_path / "songs" / f"{name}.wav", 110.0 * number, seconds=1.0)
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "acetune", "scan", "songs", "--json"]
    done = subprocess.run(command, cwd=tmp_path, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)

    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
    assert len((tmp_path / "songs" / "metadata.jsonl").read_text(encoding="utf-8").splitlines()) == 3


def test_strict_annotating_does_the_work_and_then_lists_what_was_skipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, name in enumerate("ab", start=2):
        tone(tmp_path / "songs" / f"{name}.wav", 110.0 * number, seconds=1.0)
    main(["scan", "songs"])
    (tmp_path / "songs" / "a.wav").write_bytes(b"no audio")
    capsys.readouterr()
    lenient, strict = (main(["annotate", "songs", "--annotators", "key", "-q", *more]) for more in ([], ["--strict"]))

    assert (lenient, strict) == (0, 2)
    assert "Songs were skipped (1): a.wav." in capsys.readouterr().err
