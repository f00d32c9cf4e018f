"""Flags of every command and flags of knobs."""

from __future__ import annotations

from pathlib import Path

import pytest

from acetune.cli.options import (
    Everywhere,
    all_knobs,
    environment_layer,
    flags,
    take_everywhere,
    take_knobs,
)
from acetune.errors import SettingError


def knobs_of(*arguments: str) -> dict[str, object]:
    return take_knobs(arguments, "train")[0]


def test_options_of_every_command_may_stand_anywhere() -> None:
    before = take_everywhere(["--json", "--home", "w", "train", "songs"], Everywhere())
    after = take_everywhere(["train", "songs", "--json", "--home=w"], Everywhere())

    assert before == after == (Everywhere(home=Path("w"), json=True), ["train", "songs"])


def test_nothing_after_two_dashes_is_an_option() -> None:
    assert take_everywhere(["export", "--", "--json"], Everywhere()) == (Everywhere(), ["export", "--", "--json"])


def test_a_language_without_texts_is_refused() -> None:
    with pytest.raises(SettingError) as refused:
        take_everywhere(["--lang", "fr"], Everywhere())

    assert refused.value.code == "cli.unknown_language"


@pytest.mark.parametrize("flag", ["--adapter.rank", "--rank", "--adapter.r", "--lora-rank", "--lora_rank"])
def test_a_knob_answers_to_its_names(flag: str) -> None:
    assert knobs_of(flag, "32") == {"adapter.rank": 32}


@pytest.mark.parametrize("flag", ["--data.batch_size", "--data.batch-size", "--batch-size", "--batch_size"])
def test_kebab_and_snake_case_are_one(flag: str) -> None:
    assert knobs_of(flag, "4") == {"data.batch_size": 4}


def test_the_value_may_follow_an_equals_sign() -> None:
    assert knobs_of("--optim.lr=1e-4", "--adapter.targets=self,cross") == {
        "optim.lr": "1e-4",
        "adapter.targets": "self,cross",
    }


def test_the_words_between_knobs_stay_in_order() -> None:
    assert take_knobs(["train", "--rank", "8", "songs", "--name", "x"], "train") == (
        {"adapter.rank": 8},
        ["train", "songs", "--name", "x"],
    )


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (["--compute.recompute"], True),
        (["--compute.recompute", "false"], False),
        (["--compute.recompute=off"], False),
        (["--compute.recompute", "songs"], True),
    ],
)
def test_a_switch_takes_a_value_only_if_it_is_yes_or_no(words: list[str], value: bool) -> None:
    assert knobs_of(*words) == {"compute.recompute": value}


@pytest.mark.parametrize(("flag", "text"), [("--data.dataset", "2024"), ("--model-path", "no"), ("--optim.name", "1")])
def test_text_is_never_read_as_a_number_or_a_truth(flag: str, text: str) -> None:
    assert list(knobs_of(flag, text).values()) == [text]


def test_null_empties_a_knob() -> None:
    assert knobs_of("--schedule.steps", "null", "--model.path", "null") == {"schedule.steps": None, "model.path": None}


def test_a_flag_without_its_value_is_refused() -> None:
    with pytest.raises(SettingError) as refused:
        knobs_of("--rank")

    assert refused.value.code == "cli.no_value"


def test_an_unknown_knob_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(SettingError) as refused:
        knobs_of("--adapter.rnk", "8")

    assert "'--adapter.rank'" in refused.value.message()


def test_flags_of_the_command_itself_are_left_alone() -> None:
    assert take_knobs(["--on-existing", "new", "-c", "r.yaml"], "train")[1] == ["--on-existing", "new", "-c", "r.yaml"]


def test_every_knob_has_a_flag_and_no_flag_means_two_knobs() -> None:
    table = flags()

    assert {knob.name for knob in all_knobs()} <= set(table)
    assert all(table[knob.name] == knob for knob in all_knobs())


def test_environment_variables_set_knobs() -> None:
    layer = environment_layer({"ACETUNE_ADAPTER_RANK": "16", "ACETUNE_MODEL_VARIANT": "base", "PATH": "x"})

    assert layer == {"adapter.rank": 16, "model.variant": "base"}


@pytest.mark.parametrize("name", ["ACETUNE_HOME", "ACETUNE_LANG", "ACETUNE_COMFYUI", "ACETUNE_ADAPTER_RANK"])
def test_other_and_empty_variables_set_nothing(name: str) -> None:
    value = "" if name.endswith("RANK") else "x"

    assert environment_layer({name: value}) == {}


def test_a_misspelt_variable_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(SettingError) as refused:
        environment_layer({"ACETUNE_ADAPTER_RNK": "16"})

    assert "'ACETUNE_ADAPTER_RANK'" in refused.value.message()
