"""Which layers of a network a choice of words means: named choices, names, stars, expressions. No torch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from acetune.errors import SettingError

#: What an expression begins with.
_EXPRESSION = "re:"


def chosen(choice: str, layers: Mapping[str, str], named: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the layers that a choice means.

    Args:
        choice: Words separated by commas, each of them a named choice, the name of a layer or its end ("q_proj" means
            all query projections), or a whole name with stars ("layers.0.*"); or ``re:`` and a regular expression
            (Python's) that whole names must match.
        layers: Every layer that can be tuned, by our name: its official name. Words may be either.
        named: Named choices.

    Raises:
        SettingError: If a word matches nothing, or an expression is none.
    """
    words = [choice] if choice.startswith(_EXPRESSION) else [word.strip() for word in choice.split(",")]
    found: dict[str, None] = {}
    for word in filter(None, words):
        matched = named[word] if word in named else _matching(word, layers)
        if not matched:
            raise SettingError("adapter.no_target", name=word, known=", ".join(named))
        found.update(dict.fromkeys(matched))
    if not found:
        raise SettingError("adapter.no_target", name=repr(choice), known=", ".join(named))
    return tuple(found)


def _matching(word: str, layers: Mapping[str, str]) -> list[str]:
    """Return the layers with a name that a word means."""
    if word.startswith(_EXPRESSION):
        expression = _compiled(word.removeprefix(_EXPRESSION))
        return [ours for ours, official in layers.items() if any(map(expression.fullmatch, (ours, official)))]
    return [
        ours
        for ours, official in layers.items()
        if any(name == word or name.endswith(f".{word}") or fnmatchcase(name, word) for name in (ours, official))
    ]


def _compiled(expression: str) -> re.Pattern[str]:
    """Return a compiled expression.

    Raises:
        SettingError: If it is none.
    """
    try:
        return re.compile(expression)
    except re.error as cause:
        raise SettingError("adapter.bad_expression", expression=expression, cause=cause) from cause
