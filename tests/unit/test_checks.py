"""Checking a data set: files that cannot be used, twins, what is kept, what the command says."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from acetune import data
from acetune.audio import files
from acetune.audio.signal import resample
from acetune.audio.songs import demo_songs, render
from acetune.cli.main import main
from acetune.data.checks import unread
from acetune.data.findings import SEVERITIES
from acetune.data.scan import scan
from acetune.errors import DataError, Stopped
from acetune.events import Job, Noticed, Progress
from encoder import encode
from world import tone

RATE = 32_000


@pytest.fixture(scope="module")
def audio():
    """Three short songs."""
    return [resample(render(song), 48_000, RATE)[: 11 * RATE] for song in demo_songs()[:3]]


@pytest.fixture(scope="module")
def heard_before(tmp_path_factory: pytest.TempPathFactory, audio: list[np.ndarray]) -> Path:
    """A data set of three clean songs that was scanned and checked."""
    folder = tmp_path_factory.mktemp("checked") / "songs"
    folder.mkdir()
    for name, sound in zip(("a", "b", "c"), audio, strict=True):
        files.write(folder / f"{name}.flac", sound, RATE)
        (folder / f"{name}.json").write_text('{"caption": "quiet pads", "instrumental": true}')
    scan(folder)
    data.check(folder, workers=0)
    return folder


@pytest.fixture
def songs(tmp_path: Path, heard_before: Path) -> Path:
    """A copy of it; songs that are not touched need not be heard again."""
    return Path(shutil.copytree(heard_before, tmp_path / "songs"))


@pytest.fixture
def fresh(songs: Path) -> Path:
    """A copy that was never checked."""
    (songs / ".acetune" / "heard.jsonl").unlink()
    return songs


def found(folder, **options):
    """Track and code of everything that is found."""
    return [(finding.track, finding.code) for finding in data.check(folder, workers=0, **options).findings]


def test_clean_songs_have_no_findings(fresh):
    result = data.check(fresh, workers=0)

    assert result.findings == ()
    assert result.worst is None
    assert dict(result.counts) == {"tracks": 3, "excluded": 0, "heard": 3, "error": 0, "warning": 0, "info": 0}


def test_a_folder_that_was_not_scanned_is_refused(tmp_path):
    with pytest.raises(DataError) as caught:
        data.check(tmp_path)

    assert caught.value.code == "data.not_scanned"


def cut(path):
    """Leave half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def poison(path):
    """Write a value that is no number."""
    sound = np.zeros((RATE, 2), np.float32)
    sound[100] = np.nan
    soundfile.write(path, sound, RATE, subtype="FLOAT", format="WAV")


BROKEN = {
    "check.unreadable": lambda path: path.write_bytes(b"no music"),
    "check.truncated": cut,
    "check.not_finite": poison,
    "check.missing": os.remove,
}


@pytest.mark.parametrize("code", BROKEN)
def test_a_song_that_cannot_be_read_any_more_is_an_error(code, songs):
    BROKEN[code](songs / "b.flac")

    assert found(songs) == [("b.flac", code)]


@pytest.mark.parametrize("code", ["check.unreadable", "check.not_finite"])
def test_a_file_that_no_scan_could_read_is_an_error(code, songs):
    BROKEN[code](songs / "new.wav")

    assert ("new.wav", "check.unreadable" if code == "check.unreadable" else "check.not_listed") in found(songs)


