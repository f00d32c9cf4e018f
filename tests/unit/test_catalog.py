import pytest

import acetune
from acetune import catalog
from acetune.errors import SettingError


@pytest.mark.parametrize("kind", ["verb", "family", "annotator", "optimizer", "schedule", "exporter"])
def test_every_kind_has_names(kind):
    assert catalog.names(kind)


def test_a_part_is_resolved_when_it_is_asked_for():
    assert catalog.resolve("annotator", "key").__name__ == "KeyAnnotator"


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(SettingError) as caught:
        catalog.resolve("optimizer", "adanw")

    assert caught.value.exit_code == 2
    assert caught.value.message() == "There is no optimizer called adanw. Did you mean 'adamw'?"
    assert "adamw" in caught.value.remedy()


@pytest.mark.parametrize(
    ("word", "hint"),
    [("adanw", " Did you mean 'adamw'?"), ("adamw", " Did you mean 'adamw'?"), ("zzz", ""), ("", "")],
)
def test_the_nearest_name_is_offered_only_where_one_is_near(word, hint):
    assert catalog.nearest(word, ("adamw", "prodigy")) == hint


def test_a_target_is_an_attribute_or_a_module():
    assert catalog.attribute("acetune.catalog:names") is catalog.names
    assert catalog.attribute("acetune.catalog") is catalog


def test_verbs_are_attributes_of_the_package():
    assert acetune.plan is catalog.resolve("verb", "plan")
    assert set(catalog.names("verb")) <= set(dir(acetune))


@pytest.mark.parametrize("name", ["Job", "Recipe"])
def test_types_that_verbs_take_are_attributes_of_the_package(name):
    assert getattr(acetune, name).__name__ == name


def test_other_attributes_are_unknown():
    with pytest.raises(AttributeError, match="sing"):
        _ = acetune.sing
