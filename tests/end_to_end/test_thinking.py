"""A language model plans a piece in audio codes, and the network is handed the plan as ComfyUI hands it over."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from probing import collector
from transformers import Qwen3Config, Qwen3ForCausalLM

import acetune
from acetune.annotation import checkpoints
from acetune.audio import files as audio_files
from acetune.errors import MissingDependency, SettingError
from acetune.events import Job
from acetune.families.acestep_v15.composer import compose, thoughts_of, written
from acetune.families.family import Prompt
from acetune.recipe import family_of, resolve
from listeners import SEED, tokenizer

CPU = torch.device("cpu")
#: The planner below knows these codes; a published one knows 64,000.
CODES = (3, 9, 500, 63_999)
PROMPT = Prompt("slow pads", "[Verse]\nla la", "en", 90.4, "A minor", "4", 2.3)


@pytest.fixture(scope="module")
def planner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a random Qwen3 whose tokenizer knows some codes beside words."""
    folder = tmp_path_factory.mktemp("planner") / "codes"
    codes = tuple(f"<|audio_code_{code}|>" for code in (0, *CODES))
    reader = tokenizer(("slow", "pads"), ("<|endoftext|>", "<|im_start|>", "<|im_end|>", *codes))
    torch.manual_seed(SEED)
    config = Qwen3Config(
        vocab_size=len(reader), hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, head_dim=16, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    Qwen3ForCausalLM(config).save_pretrained(folder)
    reader.save_pretrained(folder)
    return folder


def test_a_planner_writes_five_codes_for_each_second_begun_and_nothing_else(planner: Path) -> None:
    codes = compose(PROMPT, planner, 0, CPU, Job())

    assert len(codes) == 12
    assert {*codes} <= {0, *CODES}
    assert codes == compose(PROMPT, planner, 0, CPU, Job())
    assert codes != compose(PROMPT, planner, 1, CPU, Job())


def test_what_is_known_is_thought_already_as_yaml_in_the_order_of_its_keys() -> None:
    assert thoughts_of(PROMPT) == "bpm: 90\nduration: 2\nkeyscale: A minor\nlanguage: en\ntimesignature: 4"


class Bare:
    """A tokenizer without a template."""

    chat_template = None


def test_a_request_is_written_in_the_words_of_the_official_app() -> None:
    text = written(Bare(), replace(PROMPT, lyrics=None), "bpm: 90")

    assert text == (
        "<|im_start|>system\n# Instruction\nGenerate audio semantic tokens based on the given conditions:\n\n"
        "<|im_end|>\n"
        "<|im_start|>user\n# Caption\nslow pads\n\n# Lyric\n[Instrumental]\n<|im_end|>\n"
        "<|im_start|>assistant\n<think>\nbpm: 90\n</think><|im_end|>\n"
    )


def test_latents_of_codes_are_those_that_the_tokenizer_makes_of_its_own(home: Path) -> None:
    card, _ = family_of("tiny")
    family = card.open(resolve([("test", {"model.variant": "tiny"})]).recipe, home / "models", Job())
    recoder = family.load_recoder(CPU)
    latents = torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
    _, codes = recoder.tokenizer.tokenize(latents[None], recoder.silence)

    assert torch.allclose(recoder.of_codes(codes.flatten().tolist()), recoder.recode(latents), atol=1e-5)


def test_thinking_plans_the_music_and_the_network_is_told(home: Path, planner: Path, tmp_path: Path) -> None:
    (home / "models").mkdir(exist_ok=True)
    (home / "models" / "codes").symlink_to(planner, target_is_directory=True)
    job, _ = collector()
    files = [tmp_path / f"{name}.wav" for name in ("plain", "first", "again")]
    for path in files:
        asked = acetune.Request(caption="slow pads", device="cpu", seconds=1.0, out=path, thinking=path.stem != "plain")
        acetune.generate(asked, home=home, job=job)
    plain, first, again = map(audio_files.read, files)

    assert np.array_equal(first, again)
    assert np.abs(first - plain).max() > 1e-3


def test_a_planner_that_is_not_here_is_asked_for(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = acetune.Request(caption="slow pads", device="cpu", seconds=1.0, out=tmp_path / "a.wav", thinking=True)
    with pytest.raises(MissingDependency) as caught:
        acetune.generate(asked, home=tmp_path / "elsewhere")

    assert caught.value.code == "listening.no_weights"
    assert checkpoints.PUBLISHED["codes"].repository in caught.value.message() + caught.value.remedy()


def test_only_music_from_text_can_be_planned(home: Path, tmp_path: Path) -> None:
    asked = acetune.Request(caption="x", task="cover", source=tmp_path / "a.wav", thinking=True)
    with pytest.raises(SettingError) as caught:
        acetune.generate(asked, home=home)

    assert caught.value.code == "generation.thinking"
