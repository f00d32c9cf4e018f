"""Music made of music: cover, repaint, extract, lego and complete on the embedded variants."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from probing import collector

import acetune
from acetune.audio import files as audio_files
from acetune.errors import SettingError
from acetune.events import Job, Progress
from acetune.families.acestep_v15.prompts import instruction_of
from acetune.families.family import Example, ModelFamily, Prompt
from acetune.families.tasks import Task
from acetune.families.variant import Sampling
from acetune.flow import randomness
from acetune.generation.pieces import repainted
from acetune.generation.sample import Lead, sample_led
from acetune.recipe import family_of, resolve
from world import tone

CPU = torch.device("cpu")
#: A made-up prompt, and the frames of the pieces that it leads.
PROMPT = Prompt("slow pads", None, None, None, None, None, 2.0)
FRAMES = 50


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tone(tmp_path_factory.mktemp("source") / "song.flac", 1.0, seed=3)


def request(**changes: object) -> object:
    return acetune.Request(**{"caption": "slow pads", "device": "cpu", **changes})


def made(home: Path, path: Path, **changes: object) -> np.ndarray:
    acetune.generate(request(out=path, **changes), home=home)
    return audio_files.read(path)


def opened(home: Path, variant: str = "tiny") -> ModelFamily:
    card, _ = family_of(variant)
    return card.open(resolve([("test", {"model.variant": variant})]).recipe, home / "models", Job())


def test_what_is_not_repainted_stays_as_it_was(home: Path, tmp_path: Path, song: Path) -> None:
    before = audio_files.read(song)

    after = made(home, tmp_path / "a.flac", task="repaint", source=song, start=0.3, end=0.6)

    window = slice(14_400, 28_800)
    assert np.abs(np.delete(after, window, axis=0) - np.delete(before, window, axis=0)).max() < 1e-5
    assert np.abs(after[window] - before[window]).max() > 1e-2


def test_latents_outside_the_window_are_the_source_to_the_last_step(home: Path) -> None:
    family = opened(home)
    conditioner = family.load_conditioner(CPU)
    source = randomness.normal((FRAMES, family.variant.size.channels), 5, "test")
    noise = randomness.normal(tuple(source.shape), 6, "test")
    parts = conditioner.text(PROMPT, Task("repaint")), conditioner.lyrics(PROMPT)
    example = Example(noise, *parts, source, window=(10, 30), hidden=True)
    network = family.load_network(CPU, torch.float32)

    found = sample_led(
        family, network, Lead(example, kept=source), conditioner.constants(), Sampling(8, 3.0, 1.0), lambda: None
    )[0]

    assert (found[:10] - source[:10]).abs().max() < 1e-5 and (found[30:] - source[30:]).abs().max() < 1e-5
    assert (found[10:30] - source[10:30]).abs().max() > 0.1


@torch.no_grad()
def test_the_network_never_sees_what_it_shall_repaint(home: Path) -> None:
    family = opened(home)
    conditioner = family.load_conditioner(CPU)
    noise, source, other = (randomness.normal((FRAMES, 8), i, "test") for i in range(3))
    parts = conditioner.text(PROMPT, Task("repaint")), conditioner.lyrics(PROMPT)
    mixed = source.clone()
    mixed[10:30] = other[10:30]
    examples = [Example(noise, *parts, music, window=(10, 30), hidden=True) for music in (source, mixed)]

    one, two = (family.collate([example], conditioner.constants(), CPU).conditions["context"] for example in examples)

    assert torch.equal(one, two)


def test_a_cover_of_strength_zero_is_text_to_music(home: Path, tmp_path: Path, song: Path) -> None:
    plain = made(home, tmp_path / "a.wav", seconds=1.0)

    assert np.array_equal(plain, made(home, tmp_path / "b.wav", task="cover", source=song, cover_strength=0.0))


def test_a_cover_of_strength_one_is_led_by_the_codes_in_every_step(home: Path, song: Path) -> None:
    family = opened(home)
    conditioner = family.load_conditioner(CPU)
    audio = audio_files.read(song)
    rough = family.load_recoder(CPU).recode(family.load_codec(CPU).encode(audio)[0])
    noise = randomness.normal(tuple(rough.shape), 0, "generate")
    text, plain, lyrics = conditioner.text(PROMPT, Task("cover")), conditioner.text(PROMPT), conditioner.lyrics(PROMPT)
    coded, later = Example(noise, text, lyrics, rough), Example(noise, plain, lyrics)
    network, constants = family.load_network(CPU, torch.float32), conditioner.constants()
    sampling = family.variant.sampling

    whole, always, half = (
        sample_led(family, network, lead, constants, sampling, lambda: None)
        for lead in (Lead(coded), Lead(coded, later, sampling.steps), Lead(coded, later, sampling.steps // 2))
    )

    assert torch.equal(whole, always) and not torch.equal(whole, half)


@pytest.mark.slow
def test_a_cover_hears_its_source(home: Path, tmp_path: Path, song: Path) -> None:
    other = tone(tmp_path / "other.flac", 1.0, seed=9)

    one, two = (
        made(home, tmp_path / f"{path.stem}.wav", task="cover", source=path, cover_strength=0.5)
        for path in (song, other)
    )

    assert not np.array_equal(one, two)


@pytest.mark.parametrize(("task", "tracks"), [("extract", ("vocals",)), ("lego", ("drums",)), ("complete", ())])
def test_base_variants_work_on_parts(
    home: Path, tmp_path: Path, song: Path, task: str, tracks: tuple[str, ...]
) -> None:
    job, events = collector()

    (path,) = acetune.generate(
        request(task=task, source=song, tracks=tuple(tracks), variant="tiny-base", steps=3, out=tmp_path / "a.mp3"),
        home=home, job=job,
    )  # fmt: skip

    assert audio_files.probe(path).seconds == pytest.approx(1.0, abs=0.1)
    assert [event.done for event in events if isinstance(event, Progress)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("task", "tracks"),
    [
        ("text2music", ()),
        ("cover", ()),
        ("repaint", ()),
        ("extract", ()),
        ("extract", ("vocals",)),
        ("lego", ()),
        ("lego", ("backing_vocals",)),
        ("complete", ()),
        ("complete", ("bass", "drums")),
    ],
)
def test_instructions_are_those_of_diffusers(task: str, tracks: tuple[str, ...]) -> None:
    from diffusers import AceStepPipeline

    said = AceStepPipeline._get_task_instruction(task, next(iter(tracks), None), list(tracks))

    assert instruction_of(Task(task, tracks)) == said


@pytest.mark.slow
def test_an_end_behind_the_source_goes_on_with_it(home: Path, tmp_path: Path, song: Path) -> None:
    longer = made(home, tmp_path / "a.flac", task="repaint", source=song, start=0.5, end=1.5)

    assert len(longer) == 72_000 and np.abs(longer[48_000:]).max() > 1e-3
    assert np.abs(longer[:24_000] - audio_files.read(song)[:24_000]).max() < 1e-5


def test_new_music_is_faded_in_where_it_meets_the_old() -> None:
    old, new = np.zeros((48_000, 2), np.float32), np.full((48_000, 2), 4.0, np.float32)

    both = repainted(new, old, 0.25, 0.75)

    assert both[12_000].max() == 0 and both[24_000].max() == 1 and np.abs(np.diff(both, axis=0)).max() < 0.01


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"task": "extract"}, "generation.task"),
        ({"task": "sing"}, "generation.task"),
        ({"task": "cover", "source": None}, "generation.no_source"),
        ({}, "generation.source_unused"),
        ({"task": "cover", "cover_strength": 1.5}, "generation.bad_cover_strength"),
        ({"task": "cover", "start": 1.0}, "generation.no_window"),
        ({"task": "repaint"}, "generation.window_missing"),
        ({"task": "repaint", "start": 0.9, "end": 0.5}, "generation.bad_window"),
        ({"task": "repaint", "start": -1.0}, "generation.bad_window"),
        ({"task": "cover", "tracks": ("drums",)}, "generation.tracks"),
        ({"task": "lego", "tracks": ("drums", "bass"), "variant": "tiny-base"}, "generation.tracks"),
        ({"task": "extract", "tracks": ("kazoo",), "variant": "tiny-base"}, "generation.bad_track"),
    ],
)
def test_tasks_that_make_no_sense_are_refused(home: Path, song: Path, changes: dict[str, object], code: str) -> None:
    with pytest.raises(SettingError) as refused:
        acetune.generate(request(**{"source": song, **changes}), home=home)

    assert refused.value.code == code


def test_a_task_that_a_variant_cannot_do_names_those_that_can(home: Path, song: Path) -> None:
    with pytest.raises(SettingError) as refused:
        acetune.generate(request(task="lego", source=song, variant="turbo"), home=home)

    assert "base, sft, xl-base, xl-sft" in refused.value.remedy()
