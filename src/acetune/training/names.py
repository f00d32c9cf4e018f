"""Names of runs: what one is called where nobody says, and a free one beside those that exist."""

from __future__ import annotations

from pathlib import Path

from acetune.recipe import Recipe


def default_name(recipe: Recipe) -> str:
    """Return a run name of data set and variant."""
    folder = "".join(c if c.isalnum() or c in "._-" else "-" for c in Path(recipe.data.dataset).name).strip("._-")
    return f"{folder[:40] or 'songs'}-{recipe.model.variant}"


def free(folder: Path) -> Path:
    """Return the first of folder-2, folder-3, ... that does not exist."""
    number = 2
    while (free := folder.with_name(f"{folder.name}-{number}")).exists():
        number += 1
    return free
