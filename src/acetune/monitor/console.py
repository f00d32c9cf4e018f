"""Events for people: bars where somebody watches, plain lines where a file does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TextIO

from acetune.events import (
    Event,
    Noticed,
    PreviewReady,
    Progress,
    Saved,
    StageEnded,
    StageStarted,
    StepDone,
    Validated,
)
from acetune.monitor.lines import TRAIN, Line, line_for
from acetune.monitor.words import Words, sentence

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID


class Console:
    """Shows events on a stream, in order.

    Args:
        stream: Usually standard error.
        interactive: Whether a person watches it live: bars that move, in place of lines.
        quiet: Show only warnings and errors.
        language: Of the texts.
        every: Seconds between two plain lines of one stage.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        interactive: bool,
        quiet: bool = False,
        language: str = "en",
        every: float = 5.0,
    ) -> None:
        self._display: _Display = _Bars(stream) if interactive and not quiet else _Plain(stream, every)
        self._quiet = quiet
        self._words = Words("console", language)
        self._lines: dict[str, Line] = {}

    def report(self, event: Event) -> None:
        """Show an event."""
        if isinstance(event, Noticed):
            if not (self._quiet and event.severity == "info"):
                self._display.say(self._notice(event))
        elif not self._quiet:
            self._show(event)

    def say(self, text: str) -> None:
        """Show a sentence that is no event."""
        self._display.say(text)

    def close(self) -> None:
        """Leave the stream as it was found."""
        self._display.close()

    def _show(self, event: Event) -> None:
        """Show what is no notice."""
        match event:
            case StageStarted():
                if event.resumed_from is not None:
                    self._display.say(self._words("resumed", step=event.resumed_from))
                self._lines[event.stage] = line_for(event, self._words)
                self._display.start(event.stage, self._name(event.stage), event.total, event.time)
            case Progress():
                self._advance(event.stage, event)
            case StepDone():
                self._advance(TRAIN, event)
            case StageEnded():
                self._end(event)
            case Validated() | Saved() | PreviewReady():
                self._display.say(self._sentence(event))

    def _advance(self, stage: str, event: Event) -> None:
        """Move a stage on; one that nobody announced starts here."""
        if stage not in self._lines:
            self._show(StageStarted(stage=stage, time=event.time))
        line = self._lines[stage]
        line.add(event)
        self._display.update(stage, line, event.time)

    def _end(self, event: StageEnded) -> None:
        """Close a stage."""
        line = self._lines.pop(event.stage, None)
        if line is not None:
            if event.outcome == "done":
                line.finish()
            self._display.end(event.stage, line, self._words.find(event.outcome, event.outcome))

    def _name(self, stage: str) -> str:
        """Return what people call a stage."""
        first, *rest = stage.split(" ")
        return " ".join((self._words.find(f"stage_{first}", first), *rest))

    def _notice(self, event: Noticed) -> str:
        """Return a notice in words; the subject is named where the sentence does not."""
        text = sentence(event, self._words.language)
        subject = f"{event.subject}: " if event.subject and event.subject not in text else ""
        return f"{self._words.find(event.severity, event.severity)}: {subject}{text}"

    def _sentence(self, event: Validated | Saved | PreviewReady) -> str:
        """Return what happened as one line."""
        if isinstance(event, Saved):
            return self._words("saved", what=self._words.find(event.what, event.what), path=event.path)
        if isinstance(event, PreviewReady):
            return self._words("piece" if event.step is None else "preview", path=event.path, strength=event.strength)
        text = self._words("validated", step=event.step, difference=event.difference)
        if event.low is not None and event.high is not None:
            text += self._words("interval", low=event.low, high=event.high)
        return text + (self._words("best") if event.best else "")


class _Display(Protocol):
    """Where the lines go."""

    def start(self, stage: str, name: str, total: int | None, time: float) -> None:
        """Announce a stage."""

    def update(self, stage: str, line: Line, time: float) -> None:
        """Show how far a stage is."""

    def end(self, stage: str, line: Line, outcome: str) -> None:
        """Show a stage for the last time."""

    def say(self, text: str) -> None:
        """Show a sentence."""

    def close(self) -> None:
        """Leave the stream as it was found."""


class _Plain:
    """Whole lines, not too many: for log files, pipes and dumb terminals."""

    def __init__(self, stream: TextIO, every: float) -> None:
        self._stream = stream
        self._every = every
        self._names: dict[str, str] = {}
        self._next: dict[str, float] = {}

    def start(self, stage: str, name: str, total: int | None, time: float) -> None:
        self._names[stage] = name
        self._next[stage] = time + self._every

    def update(self, stage: str, line: Line, time: float) -> None:
        if time >= self._next[stage]:
            self._next[stage] = time + self._every
            self.say(f"{self._names[stage]}: {line.text()}")

    def end(self, stage: str, line: Line, outcome: str) -> None:
        self.say(f"{self._names[stage]}: {line.text()}  {outcome}")

    def say(self, text: str) -> None:
        print(text, file=self._stream, flush=True)

    def close(self) -> None:
        """Lines need no tidying."""


class _Bars:
    """Bars of rich, one a stage, that move until they are done; sentences scroll above them."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bars: RichProgress | None = None
        self._tasks: dict[str, TaskID] = {}

    def start(self, stage: str, name: str, total: int | None, time: float) -> None:
        self._tasks[stage] = self._live().add_task(name, total=total, text="")

    def update(self, stage: str, line: Line, time: float) -> None:
        self._live().update(self._tasks[stage], completed=line.done, total=line.total, text=line.text())

    def end(self, stage: str, line: Line, outcome: str) -> None:
        self._live().update(self._tasks.pop(stage), completed=line.done, text=f"{line.text()}  {outcome}")

    def say(self, text: str) -> None:
        self._live().console.print(text, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        if self._bars is not None:
            self._bars.stop()

    def _live(self) -> RichProgress:
        """Return the bars; rich is imported when the first one is drawn."""
        if self._bars is None:
            from rich.console import Console as RichConsole
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as RichProgress

            texts = ("{task.description}", "{task.fields[text]}")
            name, text = (TextColumn(template, markup=False) for template in texts)
            self._bars = RichProgress(name, BarColumn(20), text, console=RichConsole(file=self._stream))
            self._bars.start()
        return self._bars
