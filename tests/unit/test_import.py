"""Songs that were prepared for other tools become a data set."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
import wave
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

import acetune.data
from acetune.data.importers import import_data
from acetune.data.manifest import load, read
from acetune.data.scan import scan
from acetune.data.sets import SET_LAYOUTS
from acetune.data.settings import read_settings
from acetune.data.sidecars import LAYOUTS
from acetune.data.surveying import FileReading
from acetune.data.track import DESCRIPTION, Source, Track
from acetune.errors import AcetuneError, DataError, SettingError, Stopped
from acetune.events import Event, Job, Noticed, Progress
from acetune.files import content_hash
from acetune.locks import lock
from acetune.monitor.words import LANGUAGES, Words

_WORDS = "[Verse]\nla la\n\n[Chorus]\nlo lo"
_SAMPLE = {
    "id": "ab12cd34",
    "filename": "a.wav",
    "caption": "warm piano",
    "genre": "jazz",
    "lyrics": _WORDS,
    "bpm": 92,
    "keyscale": "A minor",
    "timesignature": "4",
    "duration": 1,
    "language": "en",
    "is_instrumental": False,
    "custom_tag": "",
    "labeled": True,
    "prompt_override": None,
}
_FACTS = {"bpm": 92.0, "keyscale": "A minor", "timesignature": "4", "language": "en"}
_KEY_VALUE = (
    "caption: warm piano\ngenre: jazz\nbpm: 92\nkey: Am\n{metre}: 4/4\nlanguage: en\nis_instrumental: no\n{more}"
    f"lyrics:\n{_WORDS}\n"
)
_TAGGED = (
    f"<CAPTION>\nwarm piano\n</CAPTION>\n<LYRICS>\n{_WORDS}\n</LYRICS>\n<BPM>92</BPM>\n<KEYSCALE>A minor</KEYSCALE>\n"
    "<TIMESIGNATURE>4</TIMESIGNATURE>\n<DURATION>1</DURATION>\n<LANGUAGE>en</LANGUAGE>"
)
_MUSUBI = {
    "caption": "warm piano",
    "lyrics": _WORDS,
    "bpm": 92,
    "keyscale": "A minor",
    "timesignature": "4",
    "duration": 9,
}
_OFFICIAL = {"caption": "warm piano", "bpm": 92, "keyscale": "A minor", "timesignature": "4", "language": "en"}
_CSV_HEAD = "File,Artist,Title,BPM,Key,Camelot\n"

#: Name of a layout: the files beside ``a.wav``, the fields they say, and the columns that are kept.
_LAYOUTS: dict[str, tuple[dict[str, str], dict[str, object], dict[str, object]]] = {
    "ACE-Step v1": (
        {"a_prompt.txt": "pop, slow", "a_lyrics.txt": _WORDS},
        {"caption": "pop, slow", "tags": ("pop", "slow"), "lyrics": _WORDS},
        {},
    ),
    "ACE-Step 1.5": (
        {"a.lyrics.txt": _WORDS, "a.caption.txt": "warm piano", "a.json": json.dumps(_OFFICIAL)},
        {"caption": "warm piano", "lyrics": _WORDS, **_FACTS},
        {},
    ),
    "ACE-Step 1.5 of February": (
        {"a.txt": _WORDS, "any.csv": "File,BPM,Key,Caption\na.wav,92,Am,warm piano\n"},
        {"lyrics": _WORDS, "caption": "warm piano", "bpm": 92.0, "keyscale": "A minor"},
        {},
    ),
    "ACE-Step 1.5 data set": (
        {"dataset.json": json.dumps({"metadata": {"name": "x"}, "samples": [{**_SAMPLE, "audio_path": "/old/a.wav"}]})},
        {"caption": "warm piano", "genre": "jazz", "lyrics": _WORDS, "instrumental": False, **_FACTS},
        {"id": "ab12cd34", "labeled": True},
    ),
    "Side-Step": (
        {"a.txt": _KEY_VALUE.format(metre="signature", more="custom_tag: zx\nrepeat: 3\nprompt_override: genre\n")},
        {"caption": "warm piano", "genre": "jazz", "lyrics": _WORDS, "instrumental": False, "trigger": "zx", **_FACTS}
        | {"repeats": 3},
        {"prompt_override": "genre"},
    ),
    "Side-Step data set": (
        {"dataset.json": json.dumps([{**_SAMPLE, "audio_path": "a.wav", "custom_tag": "zx"}])},
        {"caption": "warm piano", "genre": "jazz", "lyrics": _WORDS, "instrumental": False, "trigger": "zx", **_FACTS},
        {"id": "ab12cd34", "labeled": True},
    ),
    "SN nodes": (
        {"a.txt": _KEY_VALUE.format(metre="timesignature", more="")},
        {"caption": "warm piano", "genre": "jazz", "lyrics": _WORDS, "instrumental": False, **_FACTS},
        {},
    ),
    "FL nodes": (
        {"a.txt": _WORDS, "key_bpm.csv": "filename,bpm,key,caption\na,92,Am,warm piano\n"},
        {"lyrics": _WORDS, "caption": "warm piano", "bpm": 92.0, "keyscale": "A minor"},
        {},
    ),
    "SimpleTuner": (
        {"a.txt": "warm piano", "a.lyrics": "la la"},
        {"caption": "warm piano", "lyrics": "la la"},
        {},
    ),
    "ai-toolkit": ({"a.txt": _TAGGED}, {"caption": "warm piano", "lyrics": _WORDS, **_FACTS}, {}),
    "musubi-tuner": (
        {"a.json": json.dumps(_MUSUBI)},
        {"caption": "warm piano", "lyrics": _WORDS, "bpm": 92.0, "keyscale": "A minor", "timesignature": "4"},
        {},
    ),
    "Key-BPM-Finder": (
        {"list.csv": _CSV_HEAD + "a.wav,Me,Song,92,Am,8A\n"},
        {"bpm": 92.0, "keyscale": "A minor"},
        {"Artist": "Me", "Title": "Song", "Camelot": "8A"},
    ),
    "AudioFolder table": (
        {"metadata.csv": 'file_name,caption,mood\na.wav,"warm, slow",sad\n'},
        {"caption": "warm, slow"},
        {"mood": "sad"},
    ),
    "lyrics with times": (
        {"a.lrc": "[ar:Me]\n[00:00.10]la la\n[00:00.50]lo lo", "a.lyrics.txt": _WORDS},
        {"lyrics": _WORDS, "line_times": (0.1, 0.5)},
        {},
    ),
}


def song(path: Path, seconds: float = 1.0, seed: str | None = None) -> Path:
    """Write noise at a low rate; each name sounds different unless a seed is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 2000, 0, "NONE", ""))
        file.writeframes(random.Random(seed or path.name).randbytes(round(seconds * 2000) * 2))
    return path


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def described(track: Track) -> dict[str, object]:
    """Return what is known of a track, without what was measured."""
    known = {name: getattr(track, name) for name in DESCRIPTION if getattr(track, name) is not None}
    return known | ({"repeats": track.repeats} if track.repeats != 1 else {})


