"""Listening to previews: copies of songs are found, styles are not, and tempo and key are held against the prompt."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from acetune.annotation import melody
from acetune.annotation.annotator import Setup
from acetune.audio import files
from acetune.audio.signal import resample
from acetune.audio.songs import album, demo_songs, render, write_demo_songs
from acetune.events import Event, Job, Noticed
from acetune.families.family import Prompt
from acetune.run import Run
from acetune.training import audition
from acetune.training.audition import Heard, Piece, listen, obeys
from acetune.training.singing import languages
from listeners import save_whisper, sung


def prompt(bpm: float | None = None, keyscale: str | None = None) -> Prompt:
    return Prompt("slow synth", None, None, bpm, keyscale, None, 8.0)


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {path.name: path for path in write_demo_songs(demo_songs(), tmp_path_factory.mktemp("songs"))}


def heard_with(after: np.ndarray, songs: dict[str, Path], folder: Path) -> tuple[dict[str, object], list[Event]]:
    """Return what is written and told of a run whose adapter plays this, and its base network noise."""
    run, events = Run(folder), []
    run.previews.mkdir()
    noise = np.random.default_rng(0).standard_normal(after.shape).astype(np.float32)
    before, now = (run.previews / f"{step:06d}-a-seed1.ogg" for step in (0, 60))
    files.write(before, 0.1 * noise)
    files.write(now, after)
    listen(run, [Piece(prompt(), 1, before, now)], songs, 60, Job(events.append))
    return json.loads((run.evaluation / "audition.json").read_text()), events


def test_a_preview_that_is_a_song_of_the_training_raises_the_alarm(songs: dict[str, Path], tmp_path: Path) -> None:
    name, path = list(songs.items())[2]
    rng = np.random.default_rng(1)
    music = files.read(path)[48_000 * 3 :]
    found, events = heard_with(0.5 * music + 0.005 * rng.standard_normal(music.shape), songs, tmp_path)

    assert [(copy["song"], copy["piece"]) for copy in found["copies"]] == [(name, "previews/000060-a-seed1.ogg")]
    assert [(e.code, e.severity, e.subject) for e in events if isinstance(e, Noticed)] == [
        ("evaluate.copied", "warning", name)
    ]


def test_another_song_of_the_same_style_raises_none(songs: dict[str, Path], tmp_path: Path) -> None:
    (_, path), *others = songs.items()
    found, events = heard_with(files.read(path), dict(others), tmp_path)

    assert (found["copies"], found["imitations"], found["compared"]) == ([], [], 7)
    assert not [e for e in events if isinstance(e, Noticed)]


def test_a_song_played_by_another_band_in_another_key_raises_the_alarm(songs: dict[str, Path], tmp_path: Path) -> None:
    score, other = demo_songs()[6], demo_songs()[4]
    cover = replace(score, keyscale="G minor", bpm=score.bpm * 1.04, voices=other.voices, drums=other.drums)
    found, events = heard_with(render(cover), songs, tmp_path)

    (imitation,) = found["imitations"]
    assert (imitation["song"], found["copies"]) == ("night_bus.flac", [])
    assert imitation["likeness"] >= melody.ALIKE
    assert [(e.code, e.severity) for e in events if isinstance(e, Noticed)] == [("evaluate.imitated", "warning")]


def test_what_the_base_network_plays_too_is_no_imitation(songs: dict[str, Path]) -> None:
    name, path = list(songs.items())[5]
    sound = audition.Sound(fingerprint=np.zeros(0, np.uint32), notes=melody.notes(files.read_mono(path, 22_050)))

    assert audition.imitated({name: sound}, {"piece": sound}, {"piece": sound}) == ()


def test_songs_of_one_band_on_other_chords_are_no_imitations_of_each_other() -> None:
    first, *others = (melody.notes(resample(render(song).mean(axis=1), 48_000, 22_050)) for song in album())

    assert max(melody.likeness(first, other) for other in others) < melody.ALIKE


def test_a_song_that_is_gone_is_not_compared(songs: dict[str, Path], tmp_path: Path) -> None:
    (name, path), *_ = songs.items()
    found, _ = heard_with(files.read(path), {name: tmp_path / "gone.flac"}, tmp_path)

    assert (found["songs"], found["compared"], found["copies"]) == (1, 0, [])


def test_nobody_listens_where_there_are_no_previews(tmp_path: Path) -> None:
    listen(Run(tmp_path), [], {"song": tmp_path / "gone.flac"}, 60, Job())

    assert not (tmp_path / "evaluation").exists()


@pytest.mark.parametrize(
    ("asked", "heard", "expected"),
    [
        (prompt(120, "A minor"), Heard(121.0, "A minor"), (True, True)),
        (prompt(120, "D# minor"), Heard(60.3, "Eb minor"), (True, True)),
        (prompt(120, "A minor"), Heard(128.0, "C major"), (False, False)),
        (prompt(120, "A minor"), Heard(None, None), (False, False)),
        (prompt(None, None), Heard(120.0, "A minor"), (None, None)),
        (prompt(None, "something"), Heard(120.0, "A minor"), (None, None)),
    ],
)
def test_tempo_and_key_are_held_against_the_prompt(
    asked: Prompt, heard: Heard, expected: tuple[bool | None, bool | None]
) -> None:
    found = obeys(asked, heard)

    assert (found["bpm"], found["keyscale"]) == expected


@pytest.mark.parametrize(("sung", "obeyed"), [("ko", True), ("en", False), ("", False), (None, None)])
def test_the_language_of_singing_is_held_against_the_prompt_where_somebody_listened(
    sung: str | None, obeyed: bool | None
) -> None:
    asked = replace(prompt(), lyrics="[Verse]\nna na", language="ko")

    assert obeys(asked, Heard(None, None, sung))["language"] is obeyed


@pytest.mark.parametrize(
    "asked", [replace(prompt(), language="ko"), replace(prompt(), lyrics="la", language="unknown")]
)
def test_no_language_is_asked_for_without_words_or_where_it_is_unknown(asked: Prompt) -> None:
    assert obeys(asked, Heard(None, None, "en"))["language"] is None


def sung_in(language: str, tmp_path: Path, job: Job | None = None) -> dict[str, object]:
    """Return what is written of a piece that asks for Korean, where a recogniser hears this language in everything."""
    run, models = Run(tmp_path / "run"), tmp_path / "models"
    save_whisper(models / "whisper", {0.0: "over the hills", 4.0: ""}, language=language)
    run.previews.mkdir(parents=True)
    before, after = (run.previews / f"{step:06d}.ogg" for step in (0, 60))
    for path in (before, after):
        files.write(path, sung(6.0, ((1.0, 5.0),), 48_000)[:, None].repeat(2, axis=1))
    piece = Piece(replace(prompt(), lyrics="[Verse]\nna na", language="ko"), 1, before, after)
    listen(run, [piece], {}, 60, job or Job(), Setup(models, tmp_path, device="cpu"))
    return json.loads((run.evaluation / "audition.json").read_text())["pieces"][0]


def test_previews_are_listened_to_for_their_language_where_whisper_is_here(tmp_path: Path) -> None:
    found = sung_in("ko", tmp_path)

    assert found["asked"]["language"] == "ko"
    assert (found["after"]["language"], found["after"]["obeys"]["language"]) == ("ko", True)


def test_a_broken_recogniser_is_told_and_loses_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "models" / "whisper").mkdir(parents=True)
    (tmp_path / "models" / "whisper" / "config.json").write_text("{}")
    (tmp_path / "models" / "whisper" / "model.safetensors").write_bytes(b"")
    tone, events = tmp_path / "tone.ogg", []
    files.write(tone, np.zeros((48_000, 2), np.float32))

    assert languages([tone], Setup(tmp_path / "models", tmp_path), Job(events.append)) == {}
    assert [event.code for event in events] == ["listening.unloadable"]


def test_a_machine_without_whisper_measures_no_language(tmp_path: Path) -> None:
    assert languages([tmp_path / "gone.ogg"], Setup(tmp_path, tmp_path), Job()) == {}
