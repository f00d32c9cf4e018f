import pytest
from pydantic import ValidationError

from acetune import recipe
from acetune.errors import SettingError
from acetune.recipe import ALIASES, SHORT_NAMES, Recipe, resolve


def values(*layers):
    return resolve([(f"layer {number}", layer) for number, layer in enumerate(layers)]).recipe


def load(folder, text):
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return recipe.load(path)


def test_without_layers_it_is_the_tiny_variant_with_its_own_defaults():
    found = resolve([])

    assert found.recipe.model.variant == "tiny"
    assert found.recipe.adapter.rank == 8
    assert found.origins["adapter.rank"] == "variant tiny"


def test_defaults_of_a_published_variant_are_those_of_the_design():
    found = values({"model.variant": "turbo"})

    assert (found.adapter.rank, found.adapter.alpha, found.adapter.targets) == (64, 64.0, "attention")
    assert (found.optim.lr, found.optim.clip, found.optim.name) == (1e-4, 1.0, "adamw")
    assert (found.schedule.name, found.schedule.final, found.data.crop_seconds) == ("cosine", 0.01, 60.0)


def test_later_layers_win_over_earlier_ones_and_over_the_variant():
    found = resolve([("file", {"adapter": {"rank": 16, "alpha": 4}}), ("flags", {"rank": 32})])

    assert (found.recipe.adapter.rank, found.recipe.adapter.alpha) == (32, 4.0)
    assert (found.origins["adapter.rank"], found.origins["adapter.alpha"]) == ("flags", "file")
    assert "optim.beta1" not in found.origins


def test_the_variant_of_the_last_layer_gives_the_defaults():
    assert values({"model.variant": "tiny"}, {"model": {"variant": "turbo"}}).adapter.rank == 64


def test_a_variant_keeps_its_own_name_whatever_alias_was_used():
    assert values({"model.variant": "acestep-v15-turbo"}).model.variant == "turbo"


def test_an_unknown_variant_is_refused_with_the_nearest():
    with pytest.raises(SettingError) as caught:
        values({"model.variant": "turbu"})

    assert "Did you mean 'turbo'?" in caught.value.message()
    assert "xl-sft" in caught.value.remedy()


@pytest.mark.parametrize(("name", "full"), SHORT_NAMES.items())
def test_a_short_name_means_its_knob(name, full):
    value = "text" if name in ("device", "start-from") else 1

    assert resolve([("flags", {name: value})]).origins[full] == "flags"


@pytest.mark.parametrize(("name", "full"), ALIASES.items())
def test_a_word_of_another_trainer_means_our_knob(name, full):
    value = ["to_q"] if full == "adapter.targets" else 1 if full != "adapter.dropout" else 0.5

    assert resolve([("file", {name: value})]).origins[full] == "file"


@pytest.mark.parametrize(
    ("section", "name", "near"),
    [("adapter", "rnak", "adapter.rank"), ("optim", "learning_rat", "optim.learning_rate"), ("optm", "lr", "optim.lr")],
)
def test_an_unknown_knob_is_refused_with_the_nearest(section, name, near):
    with pytest.raises(SettingError) as caught:
        values({section: {name: 1}})

    assert caught.value.exit_code == 2
    assert f"{section}.{name}" in caught.value.message()
    assert f"Did you mean {near!r}?" in caught.value.message()


def test_a_misspelt_short_name_is_refused_with_the_nearest():
    with pytest.raises(SettingError, match="Did you mean 'epochs'"):
        values({"epoch": 3})


def test_two_names_for_one_knob_in_one_layer_are_refused():
    with pytest.raises(SettingError, match=r"layer 0 sets adapter\.rank twice, once as adapter\.r"):
        values({"adapter": {"rank": 8, "r": 16}})


@pytest.mark.parametrize("value", [0, -1, 1025, 8.5, "many", True, None])
def test_an_impossible_rank_is_refused(value):
    with pytest.raises(SettingError) as caught:
        values({"rank": value})

    assert caught.value.message().startswith("adapter.rank = ")
    assert "(from layer 0)" in caught.value.message()


@pytest.mark.parametrize(
    ("knob", "name", "near"), [("optim.name", "adam", "adamw"), ("schedule.name", "cosin", "cosine")]
)
def test_a_name_that_is_in_no_catalogue_is_refused_with_the_nearest(knob, name, near):
    with pytest.raises(SettingError, match=f"called {name}. Did you mean '{near}'"):
        resolve([("test", {knob: name})])


def test_an_impossible_value_of_the_family_is_refused_under_its_full_name():
    with pytest.raises(SettingError) as caught:
        values({"family": {"lyric_format": "braille"}})

    assert caught.value.message().startswith('family.lyric_format = "braille"')
    assert "(from layer 0)" in caught.value.message()


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
@pytest.mark.parametrize("knob", ["optim.lr", "data.holdout", "schedule.epochs"])
def test_numbers_are_finite(knob, number):
    with pytest.raises(SettingError, match=knob):
        values({knob: number})


def test_steps_take_epochs_of_an_earlier_layer_back():
    schedule = values({"epochs": 3}, {"steps": 500}).schedule

    assert (schedule.steps, schedule.epochs) == (500, None)


def test_epochs_take_the_variants_own_steps_back():
    schedule = values({"epochs": 3}).schedule

    assert (schedule.steps, schedule.epochs) == (None, 3.0)


