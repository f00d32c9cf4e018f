"""What is written while training: checkpoints, adapters, held-out losses, and the end of a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from acetune.adapters.adapter import Facts, scale
from acetune.errors import SettingError
from acetune.events import Job, Json, Saved, StageEnded
from acetune.families.family import FamilyCard, Part
from acetune.formats.format import suitable, write_checked
from acetune.recipe import family_of
from acetune.run import Run
from acetune.sections import WHOLE
from acetune.training import checkpoint, health, validate
from acetune.training.checkpoint import State
from acetune.training.evaluation import Evaluation
from acetune.training.probes import Probes
from acetune.training.results import DTYPE, write_result
from acetune.training.session import Session
from acetune.training.together import as_base, moments, return_to
from acetune.training.trainable import precision
from acetune.training.validate import Difference, Losses, Validator


class Keeper:
    """Saves and validates one run.

    Args:
        run: Where.
        session: What is trained.
        job: Hears what was written.
    """

    def __init__(self, run: Run, session: Session, job: Job) -> None:
        self.run, self._session, self._job = run, session, job
        self.threads = torch.get_num_threads()
        self._best_step: int | None = None
        self._best: float | None = None
        self._base: Losses | None = None
        self._latest: Difference | None = None
        self._rise = health.Rise()
        self._probes = Probes(run, session, job)
        examples = session.examples
        self._validator = Validator(
            session.family, examples, session.objective, examples.held_out(), session.recipe.data.seed, session.device
        )

    def restore(self, state: State) -> None:
        """Take over what an earlier process knew; a best step whose losses were forgotten is none any more."""
        if state.best_step is not None and validate.load(self.run, f"{state.best_step:06d}"):
            self._best_step, self._best = state.best_step, state.best_difference
        self._session.take_over(state.times)
        if self._best_step is not None:
            checkpoint.mark_best(self.run, self._best_step)  # a kill may have come between save and mark

    def record_base(self, start: int) -> None:
        """Record the held-out losses of the network as it came; a run that goes on keeps those it had.

        Args:
            start: Steps done; a validation that was due there and did not happen is made up.
        """
        if self._validator.units and self._session.length.validate_every:
            self._base = validate.load(self.run, "base") if start else None
            if self._base is None:
                with as_base(self._session, start):
                    self._base = self._measured(0)
                validate.save(self.run, self._base, "base")
            due = start and self._is_validation(start) and validate.load(self.run, f"{start:06d}") is None
            if due and self._validate(start):
                checkpoint.mark_best(self.run, start)
        self._probes.base(start)

    def is_due(self, step: int) -> bool:
        """Whether `after` will write something at this step."""
        return self._is_save(step) or self._is_validation(step) or (self.run.folder / "control" / "save_now").exists()

    def after(self, step: int) -> None:
        """Validate, save and probe what is due after a step."""
        better = self._is_validation(step) and self._validate(step)
        if better or self._is_save(step) or self.run.asked("save_now"):
            self.save(step)
        if better:
            checkpoint.mark_best(self.run, step)
        self._probes.after(step)
        guard = self._session.recipe.guard
        checkpoint.prune(self.run, keep_last=guard.keep_last, keep_every=guard.keep_every, best=self._best_step)

    def save(self, step: int) -> None:
        """Write a checkpoint and the adapter of this step for other programs."""
        adapter = self._session.adapter(step)
        dtype = str(self._session.dtype).removeprefix("torch.")
        times = self._session.adaptive.state if self._session.adaptive else None
        best, parts, processes = (self._best_step, self._best), self._session.parts, self._session.team.size
        state = State(step, *best, self.threads, dtype, parts, times, processes)
        optimizer, tensors = self._session.optimizer, moments(self._session)
        folder = checkpoint.save(self.run, state, adapter, optimizer, self._session.parameters, tensors)
        self._job.report(Saved(path=self.run.relative(folder), what="checkpoint", step=step))
        if step and adapter.facts.kind != WHOLE:  # a checkpoint of all weights is large, and a model by itself
            form = suitable(adapter.facts)[0]
            target = form.target(self.run.adapters, f"{self.run.name}_{step}steps")
            card, _ = family_of(adapter.facts.variant)
            write_checked(form, form.held(adapter, self._session.network), card, target, getattr(torch, DTYPE))
            self._job.report(Saved(path=self.run.relative(target), what="adapter", step=step))

    def is_enough(self, step: int) -> bool:
        """Whether so many validations brought no lower held-out loss that the run should end."""
        every, patience = self._session.length.validate_every, self._session.recipe.guard.patience
        if not patience or self._best_step is None or not self._is_validation(step):
            return False
        return step - self._best_step >= patience * every

    def back_to_best(self, step: int) -> int:
        """Save, so that more patience can go on from here, and return to the best checkpoint and its step."""
        assert self._best_step is not None
        self.save(step)
        return_to(self._session, self.run.checkpoints / f"{self._best_step:06d}")
        enough = {"step": step, "best": self._best_step, "patience": self._session.recipe.guard.patience}
        self._job.tell(SettingError("health.enough", **enough), severity="info")
        return self._best_step

    def finish(self, card: FamilyCard, step: int, bare: Mapping[str, Part]) -> tuple[Path, str]:
        """Evaluate (`bare`: see `Evaluation`), write the adapter of a step in every format, or the model; judge."""
        found = self._final_difference(step)
        self._session.facts = Evaluation(self.run, self._session, self._validator, step, self._job, bare).facts()
        adapter = self._session.adapter(step)
        written = write_result(self.run, self._session, adapter, card, self._job)
        mode = self._session.examples.split.mode
        verdict = validate.save_verdict(self.run, found, mode, step, self._best_step)
        result = _result(self._session, adapter.facts, self.run.relative(written), verdict)
        self._job.report(StageEnded(stage="train", result=result))
        return written, verdict

    def _is_save(self, step: int) -> bool:
        """Whether a checkpoint is due."""
        every = self._session.length.save_every
        return step == self._session.length.steps or (every > 0 and step % every == 0)

    def _is_validation(self, step: int) -> bool:
        """Whether held-out losses are due."""
        every = self._session.length.validate_every
        due = every > 0 and (step % every == 0 or step == self._session.length.steps)
        return due and self._base is not None

    def _validate(self, step: int) -> bool:
        """Measure the held-out difference; return whether it is the best so far."""
        assert self._base is not None
        losses = self._losses(step)
        validate.save(self.run, losses, f"{step:06d}")
        found = validate.difference(self._base, losses)
        self._latest = found
        better = self._best is None or found.mean < self._best
        if better:
            self._best_step, self._best = step, found.mean
        self._job.report(validate.event(self._base, losses, found, better))
        best = None if better else validate.load(self.run, f"{self._best_step:06d}")
        self._rise.look(best, losses, self._job)
        return better

    def _final_difference(self, step: int) -> Difference | None:
        """Return the difference at the last step: of this process, of the one that ended before, or found now."""
        if self._base is None:
            return None
        losses = validate.load(self.run, f"{step:06d}")
        if losses is not None:
            return validate.difference(self._base, losses)
        if self._validate(step):
            checkpoint.mark_best(self.run, step)
        return self._latest

    def _losses(self, step: int) -> Losses:
        """Return the held-out losses of what is trained, as it would be used."""
        with self._session.in_use():
            return self._measured(step)

    def _measured(self, step: int) -> Losses:
        """Return the held-out losses of the network as it is."""
        session = self._session
        with precision(session.facts, session.device, session.dtype):
            return self._validator.losses(session.network, step, session.dtype)


def _result(session: Session, facts: Facts, adapter: str, verdict: str) -> dict[str, Json]:
    """Return what a finished training says of itself."""
    return {
        "adapter": adapter, "kind": facts.kind, "rank": facts.rank, "alpha": facts.alpha, "scale": scale(facts),
        "strength": facts.strength, "variant": facts.variant, "family": facts.family, "trigger": facts.trigger,
        "steps": facts.step, "fingerprint": facts.fingerprint, "embedded": session.family.variant.embedded,
        "verdict": verdict, "objective": dict(facts.objective),
    }  # fmt: skip
