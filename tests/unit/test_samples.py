"""One training sample, a folder of them, and the lists that training nodes hand to each other."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from acetune.data import manifest as manifests
from acetune.data.lists import Lists, parse_list, parse_lists
from acetune.data.samples import collect, sample
from acetune.data.scan import scan
from acetune.data.track import Source
from acetune.errors import DataError
from acetune.events import Json
from world import tone

_FACTS: Mapping[str, Json] = {
    "caption": "warm, soft",
    "lyrics": "[Verse 1]\nla, la",
    "bpm": "92",
    "keyscale": "Am",
    "language": "en",
}


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A song, and a folder of samples with it, of which nothing is said."""
    folder = tmp_path_factory.mktemp("bare")
    sample(tone(folder / "青花瓷.wav", 1, seed=1, rate_hz=8000), folder / "samples")
    return folder


@pytest.fixture
def song(tmp_path: Path, bare: Path) -> Path:
    """A song that is no sample yet."""
    return Path(shutil.copy(bare / "青花瓷.wav", tmp_path))


@pytest.fixture
def known(song: Path, bare: Path) -> Path:
    """The same song, with a sample of it beside."""
    shutil.copytree(bare / "samples", song.with_name("samples"))
    return song


def test_a_sample_is_a_song_with_a_file_and_a_row(song: Path, tmp_path: Path) -> None:
    made = sample(song, tmp_path / "samples", _FACTS)

    assert made.audio == tmp_path / "samples" / "qinghuaci.wav"
    assert made.audio.read_bytes() == song.read_bytes()
    assert json.loads(made.audio.with_suffix(".json").read_text()) == {
        "caption": "warm, soft",
        "lyrics": "[Verse 1]\nla, la",
        "bpm": 92.0,
        "keyscale": "A minor",
        "language": "en",
    }
    assert manifests.load(tmp_path / "samples").tracks == (made.track,)
    assert (made.track.caption, made.track.bpm, made.track.keyscale) == ("warm, soft", 92.0, "A minor")
    assert made.track.source_of("bpm") == Source.USER
    assert made.track.extra["original_name"] == "青花瓷.wav"


def test_a_sample_survives_the_loss_of_its_row(song: Path, tmp_path: Path) -> None:
    made = sample(song, tmp_path / "samples", _FACTS)
    (tmp_path / "samples" / "metadata.jsonl").unlink()
    (track,) = scan(tmp_path / "samples").manifest.tracks

    assert [getattr(track, name) for name in _FACTS] == [getattr(made.track, name) for name in _FACTS]


@pytest.mark.parametrize(
    "facts", [{"bpm": 0}, {"bpm": "0"}, {"bpm": ""}, {"keyscale": ""}, {"language": "unknown"}, {"lyrics": " "}, {}]
)
def test_what_is_not_known_stays_missing(known: Path, tmp_path: Path, facts: Mapping[str, Json]) -> None:
    track = sample(known, tmp_path / "samples", facts).track

    assert (track.bpm, track.keyscale, track.language, track.lyrics, track.instrumental) == (None,) * 5


@pytest.mark.parametrize("facts", [{"language": "instrumental"}, {"lyrics": "[Instrumental]"}, {"instrumental": "yes"}])
def test_an_instrumental_has_a_flag_and_no_lyrics(known: Path, tmp_path: Path, facts: Mapping[str, Json]) -> None:
    track = sample(known, tmp_path / "samples", facts).track

    assert (track.instrumental, track.lyrics, track.language) == (True, None, None)


def test_the_same_song_again_changes_the_sample(known: Path, tmp_path: Path) -> None:
    sample(known, tmp_path / "samples", _FACTS)
    made = sample(known, tmp_path / "samples", {"caption": "cold", "split": "validation"})

    assert manifests.load(tmp_path / "samples").tracks == (made.track,)
    assert (made.track.caption, made.track.bpm, made.track.split) == ("cold", 92.0, "validation")
    assert json.loads(made.audio.with_suffix(".json").read_text())["bpm"] == 92.0


@pytest.mark.parametrize(
    ("first", "second"), [({"lyrics": "la"}, {"instrumental": True}), ({"instrumental": True}, {"lyrics": "la"})]
)
def test_a_song_is_either_sung_or_instrumental(
    known: Path, tmp_path: Path, first: Mapping[str, Json], second: Mapping[str, Json]
) -> None:
    sample(known, tmp_path / "samples", first)
    made = sample(known, tmp_path / "samples", second)
    scanned = scan(tmp_path / "samples").manifest.tracks[0]
    said = {name: getattr(scanned, name) for name in ("lyrics", "instrumental")}

    assert {name: value for name, value in said.items() if value is not None} == second
    assert scanned.lyrics == made.track.lyrics


def test_a_song_that_lies_in_the_folder_becomes_a_sample(tmp_path: Path) -> None:
    song = tone(tmp_path / "samples" / "My Song.wav", 1)
    made = sample(song, tmp_path / "samples", {"caption": "warm"})

    assert made.audio == song
    assert manifests.load(tmp_path / "samples").tracks == (made.track,)


def test_texts_beside_a_song_come_along_and_say_what_a_person_does_not(song: Path, tmp_path: Path) -> None:
    song.with_suffix(".json").write_text('{"bpm": 80, "caption": "from the file"}')
    song.with_name("青花瓷.lyrics.txt").write_text("la la")
    track = sample(song, tmp_path / "samples", {"caption": "from a person"}).track

    assert (track.caption, track.bpm, track.lyrics) == ("from a person", 80.0, "la la")
    assert (track.source_of("caption"), track.source_of("bpm")) == (Source.USER, Source.FILE)


