"""Presets: each is a possible recipe, says only what it changes, and keeps what it promises."""

from __future__ import annotations

from dataclasses import replace

import pytest

from acetune import compute
from acetune.cli.main import main
from acetune.errors import SettingError
from acetune.knobs import flatten
from acetune.planning import presets
from acetune.planning.needs import memory_of
from acetune.recipe import family_of, resolve

TURBO = ("variant", {"model.variant": "turbo"})
USUAL = flatten(resolve([TURBO]).recipe.model_dump(mode="json"))


def recipe(*names: str, **flags: object) -> object:
    return resolve([TURBO, *presets.layers(names), ("flags", flags)]).recipe


@pytest.mark.parametrize("name", presets.names())
def test_a_preset_is_a_recipe_that_names_only_what_it_changes(name: str) -> None:
    changed = flatten(recipe(name).model_dump(mode="json"))

    assert {knob: changed[knob] for knob in flatten(presets.preset(name).knobs)} == {
        knob: value for knob, value in changed.items() if value != USUAL[knob]
    }


@pytest.mark.parametrize("name", presets.names())
def test_a_preset_says_in_both_languages_what_it_is_for(name: str) -> None:
    assert all(len(presets.preset(name).about[language]) > 5 for language in ("en", "zh"))


@pytest.mark.parametrize(("name", "card"), [("8gb", 8e9), ("12gb", 12e9), ("16gb", 16e9), ("24gb", 24e9)])
def test_a_preset_for_a_card_fits_it_with_a_tenth_to_spare(name: str, card: float) -> None:
    made, size = recipe(name), family_of("turbo")[1].size
    frames = int(made.data.crop_seconds * size.frames_per_second)
    on_card = replace(compute.machine("cpu"), device="cuda:0")

    assert memory_of(made, size, (frames,) * made.data.batch_size, on_card) < 0.9 * card


def test_a_later_preset_wins_and_a_flag_over_both() -> None:
    assert recipe("8gb", "24gb").adapter.rank == 128
    assert recipe("24gb", "8gb").adapter.rank == 32
    assert recipe("24gb", "8gb").data.crop_seconds == 240
    assert recipe("8gb", **{"rank": 5}).adapter.rank == 5


def test_steps_of_a_flag_take_the_epochs_of_a_preset_back() -> None:
    made = recipe("small-data", **{"steps": 7})

    assert (made.schedule.steps, made.schedule.epochs) == (7, None)


def test_a_misspelt_preset_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(SettingError, match="small-data"):
        presets.preset("smal-data")


def test_the_command_line_takes_presets_and_says_where_a_value_came_from(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "show", "--preset", "quick-test,8gb", "--rank", "4", "--origin"]) == 0
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}

    assert rows["adapter.rank"].endswith("command line")
    assert rows["schedule.steps"].endswith("preset quick-test")
    assert rows["compute.recompute"].endswith("preset 8gb")


def test_presets_are_listed_with_what_they_change(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "presets"]) == 0
    shown = capsys.readouterr().out

    assert all(f"{name}: " in shown for name in presets.names())
    assert "  compute.recompute: true" in shown
