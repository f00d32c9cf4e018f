"""The page of users' pains names tests that exist, for every pain that it claims to cure."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
ROWS = re.findall(r"^\| (\d+) \| .* \| (.*) \| (.*) \|$", (TESTS.parent / "docs" / "pains.md").read_text("utf-8"), re.M)
#: Pains that were counted (the study of users and other trainers, section 1).
COUNT = 26


def test_every_pain_has_its_line() -> None:
    assert [int(number) for number, _, _ in ROWS] == list(range(1, COUNT + 1))


@pytest.mark.parametrize(("number", "here", "tests"), ROWS)
def test_a_pain_that_is_cured_has_tests_and_no_other_has(number: str, here: str, tests: str) -> None:
    assert here.startswith("not ") == (tests == "-")


@pytest.mark.parametrize("test", re.findall(r"`(.*?)`", " ".join(tests for _, _, tests in ROWS)))
def test_a_test_that_holds_a_pain_off_exists(test: str) -> None:
    file, _, name = test.partition("::")

    assert f"\ndef {name}(" in (TESTS / file).read_text("utf-8")
