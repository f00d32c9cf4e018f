"""Prompts as ACE-Step 1.5 was trained to read them; diffusers' pipeline is the second opinion."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import AceStepPipeline

from acetune.events import Job
from acetune.families.acestep_v15 import layouts
from acetune.families.acestep_v15.conditions import AceStepConditioner, join
from acetune.families.acestep_v15.prompts import LYRIC_LIMIT, TEXT_LIMIT, lyric_text, metas, prompt_text
from acetune.families.family import Prompt
from acetune.recipe import family_of

FULL = Prompt("warm piano, slow", "[Verse 1]\nhello", "en", 119.6, "F# minor", "4", 61.9)
EMPTY = Prompt("", None, None, None, None, None, 30.0)


@pytest.fixture(scope="module")
def conditioner(models: Path) -> AceStepConditioner:
    _, variant = family_of("tiny")
    weights = layouts.open_weights(variant, None, models, Job())
    return AceStepConditioner(
        weights.tokenizer(),
        weights.load("text_encoder", torch.device("cpu"), torch.float32),
        weights.load("condition_encoder", torch.device("cpu"), torch.float32),
        timbre_cls=False,
    )


def test_the_prompt_has_exactly_these_lines() -> None:
    assert prompt_text(FULL) == (
        "# Instruction\nFill the audio semantic mask based on the given conditions:\n\n"
        "# Caption\nwarm piano, slow\n\n"
        "# Metas\n- bpm: 120\n- timesignature: 4\n- keyscale: F# minor\n- duration: 61 seconds\n<|endoftext|>\n"
    )


def test_the_lyrics_carry_their_language() -> None:
    assert lyric_text(FULL) == "# Languages\nen\n\n# Lyric\n[Verse 1]\nhello<|endoftext|>"


def test_what_is_missing_is_not_made_up() -> None:
    # Pain 4: invented tempo, key and metre.
    assert metas(EMPTY) == "- bpm: N/A\n- timesignature: N/A\n- keyscale: N/A\n- duration: 30 seconds\n"
    assert lyric_text(EMPTY) == "# Languages\nunknown\n\n# Lyric\n[Instrumental]<|endoftext|>"


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"bpm": 29.4}, "- bpm: N/A"),
        ({"bpm": 301.0}, "- bpm: N/A"),
        ({"bpm": 30.0}, "- bpm: 30"),
        ({"bpm": 300.4}, "- bpm: 300"),
        ({"timesignature": "3/4"}, "- timesignature: 3"),
        ({"timesignature": "6"}, "- timesignature: 6"),
        ({"timesignature": "5/4"}, "- timesignature: N/A"),
        ({"keyscale": "  "}, "- keyscale: N/A"),
        ({"seconds": 239.99}, "- duration: 239 seconds"),
    ],
)
def test_metas_keep_to_what_the_model_knows(changes: dict[str, object], line: str) -> None:
    assert line in metas(replace(FULL, **changes)).splitlines()


@pytest.mark.parametrize(("language", "header"), [("zh", "zh"), ("xx", "unknown"), (None, "unknown"), ("no", "no")])
def test_unknown_languages_are_called_unknown(language: str | None, header: str) -> None:
    assert lyric_text(replace(FULL, language=language)).startswith(f"# Languages\n{header}\n")


@pytest.mark.parametrize("prompt", [FULL, replace(FULL, bpm=None, keyscale=None), replace(FULL, timesignature="3")])
def test_diffusers_formats_the_same_words(prompt: Prompt) -> None:
    pipeline = AceStepPipeline.__new__(AceStepPipeline)
    text, lyrics = pipeline._format_prompt(
        prompt.caption, prompt.lyrics, prompt.language, prompt.seconds, None,
        None if prompt.bpm is None else round(prompt.bpm), prompt.keyscale, prompt.timesignature,
    )  # fmt: skip

    assert (prompt_text(prompt), lyric_text(prompt)) == (text, lyrics)


def test_a_long_caption_is_cut_and_the_metas_stay(conditioner: AceStepConditioner) -> None:
    # Caption overflow eats the metas in the peers: they come last in the prompt.
    prompt = replace(FULL, caption="an endless caption about guitars and drums, " * 60)
    caption = conditioner._fitting_caption(prompt)

    assert prompt.caption.startswith(caption) and len(caption) > 20
    assert conditioner._count(prompt_text(prompt, caption)) <= TEXT_LIMIT
    assert conditioner._count(prompt_text(prompt, prompt.caption[: len(caption) + 80])) > TEXT_LIMIT
    assert conditioner.text(prompt)["tokens"].shape[0] <= TEXT_LIMIT
    assert conditioner.trimmed(prompt) == ("caption",)


def test_a_caption_without_spaces_is_cut_too(conditioner: AceStepConditioner) -> None:
    prompt = replace(FULL, caption="吉他" * 400)

    assert 0 < conditioner.text(prompt)["tokens"].shape[0] <= TEXT_LIMIT


def test_a_fitting_caption_is_left_alone(conditioner: AceStepConditioner) -> None:
    assert conditioner._fitting_caption(FULL) == FULL.caption
    assert conditioner.trimmed(FULL) == ()


def test_lyrics_are_read_up_to_2048_tokens(conditioner: AceStepConditioner) -> None:
    prompt = replace(FULL, lyrics="la la la la oh oh\n" * 1000)

    assert conditioner.lyrics(prompt)["tokens"].shape[0] == LYRIC_LIMIT
    assert conditioner.trimmed(prompt) == ("lyrics",)


def test_joined_parts_are_what_the_encoder_makes_of_all_at_once(models: Path) -> None:
    _, variant = family_of("tiny")
    weights = layouts.open_weights(variant, None, models, Job())
    cpu = torch.device("cpu")
    text_encoder, encoder = (weights.load(name, cpu, torch.float32) for name in ("text_encoder", "condition_encoder"))
    tokenizer = weights.tokenizer()
    own = AceStepConditioner(tokenizer, text_encoder, encoder, timbre_cls=False)

    joined = join(own.lyrics(FULL)["tokens"], own.constants()["timbre"], own.text(FULL)["tokens"])
    with torch.inference_mode():
        text = tokenizer(prompt_text(FULL), return_tensors="pt").input_ids
        lyrics = tokenizer(lyric_text(FULL), return_tensors="pt").input_ids
        whole, mask = encoder(
            text_encoder(input_ids=text).last_hidden_state,
            torch.ones_like(text).bool(),
            text_encoder.get_input_embeddings()(lyrics),
            torch.ones_like(lyrics).bool(),
            encoder.silence_latent[:, :750],
            torch.zeros(1, dtype=torch.long),
        )

    assert mask.all()
    assert torch.equal(joined, whole[0])


def test_the_timbre_token_changes_one_token_of_xl(models: Path) -> None:
    _, variant = family_of("tiny-xl")
    weights = layouts.open_weights(variant, None, models, Job())
    made = {}
    for cls in (False, True):
        loaded = [
            weights.load(name, torch.device("cpu"), torch.float32) for name in ("text_encoder", "condition_encoder")
        ]
        own = AceStepConditioner(weights.tokenizer(), *loaded, timbre_cls=cls)
        made[cls] = (own.lyrics(FULL)["tokens"], own.constants()["timbre"], own.text(FULL)["tokens"])

    assert torch.equal(made[False][0], made[True][0]) and torch.equal(made[False][2], made[True][2])
    assert (made[False][1] - made[True][1]).abs().max() > 1e-3
