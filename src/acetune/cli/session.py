"""One command that runs: what it was asked, whom it reports to, and how it ends."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from acetune.cli.options import PRESET, Everywhere, environment_layer
from acetune.events import Event, Job, Json, StageEnded, to_line
from acetune.monitor.console import Console
from acetune.monitor.words import Words

if TYPE_CHECKING:
    import typer

    from acetune.recipe import Resolved


@dataclass(frozen=True)
class Session:
    """What a command needs beside its own arguments.

    Attributes:
        command: Its words, such as ``runs ls``.
        options: Options of every command.
        knobs: Knobs that flags set.
        environment: Environment variables.
        console: Shows events on standard error.
        stop: Whether Ctrl+C or SIGTERM came.
    """

    command: str
    options: Everywhere
    knobs: Mapping[str, object]
    environment: Mapping[str, str]
    console: Console
    stop: Callable[[], bool]

    @property
    def home(self) -> Path | None:
        """The workspace that was asked for."""
        return self.options.home

    @property
    def job(self) -> Job:
        """The job that verbs report to."""
        return Job(self.report, self.stop)

    @property
    def words(self) -> Words:
        """The texts of the command line."""
        return Words("cli", self.options.language)

    def report(self, event: Event) -> None:
        """Show an event to people, and to programs if they asked; the work goes on where nobody reads any more."""
        with suppress(BrokenPipeError):
            self.console.report(event)
        if self.options.json:
            emit(event)

    @property
    def settings(self) -> dict[str, object]:
        """The knobs that presets, variables and flags set; a later one wins."""
        return {**self._preset_knobs(), **environment_layer(self.environment), **self._flags()}

    @property
    def changes(self) -> dict[str, object]:
        """The knobs that presets and flags of this command set."""
        return {**self._preset_knobs(), **self._flags()}

    def resolve(self, *, config: Path | None = None, dataset: Path | None = None) -> Resolved:
        """Return the recipe: variant < presets < file < environment < flags.

        Raises:
            SettingError: For unknown knobs and impossible values.
        """
        from acetune import recipe

        flags = self._flags()
        if dataset is not None:
            flags["data.dataset"] = str(dataset.absolute())
        layers = self._presets()
        if config is not None:
            layers.append((config.name, recipe.read_layer(config)))
        layers.append((self.words("environment"), environment_layer(self.environment)))
        layers.append((self.words("command_line"), flags))
        return recipe.resolve(layers)

    def _presets(self) -> list[tuple[str, Mapping[str, object]]]:
        """Return the presets that were asked for, as layers."""
        from acetune.planning import presets

        return presets.layers(cast("Sequence[str]", self.knobs.get(PRESET, ())))

    def _preset_knobs(self) -> dict[str, object]:
        """Return the knobs of the presets that were asked for; a later one wins."""
        from acetune.knobs import flatten

        return {name: value for _, knobs in self._presets() for name, value in flatten(knobs).items()}

    def _flags(self) -> dict[str, object]:
        """Return the knobs that flags set."""
        return {name: value for name, value in self.knobs.items() if name != PRESET}

    def say(self, text: str) -> None:
        """Tell people something before the result."""
        if not self.options.quiet:
            with suppress(BrokenPipeError):
                self.console.say(text)

    def finish(self, result: Mapping[str, object], *lines: str) -> None:
        """Give the result: lines for people, or one last event for programs."""
        self.console.close()
        if self.options.json:
            emit(StageEnded(stage=f"acetune {self.command}", result=cast("dict[str, Json]", plain(result))))
        else:
            for line in lines:
                print(line)


def emit(event: Event) -> None:
    """Print an event for programs; the first broken pipe ends the printing and not the work behind it."""
    try:
        print(to_line(event), flush=True)
    except BrokenPipeError:
        discard_output()


def discard_output() -> None:
    """Send what is still printed to nobody: the reader of our output has seen enough."""
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - the interpreter flushes it at its end


def session_of(context: typer.Context) -> Session:
    """Return the session of a command."""
    return cast("Session", context.obj)


def plain(value: object) -> Json:
    """Return a value as JSON knows it: paths as text, tuples as lists, records as objects."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(inner) for inner in value]
    return str(value)


def pretty(value: object) -> str:
    """Return a value as indented JSON."""
    return json.dumps(plain(value), indent=1, ensure_ascii=False)


@dataclass
class StopFlag:
    """Whether somebody asked to stop."""

    raised: bool = False

    def __call__(self) -> bool:
        """Return whether it was raised."""
        return self.raised


@contextmanager
def stop_on_signals(words: Words) -> Iterator[StopFlag]:
    """Yield a flag that the first Ctrl+C or SIGTERM raises; the second one ends the process at once.

    Everything on the disk is whole or absent at any instant, so that an end at once loses only unsaved steps.
    """
    flag = StopFlag()
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in signals]

    def first(number: int, frame: object) -> None:
        flag.raised = True
        for other in signals:
            signal.signal(other, signal.SIG_DFL)
        os.write(2, f"\n{words('stopping')}\n".encode(errors="replace"))

    for number in signals:
        signal.signal(number, first)
    try:
        yield flag
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


def make_console(options: Everywhere, environment: Mapping[str, str]) -> Console:
    """Return the console on standard error: bars only for a person's terminal that wants them."""
    wanted = "NO_COLOR" not in environment and environment.get("TERM") != "dumb"
    return Console(
        sys.stderr,
        interactive=sys.stderr.isatty() and wanted,
        quiet=options.quiet,
        language=options.language,
    )
