import json
import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext

import numpy as np
import pytest

from acetune import catalog
from acetune.annotation.annotate import annotate
from acetune.annotation.annotator import Guess
from acetune.audio.files import write
from acetune.audio.songs import demo_songs, render
from acetune.data.manifest import append_results, load
from acetune.data.scan import scan
from acetune.data.track import Mark, Source
from acetune.errors import DataError, SettingError, Stopped
from acetune.events import Job, Noticed, Progress, StageEnded, StageStarted

NAMES = ("glass_arcade", "night_bus", "paper_carousel")
SONGS = {song.stem: song for song in demo_songs()}


class Both:
    """An annotator as an extension would add it."""

    name = "both"
    fields = ("bpm", "keyscale")
    source = Source.SIGNAL
    pooled = True

    def missing(self, setup):
        """Nothing."""

    def opened(self, setup, job):
        return nullcontext(self.listen)

    def listen(self, song):
        assert song.audio(22_050).shape == (round(song.track.seconds * 22_050),)
        return {"bpm": Guess(100.0), "keyscale": Guess("C major", 0.5)}


@pytest.fixture(scope="module")
def audio(tmp_path_factory):
    """Three demo songs, written once."""
    folder = tmp_path_factory.mktemp("audio")
    for name in NAMES:
        write(folder / f"{name}.wav", render(SONGS[name]))
    return folder


@pytest.fixture
def folder(audio, tmp_path):
    """A scanned data set of the three songs."""
    for name in NAMES:
        (tmp_path / f"{name}.wav").hardlink_to(audio / f"{name}.wav")
    scan(tmp_path)
    return tmp_path


def listen(folder, **options):
    """Annotate and return the result with the events."""
    events = []
    return annotate(folder, job=Job(events.append), **options), events


def tracks(folder):
    return {track.path.removesuffix(".wav"): track for track in load(folder).tracks}


def edit(folder, name, **values):
    """Change the row of a track by hand."""
    manifest = folder / "metadata.jsonl"
    rows = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
    for row in rows:
        if row["file_name"] == f"{name}.wav":
            row.update(values)
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def items(events):
    return [event.item.removesuffix(".wav") for event in events if isinstance(event, Progress)]


def notices(events):
    return [(event.code, event.subject, event.severity) for event in events if isinstance(event, Noticed)]


def test_tempo_and_key_are_found_and_written_with_their_source(folder):
    result, _ = listen(folder)

    assert (result.written, result.kept, result.skipped) == (3, 0, ())
    for name, track in tracks(folder).items():
        assert track.bpm == pytest.approx(SONGS[name].bpm, abs=0.1)
        assert track.keyscale == SONGS[name].keyscale
        assert {track.source_of("bpm"), track.source_of("keyscale")} == {Source.SIGNAL}
        assert 0 < track.provenance["keyscale"].confidence < 1


