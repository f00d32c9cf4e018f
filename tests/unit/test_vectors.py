import numpy as np
import pytest

from acetune.annotation.vectors import VectorStore, fingerprint
from acetune.errors import DataError


class Counter:
    """Makes a vector of each text, and remembers what it was asked for."""

    def __init__(self):
        self.asked = []

    def __call__(self, texts):
        self.asked += texts
        return np.array([[len(text), sum(map(ord, text))] for text in texts], np.float32)


@pytest.fixture
def model(tmp_path):
    """A folder that looks like a model's."""
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (folder / name).write_text(name)
    return folder


def texts(folder, *wanted, model="a"):
    """Return the vectors, and the texts that had to be computed."""
    compute = Counter()
    return VectorStore(folder, model).texts(wanted, compute).tolist(), compute.asked


def test_vectors_come_in_the_order_of_the_texts(tmp_path):
    assert texts(tmp_path, "b", "aa", "b")[0] == [[1, 98], [2, 194], [1, 98]]


def test_a_text_is_computed_once(tmp_path):
    first = texts(tmp_path, "a", "b", "a")
    second = texts(tmp_path, "b", "a")

    assert first[1] == ["a", "b"]
    assert second == ([[1, 98], [1, 97]], [])


def test_only_a_text_that_changed_is_computed_anew(tmp_path):
    texts(tmp_path, "warm music", "bright music")

    assert texts(tmp_path, "warm music", "bright sounds")[1] == ["bright sounds"]


def test_a_text_that_is_no_longer_used_is_dropped(tmp_path):
    texts(tmp_path, "old")
    texts(tmp_path, "new")

    assert texts(tmp_path, "old")[1] == ["old"]


def test_another_model_has_vectors_of_its_own(tmp_path):
    texts(tmp_path, "a")

    assert texts(tmp_path, "a", model="b")[1] == ["a"]
    assert texts(tmp_path, "a")[1] == []


def test_a_damaged_file_is_computed_anew(tmp_path):
    texts(tmp_path, "a")
    (tmp_path / "a" / "texts.safetensors").write_bytes(b"torn")

    assert texts(tmp_path, "a") == ([[1, 97]], ["a"])


def test_all_texts_lie_in_one_file(tmp_path):
    texts(tmp_path, "a", "b")

    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["texts.safetensors"]


def song(folder, content, plan="p"):
    """Return whether a song had to be computed."""
    path = folder / "song.wav"
    path.write_bytes(content)
    computed = []

    def compute():
        computed.append(True)
        return {"windows": np.ones((2, 3), np.float32), "level": np.zeros(0, np.float32)}

    found = VectorStore(folder / "vectors", "m").song(path, plan, compute)
    assert found["windows"].shape == (2, 3)
    assert found["level"].shape == (0,)
    return bool(computed)


def test_a_song_is_computed_once_for_its_content_and_the_plan(tmp_path):
    assert song(tmp_path, b"a")
    assert not song(tmp_path, b"a")
    assert song(tmp_path, b"b")
    assert song(tmp_path, b"b", plan="q")


def test_a_song_that_is_gone_is_a_finding(tmp_path):
    with pytest.raises(DataError) as error:
        VectorStore(tmp_path, "m").song(tmp_path / "gone.wav", "p", dict)

    assert error.value.code == "audio.unreadable"


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_model_is_another_with_any_file_that_changed(model, name):
    before = fingerprint(model)
    (model / name).write_text("changed")

    assert fingerprint(model) != before


def test_what_does_not_make_the_model_does_not_change_its_name(model):
    before = fingerprint(model)
    (model / "README.md").write_text("a card")
    (model / "pytorch_model.bin").write_text("the same weights in an older format")

    assert fingerprint(model) == before


def test_weights_in_the_older_format_count_where_there_are_no_others(model):
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    before = fingerprint(model)
    (model / "pytorch_model.bin").write_text("changed")

    assert fingerprint(model) != before
