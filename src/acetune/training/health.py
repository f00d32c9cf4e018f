"""What goes wrong while training, noticed early and said once.

A `Watch` reads nothing but the events that are reported anyway, so that it costs no wait for the device, and a run that
goes on is watched as if it had never stopped. `Unmoved` compares sums that stay on the device until the next block is
read. `culprits` does a bad step again to find where its numbers ended.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import torch
from torch import Tensor, nn

from acetune.errors import AcetuneError, SettingError
from acetune.events import Event, Job, StepDone, Validated
from acetune.planning.guards import MIN_UNITS
from acetune.training.session import Session
from acetune.training.updater import Updater
from acetune.training.validate import Losses, difference

#: Steps without any gradient, or any change of a weight, after which an adapter counts as dead.
DEAD_STEPS: Final = 20
#: Steps after warm-up by which Prodigy's estimate has left its first value where it finds one: 20 to 50 (docs/log.md).
_FOUND_STEPS: Final = 100
#: Steps whose mean loss is compared: with one crop a step its standard error is about 6 % of the loss.
_WINDOW: Final = 50
#: A mean loss beyond this many times the lowest one so far is divergence.
_DIVERGED: Final = 1.5
#: Validations that must agree before a plateau is one, how much of the gain they may differ by, and the least share of
#: the peak learning rate: at the end of a schedule nothing moves, and should not.
_FLAT_VALIDATIONS, _FLAT_SHARE, _FLAT_RATE = 4, 0.05, 0.1
#: Most names in one sentence.
_MOST_NAMES = 4


@dataclass
class Watch:
    """What was reported so far, as far as the alarms look at it."""

    validations: list[Validated] = field(default_factory=list)
    dead: int = 0
    lowest: float = float("inf")
    rate: float = 0.0
    peak: float = 0.0
    losses: deque[float] = field(default_factory=lambda: deque(maxlen=_WINDOW))
    _told: set[str] = field(default_factory=set)

    @property
    def mean(self) -> float | None:
        """The mean loss of the last steps; None before there are enough."""
        return sum(self.losses) / _WINDOW if len(self.losses) == _WINDOW else None

    def see(self, event: Event) -> Iterator[AcetuneError]:
        """Take in an event; yield what is wrong now and was not said before."""
        if isinstance(event, StepDone):
            self._count(event)
            yield from self._new(_STEP_ALARMS)
            self.lowest = min(self.lowest, self.mean or self.lowest)
        elif isinstance(event, Validated):
            self.validations.append(event)
            yield from self._new(_HELD_OUT_ALARMS)

    def _count(self, event: StepDone) -> None:
        """Take in a step."""
        self.losses.append(event.loss)
        self.rate, self.peak = event.lr, max(self.peak, event.lr)
        self.dead = self.dead + 1 if event.grad_norm == 0 else 0

    def _new(self, alarms: Iterable[Callable[[Watch], AcetuneError | None]]) -> Iterator[AcetuneError]:
        """Yield what these alarms say for the first time."""
        for finding in filter(None, (alarm(self) for alarm in alarms)):
            if finding.code not in self._told:
                self._told.add(finding.code)
                yield finding


def watched(job: Job, history: Iterable[Event]) -> Job:
    """Return a job whose steps and validations are watched, going on from what was reported before."""
    watch = Watch()
    for event in history:
        list(watch.see(event))  # it was said then

    def report(event: Event) -> None:
        job.report(event)
        for finding in watch.see(event):
            job.tell(finding, severity="info" if finding.code == "health.plateau" else "warning")

    return Job(report, job.stop_requested)


def _no_gradient(watch: Watch) -> AcetuneError | None:
    """Say if nothing reaches the adapter."""
    return SettingError("health.no_gradient", steps=DEAD_STEPS) if watch.dead >= DEAD_STEPS else None


def _divergence(watch: Watch) -> AcetuneError | None:
    """Say if the training loss has left its lowest level far behind."""
    if watch.mean is None or watch.mean <= _DIVERGED * watch.lowest:
        return None
    return SettingError("health.divergence", loss=watch.mean, lowest=watch.lowest, steps=_WINDOW)


def _unchanged(watch: Watch) -> AcetuneError | None:
    """Say if the adapter changes no held-out loss, to the last digit."""
    last = watch.validations[-1]
    return SettingError("health.unchanged", step=last.step) if last.loss == last.base_loss else None


def _worse(watch: Watch) -> AcetuneError | None:
    """Say if held-out music is predicted worse than by the base model."""
    last = watch.validations[-1]
    if last.low is None or last.low <= 0:
        return None
    return SettingError("health.worse", step=last.step, difference=last.difference)


def _plateau(watch: Watch) -> AcetuneError | None:
    """Say if the held-out loss stands still although the learning rate does not."""
    latest = [v.difference for v in watch.validations[-_FLAT_VALIDATIONS:]]
    gain = max(abs(value) for value in latest)
    flat = max(latest) - min(latest) <= _FLAT_SHARE * gain
    if len(latest) < _FLAT_VALIDATIONS or not flat or not gain or watch.rate < _FLAT_RATE * watch.peak:
        return None
    return SettingError("health.plateau", count=len(latest), difference=latest[-1])


_STEP_ALARMS: Final = (_no_gradient, _divergence)
_HELD_OUT_ALARMS: Final = (_unchanged, _worse, _plateau)


def overfit(best: Losses, now: Losses) -> AcetuneError | None:
    """Say if held-out losses rose from their best step on, by more than chance: paired, by song.

    With too few songs or windows for an interval, a rise of each of them counts.
    """
    found = difference(best, now)
    each = all(after > before for before, after in zip(best.per_unit(), now.per_unit(), strict=True))
    if not (each if found.units < MIN_UNITS else found.low is not None and found.low > 0):
        return None
    return SettingError("health.overfit", rise=found.mean, best=best.step, step=now.step)


@dataclass
class Rise:
    """Says once, until it gets better again, that held-out losses rise."""

    said: bool = False

    def look(self, best: Losses | None, now: Losses, job: Job) -> None:
        """Compare the losses of a step with those of the best one; None where this is the best."""
        finding = overfit(best, now) if best else None
        if finding and not self.said:
            job.tell(finding)
        self.said = best is not None and (self.said or finding is not None)


class Unmoved:
    """Whether every weight tensor of an adapter has moved some steps after the start.

    Args:
        parameters: By name.
        start: Steps done.
        least: Share of the tensors whose standing still is worth a word: a network has some that are not used.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], start: int, least: float = 0.0) -> None:
        self._parameters, self._before, self._at = parameters, _sums(parameters), start + DEAD_STEPS
        self._least = least

    def after(self, step: int) -> AcetuneError | None:
        """Say which tensors stayed as they were, once, after enough steps."""
        if step != self._at:
            return None
        equal = (_sums(self._parameters) == self._before).tolist()
        still = [name for name, same in zip(self._parameters, equal, strict=True) if same]
        if not still or len(still) < self._least * len(equal):
            return None
        return SettingError("health.dead", count=len(still), total=len(equal), steps=DEAD_STEPS, names=_listed(still))