def test_a_file_that_is_too_short_for_a_track_is_an_error(songs):
    files.write(songs / "blip.wav", np.full((RATE // 10, 2), 0.1, np.float32), RATE)

    assert found(songs) == [("blip.wav", "check.too_short")]


REASONS = [
    DataError("audio.unreadable", path="a", cause="broken"),
    DataError("audio.truncated", path="a", readable="1.0", announced="2.0"),
    DataError("audio.empty", path="a"),
    DataError("audio.not_finite", path="a"),
    DataError("data.not_readable", path="a", cause="denied"),
    DataError("data.too_short", path="a", seconds=0.1, least=0.5),
    DataError("workers.crashed", item="a"),
    DataError("workers.slow", item="a", seconds=600),
]


@pytest.mark.parametrize("reason", REASONS, ids=lambda reason: reason.code)
def test_every_reason_not_to_be_read_is_a_finding_with_words(reason):
    finding = unread("a.mp3", reason)

    assert (finding.severity, finding.track) == ("error", "a.mp3")
    assert finding.code.startswith("check.")
    assert finding.message() and finding.remedy("zh")


def test_a_song_that_was_added_since_the_scan_is_told(songs, audio):
    files.write(songs / "new.wav", audio[0][: 4 * RATE], RATE)

    assert found(songs) == [("new.wav", "check.not_listed")]


def test_a_song_that_was_replaced_since_the_scan_is_told(songs, audio):
    files.write(songs / "b.flac", audio[1][::-1], RATE)

    assert found(songs) == [("b.flac", "check.changed")]


def test_twins_are_found_by_bytes_by_sound_and_by_name(songs, audio):
    (songs / "copy.flac").write_bytes((songs / "a.flac").read_bytes())
    encode(songs / "other.mp3", audio[1], RATE)
    encode(songs / "C.ogg", audio[2][3 * RATE :], RATE)
    for name in ("copy", "other", "C"):
        (songs / f"{name}.json").write_text('{"caption": "quiet pads", "instrumental": true}')
    scan(songs)

    assert set(found(songs)) == {
        ("copy.flac", "check.same_file"),
        ("other.mp3", "check.same_recording"),
        ("C.ogg", "check.same_recording"),
        ("C.ogg", "check.same_name"),
        ("C.ogg", "check.short"),
    }


def test_a_twin_names_the_earliest_of_its_kind(songs, audio):
    (songs / "d.flac").write_bytes((songs / "a.flac").read_bytes())
    encode(songs / "e.mp3", audio[0], RATE)
    scan(songs)
    named = {f.code: f.params["other"] for f in data.check(songs, workers=0).findings if "other" in f.params}

    assert named == {"check.same_file": "a.flac", "check.same_recording": "a.flac"}


def test_a_second_check_decodes_nothing(songs):
    heard: list[object] = []
    result = data.check(songs, workers=0, job=Job(heard.append))

    assert result.counts["heard"] == 3
    assert heard == []


@pytest.mark.parametrize(("damage", "again"), [("delete", 3), ("half a line", 2), ("no json", 0), ("newer", 3)])
def test_the_notes_may_be_lost_or_damaged(damage, again, songs):
    first = data.check(songs, workers=0)
    notes = songs / ".acetune" / "heard.jsonl"
    lines = notes.read_bytes()
    contents = {
        "half a line": lines[: len(lines) // 2],
        "no json": b"\xff{}[]\n" + lines,
        "newer": lines.replace(b'"version": 1', b'"version": 99'),
    }
    if damage == "delete":
        notes.unlink()
    else:
        notes.write_bytes(contents[damage])
    heard: list[object] = []

    assert data.check(songs, workers=0, job=Job(heard.append)) == first
    assert len([event for event in heard if isinstance(event, Progress)]) == again


def test_notes_about_songs_that_are_gone_are_dropped_in_the_end(songs):
    data.check(songs, workers=0)
    notes = songs / ".acetune" / "heard.jsonl"
    notes.write_bytes(notes.read_bytes() * 3)
    data.check(songs, workers=0)

    assert len(notes.read_bytes().splitlines()) == 3


def test_a_stopped_check_keeps_what_it_heard(fresh):
    heard: list[object] = []

    def stop() -> bool:
        return len([event for event in heard if isinstance(event, Progress)]) == 2

    with pytest.raises(Stopped):
        data.check(fresh, workers=0, job=Job(heard.append, stop))

    assert len((fresh / ".acetune" / "heard.jsonl").read_bytes().splitlines()) == 2


def test_songs_are_heard_in_processes_of_their_own(fresh):
    heard: list[object] = []
    result = data.check(fresh, workers=2, job=Job(heard.append))

    assert result == data.check(fresh, workers=0)
    assert {event.item for event in heard if isinstance(event, Progress)} == {"a.flac", "b.flac", "c.flac"}


def test_a_data_set_in_which_nothing_can_be_kept_is_checked_too(fresh):
    (fresh / ".acetune" / "heard.jsonl").mkdir()
    heard: list[object] = []
    result = data.check(fresh, workers=0, job=Job(heard.append))

    assert result.counts["heard"] == 3
    assert [event.code for event in heard if isinstance(event, Noticed)] == ["check.not_kept"]


def test_words_alone_are_checked_without_decoding(fresh):
    for song in fresh.glob("*.flac"):
        song.write_bytes(b"gone")

    assert found(fresh, audio=False) == []
    assert not (fresh / ".acetune" / "heard.jsonl").exists()


def test_excluded_tracks_are_not_looked_at(songs):
    manifest = songs / "metadata.jsonl"
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    rows[1].update(excluded=True, caption=None)
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (songs / "b.flac").write_bytes(b"gone")

    assert found(songs) == []
    assert data.check(songs, workers=0).counts["excluded"] == 1


def test_only_the_tracks_that_were_asked_for_are_checked(songs):
    for name in ("a", "b"):
        (songs / f"{name}.flac").write_bytes(b"gone")

    assert found(songs, tracks=["b*", "c*"]) == [("b.flac", "check.unreadable")]


def test_the_worst_comes_first_and_each_severity_in_the_order_of_the_set(songs):
    rows = [json.loads(line) for line in (songs / "metadata.jsonl").read_text().splitlines()]
    for row in rows:
        row.update(timesignature="7/8", caption="pop, 120 bpm", bpm=90)
    (songs / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (songs / "c.flac").write_bytes(b"gone")
    findings = data.check(songs, workers=0).findings
    places = [(SEVERITIES.index(finding.severity), finding.track) for finding in findings]

    assert places == sorted(places)
    assert [finding.severity for finding in findings[:4]] == ["error", "warning", "warning", "warning"]


def test_a_long_caption_is_found_with_the_trigger_in_it(songs):
    (songs / "a.json").write_text(json.dumps({"caption": "warm analog bass, " * 90, "instrumental": True}))
    scan(songs)

    assert found(songs) == [("a.flac", "check.caption_perhaps_long")]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_finding_has_two_sentences_in_each_language(language):
    place = Path(data.__file__).parents[1] / "locales" / language / "check.json"
    entries = [entry for entry in json.loads(place.read_text(encoding="utf-8")).values() if isinstance(entry, dict)]

    assert all(entry["message"][-1] in ".。" and entry["remedy"][-1] in ".。" for entry in entries)


def run(capsys, *arguments):
    code = main(["data", "check", *map(str, arguments)])
    return code, *capsys.readouterr()


def test_the_command_shows_a_table_and_what_to_do(songs, capsys):
    (songs / "b.flac").write_bytes(b"gone")
    code, shown, _ = run(capsys, songs, "--workers", "0")

    assert code == 0
    assert shown.splitlines()[0].split() == ["SEVERITY", "TRACK", "FINDING"]
    assert shown.splitlines()[1].startswith("ERROR     b.flac  It cannot be decoded")
    assert "check.unreadable  1  Replace the file" in shown
    assert "3 tracks checked" in shown


def test_the_command_shows_the_first_of_many_equal_findings(songs, capsys):
    rows = [json.loads((songs / "metadata.jsonl").read_text().splitlines()[0])]
    rows = [{**rows[0], "file_name": f"{number}.flac", "timesignature": "7/8"} for number in range(30)]
    (songs / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    _, shown, _ = run(capsys, songs, "--words-only")

    assert shown.count("The metre 7/8") == 10
    assert "more (--json shows all)" in shown
    assert "check.metre      30  " in shown


def test_the_command_gives_programs_everything(songs, capsys):
    (songs / "b.flac").write_bytes(b"gone")
    code, shown, _ = run(capsys, songs, "--workers", "0", "--json", "--lang", "zh")
    result = json.loads(shown.splitlines()[-1])["result"]

    assert code == 0
    assert result["counts"]["error"] == 1
    assert result["findings"][0]["code"] == "check.unreadable"
    assert result["findings"][0]["track"] == "b.flac"
    assert result["findings"][0]["message"].startswith("无法解码")
    assert {"severity", "value", "remedy", "params"} <= set(result["findings"][0])


@pytest.mark.parametrize(("broken", "code"), [(False, 0), (True, 2)])
def test_strict_fails_on_errors_and_warnings_after_showing_them(broken, code, songs, capsys):
    if broken:
        (songs / "b.flac").write_bytes(b"gone")
    ended, shown, said = run(capsys, songs, "--workers", "0", "--strict")

    assert ended == code
    assert ("b.flac" in shown) == broken
    assert ("1 errors" in said) == broken


def test_what_may_be_invented_is_found(tmp_path):
    tone(tmp_path / "a.wav", 4.0)
    (tmp_path / "a.lyrics.txt").write_text(
        "[Verse]\n" + "I lost my way again\n" * 20 + "Thanks for watching\n", "utf-8"
    )
    scan(tmp_path)
    codes = {finding.code for finding in data.check(tmp_path, audio=False).findings}

    assert {"tagging.loop", "tagging.credit"} <= codes