def by_name(folder: Path) -> dict[str, Track]:
    return {track.path: track for track in load(folder).tracks}


def codes(events: Sequence[Event]) -> list[str]:
    return [event.code for event in events if isinstance(event, Noticed)]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    song(tmp_path / "source/a.wav")
    return tmp_path / "source"


@pytest.mark.parametrize("layout", _LAYOUTS)
@pytest.mark.parametrize("copied", [False, True], ids=["in place", "copied"])
def test_every_layout_is_read_field_by_field(source: Path, tmp_path: Path, layout: str, copied: bool) -> None:
    files, fields, kept = _LAYOUTS[layout]
    write(source, **files)
    found = import_data(source, tmp_path / "dest" if copied else None)
    (track,) = found.manifest.tracks

    assert described(track) == fields
    assert dict(track.extra) == kept | ({"original_name": "a.wav"} if copied else {})
    assert {track.source_of(name) for name in fields} == {Source.FILE}
    assert {reading.file for reading in found.readings} == set(files)
    assert load(tmp_path / "dest" if copied else source) == found.manifest


@pytest.mark.parametrize("name", [layout.name for layout in (*LAYOUTS, *SET_LAYOUTS)])
def test_every_row_of_the_tables_of_layouts_is_tested_and_has_words(source: Path, name: str) -> None:
    read_by_others = {"jsonl", "saved_rows"}
    seen = {reading.layout for files, _, _ in _LAYOUTS.values() for reading in _readings(source, files)}

    assert name in seen | read_by_others
    assert all(Words("import", language)(f"layout_{name}") for language in LANGUAGES)


