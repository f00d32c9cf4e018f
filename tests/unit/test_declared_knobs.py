from typing import Literal

import pytest
import yaml

from acetune.errors import SettingError
from acetune.knobs import (
    Section,
    Words,
    build,
    flatten,
    from_yaml,
    knob,
    knobs_of,
    merge,
    nest,
    parse_scalar,
    renamed,
    to_yaml,
)


class Toy(Section):
    size: int = knob(3, "Size of the toy.", unit="cm", ge=1, le=9)
    weight: float | None = knob(None, "Weight of the toy.", gt=0, lt=5, free=True)
    colour: Literal["red", "blue"] = knob("red", "Colour of the toy.", expert=True)
    parts: Words = knob("a,b", "Its parts.")


KNOBS = {k.name: k for k in knobs_of("toy", Toy)}
EITHER = ("toy.size", "toy.weight")


def merged(*layers):
    return merge([(f"layer {n}", layer) for n, layer in enumerate(layers)], set(KNOBS), ("heft",), EITHER)


def test_knobs_come_in_the_order_of_their_declaration():
    assert list(KNOBS) == ["toy.size", "toy.weight", "toy.colour", "toy.parts"]


def test_a_knob_says_what_it_is():
    size = KNOBS["toy.size"]

    assert (size.default, size.help, size.unit, size.expert, size.free) == (3, "Size of the toy.", "cm", False, False)
    assert (KNOBS["toy.weight"].free, KNOBS["toy.colour"].expert) == (True, True)


@pytest.mark.parametrize(
    ("name", "words"),
    [("toy.size", ">= 1 and <= 9"), ("toy.weight", "> 0 and < 5"), ("toy.colour", "red, blue"), ("toy.parts", "")],
)
def test_a_knob_says_its_range(name, words):
    assert KNOBS[name].range == words


def test_a_section_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        Toy().size = 4


def test_a_list_of_words_may_be_a_yaml_list():
    assert Toy(parts=["q", "k"]).parts == "q,k"


def test_flattening_and_nesting_undo_each_other():
    nested = {"": {"version": 1}, "toy": {"size": 3, "weight": None}, "other": {"x": 1}}
    flat = {"version": 1, "toy.size": 3, "toy.weight": None, "other.x": 1}

    assert nest(flat) == nested
    assert flatten({"version": 1, "toy": nested["toy"], "other": nested["other"]}) == flat


def test_flat_names_may_stand_beside_sections():
    assert flatten({"toy.size": 1, "toy": {"weight": 2}, "rank": 3}) == {"toy.size": 1, "toy.weight": 2, "rank": 3}


def test_names_that_are_no_text_become_text():
    assert flatten({3: 4, "toy": {True: 1}}) == {"3": 4, "toy.True": 1}


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("true", True), ("null", None), ("", ""), ("[a, b]", ["a", "b"]), ("a: [", "a: ["), ("1e-4", "1e-4")],
)
def test_what_a_person_types_is_read_as_yaml(text, value):
    assert parse_scalar(text) == value


def test_other_names_and_dashes_are_translated():
    layer = renamed({"heft": 1, "toy.size": 2, "big-toy": 3}, {"heft": "toy.weight", "big_toy": "toy.parts"}, "here")

    assert layer == {"toy.weight": 1, "toy.size": 2, "toy.parts": 3}


def test_a_knob_that_is_said_twice_under_two_names_is_refused():
    with pytest.raises(SettingError) as caught:
        renamed({"toy.weight": 1, "heft": 2}, {"heft": "toy.weight"}, "recipe.yaml")

    assert caught.value.message() == "recipe.yaml sets toy.weight twice, once as heft."


def test_a_later_layer_wins_and_is_named():
    values, origins = merged({"toy.colour": "red", "toy.parts": "a"}, {"toy.colour": "blue"})

    assert values == {"toy.colour": "blue", "toy.parts": "a"}
    assert origins == {"toy.colour": "layer 1", "toy.parts": "layer 0"}


