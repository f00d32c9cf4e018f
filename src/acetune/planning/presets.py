"""Named recipes that say only what they change: ours by goal, data and memory, and those of other trainers.

Each is a file in ``planning/recipes``: the sentences ``about`` and ``about_zh``, then sections with knobs as in any
recipe file. Several may be given; a later one wins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType

from acetune import catalog
from acetune.errors import SettingError
from acetune.knobs import from_yaml
from acetune.recipe import read_layer

_ABOUT = "about"


@dataclass(frozen=True)
class Preset:
    """A named part of a recipe.

    Attributes:
        name: What ``--preset`` calls it.
        about: Language to one sentence.
        knobs: What it sets, by section.
    """

    name: str
    about: Mapping[str, str]
    knobs: Mapping[str, object]


def preset(name: str) -> Preset:
    """Return a preset.

    Raises:
        SettingError: If there is none of this name; the nearest is offered.
    """
    if name not in names():
        known = ", ".join(names())
        raise SettingError("recipe.unknown_preset", name=name, known=known, hint=catalog.nearest(name, names()))
    return _read(name)


@cache
def names() -> tuple[str, ...]:
    """Return the names of all presets, in order of the alphabet."""
    return tuple(sorted(file.name.removesuffix(".yaml") for file in (_folder()).iterdir() if file.suffix == ".yaml"))


def layers(wanted: Sequence[str]) -> list[tuple[str, Mapping[str, object]]]:
    """Return presets as layers for `acetune.recipe.resolve` (raises as `preset`)."""
    return [(f"preset {name}", preset(name).knobs) for name in wanted]


@cache
def _read(name: str) -> Preset:
    """Return the preset of a file."""
    file = _folder() / f"{name}.yaml"
    about = {
        key.removeprefix(_ABOUT).strip("_") or "en": str(text) for key, text in from_yaml(file).items() if _says(key)
    }
    knobs = {key: value for key, value in read_layer(file).items() if not _says(key)}
    return Preset(name, MappingProxyType(about), MappingProxyType(knobs))


def _says(key: str) -> bool:
    """Whether a key of a file holds a sentence and no knobs."""
    return key.startswith(_ABOUT)


def _folder() -> Path:
    """Return where the presets are."""
    return Path(str(resources.files("acetune") / "planning" / "recipes"))
