"""Writes docs/reference.md from the code: ``python -m acetune.cli.reference docs/reference.md``."""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from typer import Context
from typer.main import get_command

from acetune import errors, events, files
from acetune.cli.app import COMMANDS, GROUPS, build
from acetune.cli.help import EVERYWHERE, EXAMPLES, default
from acetune.cli.options import all_knobs, short_names

_HEAD = """# Reference

Written by `python -m acetune.cli.reference docs/reference.md`; a test compares it with the code.

Every verb is a command (`acetune train`) and a function (`acetune.train(...)`) of the same name.
"""

_KNOBS = """
## Knobs

A knob is a flag (`--adapter.rank 32`, or its short name), a key of a recipe file (`adapter: {rank: 32}`) and an
environment variable (`ACETUNE_ADAPTER_RANK=32`). Later ones win: default, the variant's own default, recipe file,
environment, flag. `acetune config show --origin` says where each value came from. Knobs marked *free* may change when
a run is resumed.
"""

_ERRORS = """
## Exit codes and errors

0 is success, also if some songs were skipped (each is listed). The first line on standard error says what happened,
the second what to do; `--debug` shows where.

| error | exit code | meaning |
|---|---|---|
"""

_EVENTS = """
## Events

`--json` prints them as one JSON object a line, the same lines that a run keeps in `events.jsonl`. The last line is a
`StageEnded` whose stage is the command (`acetune train`) and whose result is the command's result or its error.

| kind | fields | meaning |
|---|---|---|
"""


def reference() -> str:
    """Return the whole page."""
    parts = [_HEAD, "\n## Commands\n", *_commands(), _KNOBS, *_knobs(), _ERRORS, *_errors(), _EVENTS, *_events()]
    return "".join(parts)


def help_of(words: Sequence[str]) -> str:
    """Return the help of a command, 80 columns wide, without what comes after it."""
    command = get_command(build())
    context = Context(command, info_name="acetune", terminal_width=80)
    for word in words:
        command = command.get_command(context, word)  # type: ignore[attr-defined]  # typer's groups have it
        context = Context(command, parent=context, info_name=word)
    return command.get_help(context)


def command_words() -> tuple[tuple[str, ...], ...]:
    """Return the words of every command."""
    grouped = [(group, name) for group, (_, commands) in GROUPS.items() for name in commands]
    return (*((name,) for name in COMMANDS), *grouped)


def _commands() -> Iterator[str]:
    """Yield the help of every command, and the options that all of them have."""
    yield "\nOptions of every command:\n\n| option | meaning |\n|---|---|\n"
    yield from (f"| `{_cell(option)}` | {_cell(meaning)} |\n" for option, meaning in EVERYWHERE)
    for words in command_words():
        command = " ".join(words)
        examples = "\n".join(EXAMPLES[command])
        yield f"\n### acetune {command}\n\n```text\n{help_of(words).strip()}\n```\n\n```sh\n{examples}\n```\n"


def _knobs() -> Iterator[str]:
    """Yield a table for each section."""
    shorts, section = short_names(), ""
    for knob in all_knobs():
        if knob.name.partition(".")[0] != section:
            section = knob.name.partition(".")[0]
            yield f"\n### {section}\n\n| knob | short | default | range | unit | meaning |\n|---|---|---|---|---|---|\n"
        short = f"`{shorts[knob.name]}`" if knob.name in shorts else ""
        free = " *free*" if knob.free else ""
        cells = (f"`{knob.name}`", short, default(knob), knob.range, knob.unit, knob.help + free)
        yield f"| {' | '.join(map(_cell, cells))} |\n"


def _errors() -> Iterator[str]:
    """Yield a row for each class of errors."""
    for name, kind in vars(errors).items():
        if inspect.isclass(kind) and issubclass(kind, errors.AcetuneError):
            yield f"| `{name}` | {kind.exit_code} | {_first_line(kind)} |\n"


def _events() -> Iterator[str]:
    """Yield a row for each kind of event."""
    for name, kind in vars(events).items():
        if inspect.isclass(kind) and issubclass(kind, events.Event) and kind is not events.Event:
            fields = ", ".join(f"`{field.name}`" for field in dataclasses.fields(kind))
            yield f"| `{name}` | {fields} | {_cell(_first_line(kind))} |\n"


def _first_line(kind: type) -> str:
    """Return the first line of a class's docstring."""
    return (kind.__doc__ or "").strip().splitlines()[0]


def _cell(text: str) -> str:
    """Return a text that does not end a table's cell."""
    return text.replace("|", "\\|")


if __name__ == "__main__":
    files.write_text(Path(sys.argv[1]), reference())
