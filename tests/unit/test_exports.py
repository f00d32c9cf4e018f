"""Data sets go out whole, with what a target can hold, and without what must stay here."""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from acetune.data import manifest as manifests
from acetune.data.exports import ExportResult, export
from acetune.data.manifest import Manifest
from acetune.data.scan import scan
from acetune.data.settings import DatasetSettings
from acetune.data.track import Mark, Source, Track
from acetune.data.unpack import unpack
from acetune.errors import DataError, MissingDependency, SettingError, Stopped
from acetune.events import Event, Job, Json, Noticed, Progress
from acetune.files import content_hash
from world import tone

_LAYOUTS = ("v1", "official", "side-step", "simpletuner", "ai-toolkit")
_TARGETS = ("zip", "audiofolder", "hf", "official-json", "sidecars")
_RICH = {
    "caption": "warm piano, slow, 上海之夜",
    "genre": "jazz",
    "lyrics": '[Verse 1]\nla, "la" la\n\n[Chorus]\noh: oh',
    "line_times": (0.5, 1.0),
    "bpm": 92.5,
    "keyscale": "Eb minor",
    "timesignature": "3",
    "language": "zh",
    "instrumental": False,
    "trigger": "zxband",
    "repeats": 2,
    "split": "validation",
    "owner": "Ada",
    "isrc": "AA6Q72000047",
    "licence": "CC-BY-4.0",
    "consent": "signed 2026",
}


def data_set(folder: Path, *facts: Mapping[str, object]) -> Manifest:
    """Make a data set of one song for each set of facts."""
    tracks = []
    for number, known in enumerate(facts):
        name = f"live/song{number}.wav" if number % 2 else f"song{number}.wav"
        path = tone(folder / name, 1, seed=number, rate_hz=8000)
        track = Track(path=name, seconds=1.0, audio_sha256=content_hash(path))
        tracks.append(replace(track, **known))  # type: ignore[arg-type]
    manifest = Manifest(folder, tuple(tracks), DatasetSettings(folder.name))
    manifests.save(manifest)
    return manifest


def rich(**changes: object) -> dict[str, object]:
    marks = MappingProxyType({"bpm": Mark(Source.SIGNAL, 0.9), "caption": Mark(Source.MODEL)})
    extra = MappingProxyType({"original_name": "Ada - Night.mp3", "mood": [1, {"a": None}]})
    return {**_RICH, "provenance": marks, "extra": extra, **changes}


def tags_and_captions() -> dict[str, object]:
    captions = MappingProxyType({"simplified": "a song", "expanded": "a long song"})
    return {"tags": ("rock", "live"), "recaption": captions}


def sent(manifest: Manifest, to: str, out: Path, **options: object) -> ExportResult:
    return export(manifest.folder, to=to, out=out, **options)  # type: ignore[arg-type]


def sample_of(path: Path) -> dict[str, Json]:
    found: dict[str, Json] = json.loads(path.read_text(encoding="utf-8"))["samples"][0]
    return found


def test_a_zip_brings_a_data_set_back_as_it_was(tmp_path: Path) -> None:
    before = data_set(tmp_path / "songs", rich(), {}, {"excluded": True}, tags_and_captions())
    settings = DatasetSettings("my songs", trigger="zx", trigger_position="append")
    manifests.save(replace(before, settings=settings))
    result = sent(before, "zip", tmp_path / "a.zip", include_private=True)
    unpack(tmp_path / "a.zip", tmp_path / "back", Job())
    back = manifests.load(tmp_path / "back")

    assert back.tracks == before.tracks
    assert back.settings == settings
    assert scan(tmp_path / "back").manifest.tracks == before.tracks
    assert (result.not_held, result.withheld, result.left_out) == ({}, {}, ())


