"""Commands from outside: what they do, what goes to which stream, and what it says."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from acetune.cli.main import main
from acetune.cli.session import stop_on_signals
from acetune.data import manifest
from acetune.events import Event, StepDone, from_line
from acetune.monitor.words import Words
from recorded import recorded_run, step_done, tone


def last_result(out: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(out.splitlines()[-1])
    return found


def test_report_prints_only_the_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = recorded_run(tmp_path / "home")
    code = main(["report", "album", "--lang", "zh"])

    assert code == 0
    assert capsys.readouterr().out.strip() == str(run.folder / "report.html")
    assert 'lang="zh"' in (run.folder / "report.html").read_text(encoding="utf-8")


def test_runs_are_listed_with_state_step_and_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded_run(tmp_path / "home")
    recorded_run(tmp_path / "home", name="other", verdict=None, outcome=None, upto=12)
    main(["runs", "ls"])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]

    assert lines[0][:4] == ["RUN", "STATE", "STEP", "VARIANT"]
    assert lines[1][:5] == ["album", "done", "40/40", "tiny", "learned"]
    assert lines[2][:4] == ["other", "interrupted", "12/40", "tiny"]


def test_one_damaged_run_does_not_hide_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded_run(tmp_path / "home")
    broken = recorded_run(tmp_path / "home", name="broken")
    broken.recipe_file.write_text("adapter: {rank: 0}", encoding="utf-8")
    code = main(["runs", "ls"])
    out = capsys.readouterr().out

    assert code == 0
    assert "album" in out
    assert "recipe.at_least" in out


def test_show_tells_what_a_run_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded_run(tmp_path / "home")
    main(["runs", "show", "album", "--json"])
    result = last_result(capsys.readouterr().out)["result"]

    assert result["state"] == "done"  # type: ignore[index]
    assert result["adapter"] == "adapter/album_final.safetensors"  # type: ignore[index]


def test_logs_in_json_are_the_events_themselves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = recorded_run(tmp_path / "home")
    main(["runs", "logs", "album", "--json"])
    shown: list[Event | None] = [from_line(line) for line in capsys.readouterr().out.splitlines()]

    assert shown == list(run.events())


def test_following_ends_when_nobody_trains_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded_run(tmp_path / "home")
    code = main(["runs", "logs", "album", "-f", "--json"])
    steps = [event for event in map(from_line, capsys.readouterr().out.splitlines()) if isinstance(event, StepDone)]

    assert code == 0
    assert len(steps) == 40


def test_following_goes_on_while_the_run_is_trained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = recorded_run(tmp_path / "home", outcome=None, verdict=None, upto=3)
    done = threading.Event()

    def train() -> None:
        with run.hold():
            started.set()
            done.wait(0.6)
            run.append_event(step_done(4))

    started = threading.Event()
    trainer = threading.Thread(target=train)
    trainer.start()
    started.wait()
    main(["runs", "logs", "album", "-f", "--json"])
    trainer.join()
    steps = [event for event in map(from_line, capsys.readouterr().out.splitlines()) if isinstance(event, StepDone)]

    assert [event.step for event in steps] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("verb", "file", "said"),
    [
        ("stop", "stop", "was asked to save and stop"),
        ("save", "save_now", "was asked to save now"),
        ("preview", "preview_now", "was asked for previews now"),
    ],
)
def test_a_request_leaves_its_control_file_for_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str, file: str, said: str
) -> None:
    run = recorded_run(tmp_path / "home", outcome=None, verdict=None, values={"preview.every": 10})
    with run.hold():
        main(["runs", verb, "album"])

    assert run.asked(file)
    assert said in capsys.readouterr().out


def test_stop_leaves_a_run_alone_that_nobody_trains(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = recorded_run(tmp_path / "home")
    main(["runs", "stop", "album"])

    assert not run.asked("stop")
    assert "is not being trained" in capsys.readouterr().out


def test_previews_are_not_asked_of_a_run_that_makes_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = recorded_run(tmp_path / "home", outcome=None, verdict=None)
    with run.hold():
        assert main(["runs", "preview", "album"]) == 2

    assert not run.asked("preview_now")
    assert "--preview.every" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["save", "preview"])
def test_nothing_is_asked_of_a_run_that_nobody_trains(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded_run(tmp_path / "home", values={"preview.every": 10})

    assert main(["runs", verb, "album"]) == 2
    assert "album is not being trained." in capsys.readouterr().err


def test_a_misspelt_run_is_guessed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded_run(tmp_path / "home")

    assert main(["runs", "show", "albun"]) == 2
    assert "Did you mean 'album'?" in capsys.readouterr().err


def test_origins_of_knobs_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "my.yaml").write_text("adapter: {rank: 4, alpha: 4}\ndata: {seed: 1}\n", encoding="utf-8")
    monkeypatch.setenv("ACETUNE_ADAPTER_ALPHA", "5")
    monkeypatch.setenv("ACETUNE_DATA_SEED", "2")
    main(["config", "show", "-c", "my.yaml", "--seed", "3", "--origin"])
    rows = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()}

    assert rows["adapter.rank"] == ["4", "my.yaml"]
    assert rows["adapter.alpha"] == ["5.0", "environment"]
    assert rows["data.seed"] == ["3", "command", "line"]
    assert rows["data.crop_seconds"] == ["6.0", "variant", "tiny"]
    assert rows["optim.clip"] == ["1.0", "default"]


def test_what_show_prints_is_a_recipe_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["config", "show", "--rank", "12"])
    (tmp_path / "my.yaml").write_text(capsys.readouterr().out, encoding="utf-8")

    assert main(["config", "validate", "my.yaml"]) == 0
    main(["config", "show", "-c", "my.yaml", "--json"])
    assert last_result(capsys.readouterr().out)["result"]["recipe"]["adapter"]["rank"] == 12  # type: ignore[index]


def test_the_schema_for_programs_is_a_json_schema(capsys: pytest.CaptureFixture[str]) -> None:
    main(["config", "schema", "--json"])
    result = last_result(capsys.readouterr().out)["result"]

    assert result["schema"]["$defs"]["AdapterSection"]["properties"]["rank"]["default"] == 64  # type: ignore[index]
    assert "acestep_v15" in result["families"]  # type: ignore[index]


def test_cache_lists_and_prunes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    part = tmp_path / "home" / "cache" / "latents" / "ab" / "abcd.safetensors"
    part.parent.mkdir(parents=True)
    part.write_bytes(bytes(2000))
    main(["cache", "ls", "--json"])
    listed = last_result(capsys.readouterr().out)["result"]
    main(["cache", "prune", "--keep-days", "1"])
    kept = part.is_file()
    main(["cache", "prune"])

    assert (listed["bytes"], kept, part.is_file()) == (2000, True, False)  # type: ignore[index]


def test_quiet_prints_the_result_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded_run(tmp_path / "home")
    main(["report", "album", "-q"])

    assert capsys.readouterr().err == ""


def test_every_model_is_listed_with_size_and_licence(capsys: pytest.CaptureFixture[str]) -> None:
    main(["models", "ls"])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    turbo = next(row for row in rows if row[0] == "turbo")

    assert turbo[1:5] == ["no", "6.3", "GB", "MIT"]


def test_doctor_ends_with_2_only_if_there_is_a_fault(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["doctor", "--json"])
    findings = last_result(capsys.readouterr().out)["result"]["findings"]  # type: ignore[index]

    assert code == (2 if any(finding["level"] == "fault" for finding in findings) else 0)


@pytest.mark.skipif(sys.platform == "win32", reason="os.kill ends the process there")
def test_the_first_signal_raises_the_flag_and_the_second_would_end_the_process() -> None:
    before = signal.getsignal(signal.SIGINT)
    with stop_on_signals(Words("cli")) as stop:
        asked_before = stop()
        os.kill(os.getpid(), signal.SIGINT)
        asked_after = stop()
        second = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)

    assert (asked_before, asked_after) == (False, True)
    assert second == (signal.SIG_DFL, signal.SIG_DFL)
    assert signal.getsignal(signal.SIGINT) is before


def test_scan_writes_the_manifest_and_the_trigger(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tone(tmp_path / "songs" / "a.wav", 440.0, seconds=1.0)
    code = main(["scan", "songs", "--trigger", "zxband", "--trigger-position", "append"])
    out = capsys.readouterr().out.splitlines()
    settings = manifest.load(tmp_path / "songs").settings

    assert code == 0
    assert out == ["Tracks: 1 (0:01), new: 1, skipped: 0.", 'Next: acetune annotate "songs"']
    assert (settings.trigger, settings.trigger_position) == ("zxband", "append")


def test_scan_for_programs_prints_events_only_and_the_result_last(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tone(tmp_path / "songs" / "a.wav", 440.0, seconds=1.0)
    tone(tmp_path / "songs" / "short.wav", 440.0, seconds=0.2)
    code = main(["--json", "scan", "songs"])
    captured = capsys.readouterr()
    result = last_result(captured.out)["result"]

    assert code == 0
    assert all(from_line(line) is not None for line in captured.out.splitlines())
    assert result["tracks"] == 1  # type: ignore[index]
    assert [song["path"] for song in result["skipped"]] == ["short.wav"]  # type: ignore[index]
    assert "short.wav" in captured.err


def test_a_skipped_song_is_exit_code_2_only_if_strict(tmp_path: Path) -> None:
    tone(tmp_path / "songs" / "a.wav", 440.0, seconds=1.0)
    tone(tmp_path / "songs" / "short.wav", 440.0, seconds=0.2)

    assert (main(["scan", "songs", "--strict"]), main(["scan", "songs"])) == (2, 0)
