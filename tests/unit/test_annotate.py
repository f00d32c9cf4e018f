import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, nullcontext

import numpy as np
import pytest

from acetune import catalog
from acetune.annotation.annotate import annotate, preview
from acetune.annotation.annotator import Guess, Setup
from acetune.audio.files import write
from acetune.audio.songs import demo_songs, render
from acetune.data.manifest import append_results, load
from acetune.data.scan import scan
from acetune.data.track import Mark, Source
from acetune.errors import DataError, MissingDependency, SettingError, Stopped, UserError
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


class Crasher(Both):
    """An annotator whose decoder ends the process at one song."""

    name = "crasher"

    def listen(self, song):
        if "crash" in song.track.path:
            os._exit(3)
        return {"bpm": Guess(float(os.getpid()))}


class Writer:
    """An annotator with a model, as far as the verb can tell."""

    name = "writer"
    fields = ("lyrics", "line_times", "caption", "tags")
    source = Source.ASR
    pooled = False

    def missing(self, setup):
        if setup.offline:
            return MissingDependency("cli.no_weights", variant="writer", size="1 GB")
        return None

    @contextmanager
    def opened(self, setup, job):
        job.notice("opened", f"opened {self.name}")
        try:
            yield self.listen
        finally:
            job.notice("closed", f"closed {self.name}")

    def listen(self, song):
        return {"lyrics": Guess(f"{self.name} about {song.track.keyscale}", 0.4), "tags": Guess(["a", "b"])}


class Rival(Writer):
    """Another one that fills the same field."""

    name = "rival"
    fields = ("lyrics",)


class Reader(Both):
    """An annotator that reads the lyrics."""

    name = "reader"
    fields = ("language",)
    needs = ("lyrics",)

    def listen(self, song):
        return {"language": Guess("de" if "writer" in song.track.lyrics else "en", 0.9)}


class Babbler(Both):
    """An annotator that says what no track can hold."""

    name = "babbler"

    def listen(self, song):
        return {"bpm": Guess("fast"), "keyscale": Guess("C major")}


def known(monkeypatch, *kinds):
    """Put annotators in the catalogue in place of its own."""
    for name in list(catalog.ANNOTATORS):
        monkeypatch.delitem(catalog.ANNOTATORS, name)
    for kind in kinds:
        monkeypatch.setitem(catalog.ANNOTATORS, kind.name, f"{__name__}:{kind.__name__}")


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
    """Annotate, by signal where nothing else is asked for, and return the result with the events."""
    events = []
    options = {"annotators": ("tempo", "key"), **options}
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


def test_a_value_that_cannot_be_read_stays_until_it_is_asked_for_anew(folder):
    edit(folder, "night_bus", bpm="fast")
    listen(folder)

    assert tracks(folder)["night_bus"].bpm is None
    assert tracks(folder)["night_bus"].extra["bpm"] == "fast"

    listen(folder, overwrite=("bpm",))

    assert tracks(folder)["night_bus"].bpm is not None


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


def test_a_song_of_which_something_is_known_is_not_skipped_for_the_rest(folder):
    tone = np.sin(2 * np.pi * 220 * np.arange(480_000) / 48_000)[:, None].repeat(2, 1)
    (folder / "night_bus.wav").unlink()
    write(folder / "night_bus.wav", (0.5 * tone).astype(np.float32))
    listen(folder)
    result, events = listen(folder)

    assert (result.written, result.kept, result.skipped) == (0, 3, ())
    assert notices(events) == [("annotation.not_found", "night_bus.wav", "info")]


def test_a_song_without_a_beat_gets_its_key_and_a_remark(folder):
    tone = np.sin(2 * np.pi * 220 * np.arange(480_000) / 48_000)[:, None].repeat(2, 1)
    (folder / "night_bus.wav").unlink()
    write(folder / "night_bus.wav", (0.5 * tone).astype(np.float32))
    result, events = listen(folder)

    assert result.written == 3
    assert {code for code, *_ in notices(events)} == {"annotation.not_found", "annotation.unsure_key"}
    assert tracks(folder)["night_bus"].bpm is None
    assert tracks(folder)["night_bus"].keyscale is not None


def test_asked_to_stop_it_keeps_what_is_done_and_goes_on_there(folder):
    events = []
    job = Job(events.append, lambda: len(items(events)) == 2)
    with pytest.raises(Stopped):
        annotate(folder, annotators=("tempo", "key"), job=job)
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
        "annotate(Path(sys.argv[1]), annotators=['tempo', 'key'], job=Job(report))\n"
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
        annotate(folder, **{"annotators": ("tempo", "key"), **options})

    assert error.value.code == code
    assert named in str(error.value)