class Estimate:
    """Whether an optimizer that finds the size of its steps (arXiv:2306.06101) found one some steps after warm-up.

    Args:
        optimizer: Any; others have no such estimate.
        start: Steps done.
        warmup: Steps of warm-up.
    """

    def __init__(self, optimizer: Updater, start: int, warmup: int) -> None:
        self._groups, self._at = optimizer.param_groups, max(start, warmup) + _FOUND_STEPS

    def after(self, step: int) -> AcetuneError | None:
        """Say, once, if the estimate still is what it was set to at first; asks the device."""
        if step != self._at or not any(float(group["d"]) <= group["d0"] for group in self._groups if "d0" in group):
            return None
        return SettingError("health.estimate", step=step)


def _sums(parameters: Mapping[str, nn.Parameter]) -> Tensor:
    """Return the sum of the bits of each tensor: any change shows, however small."""
    with torch.no_grad():
        whole = [
            p.detach().contiguous().view({4: torch.int32, 2: torch.int16}[p.element_size()])
            for p in parameters.values()
        ]
        return torch.stack([bits.sum(dtype=torch.int64) for bits in whole])


def culprits(session: Session, number: int) -> str:
    """Do a step (counted from 0) again without updating, and name what is no number in it.

    Args:
        session: Its weights are those before the step.
        number: Of the bad step.

    Returns:
        Parts of songs, else frozen weights, else the first layer whose output is none, else gradients: at most four
        names; empty where the step is a good one when it is repeated. Weights that processes hold together are not
        looked at.
    """
    if session.shards:
        return _listed(_bad_parts(session, number))
    names = _bad_parts(session, number) or [n for n, p in session.network.named_parameters() if _is_bad(p)]
    return _listed(names or _bad_step(session, number))


def _bad_parts(session: Session, number: int) -> list[str]:
    """Return which parts of which songs hold something that is no number."""
    items = [item for micro_batch in session.examples.step(number) for item in micro_batch]
    found = []
    for index, item in enumerate(items):
        example = session.examples.example(item, number, index)
        parts = {"latents": (example.latents,), "text": example.text.values(), "lyrics": example.lyrics.values()}
        prior = session.examples.is_prior(number, index)
        name = "a prior clip" if prior else session.examples.items[item].parts.track.path
        found += [f"{part} of {name}" for part, tensors in parts.items() if any(map(_is_bad, tensors))]
    return list(dict.fromkeys(found))


def _bad_step(session: Session, number: int) -> list[str]:
    """Return the first layer whose output is no number, or the gradients that are none."""
    layers: list[str] = []
    hooks = [
        module.register_forward_hook(_noting(name, layers))
        for name, module in session.network.named_modules()
        if not list(module.children())
    ]
    try:
        session.backward(number)
    finally:
        for hook in hooks:
            hook.remove()
    gradients = [
        f"gradient of {name}" for name, p in session.parameters.items() if p.grad is not None and _is_bad(p.grad)
    ]
    session.optimizer.zero_grad()
    return layers[:1] or gradients


def _noting(name: str, found: list[str]) -> Callable[[nn.Module, object, object], None]:
    """Return a hook that notes its layer if what comes out is no number."""

    def hook(module: nn.Module, inputs: object, output: object) -> None:
        if isinstance(output, Tensor) and _is_bad(output):
            found.append(f"output of {name}")

    return hook


def _is_bad(tensor: Tensor) -> bool:
    """Whether a tensor holds NaN or infinity; asks the device."""
    return tensor.is_floating_point() and not bool(torch.isfinite(tensor).all())


def _listed(names: list[str]) -> str:
    """Return the first names and how many more there are."""
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" (+{more})" if more > 0 else "")
