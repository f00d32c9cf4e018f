import pytest

from acetune import data
from acetune.annotation.annotate import annotate, default_setup, write_lists
from acetune.data import manifest as manifests
from acetune.data.scan import scan
from acetune.errors import DataError
from world import tone


@pytest.fixture
def songs(tmp_path):
    """Two scanned songs: one with tags, tempo and trigger, one with a caption too."""
    folder = tmp_path / "songs"
    folder.mkdir()
    for name in ("a", "b"):
        tone(folder / f"{name}.wav", 4.0)
    (folder / "a.json").write_text('{"tags": "female vocals, rock, odd word", "bpm": 120, "keyscale": "A minor"}')
    (folder / "b.json").write_text('{"tags": "rock", "caption": "a rock song"}')
    scan(folder)
    data.trigger(folder, "zzz")
    return folder


def captions(folder):
    """The caption of each track."""
    return [track.caption for track in manifests.load(folder).tracks]


def with_prompts(folder, home):
    """What is found where prompts are asked for."""
    return annotate(folder, annotators=["prompt"], setup=default_setup(home))


def test_tags_become_the_caption_of_songs_without_one_in_the_order_of_the_template(songs, tmp_path):
    with_prompts(songs, tmp_path)

    assert captions(songs) == ["rock, female vocals, odd word", "a rock song"]


def test_nobody_gets_a_prompt_who_did_not_ask(songs, tmp_path):
    annotate(songs, setup=default_setup(tmp_path))

    assert captions(songs) == [None, "a rock song"]


def test_an_edited_template_is_used(songs, tmp_path):
    template = next(path for path in write_lists(tmp_path) if path.name == "prompt.txt")
    template.write_text("{tempo}, {genre} in {key}\n", encoding="utf-8")
    with_prompts(songs, tmp_path)

    assert captions(songs)[0] == "120 BPM, rock in A minor"


def test_a_template_that_cannot_be_read_changes_nothing(songs, tmp_path):
    template = next(path for path in write_lists(tmp_path) if path.name == "prompt.txt")
    template.write_text("{gnre}\n", encoding="utf-8")

    with pytest.raises(DataError, match="gnre"):
        with_prompts(songs, tmp_path)
    assert captions(songs)[0] is None


def test_lists_are_written_once_and_edits_stay(tmp_path):
    first = write_lists(tmp_path)
    first[0].write_text(first[0].read_text(encoding="utf-8") + "# mine\n", encoding="utf-8")

    assert write_lists(tmp_path) == first
    assert first[0].read_text(encoding="utf-8").endswith("# mine\n")
    assert [path.name for path in first][-1] == "prompt.txt"
