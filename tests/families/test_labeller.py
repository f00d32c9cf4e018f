"""ACE-Step's own language model describes songs from their audio codes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from acetune import compute
from acetune.annotation.annotator import Setup, Song
from acetune.audio.files import read, write
from acetune.data.track import Track
from acetune.errors import DataError, MissingDependency, Stopped
from acetune.events import Job
from acetune.families.acestep_v15.composer import read_tokenizer
from acetune.families.acestep_v15.labeller import CodesAnnotator, Composer, _encoder, _variant, read_thoughts
from acetune.families.acestep_v15.layouts import open_weights
from acetune.families.acestep_v15.variants import CARD
from listeners import save_composer

ANSWER = (
    "<think>\nbpm: 120\ncaption: A bright synth-pop song\n  with a warm voice.\nduration: 200\ngenres: Synth-Pop\n"
    "keyscale: C major\nlanguage: en\ntimesignature: 4\n</think>\n# Lyric\n[Verse 1]\n"
) + "".join(f"invented line {number}\n" for number in range(30))


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny tensors are quicker on one."""
    with compute.threads(1):
        yield


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    """Two and a half seconds of noise."""
    path = tmp_path_factory.mktemp("song") / "song.wav"
    write(path, 0.2 * np.random.default_rng(0).standard_normal((120_000, 2)).astype(np.float32))
    return Song(Track(path="song.wav", seconds=2.5), path)


@pytest.fixture(scope="module")
def composer(tmp_path_factory):
    """A language model that says the answer above."""
    return save_composer(tmp_path_factory.mktemp("composer") / "model", ANSWER)


def setup(models, folder, **chosen):
    return Setup(models, models, device="cpu", model_ids={"codes": str(folder), "codec": "tiny", **chosen})


def hear(models, folder, song, job=None):
    """Return what the annotator says."""
    with CodesAnnotator().opened(setup(models, folder), job or Job()) as opened:
        return opened(song)


def test_caption_genre_and_language_are_taken_and_what_the_signal_knows_better_is_not(models, composer, song):
    said = hear(models, composer, song)

    assert {name: guess.value for name, guess in said.items()} == {
        "caption": "A bright synth-pop song with a warm voice.",
        "genre": "synth-pop",
        "language": "en",
    }
    assert said["caption"].confidence == pytest.approx(1.0, abs=0.01)


def test_codes_are_those_of_the_variant_s_own_tokenizer(models, song):
    variant = CARD.variant("tiny")
    weights = open_weights(variant, None, models, Job())
    encoder = _encoder(variant, setup(models, models), Job())
    audio = read(song.path)
    latents, _ = encoder.codec.encode(audio)
    stock = weights.load("audio_tokenizer", torch.device("cpu"), torch.float32)
    filled = torch.cat([latents, weights.silence()[0, : -len(latents) % 5]])
    with torch.inference_mode():
        _, expected = stock(filled.reshape(1, -1, 5, latents.shape[1]))
    codes = encoder.codes(audio)

    assert codes == tuple(expected.flatten().tolist())
    assert len(codes) == 13
    assert len(set(codes)) > 3
    assert all(0 <= code < 64_000 for code in codes)


def test_the_question_is_the_official_one_with_one_token_for_each_code(models, composer):
    asked = Composer(torch.nn.Linear(1, 1), read_tokenizer(composer))
    written = asked.written((7, 63_999))

    assert written == (
        "<|im_start|>system\n# Instruction\nUnderstand the given musical conditions and describe the audio semantics"
        " accordingly:\n\n<|im_end|>\n<|im_start|>user\n<|audio_code_7|><|audio_code_63999|><|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_longer_songs_ask_longer_questions(composer):
    from transformers import AutoModelForCausalLM

    asked = Composer(AutoModelForCausalLM.from_pretrained(composer), read_tokenizer(composer))
    short, long = (asked.inputs(tuple(range(1, count)))["input_ids"].shape[1] for count in (10, 60))

    assert long - short == 50


def test_a_checkpoint_s_own_template_is_used(composer):
    reader = read_tokenizer(composer)
    reader.chat_template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"

    assert Composer(None, reader).written((1,)).endswith("<user><|audio_code_1|>")


def test_it_ends_before_it_makes_up_lyrics(models, composer, song):
    asked = []
    hear(models, composer, song, Job(stop_requested=lambda: bool(asked.append(1))))

    assert len(asked) < 25


THOUGHTS = {
    "lines": ("<think>\ncaption: A song.\nlanguage: ko\n</think>\n[Verse]", {"caption": "A song.", "language": "ko"}),
    "several lines": (
        "<think>caption: >-\n  A slow\n  song.\ngenres: folk",
        {"caption": "A slow song.", "genres": "folk"},
    ),
    "quotes and colons": ('<think>\ncaption: "Two parts: one, two"\n', {"caption": "Two parts: one, two"}),
    "without the first mark": (
        "caption: 一首歌。\nvocal_language: zh\n</think>",
        {"caption": "一首歌。", "vocal_language": "zh"},
    ),
    "lyrics with colons": ("<think>\nbpm: 90\n</think>\ncaption: not this", {"bpm": "90"}),
    "nothing": ("no thoughts at all", {}),
}


@pytest.mark.parametrize(("text", "fields"), THOUGHTS.values(), ids=THOUGHTS)
def test_thoughts_are_read_field_by_field(text, fields):
    assert read_thoughts(text) == fields


def test_an_answer_without_thoughts_is_an_error_for_this_song(models, song, tmp_path):
    folder = save_composer(tmp_path / "silent", "la la la\n")
    with pytest.raises(DataError) as caught:
        hear(models, folder, song)

    assert caught.value.code == "listening.no_answer"


def test_listening_stops_within_a_token(models, composer, song):
    with pytest.raises(Stopped):
        hear(models, composer, song, Job(stop_requested=lambda: True))


def test_a_language_model_that_knows_no_codes_is_refused(models, song, tmp_path):
    folder = save_composer(tmp_path / "other", ANSWER, knows_codes=False)
    with pytest.raises(DataError) as caught:
        hear(models, folder, song)

    assert "audio codes" in caught.value.message()


def test_missing_weights_are_told_part_by_part(models, composer, tmp_path):
    annotator = CodesAnnotator()
    without_composer = annotator.missing(Setup(models, models, device="cpu", model_ids={"codec": "tiny"}))
    without_codec = annotator.missing(Setup(tmp_path, tmp_path, model_ids={"codes": str(composer), "codec": "base"}))
    unknown = annotator.missing(setup(models, composer, codec="basal"))

    assert "acetune models get codes" in without_composer.remedy()
    assert "acetune models get base" in without_codec.remedy()
    assert isinstance(unknown, MissingDependency)
    assert "basal" in unknown.message()


def test_weights_that_are_here_are_enough(models, composer):
    assert CodesAnnotator().missing(setup(models, composer)) is None
    assert _variant(setup(models, composer)).name == "tiny"
