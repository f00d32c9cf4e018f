"""`acetune annotate`: who listens, what is shown, and what is refused before anything starts."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path

import pytest

from acetune import catalog
from acetune.annotation.annotator import Guess, Setup, Song
from acetune.audio import files
from acetune.audio.songs import demo_songs, render
from acetune.cli.main import main
from acetune.data import manifest
from acetune.data.scan import scan
from acetune.data.track import Source
from acetune.errors import MissingDependency
from acetune.events import Job

NAMES = ("night_bus", "slow_lantern")


class Asking:
    """An annotator that says what it was allowed to use."""

    name = "endpoint"
    fields = ("caption",)
    source = Source.MODEL
    pooled = False

    def missing(self, setup: Setup) -> MissingDependency | None:
        if setup.endpoint is None:
            return MissingDependency("cli.no_weights", variant="endpoint", size="0 B")
        return None

    def opened(self, setup: Setup, job: Job) -> object:
        said = [setup.endpoint, setup.endpoint_model, setup.api_key, setup.device, setup.model_ids.get("tempo")]
        return nullcontext(lambda song: {"caption": Guess(" ".join(map(str, said)))})


class Singing(Asking):
    """An annotator that looks for lyrics."""

    name = "lyrics-online"
    fields = ("lyrics",)

    def missing(self, setup: Setup) -> MissingDependency | None:
        return None if setup.online else MissingDependency("cli.no_weights", variant="lyrics", size="0 B")

    def opened(self, setup: Setup, job: Job) -> object:
        def listen(song: Song) -> dict[str, Guess]:
            return {"lyrics": Guess("a long line of words " * 9)}

        return nullcontext(listen)


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audio")
    for song in demo_songs():
        if song.stem in NAMES:
            files.write(folder / f"{song.stem}.wav", render(song))
    return folder


@pytest.fixture
def songs(audio: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A scanned folder of two songs, and a catalogue with two parts more."""
    for name in set(catalog.ANNOTATORS) - {"tempo", "key"}:
        monkeypatch.delitem(catalog.ANNOTATORS, name)
    monkeypatch.setitem(catalog.ANNOTATORS, "lyrics-online", f"{__name__}:Singing")
    monkeypatch.setitem(catalog.ANNOTATORS, "endpoint", f"{__name__}:Asking")
    (tmp_path / "songs").mkdir(exist_ok=True)
    for name in NAMES:
        (tmp_path / "songs" / f"{name}.wav").hardlink_to(audio / f"{name}.wav")
    scan(tmp_path / "songs")
    return tmp_path / "songs"


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def known(songs: Path, field: str) -> list[object]:
    return [getattr(track, field) for track in manifest.load(songs).tracks]


def test_what_was_found_is_shown_with_its_confidence_and_who_says_so(
    songs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["annotate", str(songs)])
    shown = lines(capsys)

    assert code == 0
    assert shown[0].split() == ["TRACK", "FIELD", "VALUE", "SURE", "FROM"]
    assert [line.split()[:3] for line in shown[1:5:2]] == [
        ["night_bus.wav", "bpm", "84.0"],
        ["slow_lantern.wav", "bpm", "72.0"],
    ]
    assert shown[1].endswith("tempo (signal)")
    assert shown[-2] == "Values found: 4 in 2 tracks; nothing new: 0, skipped: 0."
    assert shown[-1] == f'Next: acetune data check "{songs}"'


def test_programs_get_the_values_in_the_last_event(songs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["annotate", str(songs), "--with", "tempo", "--json"])
    result = json.loads(lines(capsys)[-1])["result"]

    assert (result["written"], result["kept"], result["skipped"]) == (2, 0, [])
    assert [(value["path"], value["field"], value["value"]) for value in result["found"]] == [
        ("night_bus.wav", "bpm", 84.0),
        ("slow_lantern.wav", "bpm", 72.0),
    ]


@pytest.mark.parametrize("names", [["--with", "tempo,key"], ["--with", "tempo", "--with", "key"]], ids=" ".join)
def test_several_are_named_with_commas_or_one_after_the_other(songs: Path, names: list[str]) -> None:
    main(["annotate", str(songs), *names, "-q"])

    assert known(songs, "bpm") == [84.0, 72.0]
    assert None not in known(songs, "keyscale")


@pytest.mark.parametrize("flag", ["--with", "--annotators"])
def test_only_those_who_are_named_listen(songs: Path, flag: str) -> None:
    main(["annotate", str(songs), flag, "key", "-q"])

    assert known(songs, "keyscale") == ["F# minor", "Eb major"]
    assert known(songs, "bpm") == [None, None]


def test_a_preview_writes_nothing_and_says_so(songs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["annotate", str(songs), "--preview", "1"])
    shown = lines(capsys)

    assert [line.split()[0] for line in shown[1:3]] == ["night_bus.wav", "night_bus.wav"]
    assert shown[-1] == "This is a preview: nothing was written."
    assert known(songs, "bpm") == [None, None]


def test_tracks_and_fields_can_be_named_more_than_once(songs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["annotate", str(songs), "-q"])
    capsys.readouterr()
    again = ["--overwrite", "bpm", "--overwrite", "keyscale", "--tracks", "night*", "--tracks", "slow*"]
    main(["annotate", str(songs), *again])

    assert "Values found: 4 in 2 tracks; nothing new: 0, skipped: 0." in lines(capsys)


def test_an_endpoint_is_asked_with_what_the_user_gave(songs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACETUNE_API_KEY", "secret")
    server = [
        "--endpoint",
        "http://127.0.0.1:1",
        "--endpoint-model",
        "ears",
        "--device",
        "cpu",
        "--model",
        "tempo=here",
    ]
    main(["annotate", str(songs), "--with", "tempo", *server, "-q"])

    assert known(songs, "caption") == ["http://127.0.0.1:1 ears secret cpu here"] * 2
    assert known(songs, "bpm") == [84.0, 72.0]


def test_a_key_of_a_server_is_nowhere_in_the_output_or_the_data_set(
    songs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ACETUNE_API_KEY", "secret")
    main(["annotate", str(songs), "--with", "key", "--online-lyrics", "--json", "--debug"])
    captured = capsys.readouterr()

    assert "secret" not in captured.out + captured.err
    assert not any(b"secret" in path.read_bytes() for path in songs.rglob("*.json*"))


def test_online_lyrics_are_looked_for_only_if_asked_and_shown_in_short(
    songs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["annotate", str(songs), "--with", "tempo", "--online-lyrics"])
    shown = lines(capsys)

    assert known(songs, "lyrics") == [("a long line of words " * 9)] * 2
    assert all(len(line) < 120 for line in shown)
    assert "…" in shown[2]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--with", "tempo,endpoint"], "The weights of endpoint"),
        (["--with", "temp"], "Did you mean 'tempo'?"),
        (["--with", ","], "No annotator was named."),
        (["--with", "tempo", "--endpoint-model", "qwen"], "The weights of endpoint"),
        (["--model", "tempo"], "Write it as NAME=PATH"),
        (["--overwrite", "lyrics"], "fill bpm, keyscale"),
        (["--tracks", "x*"], "is called x*"),
        (["--preview", "0"], "--preview"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_starts(
    songs: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    code = main(["annotate", str(songs), *arguments])
    shown = capsys.readouterr().err

    assert code == 2
    assert said in shown
    assert "Annotate:" not in shown
    assert known(songs, "bpm") == [None, None]