def _readings(source: Path, files: dict[str, str]) -> tuple[FileReading, ...]:
    """Return how files are read beside a song, and take them away."""
    write(source, **files)
    found = scan(source).readings
    for name in files:
        (source / name).unlink()
    return found


def test_rows_of_json_lines_below_the_folder_are_read(source: Path) -> None:
    song(source / "part/b.wav")
    write(source, **{"part/metadata.jsonl": '{"file_name": "b.wav", "caption": "x", "mood": "sad"}'})
    tracks = {track.path: track for track in import_data(source).manifest.tracks}

    assert (tracks["part/b.wav"].caption, dict(tracks["part/b.wav"].extra)) == ("x", {"mood": "sad"})


def test_the_verb_is_called_as_in_the_command_line(source: Path) -> None:
    assert acetune.data.import_(source).added == ("a.wav",)


def test_a_data_set_file_is_a_source_and_its_audio_may_be_elsewhere(source: Path, tmp_path: Path) -> None:
    song(source / "not listed.wav")
    path = tmp_path / "lists/dataset.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"samples": [{**_SAMPLE, "audio_path": str(source / "a.wav")}]}))
    write(source, **{"a.txt": "genre: rock\ncaption: other"})
    found = import_data(path, tmp_path / "dest")

    assert [(track.path, track.caption, track.genre) for track in found.manifest.tracks] == [
        ("a.wav", "warm piano", "jazz")
    ]
    assert not (source / "metadata.jsonl").exists()


def test_a_data_set_file_in_place_describes_the_songs_beside_it(source: Path) -> None:
    song(source / "b.wav")
    write(source, **{"my.csv": "Song,Speed\na.wav,92\n"})
    found = import_data(source / "my.csv", columns={"Song": "file", "Speed": "bpm"})

    assert {track.path: track.bpm for track in found.manifest.tracks} == {"a.wav": 92.0, "b.wav": None}


def test_a_data_set_file_whose_songs_are_elsewhere_needs_a_folder(tmp_path: Path) -> None:
    write(tmp_path, **{"dataset.json": json.dumps([{**_SAMPLE, "audio_path": "/x/a.wav"}])})

    with pytest.raises(DataError) as error:
        import_data(tmp_path / "dataset.json")
    assert "acetune data import" in error.value.remedy()