def test_the_results_end_up_in_the_manifest_and_the_journal_is_gone(folder):
    listen(folder)
    rows = [json.loads(line) for line in (folder / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]

    assert [row["bpm"] for row in rows] == [124.0, 84.0, 144.0]
    assert not (folder / ".acetune/journal.jsonl").exists()


def test_progress_names_every_file_that_is_opened(folder):
    _, events = listen(folder)

    assert items(events) == list(NAMES)
    assert [event.total for event in events if isinstance(event, StageStarted)] == [3]
    assert [event.result for event in events if isinstance(event, StageEnded)] == [
        {"written": 3, "kept": 0, "skipped": 0}
    ]


def test_what_is_known_is_not_looked_for_again(folder):
    listen(folder)
    for name in NAMES:
        (folder / f"{name}.wav").unlink()
    result, events = listen(folder)

    assert (result.written, result.kept, result.skipped) == (0, 3, ())
    assert items(events) == []


def test_only_what_is_missing_is_filled_in(folder):
    edit(folder, "night_bus", bpm=168)
    listen(folder)
    track = tracks(folder)["night_bus"]

    assert (track.bpm, track.keyscale) == (168, "F# minor")
    assert track.source_of("bpm") is Source.USER


def test_one_annotator_alone_fills_its_field_alone(folder):
    listen(folder, annotators=("key",))

    assert {track.bpm for track in tracks(folder).values()} == {None}
    assert tracks(folder)["night_bus"].keyscale == "F# minor"


@pytest.mark.parametrize(
    ("given", "asked", "bpm", "keyscale"), [("bpm", "keyscale", 77, "C major"), ("keyscale", "bpm", 100, "A minor")]
)
def test_an_annotator_of_two_fields_fills_only_the_asked_one(folder, monkeypatch, given, asked, bpm, keyscale):
    monkeypatch.setitem(catalog.ANNOTATORS, "both", f"{__name__}:Both")
    value = {"bpm": 77, "keyscale": "A minor"}[given]
    append_results(folder, "night_bus.wav", {given: value}, {given: Mark(Source.SIGNAL)})
    result, _ = listen(folder, annotators=("both",), overwrite=(asked,))
    track = tracks(folder)["night_bus"]

    assert result.written == 3
    assert (track.bpm, track.keyscale) == (bpm, keyscale)


@pytest.mark.parametrize(("overwrite", "bpm"), [((), 99.0), (("bpm",), 84.0)])
def test_a_found_value_is_found_anew_only_where_asked_for(folder, overwrite, bpm):
    append_results(folder, "night_bus.wav", {"bpm": 99.0}, {"bpm": Mark(Source.SIGNAL)})
    listen(folder, overwrite=overwrite)

    assert tracks(folder)["night_bus"].bpm == bpm


def test_a_persons_value_is_not_found_anew_even_where_asked_for(folder):
    listen(folder)
    edit(folder, "night_bus", bpm=42)
    result, events = listen(folder, overwrite=("bpm",))

    assert items(events) == ["glass_arcade", "paper_carousel"]
    assert result.kept == 1
    assert tracks(folder)["night_bus"].bpm == 42


def test_a_track_that_cannot_be_read_is_listed_with_its_reason_and_the_others_are_done(folder):
    (folder / "night_bus.wav").unlink()
    (folder / "night_bus.wav").write_text("words")
    result, events = listen(folder)

    assert result.written == 2
    assert [(skip.path, skip.code) for skip in result.skipped] == [("night_bus.wav", "audio.unreadable")]
    assert "night_bus.wav" in result.skipped[0].reason
    assert notices(events) == [("audio.unreadable", "night_bus.wav", "warning")]
    assert items(events) == list(NAMES)


def test_silence_is_skipped_and_its_values_stay_missing(folder):
    (folder / "night_bus.wav").unlink()
    write(folder / "night_bus.wav", np.zeros((480_000, 2), np.float32))
    result, _ = listen(folder)
    track = tracks(folder)["night_bus"]

    assert [skip.code for skip in result.skipped] == ["annotation.not_found"]
    assert (track.bpm, track.keyscale) == (None, None)


def test_a_song_without_a_beat_gets_its_key_and_a_remark(folder):
    tone = np.sin(2 * np.pi * 220 * np.arange(480_000) / 48_000)[:, None].repeat(2, 1)
    (folder / "night_bus.wav").unlink()
    write(folder / "night_bus.wav", (0.5 * tone).astype(np.float32))
    result, events = listen(folder)

    assert result.written == 3
    assert notices(events) == [("annotation.not_found", "night_bus.wav", "info")]
    assert tracks(folder)["night_bus"].bpm is None
    assert tracks(folder)["night_bus"].keyscale is not None


def test_asked_to_stop_it_keeps_what_is_done_and_goes_on_there(folder):
    events = []
    job = Job(events.append, lambda: len(items(events)) == 2)
    with pytest.raises(Stopped):
        annotate(folder, job=job)
    done = [name for name, track in tracks(folder).items() if track.bpm is not None]
    _, later = listen(folder)

    assert done == list(NAMES[:2])
    assert items(later) == [NAMES[2]]


def test_killed_it_loses_no_finished_track(folder):
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from acetune.annotation.annotate import annotate\n"
        "from acetune.events import Job, Progress\n"
        "def report(event):\n"
        "    if isinstance(event, Progress) and event.done == 2:\n"
        "        print('two', flush=True)\n"
        "        time.sleep(60)\n"
        "annotate(Path(sys.argv[1]), job=Job(report))\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"two\n"
        os.kill(process.pid, signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM)
    time.sleep(0.05)
    done = [name for name, track in tracks(folder).items() if track.bpm is not None]
    _, later = listen(folder)

    assert done == list(NAMES[:2])
    assert items(later) == [NAMES[2]]


def test_a_folder_that_was_not_scanned_is_refused(tmp_path):
    with pytest.raises(DataError) as error:
        annotate(tmp_path)

    assert error.value.code == "data.not_scanned"


@pytest.mark.parametrize(
    ("options", "code", "named"),
    [
        ({"annotators": ("tempi",)}, "catalog.unknown", "tempo"),
        ({"overwrite": ("caption",)}, "annotation.bad_overwrite", "bpm, keyscale"),
        ({"annotators": ("key",), "overwrite": ("bpm",)}, "annotation.bad_overwrite", "keyscale"),
    ],
)
def test_an_impossible_request_is_refused_before_anything_is_opened(folder, options, code, named):
    with pytest.raises(SettingError) as error:
        annotate(folder, **options)

    assert error.value.code == code
    assert named in str(error.value)
