import json
import time
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from acetune.annotation import lrclib
from acetune.annotation.annotate import annotate
from acetune.annotation.annotator import Setup, Song
from acetune.annotation.online import OnlineLyricsAnnotator
from acetune.annotation.titles import title_in, title_of
from acetune.annotation.web import Limits
from acetune.audio.files import write
from acetune.data.manifest import load
from acetune.data.scan import scan
from acetune.data.track import Mark, Source, Track
from acetune.errors import DataError, DownloadFailed, MissingDependency, SettingError, Stopped
from acetune.events import Job
from talker import Answer, in_turn, talking

TIMED = "[00:01.00] Walk the line\n[00:03.50] made of stone\n[00:30.00] and home\n"
PLAIN = "Walk the line\nmade of stone\n\nand home"
ANSWER = {"trackName": "Stone", "duration": 40.4, "instrumental": False, "plainLyrics": PLAIN, "syncedLyrics": TIMED}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Wait for moments only."""
    monkeypatch.setattr(lrclib, "_SECONDS_BETWEEN", 0.02)
    limits = Limits(seconds=2.0, most_bytes=50_000, tries=2, first_pause=0.01)
    monkeypatch.setattr("acetune.annotation.online.LIMITS", limits)


@pytest.fixture
def look(tmp_path):
    """Return what is found for songs of these names in a collection that answers so, and what it was asked."""

    def find(answer, *names, seconds=40.0, stop=lambda: False):
        with talking(answer) as talker:
            setup = Setup(tmp_path, tmp_path, online=True, model_ids={"lyrics-online": talker.address})
            with OnlineLyricsAnnotator().opened(setup, Job(stop_requested=stop)) as opened:
                said = [opened(Song(Track(path=name, seconds=seconds), tmp_path / name)) for name in names]
        return said, talker.asked

    return find


def values(guesses):
    return {name: guess.value for name, guess in guesses.items()}


def test_lyrics_come_with_sections_and_the_times_of_their_lines(look):
    (said,), _ = look(in_turn(Answer(200, ANSWER)), "An Artist - Stone.mp3")

    assert values(said) == {
        "lyrics": "[Verse 1]\nWalk the line\nmade of stone\n\n[Instrumental]\n\n[Verse 2]\nand home",
        "line_times": [1.0, 3.5, 30.0],
        "instrumental": False,
    }
    assert {guess.origin for guess in said.values()} == {"lrclib"}
    assert said["lyrics"].notice == "listening.sections_guessed"


def test_lyrics_without_times_are_taken_too(look):
    (said,), _ = look(in_turn(Answer(200, ANSWER | {"syncedLyrics": None})), "An Artist - Stone.mp3")

    assert values(said) == {
        "lyrics": "[Verse 1]\nWalk the line\nmade of stone\n\n[Verse 2]\nand home",
        "instrumental": False,
    }


def test_headings_of_the_collection_stay(look):
    answer = Answer(200, ANSWER | {"syncedLyrics": "", "plainLyrics": "[chorus]\nla\n[Verse 2]\nlo"})
    (said,), _ = look(in_turn(answer), "An Artist - Stone.mp3")

    assert said["lyrics"].value == "[Chorus]\nla\n\n[Verse 2]\nlo"
    assert said["lyrics"].notice is None


def test_an_instrumental_is_one(look):
    (said,), _ = look(in_turn(Answer(200, {"instrumental": True, "duration": 40})), "An Artist - Stone.mp3")

    assert values(said) == {"instrumental": True}


def test_artist_title_and_length_are_asked_for_and_nothing_else(look):
    _, asked = look(in_turn(Answer(404)), "01 - Ærtist & Co - Stöne? (Official Video).mp3", seconds=182.6)
    address = urlsplit(asked[0].path)

    assert address.path == "/api/get"
    assert parse_qs(address.query) == {"artist_name": ["Ærtist & Co"], "track_name": ["Stöne?"], "duration": ["183"]}
    assert asked[0].headers["user-agent"].startswith("acetune ")


@pytest.mark.parametrize("answer", [Answer(200, ANSWER), Answer(404, {"code": 404})], ids=["answer", "miss"])
def test_nothing_is_asked_twice(look, answer, tmp_path):
    with talking(in_turn(answer)) as talker:
        setup = Setup(tmp_path, tmp_path, online=True, model_ids={"lyrics-online": talker.address})
        song = Song(Track(path="A - B.mp3", seconds=40), tmp_path / "A - B.mp3")
        said = []
        for _ in range(2):
            with OnlineLyricsAnnotator().opened(setup, Job()) as opened:
                said += [opened(song), opened(song)]

    assert len(talker.asked) == 1
    assert said[0] == said[1] == said[2] == said[3]


@pytest.mark.parametrize(
    ("kept", "again"),
    [
        ({"answer": None, "time": time.time() - 60.0}, False),
        ({"answer": None, "time": time.time() - 1e7}, True),
        ({"answer": None, "time": time.time() + 1e7}, True),
        ({"answer": None}, True),
        ({"answer": ANSWER, "time": 0.0}, False),
        ([], True),
        ("{", True),
    ],
    ids=["fresh miss", "old miss", "miss of the future", "undated miss", "old answer", "list", "damaged"],
)
def test_an_old_miss_and_a_damaged_answer_are_asked_for_again(look, tmp_path, kept, again):
    with talking(in_turn(Answer(404))) as talker:
        setup = Setup(tmp_path, tmp_path, online=True, model_ids={"lyrics-online": talker.address})
        song = Song(Track(path="A - B.mp3", seconds=40), tmp_path / "A - B.mp3")
        with OnlineLyricsAnnotator().opened(setup, Job()) as opened:
            opened(song)
            (file,) = (tmp_path / "lrclib").iterdir()
            file.write_text(kept if isinstance(kept, str) else json.dumps(kept))
            opened(song)

    assert len(talker.asked) == 1 + again


def test_the_collection_is_asked_once_a_second(look, monkeypatch):
    monkeypatch.setattr(lrclib, "_SECONDS_BETWEEN", 0.3)
    _, asked = look(in_turn(Answer(404)), "A - B.mp3", "A - C.mp3")

    assert asked[1].time - asked[0].time >= 0.3


@pytest.mark.parametrize("duration", [37.9, 42.1, 400])
def test_another_recording_is_no_match(look, duration):
    (said,), _ = look(in_turn(Answer(200, ANSWER | {"duration": duration})), "A - B.mp3")

    assert said == {}


def test_a_song_without_a_title_is_told_and_nothing_is_asked(look):
    with pytest.raises(DataError) as caught:
        look(in_turn(Answer(200, ANSWER)), "track01.mp3")

    assert caught.value.code == "listening.no_title"
    assert "track01.mp3" in caught.value.message()


@pytest.mark.parametrize("body", ["<html>", "[]", "", b"\xff\xfe", "[" * 9999])
def test_an_answer_that_cannot_be_read_costs_this_song_and_is_not_kept(look, tmp_path, body):
    with pytest.raises(DataError) as caught:
        look(in_turn(Answer(200, body)), "A - B.mp3")

    assert caught.value.code == "listening.lyrics_refused"
    assert not (tmp_path / "lrclib").exists()


@pytest.mark.parametrize("status", [400, 403, 500, 503, 429])
def test_a_refusal_costs_this_song(look, status):
    with pytest.raises(DataError) as caught:
        look(in_turn(Answer(status, "no")), "A - B.mp3")

    assert f"status {status}" in caught.value.message()


def test_busy_for_a_moment_is_asked_again(look):
    (said,), asked = look(in_turn(Answer(503), Answer(200, ANSWER)), "A - B.mp3")

    assert "lyrics" in said
    assert len(asked) == 2


def test_a_huge_answer_is_not_read(look):
    with pytest.raises(DataError) as caught:
        look(in_turn(Answer(200, ANSWER | {"plainLyrics": "x" * 100_000})), "A - B.mp3")

    assert caught.value.code == "listening.huge_answer"


def test_three_songs_without_any_answer_end_the_work(tmp_path):
    with talking(in_turn(Answer())) as talker:
        pass
    setup = Setup(tmp_path, tmp_path, online=True, model_ids={"lyrics-online": talker.address})
    errors = []
    with OnlineLyricsAnnotator().opened(setup, Job()) as opened:
        for name in ("A - B.mp3", "A - C.mp3", "A - D.mp3"):
            with pytest.raises((DataError, DownloadFailed)) as caught:
                opened(Song(Track(path=name, seconds=40), tmp_path / name))
            errors.append(type(caught.value))

    assert errors == [DataError, DataError, DownloadFailed]


def test_a_stop_is_heard_in_a_moment(look):
    start = time.monotonic()
    with pytest.raises(Stopped):
        look(in_turn(Answer(delay=30)), "A - B.mp3", stop=lambda: time.monotonic() > start + 0.2)

    assert time.monotonic() - start < 5  # a second where the machine has nothing else to do


def test_nothing_is_asked_of_those_who_did_not_ask(tmp_path):
    error = OnlineLyricsAnnotator().missing(Setup(tmp_path, tmp_path))

    assert isinstance(error, MissingDependency)
    assert "--online-lyrics" in error.remedy()


def test_a_copy_of_the_collection_needs_an_address(tmp_path):
    setup = Setup(tmp_path, tmp_path, online=True, model_ids={"lyrics-online": "here"})

    assert isinstance(OnlineLyricsAnnotator().missing(setup), SettingError)
    assert OnlineLyricsAnnotator().missing(Setup(tmp_path, tmp_path, online=True)) is None


def test_what_is_found_is_written_as_a_file_s_word_with_its_origin(tmp_path):
    folder = tmp_path / "songs"
    folder.mkdir()
    write(folder / "An Artist - Stone.wav", 0.1 * np.ones((40 * 8000, 1), np.float32), 8000)
    scan(folder)
    with talking(in_turn(Answer(200, ANSWER))) as talker:
        setup = Setup(tmp_path, tmp_path, online=True, model_ids={"lyrics-online": talker.address})
        annotate(folder, annotators=("lyrics-online",), setup=setup)
    (track,) = load(folder).tracks
    mark = track.provenance["lyrics"]

    assert track.line_times == (1.0, 3.5, 30.0)
    assert (mark.source, mark.origin) == (Source.FILE, "lrclib")


def test_a_person_s_words_lose_the_origin_of_the_old_ones():
    track = Track(path="a", seconds=1).with_value("lyrics", "theirs", Mark(Source.FILE, 0.9, "lrclib"))
    track = track.with_value("lyrics", "mine", Mark(Source.USER))

    assert track.provenance["lyrics"] == Mark(Source.USER)


NAMES = {
    "Artist - Title": ("Artist", "Title"),
    "01 - Artist - Title": ("Artist", "Title"),
    "03. Artist – Title [HD Video]": ("Artist", "Title"),
    "01 Artist - Title": ("Artist", "Title"),
    "50 Cent - Title": ("50 Cent", "Title"),
    "Some_Artist_-_Some_Title": ("Some Artist", "Some Title"),
    "歌手 - 歌名 (官方版)": ("歌手", "歌名"),
    "歌手 - 曲名【MV】": ("歌手", "曲名"),
    "가수 - 노래 (Official Audio)": ("가수", "노래"),
    "Певец - Песня (Live)": ("Певец", "Песня (Live)"),
    "Jean-Luc - Été-Indien": ("Jean-Luc", "Été-Indien"),
}


@pytest.mark.parametrize(("stem", "title"), NAMES.items())
def test_a_file_name_tells_artist_and_title(stem, title):
    found = title_in(stem)

    assert (found.artist, found.title) == title


@pytest.mark.parametrize(
    "stem", ["Title", "07 - Title", "a - b - c", " - Title", "Artist - ", "song-one", "99 Luftballons", ""]
)
def test_any_other_name_tells_nothing(stem):
    assert title_in(stem) is None


def test_tags_come_before_the_name(tmp_path):
    import av

    path = tmp_path / "A - B.mp3"
    with av.open(path, "w") as container:
        container.metadata.update({"artist": "Tagged", "title": "Song", "album": "Record"})
        stream = container.add_stream("mp3", rate=44_100, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 44_100), np.int16), format="s16p", layout="mono")
        frame.sample_rate = 44_100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    found = title_of(path)

    assert (found.artist, found.title, found.album, found.is_tagged) == ("Tagged", "Song", "Record", True)


def test_a_file_that_cannot_be_read_is_told_by_its_name(tmp_path):
    (tmp_path / "A - B.mp3").write_bytes(b"words")

    assert title_of(tmp_path / "A - B.mp3").title == "B"