def test_saved_rows_of_v1_are_imported_with_their_parts(source: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    song(source / "b.wav")
    row = {"keys": "a", "filename": "source/a.wav", "tags": ["pop", "slow"], "speaker_emb_path": "emb/a.pt"}
    row |= {"norm_lyrics": _WORDS, "recaption": {"simplified": "a pop song", "expanded": ""}}
    other = {**row, "keys": "b", "filename": "source/b.wav", "speaker_emb_path": ""}
    parts = {"train": [row, row, row], "test": [other]}
    datasets.DatasetDict({name: datasets.Dataset.from_list(rows) for name, rows in parts.items()}).save_to_disk(
        str(tmp_path / "zh_lora_dataset")
    )
    import_data(tmp_path / "zh_lora_dataset", tmp_path / "dest")
    tracks = by_name(tmp_path / "dest")

    assert described(tracks["a.wav"]) == {
        "tags": ("pop", "slow"),
        "lyrics": _WORDS,
        "recaption": {"simplified": "a pop song"},
        "repeats": 3,
    }
    assert tracks["a.wav"].extra == {"keys": "a", "speaker_emb_path": "emb/a.pt", "original_name": "a.wav"}
    assert (tracks["a.wav"].split, tracks["b.wav"].split) == ("train", "validation")


def test_a_trigger_of_the_whole_data_set_is_a_setting_and_not_repeated(source: Path, tmp_path: Path) -> None:
    song(source / "b.wav")
    metadata = {"name": "my set", "custom_tag": "zx", "tag_position": "append"}
    rows = [{"filename": "a.wav", "custom_tag": "zx"}, {"filename": "b.wav", "custom_tag": "own"}]
    write(source, **{"dataset.json": json.dumps({"metadata": metadata, "samples": rows})})
    import_data(source, tmp_path / "dest")
    tracks, settings = by_name(tmp_path / "dest"), read_settings(tmp_path / "dest")

    assert (settings.name, settings.trigger, settings.trigger_position) == ("my set", "zx", "append")
    assert (tracks["a.wav"].trigger, tracks["b.wav"].trigger) == (None, "own")


def test_names_are_made_safe_and_kept(tmp_path: Path) -> None:
    song(tmp_path / "source/慢歌 (live).wav")
    song(tmp_path / "source/one/x.wav", seed="one")
    song(tmp_path / "source/two/x.wav", seed="two")
    import_data(tmp_path / "source", tmp_path / "dest")
    names = {track.path: track.extra["original_name"] for track in load(tmp_path / "dest").tracks}

    assert sorted(names.values()) == ["x.wav", "x.wav", "慢歌 (live).wav"]
    assert len({name.casefold() for name in names}) == 3
    assert all(name.isascii() and "/" not in name for name in names)


def test_the_same_audio_comes_once(source: Path, tmp_path: Path) -> None:
    song(source / "copy.wav", seed="a.wav")
    events: list[Event] = []
    found = import_data(source, tmp_path / "dest", job=Job(events.append))

    assert found.added == ("a.wav",)
    assert codes(events) == ["import.twin"]


def test_a_second_import_changes_nothing(source: Path, tmp_path: Path) -> None:
    write(source, **_LAYOUTS["Side-Step"][0])
    first = import_data(source, tmp_path / "dest")
    files = sorted(os.listdir(tmp_path / "dest"))
    second = import_data(source, tmp_path / "dest")

    assert (second.manifest, second.added) == (first.manifest, ())
    assert sorted(os.listdir(tmp_path / "dest")) == files


def test_a_second_import_adds_songs_and_keeps_what_a_person_wrote(source: Path, tmp_path: Path) -> None:
    dest = tmp_path / "dest"
    import_data(source, dest)
    rows = (dest / "metadata.jsonl").read_text()
    (dest / "metadata.jsonl").write_text(json.dumps({**json.loads(rows), "caption": "my words", "repeats": 2}))
    song(source / "b.wav")
    write(source, **{"a.caption.txt": "other words", "a.lyrics.txt": "la"})
    found = import_data(source, dest)
    track = by_name(dest)["a.wav"]

    assert found.added == ("b.wav",)
    assert (track.caption, track.lyrics, track.repeats) == ("my words", "la", 2)


def test_an_import_that_was_stopped_goes_on_and_copies_nothing_twice(tmp_path: Path) -> None:
    for name in "abcd":
        song(tmp_path / f"source/{name}.wav")
    copied: list[str] = []

    def report(event: Event) -> None:
        if isinstance(event, Progress) and event.stage == "import":
            copied.append(event.item)

    with pytest.raises(Stopped):
        import_data(tmp_path / "source", tmp_path / "dest", job=Job(report, lambda: len(copied) == 2))
    whole = sorted(file.name for file in (tmp_path / "dest").glob("*.wav"))
    times = {file: (tmp_path / "dest" / file).stat().st_mtime_ns for file in whole}
    import_data(tmp_path / "source", tmp_path / "dest")

    assert whole == ["a.wav", "b.wav"]
    assert sorted(by_name(tmp_path / "dest")) == ["a.wav", "b.wav", "c.wav", "d.wav"]
    assert {file: (tmp_path / "dest" / file).stat().st_mtime_ns for file in whole} == times


def test_a_further_import_brings_columns_and_rights_that_were_missing(source: Path, tmp_path: Path) -> None:
    scan(source)
    row = json.loads((source / "metadata.jsonl").read_text())
    import_data(source, tmp_path / "dest")
    more = {"licence": "CC0", "owner": "Ada", "mood": "sad"}
    (source / "metadata.jsonl").write_text(json.dumps({**row, **more}))
    edited = json.loads((tmp_path / "dest/metadata.jsonl").read_text())
    (tmp_path / "dest/metadata.jsonl").write_text(json.dumps({**edited, "owner": "me"}))
    track = import_data(source, tmp_path / "dest").manifest.tracks[0]

    assert (track.licence, track.owner, track.extra["mood"]) == ("CC0", "me", "sad")


def test_a_data_set_of_acetune_keeps_everything_when_it_is_copied(source: Path, tmp_path: Path) -> None:
    scan(source)
    row = json.loads((source / "metadata.jsonl").read_text())
    more = {"caption": "mine", "split": "validation", "excluded": True, "mood": "sad", "licence": "CC0"}
    (source / "metadata.jsonl").write_text(json.dumps({**row, **more}))
    before = load(source).tracks[0]
    after = import_data(source, tmp_path / "dest").manifest.tracks[0]

    assert after.extra == {"mood": "sad", "original_name": "a.wav"}
    assert after == Track(**{**vars(before), "extra": after.extra})


def test_encoded_songs_come_along(source: Path, tmp_path: Path) -> None:
    (source / "e.safetensors").write_bytes(b"numbers")
    rows = [{"file_name": "e.safetensors", "seconds": 12.5, "audio_sha256": "ab" * 32, "caption": "x"}]
    write(source, **{"metadata.jsonl": json.dumps(rows[0])})
    import_data(source, tmp_path / "dest")
    tracks = by_name(tmp_path / "dest")

    assert sorted(tracks) == ["a.wav", "e.safetensors"]
    assert (tracks["e.safetensors"].seconds, tracks["e.safetensors"].caption) == (12.5, "x")
    assert (tmp_path / "dest/e.safetensors").read_bytes() == b"numbers"


def zipped(tmp_path: Path, **files: str | bytes) -> Path:
    with zipfile.ZipFile(tmp_path / "songs.zip", "w") as archive:
        archive.write(song(tmp_path / "a.wav"), "album/a.wav")
        for name, content in files.items():
            archive.writestr(name, content)
    return tmp_path / "songs.zip"


def test_an_archive_is_unpacked_and_imported_and_nothing_else_remains(tmp_path: Path) -> None:
    archive = zipped(tmp_path, **{"album/a.caption.txt": "warm piano"})
    import_data(archive, tmp_path / "dest")

    assert described(by_name(tmp_path / "dest")["a.wav"]) == {"caption": "warm piano"}
    assert sorted(os.listdir(tmp_path / "dest")) == [".acetune", "a.wav", "metadata.jsonl"]
    assert os.listdir(tmp_path / "dest/.acetune") == ["dataset.yaml"]


def test_an_archive_names_no_audio_outside_of_itself(tmp_path: Path) -> None:
    secret = song(tmp_path / "secret.wav")
    rows = json.dumps([{"audio_path": str(secret)}, {"audio_path": "../../../secret.wav"}])
    found = import_data(zipped(tmp_path, **{"album/dataset.json": rows}), tmp_path / "dest")

    assert [track.path for track in found.manifest.tracks] == ["a.wav"]


def test_two_imports_do_not_come_into_one_folder_at_the_same_time(source: Path, tmp_path: Path) -> None:
    (tmp_path / "dest").mkdir()

    with lock(tmp_path / "dest/.acetune/adding", "data.locked"), pytest.raises(SettingError):
        import_data(source, tmp_path / "dest")
    assert import_data(source, tmp_path / "dest").added == ("a.wav",)


@pytest.mark.slow
@pytest.mark.parametrize("copied", [0, 1, 20])
def test_an_import_that_was_killed_leaves_whole_files_and_goes_on(tmp_path: Path, copied: int) -> None:
    wanted = {content_hash(song(tmp_path / f"source/{number}.wav", 300)) for number in range(60)}
    words = [sys.executable, "-m", "acetune", "data", "import", str(tmp_path / "source"), str(tmp_path / "dest")]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and len([*(tmp_path / "dest").glob("*.wav*")]) <= copied:
        time.sleep(0.002)
    process.kill()
    process.wait()
    whole = {content_hash(file) for file in (tmp_path / "dest").glob("*.wav")}
    import_data(tmp_path / "source", tmp_path / "dest")

    assert whole <= wanted
    assert len(whole) < len(wanted)
    assert {track.audio_sha256 for track in load(tmp_path / "dest").tracks} == wanted
    assert {content_hash(file) for file in (tmp_path / "dest").glob("*.wav*")} == wanted


def test_a_damaged_archive_leaves_no_data_set(tmp_path: Path) -> None:
    (tmp_path / "songs.zip").write_bytes(b"PK nothing")

    with pytest.raises(DataError):
        import_data(tmp_path / "songs.zip", tmp_path / "dest")
    assert not (tmp_path / "dest").exists()


def test_an_archive_needs_a_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="packed"):
        import_data(zipped(tmp_path))


