"""The verb `evaluate`: ask a training that has ended again, and write down what held-out music says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from acetune import compute
from acetune.adapters import trained
from acetune.annotation.annotate import default_setup
from acetune.encoding.cache import Cache
from acetune.encoding.encode import encode_set, load_dataset
from acetune.errors import DataError, SettingError
from acetune.events import Job
from acetune.families.adapter_names import read_adapter
from acetune.families.family import FamilyCard, ModelFamily
from acetune.formats.format import suitable
from acetune.recipe import family_of
from acetune.run import Run
from acetune.sections import WHOLE
from acetune.training import checkpoint, previews, validate
from acetune.training.checkpoint import State
from acetune.training.evaluation import STAGE, Evaluation
from acetune.training.results import write_result
from acetune.training.session import Session
from acetune.training.strengths import STRENGTHS
from acetune.training.trigger_effect import bare_texts
from acetune.training.validate import Difference, Validator
from acetune.workspace import Workspace

#: Beyond it an adapter says nothing of itself any more.
_STRONGEST: Final = 4.0


@dataclass(frozen=True)
class EvaluateResult:
    """What an evaluation found: the step that was asked about, the verdict, the strength to use."""

    folder: Path
    step: int
    verdict: str
    strength: float


def evaluate(
    run: str | Path,
    *,
    strengths: Sequence[float] = STRENGTHS,
    home: str | Path | None = None,
    job: Job | None = None,
) -> EvaluateResult:
    """Measure a run's held-out losses by strength again, and write the recommendation into its final adapter.

    Losses that the training measured are taken as they are; what it did not measure is measured now, so that a run
    without validations gets a verdict too. A stop leaves every file as it was.

    Args:
        run: Name or folder.
        strengths: To look at; 0 and 1 always are.
        home: Workspace folder.
        job: Hears of it; can stop between strengths.

    Raises:
        SettingError: For no such run or checkpoint, strengths that make no sense, songs that are others by now, a run
            that is being trained, and one of which all weights were trained and nothing was measured.
        DataError: If the data set cannot be used, or nothing is held out.
        Stopped: If asked to.
    """
    for strength in strengths:
        if not 0 <= strength <= _STRONGEST:
            raise SettingError("evaluate.bad_strength", strength=strength, most=_STRONGEST)
    workspace, job = Workspace.at(home), job or Job()
    found = Run(workspace.find_run(run))
    with found.hold(), compute.threads(found.recipe.compute.threads):
        return _evaluate(found, tuple(strengths), workspace, job.also(found.append_event))


def _evaluate(run: Run, strengths: tuple[float, ...], workspace: Workspace, job: Job) -> EvaluateResult:
    """Do it."""
    recipe = run.recipe
    state, folder = _checkpoint(run)
    card, _ = family_of(recipe.model.variant)
    family: ModelFamily = card.open(recipe, workspace.models, job)
    encoded, _ = encode_set(load_dataset(recipe), recipe, family, Cache(workspace.cache), job)
    bare = bare_texts(encoded, recipe, family)
    session = Session.build(recipe, family, encoded, run.name, state.dtype)
    _restore(run, session, state, folder)
    examples = session.examples
    validator = Validator(family, examples, session.objective, examples.held_out(), recipe.data.seed, session.device)
    if not validator.units:
        raise DataError("evaluate.nothing_held_out", run=run.name)
    evaluation = Evaluation(run, session, validator, state.step, job, bare)
    difference = _difference(evaluation)
    previews.audition(run, session, encoded, state.step, default_setup(workspace.home), job)
    session.facts = evaluation.facts(strengths)
    job.check_stop(STAGE)
    _write_strength(run, session, state.step, card, job)
    word = validate.save_verdict(run, difference, examples.split.mode, state.step, state.best_step)
    return EvaluateResult(run.folder, state.step, word, session.facts.strength)


def _checkpoint(run: Run) -> tuple[State, Path]:
    """Return the checkpoint of the step that was judged, else the newest.

    Raises:
        SettingError: If there is none.
    """
    newest = checkpoint.newest(run)
    if newest is None or not newest[0].step:
        raise SettingError("formats.no_checkpoint", run=run.name)
    judged = validate.judged_step(run)
    folder = run.checkpoints / f"{judged or 0:06d}"
    return (checkpoint.read_state(folder), folder) if folder.is_dir() else newest


def _restore(run: Run, session: Session, state: State, folder: Path) -> None:
    """Set a session to a checkpoint.

    Raises:
        SettingError: If songs or base weights are others than those that it was trained with.
    """
    before = trained.facts_of(folder)
    if state.parts != session.parts:
        raise SettingError("training.other_songs", run=run.name)
    if before.fingerprint != session.facts.fingerprint:
        raise SettingError("training.other_base", run=run.name)
    session.facts = replace(session.facts, start=before.start)
    checkpoint.restore(folder, session.optimizer, session.parameters)


def _difference(evaluation: Evaluation) -> Difference:
    """Return the held-out difference from the base network, measuring what the training did not.

    Raises:
        SettingError: If it takes the base network's weights, which a training of all weights has changed.
    """
    run, step = evaluation.run, evaluation.step
    base, now = validate.load(run, "base"), validate.load(run, f"{step:06d}")
    if base is None and evaluation.session.facts.kind == WHOLE:
        raise SettingError("evaluate.no_base", run=run.name)
    base = base or replace(evaluation.losses(0.0), step=0)
    now = now or evaluation.losses(1.0)
    evaluation.job.check_stop(STAGE)
    validate.save(run, base, "base")
    validate.save(run, now, f"{step:06d}")
    return validate.difference(base, now)


def _write_strength(run: Run, session: Session, step: int, card: FamilyCard, job: Job) -> None:
    """Write the final adapter anew, checked, if it is the one of this step and says another strength."""
    if session.facts.kind == WHOLE:
        return
    final = suitable(session.facts)[0].target(run.adapters, f"{run.name}_final")
    before = read_adapter(final).facts if final.exists() else None
    if before and before.step == step and before.strength != session.facts.strength:
        write_result(run, session, session.adapter(step), card, job)