def test_other_names_of_fields_are_understood(known: Path, tmp_path: Path) -> None:
    track = sample(known, tmp_path / "samples", {"Tempo": 120, "key": "8A", "custom_tag": "zx"}).track

    assert (track.bpm, track.keyscale, track.trigger) == (120.0, "A minor", "zx")


@pytest.mark.parametrize(
    ("facts", "code"),
    [({"capton": "x"}, "share.no_field"), ({"bpm": "fast"}, "share.bad_field"), ({"keyscale": "H"}, "share.bad_field")],
)
def test_a_field_that_cannot_be_read_is_an_error_before_anything_changes(
    song: Path, tmp_path: Path, facts: Mapping[str, Json], code: str
) -> None:
    with pytest.raises(DataError) as caught:
        sample(song, tmp_path / "samples", facts)
    assert caught.value.code == code
    assert not (tmp_path / "samples").exists()


def test_a_sample_needs_audio(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        sample(tmp_path / "none.wav", tmp_path / "samples")
    assert caught.value.code == "share.no_file"


def test_samples_are_collected_as_lists(tmp_path: Path) -> None:
    folder = tmp_path / "samples"
    for number, name in enumerate("abcd"):
        tone(folder / f"{name}.wav", 1, seed=number, rate_hz=8000)
    sample(folder / "a.wav", folder, _FACTS)
    sample(folder / "b.wav", folder, {"caption": "drums", "language": "instrumental"})
    sample(folder / "c.wav", folder, {"excluded": True})

    assert collect(folder) == Lists(
        audio_files=tuple(str(folder / f"{name}.wav") for name in "abd"),
        captions=("warm, soft", "drums", None),
        lyrics_list=("[Verse 1]\nla, la", "[Instrumental]", None),
        bpm_list=(92.0, None, None),
        keyscale_list=("A minor", None, None),
        language_list=("en", "instrumental", None),
    )


def test_lists_as_text_look_like_those_of_the_nodes() -> None:
    lists = Lists(
        ("/a.wav", "/b.wav"), ("x, y", "z"), ("[Instrumental]", None), (120.0, None), ("C major", None), (None, "en")
    )

    assert lists.as_text() == {
        "audio_files": "/a.wav,/b.wav",
        "captions": '"x, y",z',
        "lyrics_list": "[Instrumental],",
        "bpm_list": "120,0",
        "keyscale_list": "C major,",
        "language_list": ",en",
    }


@pytest.mark.parametrize("caption", ["[5]", "[]", "null", '"', "a\nb", ""])
def test_a_lone_value_that_looks_like_a_list_is_none(caption: str) -> None:
    lists = Lists(("a",), (caption,), (None,), (None,), (None,), (None,))

    assert parse_list("captions", lists.as_text()["captions"], 1) == (caption,)


def test_lists_of_the_guide_are_read() -> None:
    songs = parse_lists(
        {
            "audio_files": "path/to/song1.wav,path/to/song2.wav,path/to/song3.wav",
            "captions": "Electronic pop with synth,Upbeat dance track,Chill lo-fi beat",
            "lyrics_list": "[Instrumental],[Instrumental],[Instrumental]",
            "bpm_list": "120,128,0",
            "keyscale_list": "C Major,D Minor,F Major",
        }
    )

    assert [song.audio for song in songs] == [Path(f"path/to/song{number}.wav") for number in (1, 2, 3)]
    assert songs[0].values == {
        "caption": "Electronic pop with synth",
        "instrumental": True,
        "bpm": 120.0,
        "keyscale": "C major",
    }
    assert "bpm" not in songs[2].values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a,b", ("a", "b")),
        (" a , b ", ("a", "b")),
        ('["a, b", "c"]', ("a, b", "c")),
        ('["a", null]', ("a", "")),
        ("[120, 92.5]", ("120", "92.5")),
        ('"a, b",c', ("a, b", "c")),
        ('"say ""hi""", "two\nlines"', ('say "hi"', "two\nlines")),
        ("[verse]\nla,[verse]\nlo", ("[verse]\nla", "[verse]\nlo")),
        ('the "best",song', ('the "best"', "song")),
        ("", ("", "")),
        (",", ("", "")),
    ],
)
def test_a_list_is_read_in_every_form(text: str, values: tuple[str, ...]) -> None:
    assert parse_list("captions", text, 2) == values


@pytest.mark.parametrize("text", ["dark, moody", '"Weird" Al style, pop', '["dark, moody"]', '"dark, moody"'])
def test_a_list_for_one_song_may_hold_commas(text: str) -> None:
    assert len(parse_list("captions", text, 1)) == 1


@pytest.mark.parametrize("text", ["dark, moody,bright", "only one", '["a"]', '"a, b"', '"a" x, b, c'])
def test_a_list_that_could_mean_several_things_names_the_way_out(text: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_list("captions", text, 2)
    assert caught.value.code == "share.list_length"
    assert "JSON list" in caught.value.remedy()


def test_broken_json_is_said() -> None:
    with pytest.raises(DataError) as caught:
        parse_list("audio_files", '["C:\\songs\\a.wav", "b.wav]', None)
    assert caught.value.code == "share.bad_list"


@pytest.mark.parametrize("text", ["", ",", "a.wav,,b.wav", "[]"])
def test_every_song_of_lists_needs_audio(text: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_lists({"audio_files": text})
    assert caught.value.code == "share.no_audio_files"


def test_a_value_of_a_list_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(DataError) as caught:
        parse_lists({"audio_files": "a.wav", "bpm_list": "fast"})
    assert "fast" in caught.value.message()
