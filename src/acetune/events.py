"""What happens, as typed records, and the job that reports it and can be stopped.

One JSON object a line, in ``events.jsonl`` and on standard output alike. Unknown kinds are skipped on reading, so
that an older acetune can follow a newer run. Nobody parses log text.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from acetune.errors import AcetuneError, Stopped

Json: TypeAlias = "None | bool | int | float | str | list[Json] | dict[str, Json]"


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened; `time` is seconds since 1970."""

    time: float = field(default_factory=time.time)


@dataclass(frozen=True, kw_only=True)
class StageStarted(Event):
    """A stage began: `total` counts `unit`; steps after `resumed_from` of an earlier try are void."""

    stage: str
    total: int | None = None
    unit: str = ""
    resumed_from: int | None = None


@dataclass(frozen=True, kw_only=True)
class Progress(Event):
    """`done` of `total` units of a stage are finished; `item` names the last one."""

    stage: str
    done: int
    total: int
    item: str = ""


@dataclass(frozen=True, kw_only=True)
class StepDone(Event):
    """One optimizer update: mean loss of its crops, learning rate, gradient norm before clipping.

    `crops` has song (its place among the ``train`` rows of tracks.json, -1 for a prior clip), t and loss of each crop.
    """

    step: int
    loss: float
    lr: float
    grad_norm: float
    seconds: float
    epoch: int = 0
    crops: list[list[float]] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Validated(Event):
    """Held-out loss at a step, and its paired difference from the base model (below zero is better).

    `low` and `high` bound the difference with 95 % confidence; None where there are too few units.
    """

    step: int
    loss: float
    base_loss: float
    difference: float
    low: float | None
    high: float | None
    units: int
    best: bool


@dataclass(frozen=True, kw_only=True)
class PreviewReady(Event):
    """A piece of audio was generated; `coded` where the network was handed the codes of a song as well."""

    path: str
    caption: str
    strength: float
    seed: int
    step: int | None = None
    coded: bool = False


@dataclass(frozen=True, kw_only=True)
class Saved(Event):
    """A checkpoint, an adapter or another result is on the disk."""

    path: str
    what: str
    step: int | None = None


@dataclass(frozen=True, kw_only=True)
class Noticed(Event):
    """Something the user should know; `severity` is info, warning or error.

    `code` is stable and with `params` gives the sentence in any language; `message` is the English one.
    """

    code: str
    message: str
    severity: str = "warning"
    subject: str = ""
    params: dict[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class StageEnded(Event):
    """A stage ended: `outcome` is done, stopped or failed; `result` says what came of it."""

    stage: str
    outcome: str = "done"
    result: dict[str, Json] = field(default_factory=dict)


_KINDS: dict[str, type[Event]] = {
    kind.__name__: kind
    for kind in (StageStarted, Progress, StepDone, Validated, PreviewReady, Saved, Noticed, StageEnded)
}


def to_line(event: Event) -> str:
    """Return an event as one line of JSON, without the line end."""
    return json.dumps(
        {"kind": type(event).__name__, **{f.name: getattr(event, f.name) for f in dataclasses.fields(event)}},
        ensure_ascii=False,
        default=str,
    )


def from_line(line: str) -> Event | None:
    """Return the event of a line; None for unknown kinds, half-written lines and unknown shapes."""
    try:
        values = json.loads(line)
        kind = _KINDS[values.pop("kind")]
        known = {f.name for f in dataclasses.fields(kind)}
        return kind(**{name: value for name, value in values.items() if name in known})
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def plain(value: object) -> Json:
    """Return a parameter of a message as JSON can hold it, so that the message formats it as before."""
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)


def _nobody(event: Event) -> None:
    """Drop an event."""


def _never() -> bool:
    """Never ask to stop."""
    return False


@dataclass(frozen=True)
class Job:
    """Whom a verb reports to and by whom it can be stopped.

    Args:
        report: Receives every event, in order.
        stop_requested: Asked often; True means: save and raise `Stopped`.
    """

    report: Callable[[Event], None] = _nobody
    stop_requested: Callable[[], bool] = _never

    def tell(self, finding: AcetuneError, *, severity: str = "warning", subject: str = "") -> None:
        """Report something the user should know, which is no reason to end."""
        params: dict[str, Json] = {name: plain(value) for name, value in finding.params.items()}
        self.report(
            Noticed(code=finding.code, message=finding.message(), severity=severity, subject=subject, params=params)
        )

    def notice(self, code: str, message: str, *, severity: str = "warning", subject: str = "") -> None:
        """Report something the user should know."""
        self.report(Noticed(code=code, message=message, severity=severity, subject=subject))

    def check_stop(self, stage: str) -> None:
        """Raise `Stopped` if asked to; for stages whose finished parts are already on the disk."""
        if self.stop_requested():
            raise Stopped("job.stopped", stage=stage)

    def naming(self, names: Mapping[str, str]) -> Job:
        """Return a job that hears of items by the names that people know; those without one keep theirs."""

        def report(event: Event) -> None:
            if isinstance(event, Progress):
                event = dataclasses.replace(event, item=names.get(event.item, event.item))
            self.report(event)

        return dataclasses.replace(self, report=report)

    def also(self, listener: Callable[[Event], None]) -> Job:
        """Return a job that tells this listener too, before the others."""

        def report(event: Event) -> None:
            listener(event)
            self.report(event)

        return Job(report, self.stop_requested)