def test_equal_data_sets_give_equal_archives(tmp_path: Path) -> None:
    before = data_set(tmp_path / "songs", rich(), {})
    sent(before, "zip", tmp_path / "a.zip")
    sent(before, "zip", tmp_path / "b.zip")

    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_audio_is_stored_as_it_is(tmp_path: Path) -> None:
    before = data_set(tmp_path / "songs", {}, {})
    sent(before, "zip", tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as zipped:
        infos = {info.filename: info for info in zipped.infolist()}

    assert set(infos) == {"metadata.jsonl", ".acetune/dataset.yaml", "song0.wav", "live/song1.wav"}
    assert infos["song0.wav"].compress_type == zipfile.ZIP_STORED


def test_an_audiofolder_is_a_data_set(tmp_path: Path) -> None:
    before = data_set(tmp_path / "songs", rich(), {}, tags_and_captions())
    sent(before, "audiofolder", tmp_path / "out", include_private=True)

    assert manifests.load(tmp_path / "out").tracks == before.tracks
    assert (tmp_path / "out" / "live" / "song1.wav").read_bytes() == before.audio(before.tracks[1]).read_bytes()


def test_an_audiofolder_is_read_by_the_library_datasets(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    before = data_set(tmp_path / "songs", {**rich(), "provenance": {}}, {}, tags_and_captions())
    sent(before, "audiofolder", tmp_path / "out")
    rows = datasets.load_dataset(
        "json", data_files=str(tmp_path / "out" / "metadata.jsonl"), split="train", cache_dir=str(tmp_path / "cache")
    )

    assert rows["file_name"] == [track.path for track in before.tracks]
    assert rows["caption"] == [_RICH["caption"], None, None]
    assert rows["tags"] == [None, None, ["rock", "live"]]


@pytest.mark.parametrize(
    ("layout", "lost"),
    [
        ("v1", {"bpm", "keyscale", "timesignature", "language", "genre", "trigger", "repeats"}),
        ("official", {"bpm", "genre", "trigger", "repeats"}),
        ("side-step", {"bpm"}),
        ("simpletuner", {"bpm", "keyscale", "timesignature", "language", "genre", "trigger", "repeats"}),
        ("ai-toolkit", {"bpm", "genre", "trigger", "repeats"}),
    ],
)
@pytest.mark.parametrize("to", ["sidecars", "zip"])
def test_files_beside_songs_are_read_again_as_they_were(tmp_path: Path, layout: str, lost: set[str], to: str) -> None:
    always = {"line_times", "split", "licence"} | ({"instrumental"} if layout != "side-step" else set())
    before = data_set(tmp_path / "songs", rich())
    out = tmp_path / ("out.zip" if to == "zip" else "out")
    result = sent(before, to, out, layout=layout)
    if to == "zip":
        unpack(out, out.with_suffix(""), Job())
    (track,) = scan(tmp_path / "out").manifest.tracks

    held = _RICH.keys() - result.not_held.keys() - result.withheld.keys()

    assert set(result.not_held) == lost | always
    assert {name: getattr(track, name) for name in held} == {name: _RICH[name] for name in held}


@pytest.mark.parametrize("layout", _LAYOUTS)
def test_an_instrumental_is_one_in_every_layout(tmp_path: Path, layout: str) -> None:
    before = data_set(tmp_path / "songs", {"caption": "slow, piano", "instrumental": True})
    result = sent(before, "sidecars", tmp_path / "out", layout=layout)
    (track,) = scan(tmp_path / "out").manifest.tracks

    assert (track.caption, track.lyrics, track.instrumental) == ("slow, piano", None, True)
    assert result.not_held == {}


@pytest.mark.parametrize("layout", _LAYOUTS)
def test_nothing_is_invented_in_files_beside_songs(tmp_path: Path, layout: str) -> None:
    before = data_set(tmp_path / "songs", {})
    sent(before, "sidecars", tmp_path / "out", layout=layout)
    (track,) = scan(tmp_path / "out").manifest.tracks

    assert replace(track, provenance={}) == replace(before.tracks[0], provenance={})


def test_the_files_of_v1_are_those_that_its_converter_splits(tmp_path: Path) -> None:
    before = data_set(tmp_path / "songs", {**tags_and_captions(), "instrumental": True})
    sent(before, "sidecars", tmp_path / "out", layout="v1")

    assert (tmp_path / "out" / "song0_prompt.txt").read_bytes() == b"rock, live"
    assert (tmp_path / "out" / "song0_lyrics.txt").read_bytes() == b"[instrumental]"


@pytest.mark.parametrize(
    ("layout", "files"),
    [
        ("v1", {"_prompt.txt": "slow, piano", "_lyrics.txt": "la\nla"}),
        (
            "official",
            {
                ".caption.txt": "slow, piano",
                ".lyrics.txt": "la\nla",
                ".json": '{\n "caption": "slow, piano",\n "bpm": 92,\n "keyscale": "A minor",\n "timesignature": "4",\n'
                ' "language": "en"\n}\n',
            },
        ),
        (
            "side-step",
            {
                ".txt": "caption: slow, piano\nbpm: 92\nkey: A minor\nsignature: 4\nlanguage: en\n"
                "is_instrumental: false\ncustom_tag: zx\nrepeat: 2\nlyrics:\nla\nla\n"
            },
        ),
        ("simpletuner", {".txt": "slow, piano", ".lyrics": "la\nla"}),
        (
            "ai-toolkit",
            {
                ".txt": "<CAPTION>slow, piano</CAPTION>\n<LYRICS>la\nla</LYRICS>\n<BPM>92</BPM>\n"
                "<KEYSCALE>A minor</KEYSCALE>\n<TIMESIGNATURE>4</TIMESIGNATURE>\n<DURATION>1</DURATION>\n"
                "<LANGUAGE>en</LANGUAGE>\n"
            },
        ),
    ],
)
def test_files_beside_songs_are_as_their_tools_write_them(tmp_path: Path, layout: str, files: dict[str, str]) -> None:
    facts = {"caption": "slow, piano", "lyrics": "la\nla", "bpm": 92.0, "keyscale": "A minor", "timesignature": "4"}
    before = data_set(
        tmp_path / "songs", {**facts, "language": "en", "instrumental": False, "trigger": "zx", "repeats": 2}
    )
    sent(before, "sidecars", tmp_path / "out", layout=layout)
    texts = (file for file in (tmp_path / "out").iterdir() if file.suffix != ".wav")

    assert {file.name.removeprefix("song0"): file.read_text() for file in texts} == files


@pytest.mark.parametrize("layout", ["side-step", "ai-toolkit"])
def test_one_file_holds_only_what_is_known(tmp_path: Path, layout: str) -> None:
    sent(data_set(tmp_path / "songs", {"caption": "slow"}), "sidecars", tmp_path / "out", layout=layout)
    lines = (tmp_path / "out" / "song0.txt").read_text().splitlines()

    assert lines in (["caption: slow"], ["<CAPTION>slow</CAPTION>", "<DURATION>1</DURATION>"])


def test_lyrics_that_look_like_keys_are_said_to_be_lost(tmp_path: Path) -> None:
    before = data_set(tmp_path / "songs", {"lyrics": "[Verse 1]\nla la\nbpm: 120\nla"})
    result = sent(before, "sidecars", tmp_path / "out", layout="side-step")

    assert "lyrics" in result.not_held


def test_a_trigger_of_the_whole_set_goes_with_each_song(tmp_path: Path) -> None:
    before = data_set(tmp_path / "songs", {"caption": "slow"}, {"caption": "fast", "trigger": "own"})
    manifests.save(replace(before, settings=DatasetSettings("songs", trigger="zx")))
    sent(before, "sidecars", tmp_path / "out", layout="side-step")

    assert "custom_tag: zx\n" in (tmp_path / "out" / "song0.txt").read_text()
    assert "custom_tag: own\n" in (tmp_path / "out" / "live" / "song1.txt").read_text()


def test_the_official_file_has_its_fields(tmp_path: Path) -> None:
    before = data_set(tmp_path / "songs", rich())
    manifests.save(replace(before, settings=DatasetSettings("mine", trigger="zx", trigger_position="append")))
    result = sent(before, "official-json", tmp_path / "dataset.json")
    whole = json.loads((tmp_path / "dataset.json").read_text(encoding="utf-8"))
    created = whole["metadata"].pop("created_at")
    identity = whole["samples"][0].pop("id")

    assert whole["metadata"] == {
        "name": "mine",
        "custom_tag": "zx",
        "tag_position": "append",
        "num_samples": 1,
        "all_instrumental": False,
        "genre_ratio": 0,
    }
    assert whole["samples"] == [
        {
            "audio_path": "songs/song0.wav",
            "filename": "song0.wav",
            "caption": _RICH["caption"],
            "genre": "jazz",
            "lyrics": _RICH["lyrics"],
            "raw_lyrics": _RICH["lyrics"],
            "formatted_lyrics": "",
            "bpm": 92,
            "keyscale": "Eb minor",
            "timesignature": "3",
            "duration": 1,
            "language": "zh",
            "is_instrumental": False,
            "custom_tag": "zxband",
            "labeled": True,
            "prompt_override": None,
        }
    ]
    assert created.startswith("20")
    assert len(identity) == 8
    assert set(result.not_held) == {"bpm", "line_times", "repeats", "split", "licence"}


def test_what_is_missing_has_the_official_words_for_it(tmp_path: Path) -> None:
    before = data_set(tmp_path / "songs", {})
    sent(before, "official-json", tmp_path / "dataset.json")
    sample = sample_of(tmp_path / "dataset.json")

    assert sample["bpm"] is None
    assert sample["is_instrumental"] is None
    assert sample["labeled"] is False
    assert (sample["language"], sample["keyscale"], sample["lyrics"]) == ("unknown", "", "")


def test_the_official_file_beside_the_songs_is_read_again(tmp_path: Path) -> None:
    before = data_set(tmp_path / "songs", rich(bpm=92.0), {"instrumental": True}, {})
    sent(before, "official-json", tmp_path / "songs" / "dataset.json")
    (tmp_path / "songs" / "metadata.jsonl").unlink()
    tracks = {track.path: track for track in scan(tmp_path / "songs").manifest.tracks}
    back = tracks["song0.wav"]

    held = ("caption", "genre", "lyrics", "bpm", "keyscale", "timesignature", "language", "instrumental", "trigger")
    assert {name: getattr(back, name) for name in held} == {name: rich(bpm=92.0)[name] for name in held}
    assert tracks["live/song1.wav"].instrumental is True
    assert (tracks["song2.wav"].instrumental, tracks["song2.wav"].lyrics) == (None, None)


def test_rows_of_v1_have_its_columns(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    spoken = {"lyrics": "la la", "extra": MappingProxyType({"speaker_emb_path": "a.npy"})}
    before = data_set(
        tmp_path / "songs", {**tags_and_captions(), "instrumental": True}, {"caption": "slow, soft", **spoken}
    )
    sent(before, "hf", tmp_path / "out", include_private=True)
    first, second = datasets.load_from_disk(str(tmp_path / "out"))

    assert list(first) == ["keys", "filename", "tags", "speaker_emb_path", "norm_lyrics", "recaption"]
    assert first["tags"] == ["rock", "live"]
    assert first["norm_lyrics"] == "[instrumental]"
    assert first["recaption"] == {"simplified": "a song", "expanded": "a long song"}
    assert second["tags"] == ["slow", "soft"]
    assert second["recaption"] == {"simplified": None, "expanded": None}
    assert (second["norm_lyrics"], second["speaker_emb_path"]) == ("la la", "a.npy")
    assert second["filename"] == (tmp_path / "songs" / "live" / "song1.wav").as_posix()
    assert len({first["keys"], second["keys"]}) == 2


def test_rows_of_v1_are_repeated_and_held_out_as_v1_does(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    before = data_set(tmp_path / "songs", {"tags": ("a",), "repeats": 3}, {"tags": ("b",), "split": "validation"})
    result = sent(before, "hf", tmp_path / "out")
    saved = datasets.load_from_disk(str(tmp_path / "out"))

    assert saved["train"]["tags"] == [["a"]] * 3
    assert saved["test"]["tags"] == [["b"]]
    assert saved["test"]["filename"] == ["../songs/live/song1.wav"]
    assert result.not_held == {}


def test_rows_of_v1_without_recaptions_can_be_saved(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    sent(data_set(tmp_path / "songs", {}), "hf", tmp_path / "out")
    (row,) = datasets.load_from_disk(str(tmp_path / "out"))

    assert (row["tags"], row["norm_lyrics"], row["speaker_emb_path"]) == ([], "", "")
    assert not row["recaption"]


def test_rows_of_v1_come_back(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    from acetune.data.importers import import_data

    facts = {**tags_and_captions(), "lyrics": "[verse]\nla", "repeats": 2}
    before = data_set(tmp_path / "songs", facts, {"tags": ("b",), "instrumental": True})
    sent(before, "hf", tmp_path / "out")
    tracks = import_data(tmp_path / "out", tmp_path / "back").manifest.tracks

    assert {name: getattr(tracks[0], name) for name in facts} == facts
    assert (tracks[1].tags, tracks[1].instrumental, tracks[1].lyrics) == (("b",), True, None)


def test_without_the_library_datasets_the_error_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = data_set(tmp_path / "songs", {})
    monkeypatch.setitem(sys.modules, "datasets", None)

    with pytest.raises(MissingDependency) as caught:
        sent(before, "hf", tmp_path / "out")
    assert "pip install acetune[datasets]" in caught.value.remedy()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "told",
    [
        {"extra": MappingProxyType({"lyrics_from": "LRCLIB"})},
        {"provenance": MappingProxyType({"lyrics": Mark(Source.FILE, origin="lrclib")})},
    ],
    ids=["column", "mark"],
)
@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("to", _TARGETS)
def test_lyrics_from_lrclib_never_leave(tmp_path: Path, to: str, private: bool, told: dict[str, object]) -> None:
    if to == "hf":
        pytest.importorskip("datasets")
    borrowed = rich(lyrics="secret words", **told)
    before = data_set(tmp_path / "songs", borrowed)
    result = sent(before, to, tmp_path / "out", include_private=private)
    if to == "zip":
        unpack(tmp_path / "out", tmp_path / "unpacked", Job())
    written = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file() and "songs" not in file.parts]

    assert {"lyrics", "line_times"} <= set(result.withheld)
    assert written
    assert not any(b"secret words" in data for data in written)
    assert before.tracks == manifests.load(before.folder).tracks


def test_private_columns_stay_unless_they_are_asked_for(tmp_path: Path) -> None:
    before = data_set(tmp_path / "songs", rich(), {})
    heard: list[Event] = []
    result = sent(before, "audiofolder", tmp_path / "out", job=Job(heard.append))
    track = manifests.load(tmp_path / "out").tracks[0]

    assert result.withheld == {"owner": 1, "isrc": 1, "consent": 1, "original_name": 1, "mood": 1}
    assert (track.owner, track.isrc, track.consent, track.licence) == (None, None, None, "CC-BY-4.0")
    assert track.extra == {}
    assert (track.caption, track.lyrics, track.bpm) == (_RICH["caption"], _RICH["lyrics"], 92.5)
    assert [event.code for event in heard if isinstance(event, Noticed)] == ["share.withheld"]


@pytest.mark.parametrize(("private", "place"), [(False, "songs/song0.wav"), (True, "/songs/song0.wav")])
def test_whole_paths_leave_only_when_they_are_asked_for(tmp_path: Path, private: bool, place: str) -> None:
    before = data_set(tmp_path / "songs", {})
    sent(before, "official-json", tmp_path / "dataset.json", include_private=private)
    named = str(sample_of(tmp_path / "dataset.json")["audio_path"])

    assert named.endswith(place)
    assert Path(named).is_absolute() == private


@pytest.mark.parametrize("to", ["hf", "official-json", "sidecars"])
def test_excluded_songs_are_left_out_and_listed(tmp_path: Path, to: str) -> None:
    if to == "hf":
        pytest.importorskip("datasets")
    result = sent(data_set(tmp_path / "songs", {}, {"excluded": True}), to, tmp_path / "out")

    assert result.tracks == 1
    assert [(skip.path, skip.code) for skip in result.left_out] == [("live/song1.wav", "share.excluded")]


def test_a_data_set_of_excluded_songs_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        sent(data_set(tmp_path / "songs", {"excluded": True}), "sidecars", tmp_path / "out")
    assert caught.value.code == "share.nothing_left"


@pytest.mark.parametrize("to", _TARGETS)
def test_nothing_is_overwritten(tmp_path: Path, to: str) -> None:
    (tmp_path / "out").write_text("mine")

    with pytest.raises(DataError) as caught:
        sent(data_set(tmp_path / "songs", {}), to, tmp_path / "out")
    assert caught.value.code == "share.exists"
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize("to", ["audiofolder", "sidecars", "hf"])
def test_copies_are_not_put_where_a_scan_would_find_them(tmp_path: Path, to: str) -> None:
    with pytest.raises(DataError) as caught:
        sent(data_set(tmp_path / "songs", {}), to, tmp_path / "songs" / "out")
    assert caught.value.code == "share.inside"


@pytest.mark.parametrize("to", _TARGETS)
def test_a_song_that_is_gone_is_an_error(tmp_path: Path, to: str) -> None:
    before = data_set(tmp_path / "songs", {}, {})
    before.audio(before.tracks[0]).unlink()

    with pytest.raises(DataError) as caught:
        sent(before, to, tmp_path / "out")
    assert caught.value.code == "share.gone"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("to", "layout"), [("sidecars", None), ("zip", "v1")])
def test_songs_that_would_share_files_are_refused(tmp_path: Path, to: str, layout: str | None) -> None:
    folder = tmp_path / "songs"
    for name in ("song.wav", "Song.flac"):
        tone(folder / name, 1, seed=len(name), rate_hz=8000)
    scan(folder)

    with pytest.raises(DataError) as caught:
        export(folder, to=to, out=tmp_path / "out", layout=layout)
    assert caught.value.code == "share.same_name"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("to", "layout", "code"),
    [("tar", None, "share.no_target"), ("zip", "v2", "share.no_layout"), ("hf", "v1", "share.no_layout")],
)
def test_an_unknown_target_or_layout_is_refused(tmp_path: Path, to: str, layout: str | None, code: str) -> None:
    with pytest.raises(SettingError) as caught:
        sent(data_set(tmp_path / "songs", {}), to, tmp_path / "out", layout=layout)
    assert caught.value.code == code


def test_a_folder_that_was_not_scanned_is_refused(tmp_path: Path) -> None:
    tone(tmp_path / "songs" / "a.wav", 1)

    with pytest.raises(DataError) as caught:
        export(tmp_path / "songs", to="zip", out=tmp_path / "a.zip")
    assert caught.value.code == "data.not_scanned"


@pytest.mark.parametrize("to", _TARGETS)
def test_a_stop_leaves_nothing(tmp_path: Path, to: str) -> None:
    if to == "hf":
        pytest.importorskip("datasets")
    before = data_set(tmp_path / "songs", {})

    with pytest.raises(Stopped):
        sent(before, to, tmp_path / "out", job=Job(stop_requested=lambda: True))
    assert [path.name for path in tmp_path.iterdir()] == ["songs"]


@pytest.mark.parametrize("to", ["zip", "audiofolder", "hf"])
def test_progress_is_reported(tmp_path: Path, to: str) -> None:
    if to == "hf":
        pytest.importorskip("datasets")
    heard: list[Event] = []
    sent(data_set(tmp_path / "songs", {}, {}), to, tmp_path / "out", job=Job(heard.append))
    last = [event for event in heard if isinstance(event, Progress)][-1]

    assert last.done == last.total