def test_a_folder_with_foreign_audio_is_not_mixed_into(source: Path, tmp_path: Path) -> None:
    song(tmp_path / "dest/mine.wav")

    with pytest.raises(DataError) as error:
        import_data(source, tmp_path / "dest")
    assert "--on-conflict" in error.value.remedy()
    assert os.listdir(tmp_path / "dest") == ["mine.wav"]


@pytest.mark.parametrize("dest", ["source", "source/inner", "."])
def test_a_folder_is_not_imported_into_itself(source: Path, tmp_path: Path, dest: str) -> None:
    with pytest.raises(DataError) as error:
        import_data(source, tmp_path / dest)
    assert error.value.code == "import.inside"


def test_a_missing_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no file or folder"):
        import_data(tmp_path / "gone")


def test_what_nobody_can_tell_is_refused_naming_the_flag(source: Path, tmp_path: Path) -> None:
    write(source, **{"a.txt": "just words"})

    with pytest.raises(DataError) as error:
        import_data(source, tmp_path / "dest")
    assert "--txt-means" in error.value.remedy()
    assert not (tmp_path / "dest").exists()


@pytest.mark.parametrize("meaning", ["caption", "lyrics"])
def test_a_flag_says_what_texts_are(source: Path, meaning: str) -> None:
    write(source, **{"a.txt": "just words"})
    (track,) = import_data(source, txt_means=meaning).manifest.tracks

    assert described(track) == {meaning: "just words"}