@pytest.mark.parametrize(("name", "near"), [("toy.colur", "toy.colour"), ("hefd", "heft")])
def test_an_unknown_name_is_refused_with_the_nearest(name, near):
    with pytest.raises(SettingError) as caught:
        merged({name: 1})

    assert caught.value.message() == f"There is no knob called {name} (in layer 0). Did you mean {near!r}?"


def test_choosing_one_of_two_takes_the_other_of_earlier_layers_back():
    values, _ = merged({"toy.size": 2}, {"toy.weight": 1.0})

    assert values == {"toy.size": None, "toy.weight": 1.0}


def test_saying_nothing_of_two_leaves_the_earlier_choice():
    values, _ = merged({"toy.size": 2}, {"toy.weight": None, "toy.colour": "blue"})

    assert values["toy.size"] == 2


def test_choosing_both_of_two_in_one_layer_is_refused():
    with pytest.raises(SettingError) as caught:
        merged({"toy.size": 2, "toy.weight": 1.0})

    assert caught.value.code == "recipe.steps_and_epochs"


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("size", 0, "at least 1"),
        ("size", 10, "at most 9"),
        ("size", 2.5, "a whole number"),
        ("size", True, "a number is wanted"),
        ("size", "two", "a whole number"),
        ("size", None, "a whole number"),
        ("weight", 0, "more than 0"),
        ("weight", float("nan"), "finite"),
        ("weight", False, "a number is wanted"),
        ("weight", [1], "number"),
        ("colour", "green", "one of 'red', 'blue'"),
        ("parts", 3, "string"),
    ],
)
def test_an_impossible_value_is_one_sentence_with_knob_value_and_origin(name, value, problem):
    with pytest.raises(SettingError) as caught:
        build(Toy, {name: value}, {f"toy.{name}": "recipe.yaml"}, "toy.")

    message = caught.value.message()

    assert message.startswith(f"toy.{name} = ")
    assert problem in message
    assert message.endswith("(from recipe.yaml).")


def test_numbers_without_an_upper_bound_must_be_finite_too():
    class Open(Section):
        share: float = knob(1.0, "A share.", ge=0)

    with pytest.raises(SettingError, match="finite"):
        build(Open, {"share": float("inf")}, {})


def test_yaml_holds_help_and_unit_as_comments():
    text = to_yaml({"version": 1, "toy": {"size": 3, "colour": "red"}}, KNOBS)

    assert text == ('version: 1\n\ntoy:\n  size: 3  # Size of the toy. [cm]\n  colour: "red"  # Colour of the toy.\n')


def test_a_section_without_knobs_is_left_out_of_yaml():
    assert to_yaml({"version": 1, "family": {}}, {}) == "version: 1\n"


@pytest.mark.parametrize(
    "text", ["a # b", "yes", "1e-4", "null", '"', "\\", "C:\\songs", "曲 🎵", "\x7f\x85\u2028", "a\nb", ""]
)
def test_text_survives_yaml(text):
    assert yaml.safe_load(to_yaml({"toy": {"parts": text}}, KNOBS)) == {"toy": {"parts": text}}


@pytest.mark.parametrize("content", [b"[1, 2]", b"text", b"a: [", b"\xff\xfe\x00", b"day: 2020-13-45"])
def test_a_file_that_holds_no_sections_is_refused(tmp_path, content):
    (tmp_path / "r.yaml").write_bytes(content)

    with pytest.raises(SettingError) as caught:
        from_yaml(tmp_path / "r.yaml")

    assert caught.value.code == "recipe.not_yaml"
    assert "\n" not in caught.value.message()


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(SettingError, match=r"r\.yaml cannot be read"):
        from_yaml(tmp_path / "r.yaml")


def test_an_empty_file_says_nothing(tmp_path):
    (tmp_path / "r.yaml").write_text("# nothing yet\n")

    assert from_yaml(tmp_path / "r.yaml") == {}