def test_what_was_found_comes_back_with_who_says_so_and_how_sure(folder):
    found = [value for value in listen(folder)[0].found if value.path == "night_bus.wav"]

    assert [(value.field, value.value) for value in found] == [("bpm", 84.0), ("keyscale", "F# minor")]
    assert [(value.annotator, value.source) for value in found] == [("tempo", "signal"), ("key", "signal")]
    assert all(0 < value.confidence < 1 for value in found)


def test_annotating_twice_changes_nothing(folder):
    listen(folder, annotators=None)
    before = (folder / "metadata.jsonl").read_bytes()
    result, events = listen(folder, annotators=None)

    assert (folder / "metadata.jsonl").read_bytes() == before
    assert (result.written, result.kept, result.found, events) == (0, 3, (), [])


def test_a_preview_shows_what_would_be_found_and_writes_nothing(folder):
    before = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    result = preview(folder, 2, annotators=("key",))

    assert [(value.path, value.value) for value in result.found] == [
        (f"{name}.wav", SONGS[name].keyscale) for name in NAMES[:2]
    ]
    assert {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_preview_looks_at_what_is_known_too(folder):
    listen(folder)
    edit(folder, "glass_arcade", keyscale="B major")

    assert [value.value for value in preview(folder, 1, annotators=("key",)).found] == ["A minor"]


@pytest.mark.parametrize("pattern", ["night*", "night_bus.wav", "*bus*"])
def test_only_the_tracks_that_fit_a_pattern_are_looked_at(folder, pattern):
    result, events = listen(folder, tracks=(pattern,))

    assert items(events) == ["night_bus"]
    assert (result.written, result.kept) == (1, 0)


def test_a_pattern_that_fits_nothing_is_refused(folder):
    with pytest.raises(DataError) as error:
        annotate(folder, tracks=("night*", "day*"))

    assert error.value.code == "edit.no_track"
    assert "day*" in error.value.message()


def test_all_stands_for_every_field_that_is_found(folder):
    listen(folder)
    edit(folder, "night_bus", bpm=42)
    result, events = listen(folder, overwrite=("all",))

    assert items(events) == list(NAMES)
    assert [value.field for value in result.found if value.path == "night_bus.wav"] == ["keyscale"]
    assert tracks(folder)["night_bus"].bpm == 42


def test_a_value_that_no_track_can_hold_is_told_and_the_others_are_kept(folder, monkeypatch):
    known(monkeypatch, Babbler)
    result, events = listen(folder, annotators=None)

    assert {value.field for value in result.found} == {"keyscale"}
    assert set(notices(events)) == {("annotation.bad_value", f"{name}.wav", "warning") for name in NAMES}
    assert tracks(folder)["night_bus"].bpm is None


def many(folder, audio, names):
    """Scan copies of one song under these names."""
    for name in names:
        (folder / f"{name}.wav").hardlink_to(audio / "night_bus.wav")
    scan(folder)


def test_many_songs_are_heard_in_other_processes_and_one_that_ends_them_is_given_up(audio, tmp_path, monkeypatch):
    known(monkeypatch, Crasher)
    many(tmp_path, audio, ["crash", *"abcdefgh"])
    result, events = listen(tmp_path, annotators=None)
    heard = {name: track.bpm for name, track in tracks(tmp_path).items()}

    assert [(skip.path, skip.code) for skip in result.skipped] == [("crash.wav", "workers.crashed")]
    assert result.skipped[0].reason.startswith("crash.wav ")
    assert heard.pop("crash") is None
    assert os.getpid() not in heard.values() and None not in heard.values()
    assert sorted(items(events)) == [*"abcdefgh"[:3], "crash", *"abcdefgh"[3:]]


def told(events):
    return [event.message for event in events if isinstance(event, Noticed) and event.code in ("opened", "closed")]


def stages(events):
    return [event.stage for event in events if isinstance(event, StageStarted)]


def test_each_model_is_loaded_once_and_freed_before_the_next_is_loaded(folder, monkeypatch):
    known(monkeypatch, Writer, Rival)
    monkeypatch.setattr(Rival, "fields", ("caption",))
    monkeypatch.setattr(Rival, "listen", lambda self, song: {"caption": Guess(song.track.lyrics)})
    _, events = listen(folder, annotators=None, setup=Setup(folder, folder))

    assert told(events) == ["opened writer", "closed writer", "opened rival", "closed rival"]
    assert stages(events) == ["annotate writer", "annotate rival"]
    assert tracks(folder)["night_bus"].caption == "writer about None"


def test_what_one_found_in_this_round_is_not_found_anew_by_the_next(folder, monkeypatch):
    known(monkeypatch, Writer, Rival)
    _, events = listen(folder, annotators=None, setup=Setup(folder, folder), overwrite=("lyrics",))

    assert told(events) == ["opened writer", "closed writer"]
    assert tracks(folder)["night_bus"].lyrics == "writer about None"


def test_a_later_annotator_sees_what_was_found_before(folder, monkeypatch):
    known(monkeypatch, Both, Writer, Reader)
    listen(folder, annotators=None, setup=Setup(folder, folder))

    assert tracks(folder)["night_bus"].lyrics == "writer about C major"
    assert tracks(folder)["night_bus"].language == "de"


def test_who_needs_lyrics_is_not_asked_without_them(folder, monkeypatch):
    known(monkeypatch, Reader)
    edit(folder, "night_bus", lyrics="words of a person")
    result, events = listen(folder, annotators=None)

    assert items(events) == ["night_bus"]
    assert (result.written, result.kept, result.skipped) == (1, 2, ())
    assert tracks(folder)["night_bus"].language == "en"


def test_a_song_that_came_encoded_is_read_and_not_listened_to(folder, monkeypatch):
    known(monkeypatch, Both, Reader)
    (folder / "old.safetensors").write_bytes(b"latents")
    row = {"file_name": "old.safetensors", "seconds": 9.0, "lyrics": "words", "audio_sha256": "0"}
    with (folder / "metadata.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(row) + "\n")
    result, _ = listen(folder, annotators=None, tracks=("old*",))

    assert [(value.field, value.annotator) for value in result.found] == [("language", "reader")]
    assert result.skipped == ()


@pytest.mark.parametrize(("source", "heard"), [(None, False), (Source.ASR, False), (Source.MODEL, True)])
def test_no_lyrics_are_looked_for_where_a_good_source_says_that_nobody_sings(folder, monkeypatch, source, heard):
    known(monkeypatch, Rival)
    if source is None:
        edit(folder, "night_bus", instrumental=True)
    else:
        append_results(folder, "night_bus.wav", {"instrumental": True}, {"instrumental": Mark(source)})
    _, events = listen(folder, annotators=None, setup=Setup(folder, folder))

    assert ("night_bus" in items(events)) is heard


def test_old_times_do_not_stay_with_new_lyrics(folder, monkeypatch):
    known(monkeypatch, Writer)
    said = {"lyrics": "one\ntwo", "line_times": [1.0, 2.0]}
    append_results(folder, "night_bus.wav", said, dict.fromkeys(said, Mark(Source.ASR)))
    listen(folder, annotators=None, setup=Setup(folder, folder), overwrite=("lyrics",))
    track = tracks(folder)["night_bus"]

    assert track.lyrics == "writer about None"
    assert not track.line_times


def test_times_are_not_put_to_the_lyrics_of_another_source(folder, monkeypatch):
    known(monkeypatch, Writer)
    monkeypatch.setattr(Writer, "listen", lambda self, song: {"lyrics": Guess("x"), "line_times": Guess([1.0])})
    edit(folder, "night_bus", lyrics="words of a person")
    listen(folder, annotators=None, setup=Setup(folder, folder))

    assert tracks(folder)["night_bus"].line_times is None
    assert tracks(folder)["glass_arcade"].line_times == (1.0,)


class Doubter(Writer):
    """Another one that says nobody sings."""

    name = "doubter"
    fields = ("lyrics", "instrumental")

    def listen(self, song):
        return {"instrumental": Guess(True)}


@pytest.mark.parametrize(
    ("lyrics", "source", "overwrite", "instrumental"),
    [
        ("words", Source.USER, (), None),
        ("words", Source.FILE, ("all",), None),
        ("words", Source.ASR, (), None),
        ("words", Source.ASR, ("lyrics",), True),
        ("words", Source.MODEL, (), True),
        ("[verse]", Source.USER, (), True),
    ],
)
def test_a_song_whose_words_are_known_is_called_instrumental_by_nobody_below(
    folder, monkeypatch, lyrics, source, overwrite, instrumental
):
    known(monkeypatch, Doubter)
    append_results(folder, "night_bus.wav", {"lyrics": lyrics}, {"lyrics": Mark(source)})
    listen(folder, annotators=None, setup=Setup(folder, folder), overwrite=overwrite)

    assert tracks(folder)["night_bus"].instrumental is instrumental
    assert tracks(folder)["glass_arcade"].instrumental is True


def test_one_that_was_named_and_finds_nothing_to_read_is_told(folder, monkeypatch):
    known(monkeypatch, Reader)
    _, events = listen(folder, annotators=("reader",))

    assert notices(events) == [("annotation.idle", "", "warning")]


def test_one_that_nobody_named_may_find_nothing_to_read(folder, monkeypatch):
    known(monkeypatch, Reader)

    assert listen(folder, annotators=None)[1] == []


@pytest.mark.parametrize(
    ("annotators", "setup", "code"),
    [
        ((), {}, "annotation.nobody"),
        (("key",), {"device": "warp"}, "compute.no_device"),
        (None, {"endpoint": "localhost:8080"}, "listening.bad_endpoint"),
        (None, {"endpoint_model": "qwen"}, "listening.no_endpoint"),
    ],
)
def test_a_choice_that_cannot_be_is_refused_and_not_passed_over(folder, annotators, setup, code):
    with pytest.raises(SettingError) as error:
        annotate(folder, annotators=annotators, setup=Setup(folder, folder, **setup))

    assert error.value.code == code


def test_an_annotator_that_was_named_and_lacks_something_is_refused_before_anything_starts(folder, monkeypatch):
    known(monkeypatch, Both, Writer)
    with pytest.raises(MissingDependency):
        annotate(folder, annotators=("both", "writer"), setup=Setup(folder, folder, offline=True))

    assert tracks(folder)["night_bus"].bpm is None


def test_one_that_nobody_named_is_left_out_where_it_lacks_something(folder, monkeypatch):
    known(monkeypatch, Both, Writer)
    result, _ = listen(folder, annotators=None, setup=Setup(folder, folder, offline=True))

    assert {value.annotator for value in result.found} == {"both"}


def test_a_model_that_is_used_because_it_is_here_is_told(folder, monkeypatch):
    known(monkeypatch, Writer)
    _, events = listen(folder, annotators=None, setup=Setup(folder, folder))

    assert notices(events)[0] == ("annotation.models", "", "info")


@pytest.mark.parametrize(("named", "code"), [("writer", "cli.no_weights"), ("wirter", "catalog.unknown")])
def test_a_model_for_an_annotator_that_cannot_use_it_is_refused(folder, monkeypatch, named, code):
    known(monkeypatch, Both, Writer)
    with pytest.raises(UserError) as error:
        annotate(folder, setup=Setup(folder, folder, model_ids={named: "x"}, offline=True))

    assert error.value.code == code


def test_a_model_that_an_annotator_uses_beside_its_own_can_be_chosen(folder, monkeypatch):
    monkeypatch.setattr(Writer, "models", ("ears",), raising=False)
    known(monkeypatch, Both, Writer)
    with pytest.raises(UserError) as error:
        annotate(folder, setup=Setup(folder, folder, model_ids={"ears": "x"}, offline=True))

    assert error.value.code == "cli.no_weights"


def test_an_address_that_is_none_is_refused_though_nobody_named_the_annotator(folder):
    with pytest.raises(SettingError) as error:
        annotate(folder, setup=Setup(folder, folder, endpoint="localhost:8080"))

    assert error.value.code == "listening.bad_endpoint"


@pytest.mark.parametrize(("name", "value"), [("codec", "basal"), ("vocals", "nowhere")])
def test_a_further_model_that_is_not_here_is_told(folder, name, value):
    with pytest.raises(MissingDependency):
        annotate(folder, setup=Setup(folder, folder, model_ids={name: value}))


def test_a_song_that_a_model_cannot_do_is_told_and_the_next_one_is_done(folder, monkeypatch):
    def hear(self, song):
        if song.path.stem == "night_bus":
            raise DataError("audio.empty", path=song.path)
        return {"caption": Guess("a song")}

    known(monkeypatch, Writer)
    monkeypatch.setattr(Writer, "listen", hear)
    result, _ = listen(folder, annotators=None, setup=Setup(folder, folder))

    assert [(skip.path, skip.code) for skip in result.skipped] == [("night_bus.wav", "audio.empty")]
    assert tracks(folder)["paper_carousel"].caption == "a song"


def test_asked_to_stop_a_model_is_freed_and_its_finished_tracks_stay(folder, monkeypatch):
    known(monkeypatch, Writer)
    events = []
    with pytest.raises(Stopped):
        annotate(folder, setup=Setup(folder, folder), job=Job(events.append, lambda: len(items(events)) == 1))

    assert told(events) == ["opened writer", "closed writer"]
    assert [name for name, track in tracks(folder).items() if track.lyrics] == ["glass_arcade"]
