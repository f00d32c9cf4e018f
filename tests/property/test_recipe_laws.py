"""The laws of recipes, over every knob that is declared, within its declared range."""

import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from acetune import catalog, recipe
from acetune.errors import SettingError
from acetune.knobs import flatten
from acetune.recipe import resolve

CARD = catalog.resolve("family", "acestep_v15")
VARIANTS = [variant.name for variant in CARD.variants]
#: With it the other knobs of adapters are refused; `test_recipe.py` says how.
EXCLUSIVE = "full"
KNOBS = {k.name: k for k in recipe.knobs(CARD.recipe_section()) if k.name != "model.variant"}
LENGTH = ("schedule.steps", "schedule.epochs")


def values_of(knob):
    """Return a strategy of what a knob accepts."""
    kind = knob.kind
    low, high = kind.get("minimum", kind.get("exclusiveMinimum")), kind.get("maximum", kind.get("exclusiveMaximum"))
    named = sorted({*kind.get("enum", ())} - {EXCLUSIVE})
    found = {
        "boolean": lambda: st.booleans(),
        "string": lambda: st.sampled_from(named) if named else st.text(max_size=30),
        "integer": lambda: st.integers(low, high),
        "number": lambda: st.floats(
            low, high, allow_nan=False, allow_infinity=False,
            exclude_min="exclusiveMinimum" in kind, exclude_max="exclusiveMaximum" in kind,
        ),
    }[kind["type"]]()  # fmt: skip
    found = st.just(kind["const"]) if "const" in kind else found
    return found | st.none() if knob.default is None else found


layers = st.fixed_dictionaries({}, optional={name: values_of(knob) for name, knob in KNOBS.items()}).filter(
    lambda layer: None in [layer.get(name) for name in LENGTH]
)
variants = st.sampled_from(VARIANTS)


@given(variants, layers)
@settings(max_examples=100, deadline=None)
def test_what_was_saved_is_what_is_loaded(tmp_path_factory, variant, layer):
    path = tmp_path_factory.mktemp("recipe") / "recipe.yaml"
    made = resolve([("test", {"model.variant": variant, **layer})]).recipe
    recipe.save(made, path)

    assert recipe.load(path) == made
    assert recipe.dump(recipe.load(path)) == path.read_text(encoding="utf-8")


@given(layers)
@settings(max_examples=60, deadline=None)
def test_what_a_layer_says_is_what_the_recipe_holds(layer):
    found = resolve([("test", layer)])
    held = flatten(found.recipe.model_dump())

    assert {name: held[name] for name in layer} == layer
    assert {name for name, origin in found.origins.items() if origin == "test"} == set(layer)


@given(layers, layers)
@settings(max_examples=60, deadline=None)
def test_the_last_of_two_layers_that_speak_wins(first, second):
    held = flatten(resolve([("first", first), ("second", second)]).recipe.model_dump())

    assert {name: held[name] for name in second} == second
    assert {name: held[name] for name in first if name not in (*second, *LENGTH)} == {
        name: value for name, value in first.items() if name not in (*second, *LENGTH)
    }


@given(st.lists(st.sampled_from([*LENGTH, "rank"]), max_size=6))
@settings(deadline=None)
def test_steps_and_epochs_are_never_both_chosen(choices):
    schedule = resolve([("test", {name: 3}) for name in choices]).recipe.schedule
    chosen = [name for name in choices if name in LENGTH][-1:] or ["schedule.steps"]  # the tiny variant's own

    assert [schedule.steps is not None, schedule.epochs is not None] == [LENGTH[0] in chosen, LENGTH[1] in chosen]


@given(st.sampled_from([k for k in KNOBS.values() if k.kind["type"] in ("integer", "number")]), st.data())
@settings(max_examples=100, deadline=None)
def test_a_number_outside_its_range_is_refused(knob, data):
    low, high = (knob.kind.get(f"{side}imum", knob.kind.get(f"exclusive{side.title()}imum")) for side in ("min", "max"))
    value = data.draw(st.integers() | st.floats(allow_nan=False) | st.just(math.nan))
    assume(not (value >= low and (high is None or value <= high)))

    with pytest.raises(SettingError) as caught:
        resolve([("test", {knob.name: value})])

    assert caught.value.params["knob"] == knob.name


@given(st.text(min_size=1, max_size=20))
@settings(deadline=None)
def test_no_name_is_accepted_that_is_no_knob(name):
    known = {*KNOBS, *recipe.SHORT_NAMES, *recipe.ALIASES, "version", "model.variant", *recipe.Recipe.model_fields}
    assume(name.replace("-", "_") not in {other.replace("-", "_") for other in known})

    with pytest.raises(SettingError, match="There is no knob called"):
        resolve([("test", {name: 1})])
