"""docs/reference.md is what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from acetune import errors
from acetune.catalog import VERBS
from acetune.cli.options import all_knobs
from acetune.cli.reference import reference

_PAGE = Path(__file__).parents[2] / "docs" / "reference.md"


@pytest.fixture(scope="module")
def page() -> str:
    return reference()


def test_the_reference_is_up_to_date(page: str) -> None:
    stored = _PAGE.read_text(encoding="utf-8")

    assert stored == page, "run: python -m acetune.cli.reference docs/reference.md"


def test_every_verb_has_a_heading(page: str) -> None:
    assert [verb for verb in VERBS if f"\n### acetune {verb}\n" not in page] == []


def test_every_knob_has_a_row(page: str) -> None:
    assert [knob.name for knob in all_knobs() if f"| `{knob.name}` |" not in page] == []


def test_every_error_class_has_a_row_with_its_exit_code(page: str) -> None:
    classes = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]

    assert [kind for kind in classes if f"| `{kind.__name__}` | {kind.exit_code} |" not in page] == []
