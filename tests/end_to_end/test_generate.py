"""Generating audio on the embedded variants."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from probing import collector

import acetune
from acetune.errors import SettingError, Stopped
from acetune.events import Job, PreviewReady, Progress


def request(**changes: object) -> object:
    return acetune.Request(**{"caption": "slow pads", "seconds": 2.0, "device": "cpu", **changes})


def test_a_piece_has_the_asked_length_and_peak(home: Path, tmp_path: Path) -> None:
    (path,) = acetune.generate(request(out=tmp_path / "piece.wav", seconds=2.5), home=home)

    audio, rate = soundfile.read(path)
    assert (rate, audio.shape) == (48_000, (120_000, 2))
    assert np.abs(audio).max() == pytest.approx(10 ** (-1 / 20), abs=1e-3)


def test_the_same_seed_gives_the_same_bytes(home: Path, tmp_path: Path) -> None:
    one, two = (
        acetune.generate(request(out=tmp_path / name / "a.wav", seeds=(4,)), home=home)[0].read_bytes()
        for name in ("x", "y")
    )
    (other,) = acetune.generate(request(out=tmp_path / "b.wav", seeds=(5,)), home=home)

    assert one == two != other.read_bytes()


def test_generated_audio_says_so_and_keeps_captions_private(home: Path, tmp_path: Path) -> None:
    (path,) = acetune.generate(request(out=tmp_path / "a.flac"), home=home)

    with soundfile.SoundFile(path) as sound:
        mark = json.loads(sound.comment)
    assert mark["ai_generated"] is True and mark["generated_by"] == "acetune"
    assert "slow pads" not in str(mark)


def test_several_seeds_make_several_files(home: Path, tmp_path: Path) -> None:
    job, events = collector()

    paths = acetune.generate(request(out=tmp_path, seeds=(1, 2)), home=home, job=job)

    assert len(set(paths)) == 2 and all(path.is_file() for path in paths)
    assert [e.seed for e in events if isinstance(e, PreviewReady)] == [1, 2]
    assert [e.done for e in events if isinstance(e, Progress)] == list(range(1, 17))


def test_guided_variants_ask_the_network_twice_a_step(home: Path, tmp_path: Path) -> None:
    guided = acetune.generate(request(variant="tiny-base", out=tmp_path / "a.wav"), home=home)[0]
    plain = acetune.generate(request(variant="tiny-base", guidance=1.0, out=tmp_path / "b.wav"), home=home)[0]

    assert guided.read_bytes() != plain.read_bytes()


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"seconds": 0.0}, "0.0 s"),
        ({"seconds": 601.0}, "601"),
        ({"steps": -1}, "steps"),
        ({"strengths": (0.5,)}, "strength"),
        ({"out": Path("piece.mp5")}, ".mp5"),
        ({"variant": "turbi"}, "turbo"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_loaded(
    home: Path, changes: dict[str, object], word: str
) -> None:
    with pytest.raises(SettingError) as refused:
        acetune.generate(request(**changes), home=home)

    assert word in str(refused.value) and refused.value.exit_code == 2


def test_stopping_between_steps_leaves_no_file(home: Path, tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        acetune.generate(request(out=tmp_path / "a.wav"), home=home, job=Job(stop_requested=lambda: True))

    assert not (tmp_path / "a.wav").exists()


def test_nothing_made_earlier_is_overwritten(home: Path, tmp_path: Path) -> None:
    one, two = (acetune.generate(request(out=tmp_path, seeds=(3,)), home=home)[0] for _ in range(2))

    assert one != two and one.is_file() and two.is_file()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"bpm": 20}, "generation.bad_bpm"),
        ({"bpm": float("nan")}, "generation.bad_bpm"),
        ({"keyscale": "loud"}, "generation.bad_keyscale"),
        ({"language": "Klingon"}, "generation.bad_language"),
        ({"timesignature": "7/8"}, "generation.bad_timesignature"),
    ],
)
def test_metas_that_the_models_do_not_know_are_refused(home: Path, changes: dict[str, object], code: str) -> None:
    with pytest.raises(SettingError) as caught:
        acetune.generate(request(**changes), home=home)

    assert caught.value.code == code


V1 = {"variant": "tiny-v1", "steps": 4, "lyrics": "la la"}


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("usual")
    return acetune.generate(request(**V1, out=folder / "a.wav"), home=folder)[0].read_bytes()


@pytest.mark.parametrize(
    "asked",
    [
        {"solver": "heun"},
        {"solver": "pingpong"},
        {"guide": "cfg"},
        {"guide": "cfg-zero"},
        {"guide": "double", "guidance_lyrics": 2.0},
        {"guidance_interval": 1.0},
        {"against": "weak"},
    ],
)
def test_v1_is_sampled_as_somebody_asks(home: Path, tmp_path: Path, usual: bytes, asked: dict[str, object]) -> None:
    (path,) = acetune.generate(request(**V1, out=tmp_path / "a.wav", **asked), home=home)

    assert path.read_bytes() != usual


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"solver": "heun"}, "generation.not_sampled"),
        ({"guide": "cfg"}, "generation.not_sampled"),
        ({"against": "weak"}, "generation.not_sampled"),
        ({"guidance_interval": 0.5}, "generation.every_step"),
        ({"guidance_interval": 1.5, "variant": "tiny-v1"}, "generation.bad_value"),
        ({"guidance_lyrics": 2.0, "variant": "tiny-v1"}, "generation.lyrics_alone"),
    ],
)
def test_ways_to_sample_that_a_variant_does_not_have_are_refused(asked: dict[str, object], code: str) -> None:
    with pytest.raises(SettingError) as refused:
        acetune.generate(request(**asked))

    assert refused.value.code == code
