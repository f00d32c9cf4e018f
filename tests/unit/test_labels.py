from pathlib import Path

import pytest
import yaml

from acetune.annotation import labels
from acetune.annotation.labels import DIMENSIONS, Label, read_labels, write_labels
from acetune.errors import DataError

LISTS = {dimension.name: dimension for dimension in read_labels()}
MOOD = "sentences: ['{} music']\nlabels: [happy, sad]\n"


def own(folder, text, name="mood"):
    """Read the lists with one that a person wrote."""
    (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return {dimension.name: dimension for dimension in read_labels(folder)}[name]


def test_there_is_a_list_for_each_dimension_in_the_order_of_the_prompt():
    assert tuple(LISTS) == DIMENSIONS


def test_as_many_labels_are_given_as_the_prompt_has_room_for():
    assert {name: dimension.top for name, dimension in LISTS.items()} == {
        "genre": 1, "vocal": 1, "instruments": 3, "mood": 2, "timbre": 1, "era": 1, "production": 1, "energy": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "least"),
    [("genre", 55), ("vocal", 18), ("instruments", 41), ("mood", 35), ("timbre", 24), ("era", 12), ("production", 14)],
)
def test_the_lists_are_long_enough_to_choose_from(name, least):
    assert len(LISTS[name].labels) >= least


def test_no_tag_is_in_two_lists():
    tags = [tag.casefold() for dimension in LISTS.values() for tag in dimension.tags()]

    assert len(tags) == len(set(tags))


@pytest.mark.parametrize("name", DIMENSIONS)
def test_a_label_is_heard_in_several_sentences(name):
    prompts = LISTS[name].prompts()

    assert len(prompts) == len(LISTS[name].labels)
    assert all(len(set(sentences)) in (3, 4) for sentences in prompts)


def test_energy_stands_on_a_scale_and_nothing_else_does():
    levels = [label.level for label in LISTS["energy"].labels]

    assert levels == sorted(levels)
    assert (levels[0], levels[-1]) == (0.0, 1.0)
    assert {label.level for name in DIMENSIONS[:-1] for label in LISTS[name].labels} == {None}


def test_the_model_hears_the_words_of_a_label_and_not_its_tag():
    rap = LISTS["vocal"].labels.index(Label("rap vocals", "a rapper rapping"))

    assert LISTS["vocal"].prompts()[rap][0] == "A song with a rapper rapping."


def test_a_list_of_ones_own_takes_the_place_of_the_built_in_one(tmp_path):
    mood = own(tmp_path, "top: 3\nwindows: best\nsentences: ['a {} song', '{}']\nlabels:\n- froh\n- 忧郁: 悲伤 music\n")

    assert (mood.top, mood.windows) == (3, "best")
    assert mood.labels == (Label("froh", "froh"), Label("忧郁", "悲伤 music"))
    assert mood.prompts()[1] == ("a 悲伤 music song", "悲伤 music")


def test_the_other_lists_stay_built_in(tmp_path):
    own(tmp_path, MOOD)

    assert read_labels(tmp_path)[0] == LISTS["genre"]


def test_a_file_with_a_mark_of_its_encoding_is_read(tmp_path):
    assert own(tmp_path, "\ufeff" + MOOD).tags() == ("happy", "sad")


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("labels: [a, b", "bad_list", "line"),
        ("- a\n- b\n", "bad_list", "keys"),
        ("", "bad_list", "keys"),
        (MOOD + "tops: 2", "unknown_key", "'top'"),
        (MOOD + "top: 0", "bad_value", "1-10"),
        (MOOD + "top: true", "bad_value", "1-10"),
        (MOOD + "windows: some", "bad_value", "all, best"),
        ("sentences: ['{} music']", "short_list", "labels"),
        ("sentences: ['{} music']\nlabels: happy", "short_list", "labels"),
        ("sentences: ['{} music']\nlabels: [happy]", "short_list", "2"),
        ("labels: [happy, sad]", "short_list", "sentences"),
        ("sentences: [music]\nlabels: [happy, sad]", "bad_sentence", "music"),
        ("sentences: ['{} and {}']\nlabels: [happy, sad]", "bad_sentence", "{} and {}"),
        ("sentences: [3]\nlabels: [happy, sad]", "bad_label", "3"),
        ("sentences: ['{} music']\nlabels: [happy, 1980]", "bad_label", "1980"),
        ("sentences: ['{} music']\nlabels: [happy, no]", "bad_label", "False"),
        ("sentences: ['{} music']\nlabels: [happy, '']", "bad_label", '""'),
        ("sentences: ['{} music']\nlabels: [happy, 'sad, slow']", "bad_label", "sad, slow"),
        ("sentences: ['{} music']\nlabels: [happy, 忧郁，慢]", "bad_label", "忧郁，慢"),
        ("sentences: ['{} music']\nlabels: [happy, {sad: {level: 2}}]", "bad_label", "level"),
        ("sentences: ['{} music']\nlabels: [happy, {sad: {volume: 1}}]", "bad_label", "volume"),
        ("sentences: ['{} music']\nlabels: [happy, Sad, sad]", "twin_label", "sad"),
        (MOOD + "gate: [a, b]", "bad_gate", "mood.yaml"),
        (MOOD + "gate: {none: [quiet]}", "bad_gate", "mood.yaml"),
        (MOOD + "gate: {none: [quiet], some: []}", "short_list", "some"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused_in_one_sentence(tmp_path, text, code, said):
    with pytest.raises(DataError) as error:
        own(tmp_path, text)

    assert error.value.code == f"tagging.{code}"
    assert said in error.value.message()
    assert "mood.yaml" in error.value.message("zh")
    assert "\n" not in error.value.message() + error.value.remedy()


def test_a_list_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "mood.yaml").write_bytes("labels: [fröhlich]".encode("latin-1"))
    with pytest.raises(DataError) as error:
        read_labels(tmp_path)

    assert error.value.code == "tagging.bad_list"


def test_a_list_for_nothing_is_refused_with_the_nearest_name(tmp_path):
    with pytest.raises(DataError) as error:
        own(tmp_path, MOOD, "instrument")

    assert error.value.code == "tagging.no_dimension"
    assert "'instruments'" in error.value.message()


def test_copies_of_the_lists_can_be_read_back(tmp_path):
    written = write_labels(tmp_path / "labels")

    assert [path.stem for path in written] == [*DIMENSIONS]
    assert read_labels(tmp_path / "labels") == read_labels()


def test_a_copy_never_replaces_what_a_person_wrote(tmp_path):
    mood = own(tmp_path, MOOD)
    written = write_labels(tmp_path, ("mood", "era"))

    assert [path.name for path in written] == ["era.yaml"]
    assert read_labels(tmp_path)[3] == mood


def test_every_built_in_file_is_used():
    folder = Path(labels.__file__).with_name("labels")

    assert {path.stem for path in folder.iterdir()} == {*DIMENSIONS}
    assert all(yaml.safe_load(path.read_text(encoding="utf-8")) for path in folder.iterdir())
