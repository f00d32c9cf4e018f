"""The list of knobs: it has a ceiling, and every knob says what it is."""

import re
from pathlib import Path

import pytest

from acetune import catalog, recipe
from acetune.recipe import ALIASES, SHORT_NAMES, Recipe
from acetune.sections import FamilySection

CEILING = 90
UNITS = {"", "s", "crops", "steps", "GB"}

FAMILIES = {name: catalog.resolve("family", name).recipe_section() for name in catalog.names("family")}
OWN = [knob for family in FAMILIES.values() for knob in recipe.knobs(family) if knob.name.startswith("family.")]
KNOBS = [*recipe.knobs(), *OWN]
NAMES = {knob.name for knob in KNOBS}


def every(*kinds):
    found = [knob for knob in KNOBS if not kinds or knob.kind.get("type") in kinds]
    return pytest.mark.parametrize("knob", found, ids=lambda knob: knob.name)


def test_there_are_not_too_many():
    assert len(KNOBS) <= CEILING


@every()
def test_a_knob_says_what_it_does_in_one_sentence(knob):
    assert knob.help.endswith(".")
    assert "\n" not in knob.help


@every("integer", "number")
def test_a_number_has_a_range(knob):
    assert knob.range


@every()
def test_a_unit_is_one_that_people_know(knob):
    assert knob.unit in UNITS


@every()
def test_a_knob_says_whether_it_may_change_on_resume(knob):
    assert knob.kind["on_resume"] == ("free" if knob.free else "fixed")


@every("integer", "number")
def test_a_number_that_is_a_length_or_a_size_has_a_unit(knob):
    assert knob.unit or not knob.name.endswith(("_seconds", "_gb"))


@pytest.mark.parametrize("name", ["model.variant", "data.crop_seconds", "data.seed", "adapter.rank", "optim.lr"])
def test_what_makes_a_run_cannot_change_on_resume(name):
    assert next(knob for knob in KNOBS if knob.name == name).free is False


@pytest.mark.parametrize("name", ["schedule.steps", "schedule.epochs", "guard.save_every", "compute.device"])
def test_length_saving_and_machine_may_change_on_resume(name):
    assert next(knob for knob in KNOBS if knob.name == name).free is True


@pytest.mark.parametrize(("name", "target"), [*SHORT_NAMES.items(), *ALIASES.items()])
def test_another_name_means_a_knob_and_is_none_itself(name, target):
    assert target in NAMES
    assert name not in NAMES


def test_the_glossary_marks_the_words_of_other_trainers_that_are_accepted():
    glossary = (Path(__file__).resolve().parents[1] / "docs" / "glossary.md").read_text(encoding="utf-8")

    assert set(re.findall(r"(\w+)\*(?!\*)", glossary)) == {alias.partition(".")[2] for alias in ALIASES}


@pytest.mark.parametrize("section", [s for s in Recipe.model_fields if s != "version"])
def test_a_section_says_what_it_is_about(section):
    kind = FamilySection if section == "family" else type(getattr(Recipe(), section))

    assert kind.__doc__.endswith(".")


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_a_family_declares_its_own_knobs_in_its_own_section(family):
    assert issubclass(family, FamilySection)
    assert recipe.knobs(family)[: len(recipe.knobs())] == recipe.knobs()