def test_steps_and_epochs_in_one_layer_are_refused():
    with pytest.raises(SettingError, match="Both steps and epochs are set in layer 0"):
        values({"schedule": {"steps": 10, "epochs": 2}})


def test_an_empty_length_leaves_it_to_the_planner():
    schedule = values({"steps": None}).schedule

    assert (schedule.steps, schedule.epochs) == (None, None)


def test_a_recipe_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        values().adapter.rank = 3


@pytest.mark.parametrize("text", ["1e-4", "0.0001", "1.0e-4", '"1e-4"'])
def test_yaml_reads_a_learning_rate_however_it_is_written(tmp_path, text):
    assert load(tmp_path, f"optim:\n  lr: {text}\n").optim.lr == 1e-4


@pytest.mark.parametrize("text", ["yes", "no", "true", "on"])
def test_yaml_does_not_turn_yes_and_no_into_numbers(tmp_path, text):
    with pytest.raises(SettingError, match="a number is wanted"):
        load(tmp_path, f"adapter:\n  rank: {text}\n")


def test_yaml_may_list_targets(tmp_path):
    assert load(tmp_path, "adapter:\n  target_modules: [to_q, to_k]\n").adapter.targets == "to_q,to_k"


def test_a_section_whose_knobs_are_all_commented_out_says_nothing(tmp_path):
    assert load(tmp_path, "adapter:\n  # rank: 3\nfamily:\n") == values()


def test_a_knob_that_is_empty_in_a_file_is_not_a_missing_section(tmp_path):
    assert load(tmp_path, "schedule:\n  steps:\n").schedule.steps is None


def test_a_recipe_of_a_newer_acetune_is_refused(tmp_path):
    with pytest.raises(SettingError, match="newer acetune"):
        load(tmp_path, "version: 2\nadapter:\n  rank: 3\n")


def test_an_empty_file_is_a_recipe_of_defaults(tmp_path):
    assert load(tmp_path, "") == values()


def test_a_missing_recipe_is_refused(tmp_path):
    with pytest.raises(SettingError) as caught:
        recipe.load(tmp_path / "none.yaml")

    assert caught.value.code == "recipe.no_file"


def test_a_saved_recipe_says_what_each_knob_does(tmp_path):
    recipe.save(values({"rank": 12}), tmp_path / "recipe.yaml")
    text = (tmp_path / "recipe.yaml").read_text(encoding="utf-8")

    assert "  rank: 12  # Rank of each weight change (r, dim); the size of the blocks of oft." in text
    assert "  max_seconds: 240.0  # Songs are encoded up to this length. [s]" in text


def test_a_recipe_whose_family_has_no_knobs_is_written_without_that_section():
    assert "family" not in recipe.dump(Recipe())


def test_knobs_of_the_family_come_last():
    names = [k.name for k in recipe.knobs(type(values().family))]

    assert names[0] == "model.variant"
    assert names[-1].startswith("family.")
    assert len(names) == len(set(names))


def test_equal_recipes_may_go_on():
    assert recipe.fixed_differences(values(), values()) == ()


def test_knobs_that_may_change_on_resume_are_no_difference():
    changed = {"steps": 900, "guard.save_every": 5, "device": "cpu", "compute.recompute": True}

    assert recipe.fixed_differences(values(), values(changed)) == ()


def test_every_fixed_knob_that_differs_is_named():
    changed = {"rank": 3, "lr": 0.5, "seed": 1, "family.lyric_format": "legacy_raw"}

    assert recipe.fixed_differences(values(), values(changed)) == (
        "data.seed",
        "adapter.rank",
        "optim.lr",
        "family.lyric_format",
    )


def test_a_variant_is_found_with_its_family():
    card, variant = recipe.family_of("xl-base")

    assert (card.name, variant.name, variant.size.layers) == ("acestep_v15", "xl-base", 32)


def test_knobs_of_adapters_are_refused_where_all_weights_are_trained():
    with pytest.raises(SettingError) as caught:
        values({"adapter.kind": "full", "adapter.rank": 12})

    assert caught.value.code == "recipe.not_for_full"
    assert "adapter.rank = 12" in caught.value.message()


@pytest.mark.parametrize(
    ("knob", "value", "english", "chinese"),
    [
        ("adapter.rank", 0, "it must be at least 1 ", "必须不小于 1（"),
        ("adapter.rank", "many", "a whole number is wanted", "需要整数"),
        ("adapter.rank", 1.5, "a whole number is wanted", "需要整数"),
        ("adapter.rank", True, "a number is wanted", "需要数字"),
        ("optim.lr", -1, "it must be more than 0 ", "必须大于 0（"),
        ("optim.lr", float("nan"), "a finite number is wanted", "需要有限的数字"),
        ("data.crop_seconds", 9999, "it must be at most 600 ", "必须不大于 600（"),
        ("adapter.dropout", 1.0, "it must be less than 1 ", "必须小于 1（"),
        (
            "compute.quantise",
            "int4",
            "it must be one of 'none', 'int8', 'nf4' ",
            "只能是以下之一：'none', 'int8', 'nf4'（",
        ),
        ("compute.recompute", "perhaps", "true or false is wanted", "需要 true 或 false"),
    ],
)
def test_an_impossible_value_is_refused_in_the_users_language(knob, value, english, chinese):
    with pytest.raises(SettingError) as refused:
        values({knob: value})

    assert f"{knob} = " in refused.value.message() and english in refused.value.message()
    assert f"{knob} = " in refused.value.message("zh") and chinese in refused.value.message("zh")
