"""Checkpoints for the tests of this folder: embedded variants, and the same ones written in every layout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import constants
from layout_writer import variant, write_layout

from acetune.events import Job
from acetune.families.acestep_v15.layouts import Weights, open_weights


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep what is installed on this machine, and the network, out of the search for weights."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("ACETUNE_COMFYUI", raising=False)


@pytest.fixture(scope="session")
def tiny(models: Path) -> Weights:
    return open_weights(variant("tiny"), None, models, Job())


@pytest.fixture(scope="session", params=["tiny", "tiny-xl"])
def made(request: pytest.FixtureRequest, models: Path) -> Weights:
    return open_weights(variant(request.param), None, models, Job())


@pytest.fixture(scope="session")
def written(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """Return where a variant was written in a layout, writing each once."""
    done: dict[tuple[str, str], Path] = {}

    def path(name: str, layout: str) -> Path:
        if (name, layout) not in done:
            weights = open_weights(variant(name), None, models, Job())
            done[name, layout] = write_layout(weights, layout, tmp_path_factory.mktemp(layout))
        return done[name, layout]

    return path
