"""Commands with many options: a record of them in place of an argument each."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Any, get_type_hints


def with_options(kind: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator for a command whose last argument, ``options``, is a record.

    Args:
        kind: A dataclass whose fields are annotated as typer's options and have defaults; each becomes an option.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run(**values: Any) -> None:
            options = kind(**{field.name: values.pop(field.name) for field in fields(kind)})
            command(**values, options=options)

        vars(run)["__signature__"] = _signature(command, kind)
        return run

    return decorate


def _signature(command: Callable[..., None], kind: type[Any]) -> inspect.Signature:
    """Return the signature of a command, the record's fields in the place of the record."""
    hints, own = get_type_hints(command, include_extras=True), get_type_hints(kind, include_extras=True)
    arguments = [
        parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in inspect.signature(command).parameters.items()
        if name != "options"
    ]
    options = [
        inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=own[field.name])
        for field in fields(kind)
    ]
    return inspect.Signature([*arguments, *options])
