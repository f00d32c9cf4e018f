"""Encoded songs in place of audio: made from files of other trainers, checked whenever they are read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from acetune.data.manifest import Manifest
from acetune.data.settings import DatasetSettings
from acetune.data.track import Source, Track
from acetune.encoding import encoded_songs
from acetune.encoding.adoption import latents_of
from acetune.encoding.conversion import Converted, Request, convert, read_answer, to_text
from acetune.encoding.encoded_songs import Facts, name_of_lyrics, name_of_text
from acetune.encoding.parts import TrackParts
from acetune.errors import DataError
from acetune.events import Job
from acetune.families.family import Prompt
from acetune.files import content_hash
from acetune.recipe import family_of, resolve

FACTS = Facts(
    family="acestep_v15", trainer="official", dtype="float32", source="0" * 64, old_lyrics=True, leaked=False,
    text="t", lyrics="l",
)  # fmt: skip
SAID = {"caption": "warm piano", "lyrics": "la la", "duration": 4, "bpm": 98, "keyscale": "a minor", "language": "en"}


def converted(folder: Path, said: dict[str, object], trigger: str | None = None, keep: bool = True) -> Converted:
    """Return what a child process makes of one song."""
    content = {
        "target_latents": torch.arange(800.0).reshape(100, 8),
        "encoder_hidden_states": torch.ones(20, 64),
        "metadata": said,
    }
    torch.save(content, folder / "song.pt")
    request = Request(str(folder / "song.pt"), str(folder / "song.safetensors"), trigger, "append", keep)
    return read_answer(request, convert(to_text(request)))


def track_of(path: Path) -> Track:
    return Track(path=path.name, seconds=4.0, audio_sha256=content_hash(path))


def test_a_song_becomes_a_track_of_what_its_file_says(tmp_path: Path) -> None:
    track = converted(tmp_path, {**SAID, "custom_tag": " zx ", "repeat": 3, "filename": "a/b.mp3"}).track

    assert (track.caption, track.lyrics, track.bpm, track.keyscale, track.language) == (
        "warm piano", "la la", 98, "A minor", "en",
    )  # fmt: skip
    assert (track.trigger, track.repeats, track.seconds) == ("zx", 3, 4.0)
    assert track.source_of("caption") == Source.FILE
    assert track.extra == {"original_name": "b.mp3", "encoded_by": "side-step"}
    assert track.audio_sha256 == content_hash(tmp_path / "song.safetensors")


def test_a_value_that_cannot_be_read_is_missing_and_said(tmp_path: Path) -> None:
    done = converted(tmp_path, {**SAID, "keyscale": "rather dark", "repeat": float("inf")})

    assert (done.track.keyscale, done.track.repeats) == (None, 1)
    assert [finding.message() for finding in done.findings] == [
        'song.pt: keyscale was not used, it cannot be "rather dark".',
        'song.pt: repeats was not used, it cannot be "inf".',
    ]


@pytest.mark.parametrize(
    ("said", "trigger", "caption"),
    [
        ({}, None, "warm piano"),
        ({"custom_tag": "zx"}, None, "warm piano, zx"),
        ({}, "all", "warm piano, all"),
        ({"custom_tag": "zx"}, "all", "warm piano, zx"),
    ],
)
def test_the_text_of_the_conditions_is_known_with_its_trigger(
    tmp_path: Path, said: dict[str, object], trigger: str | None, caption: str
) -> None:
    done = converted(tmp_path, {**SAID, **said}, trigger)
    prompt = Prompt(caption, "la la", "en", 98.0, "A minor", None, 4.0)

    assert done.facts.text == name_of_text(prompt)
    assert done.facts.lyrics == name_of_lyrics(prompt)


def test_the_same_file_gives_the_same_bytes(tmp_path: Path) -> None:
    made = {converted(tmp_path, SAID).track.audio_sha256 for _ in range(3)}

    assert len(made) == 1


def test_conditions_can_be_left_out(tmp_path: Path) -> None:
    done = converted(tmp_path, SAID, keep=False)

    facts, tensors = encoded_songs.read(tmp_path / "song.safetensors", done.track)

    assert (facts, set(tensors)) == (done.facts, {"latents"})


def write(path: Path, channels: int = 8, **facts: object) -> Track:
    encoded_songs.write(path, replace(FACTS, **facts), torch.ones(100, channels), None)
    return track_of(path)


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "song.safetensors"
    save_file({"latents": torch.ones(1, 8)}, path, metadata={"acetune": '{"version": 2}'})

    with pytest.raises(DataError, match="format version 2; this acetune knows up to 1"):
        encoded_songs.read(path, track_of(path))


@pytest.mark.parametrize("header", [None, {"acetune": "{"}, {"acetune": "[]"}, {"acetune": '{"version": 1}'}])
def test_a_file_without_our_header_is_refused(tmp_path: Path, header: dict[str, str] | None) -> None:
    path = tmp_path / "song.safetensors"
    save_file({"latents": torch.ones(1, 8)}, path, metadata=header)

    with pytest.raises(DataError, match="it has no header of acetune"):
        encoded_songs.read(path, track_of(path))


def test_a_damaged_file_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "song.safetensors"
    path.write_bytes(b"no safetensors at all")

    with pytest.raises(DataError, match="cannot be read as an encoded song") as refused:
        encoded_songs.read(path, track_of(path))

    assert "\n" not in refused.value.message()


@pytest.mark.parametrize(
    ("facts", "channels", "sentence"),
    [
        ({"family": "another"}, 8, "was encoded for models of the family another, not acestep_v15"),
        ({}, 64, "has latents of 64 channels; tiny has 8"),
    ],
)
def test_songs_of_another_model_are_refused(
    tmp_path: Path, models: Path, facts: dict[str, object], channels: int, sentence: str
) -> None:
    with pytest.raises(DataError, match=sentence):
        latents(tmp_path, write(tmp_path / "song.safetensors", channels, **facts), models)


def test_a_song_is_cut_at_the_longest_length_and_has_no_spread(tmp_path: Path, models: Path) -> None:
    found = latents(tmp_path, write(tmp_path / "song.safetensors"), models)

    assert torch.equal(found["mean"], torch.ones(50, 8))
    assert torch.equal(found["std"], torch.zeros(50, 8))


def latents(folder: Path, track: Track, models: Path) -> dict[str, torch.Tensor]:
    """Return what the cache would keep of a track, for `tiny` and songs of two seconds."""
    recipe = resolve([("test", {"model.variant": "tiny", "data.max_seconds": 2.0})]).recipe
    family = family_of("tiny")[0].open(recipe, models, Job())
    manifest = Manifest(folder, (track,), DatasetSettings("songs"))
    return latents_of(TrackParts(track, {}, "", {}, ""), manifest, recipe, family)
