"""Songs, models and homes that tests share: made once a session, from nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from world import QUICK, make_home, tone

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as the command line does; before torch is loaded


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of embedded models; each is made when a test first opens it."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cache of encoded songs; its parts never change, so tests may share it."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine scanned songs of about three seconds, some with lyrics, some with tags beside the caption."""
    from acetune.data.scan import scan

    folder = tmp_path_factory.mktemp("album")
    for number in range(9):
        tone(folder / f"song{number}.flac", 2.6 + 0.2 * number, seed=number)
        (folder / f"song{number}.caption.txt").write_text(f"style {number}, synth, dreamy pads")
        if number % 3 == 0:
            (folder / f"song{number}.lyrics.txt").write_text(f"[verse]\nla la {number}\n[chorus]\noh oh oh\n")
        if number % 2 == 0:
            (folder / f"song{number}.json").write_text('{"tags": ["ambient", "slow"], "language": "en"}')
    scan(folder)
    return folder


@pytest.fixture(scope="session")
def trio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three scanned songs: too few to hold out whole ones."""
    from acetune.data.scan import scan

    folder = tmp_path_factory.mktemp("trio")
    for number in range(3):
        tone(folder / f"song{number}.flac", 3.0, seed=20 + number)
        (folder / f"song{number}.caption.txt").write_text(f"style {number}")
    scan(folder)
    return folder


@pytest.fixture
def home(tmp_path: Path, models: Path, cache: Path) -> Path:
    """A workspace of one's own that shares models and cache."""
    return make_home(tmp_path / "home", models, cache)


@pytest.fixture
def recipe(album: Path) -> Callable[..., object]:
    """Return a recipe of the album; arguments are knobs with two underscores for the dot."""
    from acetune.recipe import resolve

    def build(**changes: object) -> object:
        flat = {name.replace("__", "."): value for name, value in changes.items()}
        return resolve([("test", {**QUICK, "data.dataset": str(album), **flat})]).recipe

    return build
