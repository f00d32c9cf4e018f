"""Tokens are counted as the conditioner counts them, without torch; estimated without a published tokenizer."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from acetune import catalog
from acetune.data.track import Track
from acetune.families.acestep_v1 import tiny as v1_tiny
from acetune.families.acestep_v1.variants import VARIANTS as V1_VARIANTS
from acetune.families.acestep_v15 import layouts, tiny
from acetune.families.acestep_v15.places import TEXT_FOLDER
from acetune.families.acestep_v15.prompts import LYRIC_LIMIT, TEXT_LIMIT, lyric_text, prompt_text
from acetune.families.family import Prompt

SONG = Track(path="a.mp3", seconds=200.7, bpm=97.6, keyscale="F# minor", timesignature="4", language="en")
V1_TINY = next(variant for variant in V1_VARIANTS if variant.embedded)
COUNTERS = [catalog.resolve("token counter", name) for name in catalog.names("token counter")]


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A folder of weights with a tokenizer where published ones are; it is the embedded one, of 512 tokens."""
    place = tmp_path / "checkpoints" / TEXT_FOLDER
    place.mkdir(parents=True)
    shutil.copy(tiny.tokenizer_file(), place / "tokenizer.json")
    return tmp_path


def counted(models, caption="", lyrics=None):
    """What the counter of ACE-Step 1.5 says about one track."""
    track = Track(**{**vars(SONG), "lyrics": lyrics})
    found = COUNTERS[0].too_long([(track, {"caption": caption})], models)
    return {length.text: length for length in found.get(0, ())}


def test_every_family_has_a_counter():
    assert set(catalog.names("token counter")) == set(catalog.names("family"))


@pytest.mark.parametrize("counter", COUNTERS, ids=lambda counter: counter.model)
def test_short_texts_are_never_too_long(counter, tmp_path):
    assert not counter.too_long([(SONG, {"caption": "warm piano", "tags": "piano, warm"})], tmp_path)


def test_tokens_are_those_of_the_whole_prompt(published):
    caption = "dreamy pads, 温暖的钢琴, " * 20
    said = counted(published, caption)["caption"]
    tokenizer = layouts.load_tokenizer(tiny.tokenizer_file())

    assert said.tokens == len(tokenizer(prompt_text(Prompt.of(SONG, caption, SONG.seconds))).input_ids)
    assert (said.limit, said.exact) == (TEXT_LIMIT, True)


@pytest.mark.parametrize("caption", ["a\n" * 140, "a  " * 140, "a\t" * 140])
def test_many_short_lines_are_counted(caption, published):
    assert counted(published, caption)["caption"].tokens > TEXT_LIMIT


def test_half_a_character_counts_as_one(published):
    assert counted(published, "\ud800" * 300)["caption"].tokens > TEXT_LIMIT


def test_lyrics_count_with_their_header(published):
    lyrics = "[verse]\nla la la 夜に歌う\n" * 200
    said = counted(published, lyrics=lyrics)["lyrics"]
    tokenizer = layouts.load_tokenizer(tiny.tokenizer_file())
    prompt = Prompt("", lyrics, "en", None, None, None, 0.0)

    assert said.tokens == len(tokenizer(lyric_text(prompt)).input_ids)
    assert said.limit == LYRIC_LIMIT


@pytest.mark.parametrize("tokens_over", [0, 1])
def test_the_limit_itself_is_read_whole(tokens_over, published):
    tokenizer = layouts.load_tokenizer(tiny.tokenizer_file())
    caption = ""
    while len(tokenizer(prompt_text(Prompt.of(SONG, caption, 999))).input_ids) < TEXT_LIMIT + tokens_over:
        caption += "7"

    assert bool(counted(published, caption)) == bool(tokens_over)


@pytest.mark.parametrize(
    ("caption", "long"),
    [
        ("warm analog bass, glassy arpeggios, " * 14, False),
        ("warm analog bass, glassy arpeggios, " * 80, True),
        ("温暖的钢琴与弦乐，女声轻柔，" * 15, False),
        ("温暖的钢琴与弦乐，女声轻柔，" * 60, True),
    ],
)
def test_without_a_published_tokenizer_an_estimate_is_made_and_called_one(caption, long, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    said = counted(tmp_path, caption)

    assert bool(said) == long
    assert not any(length.exact for length in said.values())


def test_an_instrumental_has_no_lyrics_to_count(published):
    track = Track(**{**vars(SONG), "lyrics": "la " * 9000, "instrumental": True})

    assert not COUNTERS[0].too_long([(track, {"caption": ""})], published)


def test_counting_needs_no_torch():
    script = (
        "import sys, pathlib\nfrom acetune import catalog\nfrom acetune.data.track import Track\n"
        "song = Track(path='a', seconds=9.0, lyrics='la ' * 9000)\n"
        "counter = catalog.resolve('token counter', 'acestep_v15')\n"
        "print(counter.too_long([(song, {'caption': ''})], pathlib.Path('.')))\n"
        "print(sorted({'torch', 'transformers', 'diffusers'} & set(sys.modules)))\n"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout

    assert "tokens=" in shown
    assert shown.splitlines()[-1] == "[]"


def test_v1_counts_where_its_checkpoint_is_here(tmp_path):
    folder = v1_tiny.materialise(V1_TINY, tmp_path)
    shutil.copytree(folder, tmp_path / "v1")
    (counter,) = (counter for counter in COUNTERS if counter.model == "ACE-Step v1")

    found = counter.too_long([(SONG, {"caption": "piano " * 300}), (SONG, {"caption": "piano"})], tmp_path)

    assert {place: [(length.text, length.limit) for length in long] for place, long in found.items()} == {
        0: [("caption", 256)]
    }
