"""What a finished training is asked beside its verdict: at which strength to use the adapter.

It happens after the last step and changes nothing that was trained; a stop leaves it out and loses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from acetune.adapters.adapter import Facts
from acetune.errors import AcetuneError, SettingError
from acetune.events import Job, Progress, StageEnded, StageStarted
from acetune.run import Run
from acetune.sections import WHOLE
from acetune.training import strengths, validate
from acetune.training.session import Session
from acetune.training.strengths import STRENGTHS, Sweep
from acetune.training.trainable import at_strength, precision
from acetune.training.validate import Losses, Validator

#: Name of it in the events.
STAGE: Final = "evaluate"
#: Held-out units that are asked again: more would take long and recommend the same.
_MOST_UNITS: Final = 16


@dataclass(frozen=True)
class Evaluation:
    """Asks a trained adapter again; nothing it does changes a weight.

    Attributes:
        run: Where the answers go.
        session: What was trained.
        validator: Looks at what is held out.
        step: Of the weights that the session has.
        job: Hears of it, and can stop it.
    """

    run: Run
    session: Session
    validator: Validator
    step: int
    job: Job

    def facts(self, asked: tuple[float, ...] = STRENGTHS) -> Facts:
        """Return the facts of the adapter with the strength that held-out music recommends.

        They stay as they are where nothing is held out, where all weights were trained, which have no strength, and
        where somebody stops it.
        """
        facts = self.session.facts
        base, now = validate.load(self.run, "base"), validate.load(self.run, f"{self.step:06d}")
        if base is None or now is None or facts.kind == WHOLE:
            return facts
        found = self._sweep(asked, base, now)
        return facts if found is None else replace(facts, strength=found.recommended)

    def _sweep(self, asked: tuple[float, ...], base: Losses, now: Losses) -> Sweep | None:
        """Return the losses by strength, written down and told; None where somebody stopped it."""
        count = min(len(self.validator.units), _MOST_UNITS)
        validator = replace(self.validator, units=self.validator.units[:count])
        known = {0.0: strengths.first(base, count), 1.0: strengths.first(now, count)}
        open_ones = sorted(set(asked) - known.keys())
        self.job.report(StageStarted(stage=STAGE, total=len(open_ones), unit="strengths"))
        losses = dict(known)
        for done, strength in enumerate(open_ones, 1):
            if self.job.stop_requested():
                self.job.report(StageEnded(stage=STAGE, outcome="stopped"))
                self.job.tell(SettingError("evaluate.stopped", run=self.run.name), severity="info")
                return None
            losses[strength] = self._losses(validator, strength)
            self.job.report(Progress(stage=STAGE, done=done, total=len(open_ones), item=f"{strength:g}"))
        found = strengths.swept(losses)
        strengths.save(self.run, found)
        self.job.report(StageEnded(stage=STAGE, result={"strength": found.recommended, "reason": found.reason}))
        if remark := _remark(found):
            self.job.tell(remark, severity="warning" if found.reason == "base is best" else "info")
        return found

    def losses(self, strength: float) -> Losses:
        """Return the held-out losses of every unit at a strength; 0 is the base network."""
        return self._losses(self.validator, strength)

    def _losses(self, validator: Validator, strength: float) -> Losses:
        """Return what a validator finds at a strength."""
        session = self.session
        computing = precision(session.facts, session.device, session.dtype)
        with session.in_use(), at_strength(session.network, session.facts, strength), computing:
            return validator.losses(session.network, self.step, session.dtype)


def _remark(found: Sweep) -> AcetuneError | None:
    """Return what is unusual about a recommendation."""
    if found.reason == "base is best":
        return SettingError("evaluate.base_is_best", difference=found.against(0.0, 1.0).mean)
    if found.recommended == 1:
        return None
    gain = found.against(1.0, found.recommended)
    return SettingError("evaluate.other_strength", strength=found.recommended, difference=gain.mean)
