"""Flags that many commands share: those that work everywhere, and one for each knob of a recipe.

Flags are taken out of the command line before the commands see it, so that they may stand anywhere, in kebab or
snake case, and so that a knob is declared in one place only.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acetune.catalog import nearest
from acetune.errors import SettingError
from acetune.monitor.words import LANGUAGES

if TYPE_CHECKING:
    from acetune.knobs import Knob

#: Short names that only the command line has, beside those of `acetune.recipe.SHORT_NAMES`.
_SHORT = {"model": "model.variant", "model-path": "model.path"}
#: Flag that names presets, on every command with knobs; again or with commas for more.
PRESET = "preset"
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
#: What the environment variables of knobs begin with.
_PREFIX = "ACETUNE_"


@dataclass(frozen=True)
class Everywhere:
    """Options of every command."""

    home: Path | None = None
    json: bool = False
    quiet: bool = False
    debug: bool = False
    language: str = "en"


def take_everywhere(arguments: Sequence[str], start: Everywhere) -> tuple[Everywhere, list[str]]:
    """Return the options of every command, and the other arguments.

    Raises:
        SettingError: If one lacks its value or names an unknown language.
    """
    switches = {"--json": "json", "--quiet": "quiet", "-q": "quiet", "--debug": "debug"}
    needs_value = dict.fromkeys(switches, False) | {"--home": True, "--lang": True}
    taken, rest = _take(arguments, needs_value.get)
    changes: dict[str, Any] = {}
    for flag, value in taken:
        if flag == "--home":
            changes["home"] = Path(value)
        elif flag == "--lang":
            changes["language"] = _language(value)
        else:
            changes[switches[flag]] = True
    return replace(start, **changes), rest


def take_knobs(arguments: Sequence[str], command: str) -> tuple[dict[str, object], list[str]]:
    """Return ``{"section.knob": value}`` of the knob flags (presets as a list under `PRESET`), and the other arguments.

    Args:
        arguments: The command line.
        command: Its command, whose help an error names.

    Raises:
        SettingError: If a flag lacks its value, or ``--section.name`` names no knob (the nearest is offered).
    """
    table = flags()
    switches = {flag for flag, knob in table.items() if knob.kind.get("type") == "boolean"}

    def needs_value(word: str) -> bool | None:
        flag = _plain(word)
        if flag == PRESET:
            return True
        if flag not in table and "." in flag:
            raise SettingError("cli.unknown_flag", flag=word, hint=nearest_flag(word, ()), command=command)
        return None if flag not in table else flag not in switches

    taken, rest = _take(arguments, needs_value)
    chosen = [(_plain(flag), value) for flag, value in taken]
    knobs: dict[str, object] = {
        table[flag].name: _value(table[flag], value) for flag, value in chosen if flag != PRESET
    }
    presets = [name for flag, value in chosen if flag == PRESET for name in value.split(",") if name]
    return ({**knobs, PRESET: presets} if presets else knobs), rest


def flags() -> dict[str, Knob]:
    """Return every knob flag without dashes in front, in snake case, and its knob; all families' own knobs too."""
    from acetune import recipe

    knobs = {knob.name: knob for knob in all_knobs()}
    table = dict(knobs)
    for short, name in {**recipe.SHORT_NAMES, **_SHORT}.items():
        table[_plain(f"--{short}")] = knobs[name]
    for alias, name in recipe.ALIASES.items():
        table[alias] = table[alias.partition(".")[2]] = knobs[name]
    return table


def all_knobs() -> tuple[Knob, ...]:
    """Return the knobs of a recipe and of every family, each once."""
    from acetune import catalog, recipe

    cards = [catalog.resolve("family", name) for name in catalog.names("family")]
    found = [knob for card in cards for knob in recipe.knobs(card.recipe_section())]
    return tuple({knob.name: knob for knob in found}.values())


def short_names() -> dict[str, str]:
    """Return the short flag of each knob that has one."""
    from acetune import recipe

    return {name: f"--{short}" for short, name in {**recipe.SHORT_NAMES, **_SHORT}.items()}


def nearest_flag(flag: str, others: Sequence[str]) -> str:
    """Return ' Did you mean ...?' for a misspelt flag, from the knobs and a command's own flags."""
    known = {"--" + name.replace("_", "-"): "--" + name for name in flags()}
    known |= {other: other for other in others}
    words = tuple(known) + tuple(known.values())
    return nearest("--" + _plain(flag).replace("_", "-"), tuple(dict.fromkeys(words)))


def environment_layer(environment: Mapping[str, str]) -> dict[str, object]:
    """Return the knobs that ``ACETUNE_<SECTION>_<KNOB>`` variables set; empty variables count as unset.

    Raises:
        SettingError: If a variable names a section but no knob of it.
    """
    names = {_PREFIX + knob.name.replace(".", "_").upper(): knob for knob in all_knobs()}
    sections = tuple({_PREFIX + knob.name.partition(".")[0].upper() + "_" for knob in all_knobs()})
    layer = {}
    for variable, text in environment.items():
        if text and variable in names:
            layer[names[variable].name] = _value(names[variable], text)
        elif text and variable.startswith(sections):
            raise SettingError("cli.unknown_variable", variable=variable, hint=nearest(variable, tuple(names)))
    return layer


def _take(
    arguments: Sequence[str], needs_value: Callable[[str], bool | None]
) -> tuple[list[tuple[str, str]], list[str]]:
    """Split known flags off; ``needs_value`` says None for those that are not ours. Nothing after ``--`` is."""
    taken: list[tuple[str, str]] = []
    rest: list[str] = []
    queue = deque(arguments)
    while queue:
        word = queue.popleft()
        if word == "--":
            return taken, [*rest, word, *queue]
        flag, equals, value = word.partition("=")
        wanted = needs_value(flag) if flag.startswith("-") else None
        if wanted is None:
            rest.append(word)
            continue
        if not equals:
            value = _next(flag, wanted, queue)
        taken.append((flag, value))
    return taken, rest


def _next(flag: str, wanted: bool, queue: deque[str]) -> str:
    """Return the value that follows a flag; a switch takes one only if it is a yes or a no."""
    if not wanted:
        return queue.popleft() if queue and queue[0].lower() in (*_TRUE, *_FALSE) else "true"
    if not queue:
        raise SettingError("cli.no_value", flag=flag)
    return queue.popleft()


def _plain(flag: str) -> str:
    """Return a flag without its dashes in front, in snake case; single-dash flags stay as they are."""
    return flag[2:].replace("-", "_") if flag.startswith("--") else flag


def _value(knob: Knob, text: str) -> object:
    """Return what was typed for a knob: text stays text, everything else is read as YAML."""
    from acetune.knobs import parse_scalar

    kind = knob.kind.get("type")
    if kind == "boolean" and text.lower() in (*_TRUE, *_FALSE):
        return text.lower() in _TRUE
    return text if kind == "string" and text != "null" else parse_scalar(text)


def _language(name: str) -> str:
    """Return a language that has texts."""
    if name not in LANGUAGES:
        raise SettingError("cli.unknown_language", language=name, known=", ".join(LANGUAGES))
    return name
