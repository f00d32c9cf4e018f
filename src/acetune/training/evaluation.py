"""What a finished training is asked beside its verdict: at which strength to use it, and what its trigger does.

It happens after the last step and changes nothing that was trained; a stop leaves it out and loses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from acetune.adapters.adapter import Facts
from acetune.errors import AcetuneError, SettingError
from acetune.events import Job, Progress, StageEnded, StageStarted
from acetune.families.family import Part
from acetune.run import Run
from acetune.sections import WHOLE
from acetune.training import strengths, trigger_effect, validate
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
        bare: Captions of held-out songs without their trigger (`trigger_effect.bare_texts`).
    """

    run: Run
    session: Session
    validator: Validator
    step: int
    job: Job
    bare: Mapping[str, Part] = field(default_factory=dict)

    def facts(self, asked: tuple[float, ...] = STRENGTHS) -> Facts:
        """Return the facts of the adapter with the strength that held-out music recommends, and look at its trigger.

        They stay as they are where nothing is held out, where all weights were trained, which have no strength, and
        where somebody stops it.
        """
        facts = self.session.facts
        base, now = validate.load(self.run, "base"), validate.load(self.run, f"{self.step:06d}")
        if base is None or now is None or facts.kind == WHOLE:
            return facts
        validator = replace(self.validator, units=self.validator.units[:_MOST_UNITS])
        known = {at: strengths.first(losses, _MOST_UNITS) for at, losses in ((0.0, base), (1.0, now))}
        open_ones = sorted(set(asked) - known.keys())
        bare = replace(validator, texts=self.bare)
        answers = self._answers([(at, validator) for at in open_ones] + [(at, bare) for at in known if self.bare])
        if answers is None:
            return facts
        found = self._recommend({**known, **dict(zip(open_ones, answers, strict=False))})
        if self.bare:
            self._trigger(known, dict(zip(known, answers[len(open_ones) :], strict=True)))
        return replace(facts, strength=found.recommended)

    def _answers(self, questions: list[tuple[float, Validator]]) -> list[Losses] | None:
        """Return the losses that validators find at strengths; None where somebody stopped it."""
        self.job.report(StageStarted(stage=STAGE, total=len(questions), unit="strengths"))
        answers: list[Losses] = []
        for strength, validator in questions:
            if self.job.stop_requested():
                self.job.report(StageEnded(stage=STAGE, outcome="stopped"))
                self.job.tell(SettingError("evaluate.stopped", run=self.run.name), severity="info")
                return None
            answers.append(self._losses(validator, strength))
            self.job.report(Progress(stage=STAGE, done=len(answers), total=len(questions), item=f"{strength:g}"))
        self.job.report(StageEnded(stage=STAGE))
        return answers

    def _recommend(self, losses: Mapping[float, Losses]) -> Sweep:
        """Return what losses by strength recommend, written down, and told where it is unusual."""
        found = strengths.swept(losses)
        strengths.save(self.run, found)
        if remark := _remark(found):
            self.job.tell(remark, severity="warning" if found.reason == "base is best" else "info")
        return found

    def _trigger(self, known: Mapping[float, Losses], bare: Mapping[float, Losses]) -> None:
        """Write down what the trigger does."""
        names = frozenset(unit.name for unit in self.validator.units if unit.crops[0][0].track.path in self.bare)
        found = trigger_effect.effect(known, bare, names)
        if found:
            trigger_effect.save(self.run, found)

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
