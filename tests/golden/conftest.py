"""Fixtures of the golden tests."""

from __future__ import annotations

import official
import pytest


@pytest.fixture(params=["turbo", "base", "xl_turbo"])
def golden(request: pytest.FixtureRequest) -> official.Golden:
    """Each recorded model."""
    return official.load(request.param)


@pytest.fixture
def turbo() -> official.Golden:
    """The recorded turbo model."""
    return official.load("turbo")
