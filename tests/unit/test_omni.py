import json
import time

import numpy as np
import pytest
import torch

from acetune import compute
from acetune.annotation.annotator import Setup, Song
from acetune.annotation.captioner import CaptionAnnotator
from acetune.annotation.describer import OmniAnnotator
from acetune.annotation.omni import RATE_HZ, Question, audio_tokens, opened_omni
from acetune.annotation.speaking import Manner
from acetune.annotation.transcriber import LyricsAnnotator
from acetune.audio.files import write
from acetune.data.track import Track
from acetune.errors import DataError, MissingDependency, Stopped
from acetune.events import Job
from listeners import save_omni

TRANSCRIPT = "# Languages\nen\n\n# Lyrics\n[verse]\nhello there\nhow are you\n\n[Chorus - guitar]\nsing it\n"
GREEDY = Question("*Task* Describe", Manner(tokens=60))


def sound(seconds, seed=0):
    return 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * RATE_HZ)).astype(np.float32)


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny tensors are quicker on one."""
    with compute.threads(1):
        yield


@pytest.fixture(scope="module")
def save(tmp_path_factory):
    """Return a function that saves a model once for each answer."""
    root, made = tmp_path_factory.mktemp("omni"), {}

    def get(answer=None, **options):
        key = json.dumps([answer, options])
        if key not in made:
            made[key] = save_omni(root / str(len(made)), answer, **options)
        return made[key]

    return get


@pytest.fixture
def hear(save, tmp_path):
    """Return what an annotator says about a song when its model recites an answer."""

    def listen(annotator, answer, seconds=2.0, job=None, **known):
        folder = save(answer, **({"seconds": known.pop("window")} if "window" in known else {}))
        path = tmp_path / "song.wav"
        write(path, sound(seconds)[:, None], RATE_HZ)
        setup = Setup(tmp_path, tmp_path, device="cpu", model_ids={annotator.name: str(folder)})
        song = Song(Track(path="song.wav", seconds=seconds, **known), path)
        with annotator.opened(setup, job or Job()) as opened:
            return opened(song)

    return listen


def values(guesses):
    return {name: guess.value for name, guess in guesses.items()}


def test_the_thinker_of_a_whole_checkpoint_is_read_and_answers(save):
    with opened_omni(save(TRANSCRIPT), "cpu", Job()) as omni:
        heard = omni.ask(GREEDY, sound(2), seed=0, job=Job(), stage="lyrics")

    assert heard.text == TRANSCRIPT.strip()
    assert heard.confidence == pytest.approx(1.0)
    assert not heard.truncated


@pytest.mark.parametrize(("seconds", "tokens"), [(1, 25), (2, 50), (7.5, 187)])
def test_audio_stands_for_25_tokens_a_second(save, seconds, tokens):
    with opened_omni(save(seconds=8), "cpu", Job()) as omni:
        inputs = omni.inputs(GREEDY, sound(seconds))
        token = omni.tokenizer.convert_tokens_to_ids("<|AUDIO|>")

    assert int((inputs["input_ids"] == token).sum()) == tokens
    assert audio_tokens(int(inputs["feature_attention_mask"].sum())) == tokens


def test_what_is_heard_reaches_the_answer(save):
    with opened_omni(save(), "cpu", Job()) as omni, torch.inference_mode():
        one, other, same = (
            omni.model(**omni.inputs(GREEDY, sound(2, seed))).logits[0, -1] for seed in (1, 2, 1)
        )  # fmt: skip

    assert torch.equal(one, same)
    assert (one - other).abs().max() > 1e-4


def test_draws_follow_from_the_seed_and_leave_no_trace(save):
    question = Question("*Task*", Manner(tokens=6, temperature=1.0))
    with opened_omni(save(), "cpu", Job()) as omni:
        torch.manual_seed(3)
        before = torch.random.get_rng_state()
        said = [omni.ask(question, sound(1), seed=seed, job=Job(), stage="x") for seed in (0, 0, 1, 2)]

    assert said[0] == said[1]
    assert len({heard.confidence for heard in said}) > 1
    assert torch.equal(before, torch.random.get_rng_state())


def test_an_answer_that_reaches_the_limit_is_cut(save):
    with opened_omni(save(TRANSCRIPT), "cpu", Job()) as omni:
        heard = omni.ask(Question("x", Manner(tokens=4)), sound(1), seed=0, job=Job(), stage="x")

    assert heard.text == "# Languages\nen\n\n# Lyrics\n[verse]"
    assert heard.truncated


@pytest.mark.parametrize(
    ("template", "begins"),
    [
        (None, "<|im_start|>system\nBe brief<|im_end|>\n<|im_start|>user\n<|audio_bos|><|AUDIO|><|audio_eos|>*Task*"),
        (
            "{% for m in messages %}<{{ m.role }}>{% if m.content is string %}{{ m.content }}{% else %}"
            "{% for c in m.content %}{{ '<|audio_bos|><|AUDIO|><|audio_eos|>' if c.type == 'audio' else c.text }}"
            "{% endfor %}{% endif %}{% endfor %}",
            "<system>Be brief<user><|audio_bos|><|AUDIO|><|audio_eos|>*Task*",
        ),
    ],
    ids=["none", "its own"],
)
def test_a_question_is_written_as_the_checkpoint_writes_it(save, template, begins):
    question = Question("*Task* Describe", Manner(tokens=1), system="Be brief")
    with opened_omni(save(template=template), "cpu", Job()) as omni:
        written = omni.written(question)

    assert written.startswith(begins)


def test_the_template_of_an_older_checkpoint_is_found(save, tmp_path):
    folder = save_omni(tmp_path / "old")
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": "old {{ messages[0].content[1].text }}"}))
    with opened_omni(folder, "cpu", Job()) as omni:
        written = omni.written(GREEDY)

    assert written == "old *Task* Describe"


def test_the_captioner_says_one_paragraph(hear):
    said = hear(CaptionAnnotator(), "**A slow song.**\n\nStrings and piano.\nA slow song.\n")

    assert values(said) == {"caption": "A slow song. Strings and piano."}
    assert 0.9 < said["caption"].confidence <= 1


@pytest.mark.slow
def test_a_caption_that_was_cut_ends_with_a_whole_sentence(hear):
    sentences = [f"It goes on for {number} bars.\n" for number in range(396)]
    said = hear(CaptionAnnotator(), "".join(sentences) + "And\nthen\nit\nstops\nsuddenly.\n")

    assert said["caption"].value.endswith("It goes on for 395 bars.")


def test_the_transcriber_gives_lyrics_in_sections_and_their_language(hear):
    said = hear(LyricsAnnotator(), TRANSCRIPT)

    assert values(said) == {
        "lyrics": "[Verse]\nhello there\nhow are you\n\n[Chorus - guitar]\nsing it",
        "language": "en",
        "instrumental": False,
    }
    assert said["lyrics"].notice is None


def test_a_transcript_without_words_makes_a_song_instrumental(hear):
    said = hear(LyricsAnnotator(), "# Languages\nunknown\n\n# Lyrics\n[Intro - piano]\n[Instrumental]\n")

    assert values(said) == {"instrumental": True}


def test_windows_of_a_long_song_are_joined_and_their_verses_numbered(hear):
    said = hear(LyricsAnnotator(), "# Lyrics\n[Verse 1]\na\nb\n[Chorus]\nc\n", seconds=7, window=5)

    assert said["lyrics"].value == "[Verse 1]\na\nb\n\n[Chorus]\nc\n\n[Verse 2]\na\nb\n\n[Chorus]\nc"


def test_a_transcript_in_circles_is_cut_and_trusted_less(hear):
    turns = "".join(f"# Lyrics\n{' ' * 0}" if number == 0 else f"go home{' ' * number}\n" for number in range(12))
    said = hear(LyricsAnnotator(), turns)

    assert said["lyrics"].value == "go home\ngo home"
    assert said["lyrics"].notice == "listening.loop_cut"
    assert said["lyrics"].confidence == pytest.approx(0.5, abs=0.01)


def test_credits_that_nobody_sang_do_not_become_lyrics(hear):
    assert hear(LyricsAnnotator(), "# Lyrics\nThanks for watching!\n") == {}


DESCRIPTION = (
    '{"genre": ["Pop"],\n "vocals": {"type": "solo", "gender": "female", "style": "soft"},\n '
    '"mood": ["happy", "Happy"],\n "language": "ko", "caption": "A song."}\n'
)


def test_an_omni_describes_a_song_in_json(hear):
    said = hear(OmniAnnotator(), DESCRIPTION, lyrics="la")

    assert values(said) == {
        "caption": "A song.",
        "tags": ["pop", "female vocals", "soft vocals", "happy"],
        "genre": "pop",
        "instrumental": False,
        "language": "ko",
    }


def test_lyrics_are_asked_for_where_none_are_known(hear):
    said = hear(OmniAnnotator(), '{"genre": "pop", "lyrics": "안녕\\n그대"}\n')

    assert said["lyrics"].value == "안녕\n그대"


@pytest.mark.parametrize("known", [{"lyrics": "la"}, {"instrumental": True}], ids=["lyrics", "instrumental"])
def test_one_question_is_enough_where_lyrics_are_known_or_there_can_be_none(hear, known):
    asked = []
    hear(OmniAnnotator(), '{"genre": "pop"}\n', job=Job(stop_requested=lambda: bool(asked.append(1))), **known)
    once = len(asked)
    asked.clear()
    hear(OmniAnnotator(), '{"genre": "pop"}\n', job=Job(stop_requested=lambda: bool(asked.append(1))))

    assert len(asked) == 2 * once


def test_an_answer_without_json_is_an_error_for_this_song(hear):
    with pytest.raises(DataError) as caught:
        hear(OmniAnnotator(), "I cannot listen to audio.\n")

    assert caught.value.code == "listening.no_answer"


def test_listening_stops_within_a_token(hear):
    asked = []

    def stop():
        asked.append(time.monotonic())
        return len(asked) > 4

    with pytest.raises(Stopped):
        hear(CaptionAnnotator(), "".join(f"line {number}\n" for number in range(300)), job=Job(stop_requested=stop))

    assert len(asked) < 9


@pytest.mark.parametrize(
    "annotator", [CaptionAnnotator(), LyricsAnnotator(), OmniAnnotator()], ids=lambda each: each.name
)
def test_missing_weights_are_told_with_the_command_that_gets_them(annotator, tmp_path):
    error = annotator.missing(Setup(tmp_path, tmp_path))

    assert isinstance(error, MissingDependency)
    assert f"acetune models get {annotator.name}" in error.remedy()


def test_weights_that_are_here_are_enough(save, tmp_path):
    setup = Setup(tmp_path, tmp_path, device="cpu", model_ids={"caption": str(save(TRANSCRIPT))})

    assert CaptionAnnotator().missing(setup) is None


def test_a_folder_with_another_model_is_refused(tmp_path):
    folder = save_omni(tmp_path / "other")
    config = json.loads((folder / "config.json").read_text())
    config["thinker_config"]["text_config"]["num_hidden_layers"] = 2
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(DataError) as caught, opened_omni(folder, "cpu", Job()):
        pass

    assert caught.value.code == "listening.unloadable"


@pytest.mark.parametrize("missing", ["tokenizer.json", "preprocessor_config.json"])
def test_a_folder_without_a_part_is_refused(tmp_path, missing):
    folder = save_omni(tmp_path / "other")
    for name in (missing, "tokenizer_config.json" if "token" in missing else missing):
        (folder / name).unlink(missing_ok=True)
    with pytest.raises(DataError) as caught, opened_omni(folder, "cpu", Job()):
        pass

    assert caught.value.code == "listening.unloadable"
