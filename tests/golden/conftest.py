"""Fixtures of the golden tests."""

from __future__ import annotations

import pytest

import recorded


@pytest.fixture(params=["turbo", "base", "xl_turbo"])
def golden(request: pytest.FixtureRequest) -> recorded.Golden:
    """Each recorded model."""
    return recorded.load(request.param)


@pytest.fixture
def turbo() -> recorded.Golden:
    """The recorded turbo model."""
    return recorded.load("turbo")