def test_a_person_is_asked_once_for_all_texts(source: Path) -> None:
    song(source / "b.wav")
    write(source, **{"a.txt": "just words", "b.txt": "other words"})
    asked: list[Sequence[str]] = []

    def ask(doubt: AcetuneError, answers: Sequence[str]) -> str:
        asked.append(answers)
        return answers[1]

    tracks = import_data(source, ask=ask).manifest.tracks

    assert asked == [("caption", "lyrics")]
    assert [track.lyrics for track in tracks] == ["just words", "other words"]


@pytest.mark.parametrize("meaning", ["words", ""])
def test_texts_cannot_mean_anything_else(source: Path, meaning: str) -> None:
    with pytest.raises(SettingError):
        import_data(source, txt_means=meaning)


def test_a_person_is_asked_which_of_two_songs_a_row_means(source: Path) -> None:
    song(source / "live/a.wav", seed="live")
    write(source, **{"list.csv": "file,caption\nold/a.wav,mine\n"})
    found = import_data(source, ask=lambda doubt, answers: answers[-1])

    assert {track.path: track.caption for track in found.manifest.tracks} == {"a.wav": None, "live/a.wav": "mine"}


def test_a_row_that_could_mean_two_songs_is_not_guessed(source: Path) -> None:
    song(source / "live/a.wav", seed="live")
    write(source, **{"list.csv": "file,caption\nold/a.wav,mine\n"})
    events: list[Event] = []
    found = import_data(source, job=Job(events.append))

    assert [track.caption for track in found.manifest.tracks] == [None, None]
    assert codes(events) == ["import.two_files"]


def test_a_column_that_no_table_has_is_refused_with_the_nearest(source: Path) -> None:
    write(source, **{"list.csv": "Song,BPM\na.wav,92\n"})

    with pytest.raises(SettingError, match="Did you mean 'song'"):
        import_data(source, columns={"Sng": "file"})


def test_fl_10_a_table_whose_files_are_missing_is_an_error_and_not_an_empty_data_set(tmp_path: Path) -> None:
    rows = "".join(f"{number}.mp3,90\n" for number in range(35))
    write(tmp_path, **{"key_bpm.csv": "filename,bpm\n" + rows})

    with pytest.raises(DataError) as error:
        import_data(tmp_path / "key_bpm.csv", tmp_path / "dest")
    assert error.value.code == "import.no_songs"
    assert not (tmp_path / "dest").exists()


def test_ait_874_key_and_metre_of_tagged_texts_arrive(source: Path) -> None:
    write(source, **{"a.txt": "<CAPTION>x</CAPTION><KEYSCALE>F# minor</KEYSCALE><TIMESIGNATURE>3</TIMESIGNATURE>"})
    (track,) = import_data(source).manifest.tracks

    assert (track.keyscale, track.timesignature) == ("F# minor", "3")


def test_a15_614_songs_may_lie_anywhere(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")

    assert import_data("../source", "../dest").added == ("a.wav",)
    assert read(tmp_path / "dest") is not None


def test_fl_6_lyrics_beside_a_song_are_never_replaced_by_a_flag_of_the_table(source: Path) -> None:
    write(source, **{"a.txt": _WORDS, "list.csv": "file,is_instrumental\na.wav,true\n"})
    (track,) = import_data(source).manifest.tracks

    assert track.lyrics == _WORDS
