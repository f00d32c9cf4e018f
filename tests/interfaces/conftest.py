"""Keeps the machine's own settings and workspace out of every command that is tested here."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the machine's own settings and workspace out."""
    for name in [name for name in os.environ if name.startswith("ACETUNE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ACETUNE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
