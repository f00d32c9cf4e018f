"""What files of other trainers hold: which rows are sound, who wrote them, where the text begins."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from acetune.errors import DataError
from acetune.families.acestep_v15.conditions import join, split
from acetune.families.acestep_v15.foreign_tensors import READER, trainer_of
from acetune.families.foreign import ForeignSong

PATH = Path("song.pt")


def rows(count: int, width: int = 64, seed: int = 0) -> Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def content(**changes: object) -> dict[str, object]:
    """Return what the official trainer saves of a song of 29 frames: 40 valid rows of 769."""
    mask = torch.arange(769) < 40
    latents = rows(29, 8, seed=1)
    return {
        "target_latents": latents,
        "attention_mask": torch.ones(29),
        "encoder_hidden_states": rows(769),
        "encoder_attention_mask": mask,
        "context_latents": torch.cat([rows(29, 8, seed=2), torch.ones(29, 8)], dim=1),
        "metadata": {"caption": "a", "duration": 1, "filename": "C:\\music\\my song.mp3", "is_instrumental": True},
        **changes,
    }


def read(**changes: object) -> ForeignSong:
    return READER.read(content(**changes), PATH)


def test_padding_is_dropped_exactly() -> None:
    song = read()

    assert torch.equal(song.conditions, rows(769)[:40])
    assert torch.equal(song.latents, rows(29, 8, seed=1))


def test_masks_of_numbers_and_no_masks_are_read_too() -> None:
    numbers = read(encoder_attention_mask=(torch.arange(769) < 40).to(torch.int64))
    none = content()
    del none["encoder_attention_mask"]

    assert len(numbers.conditions) == 40
    assert len(READER.read(none, PATH).conditions) == 769


@pytest.mark.parametrize("frames", [1, 7, 29, 57, 1234, 14_999])
def test_a_length_holds_its_whole_frames(frames: int) -> None:
    seconds = read(target_latents=torch.zeros(frames, 8), attention_mask=torch.ones(frames)).seconds

    assert int(seconds * 25) == frames
    assert seconds == pytest.approx(frames / 25)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_number_formats_are_kept(dtype: torch.dtype) -> None:
    song = read(target_latents=rows(29, 8).to(dtype), encoder_hidden_states=rows(769).to(dtype))

    assert (song.latents.dtype, song.conditions.dtype) == (dtype, dtype)


def test_numbers_that_are_none_count_only_where_they_would_be_used() -> None:
    states = rows(769)
    states[40:] = float("nan")
    fine = read(encoder_hidden_states=states)
    states[39, 3] = float("inf")

    with pytest.raises(DataError, match=r"encoder_hidden_states has numbers that are none .* in 1 of 40 rows"):
        read(encoder_hidden_states=states)

    assert len(fine.conditions) == 40


@pytest.mark.parametrize(("distance", "leaked"), [(0.0, True), (5e-4, True), (2e-3, False), (1.0, False)])
def test_a_context_that_is_the_target_leaks(distance: float, leaked: bool) -> None:
    target = rows(29, 8, seed=1)
    context = torch.cat([target + distance, torch.ones(29, 8)], dim=1)

    assert read(context_latents=context).leaked is leaked


def test_one_number_that_differs_hides_no_leak() -> None:
    context = torch.cat([rows(29, 8, seed=1), torch.ones(29, 8)], dim=1)
    context[3, 3] += 0.2

    assert read(context_latents=context).leaked


@pytest.mark.parametrize("context", [None, torch.zeros(29), torch.zeros(3, 16), torch.zeros(29, 3), "nothing"])
def test_a_context_of_another_shape_shows_nothing(context: object) -> None:
    assert read(context_latents=context).leaked is False


@pytest.mark.parametrize(("length", "old"), [(769, True), (768, False), (300, False), (40, False)])
def test_the_number_of_padded_rows_tells_old_lyrics(length: int, old: bool) -> None:
    song = read(encoder_hidden_states=rows(length), encoder_attention_mask=torch.arange(length) < 40)

    assert song.old_lyrics is old


@pytest.mark.parametrize(
    ("said", "padded", "trainer"),
    [
        ({"caption": "a", "duration": 1, "language": "en"}, True, "official"),
        ({"caption": "a", "duration": 1, "language": "en"}, False, "fl"),
        ({"caption": "a", "duration": 1, "custom_tag": ""}, True, "side-step"),
        ({"caption": "a", "lyrics": "", "language": "en"}, True, "sn"),
        ({}, True, "unknown"),
    ],
)
def test_a_file_shows_who_wrote_it(said: dict[str, str | int], padded: bool, trainer: str) -> None:
    assert trainer_of(said, padded=padded) == trainer


def test_what_is_said_about_a_song_has_our_names() -> None:
    metadata = {"caption": "a", "is_instrumental": False, "custom_tag": "zx", "repeat": 3, "bpm": torch.ones(1), "x": 1}
    song = read(metadata=metadata)

    assert song.fields == {"caption": "a", "instrumental": False, "trigger": "zx", "repeats": 3, "bpm": None}
    assert (song.name, read().name) == (None, "my song.mp3")


@pytest.mark.parametrize("metadata", [None, [], "text", {3: 4}])
def test_metadata_of_any_kind_are_borne(metadata: object) -> None:
    assert read(metadata=metadata).fields == {}


def test_only_files_with_latents_and_conditions_fit() -> None:
    assert READER.fits(content())
    assert not READER.fits({"target_latents": rows(2)})


@pytest.mark.parametrize("noise", [0.0, 0.03])
def test_lyrics_and_text_are_told_apart_where_the_text_begins(noise: float) -> None:
    lyrics, timbre, text = rows(50, seed=1), rows(1, seed=2), rows(30, seed=3)
    joined = (join(lyrics, timbre, text) + noise * rows(81, seed=4)).to(torch.bfloat16)

    found = split(joined, text[:3])

    assert found is not None
    assert torch.equal(found[0], joined[:50])
    assert torch.equal(found[1], joined[51:])


def test_conditions_of_other_weights_are_not_split() -> None:
    joined = join(rows(50, seed=1), rows(1, seed=2), rows(30, seed=3))

    assert split(joined, rows(3, seed=9)) is None
    assert split(joined, rows(3, 32, seed=9)) is None
    assert split(rows(3, seed=3), rows(3, seed=3)) is None
