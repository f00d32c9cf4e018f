"""Every text exists in every language with the same values, and every code that is raised has a text."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

import acetune
from acetune import errors
from acetune.monitor.words import LANGUAGES

_SOURCE = Path(acetune.__file__).parent
_ERRORS = {
    name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.AcetuneError)
}
_AREAS = sorted(file.name for file in (_SOURCE / "locales" / "en").glob("*.json"))


def table(language: str, file: str) -> dict[str, str | dict[str, str]]:
    found: dict[str, str | dict[str, str]] = json.loads(
        (_SOURCE / "locales" / language / file).read_text(encoding="utf-8")
    )
    return found


def texts(language: str) -> dict[str, str | dict[str, str]]:
    return {name: entry for file in _AREAS for name, entry in table(language, file).items()}


def values_in(text: str) -> set[str]:
    """Return the names of the values in a text, without their formats."""
    return {field for _, field, _, _ in Formatter().parse(text) if field is not None}


def shape(entry: str | dict[str, str]) -> dict[str, set[str]]:
    parts = {"message": entry} if isinstance(entry, str) else entry
    return {part: values_in(text) for part, text in parts.items()}


def raised() -> Iterator[tuple[str, frozenset[str], str]]:
    """Yield code, names of the values and place of each error that the source makes with a literal code."""
    for file in sorted(_SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _ERRORS:
                first = node.args[0] if node.args else None
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    names = frozenset(keyword.arg or "**" for keyword in node.keywords)
                    yield first.value, names, f"{file.relative_to(_SOURCE)}:{node.lineno}"


_RAISED = tuple(raised())


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_has_the_same_files_as_english(language: str) -> None:
    assert sorted(file.name for file in (_SOURCE / "locales" / language).glob("*.json")) == _AREAS


@pytest.mark.parametrize("area", _AREAS)
def test_both_languages_have_the_same_texts_with_the_same_values(area: str) -> None:
    english, chinese = table("en", area), table("zh", area)

    assert english.keys() == chinese.keys()
    assert {name: shape(entry) for name, entry in chinese.items()} == {
        name: shape(entry) for name, entry in english.items()
    }


@pytest.mark.parametrize("area", _AREAS)
def test_names_of_texts_begin_with_their_area(area: str) -> None:
    assert {name.partition(".")[0] for name in table("en", area)} == {area.removesuffix(".json")}


@pytest.mark.parametrize(("code", "names", "place"), _RAISED, ids=[place for _, _, place in _RAISED])
def test_an_error_that_is_raised_has_its_text_and_its_values(code: str, names: frozenset[str], place: str) -> None:
    entry = texts("en").get(code)

    assert isinstance(entry, dict), f"{place} raises {code}, which has no message and remedy"
    assert {"message", "remedy"} <= entry.keys()
    assert "**" in names or set().union(*shape(entry).values()) <= names


def test_the_source_was_searched() -> None:
    assert len(_RAISED) > 50


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_remedy_is_one_line_and_every_message_says_something(language: str) -> None:
    entries = [entry for entry in texts(language).values() if isinstance(entry, dict)]

    assert all(entry["message"].strip() and "\n" not in entry["message"] + entry["remedy"] for entry in entries)
