"""The verbs `train` and `resume`: the one training loop.

Open or make the run folder, encode what is new, go on from the newest checkpoint, and until the last step: update,
report, validate, save. A stop request, a signal or a number that is no number saves first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from acetune import compute, files
from acetune.adapters import trained
from acetune.adapters.quantised import check_installed
from acetune.annotation.annotate import default_setup
from acetune.encoding.cache import Cache
from acetune.encoding.encode import encode_set, load_dataset
from acetune.errors import (
    AcetuneError,
    CorruptFile,
    OutOfMemory,
    SettingError,
    Stopped,
    TrainingDiverged,
)
from acetune.events import Job, StageEnded, StageStarted, StepDone
from acetune.families.family import ModelFamily
from acetune.planning.missing import refuse_missing, refuse_uninstalled
from acetune.planning.plan import plan_for
from acetune.recipe import Recipe, anchored, changed, family_of, fixed_differences, save
from acetune.run import Run
from acetune.sections import WHOLE
from acetune.training import checkpoint, health, previews, spilling, starting
from acetune.training.checkpoint import State
from acetune.training.failing import record_failure
from acetune.training.following import followed
from acetune.training.helping import follow
from acetune.training.keeper import Keeper
from acetune.training.launching import Leader, opened, threads
from acetune.training.names import default_name, free
from acetune.training.orders import Order
from acetune.training.outcome import TrainResult
from acetune.training.previews import Previews
from acetune.training.prior import with_prior
from acetune.training.readings import Reading, Readings
from acetune.training.room import NoRoomError, as_made_smaller, until_it_fits
from acetune.training.session import Session
from acetune.training.sharding import is_whole, rows
from acetune.training.trigger_effect import bare_texts
from acetune.workspace import Workspace

#: Steps between two readings of losses on devices where a reading waits for the queue to drain.
_BLOCK = 10


def train(
    recipe: Recipe,
    *,
    name: str | None = None,
    on_existing: str = "refuse",
    home: str | Path | None = None,
    job: Job | None = None,
) -> TrainResult:
    """Train an adapter; songs that are not encoded yet are encoded first.

    Args:
        recipe: What to train.
        name: Of the run and its adapters; data set and variant where None.
        on_existing: What to do with a run of this name: "refuse", "resume" it, or make a "new" one beside it.
        home: Workspace folder.
        job: Hears the events; can stop.

    Raises:
        SettingError: For impossible settings, an existing run, or a run that another process trains.
        DataError: If the data set cannot be used.
        MissingDependency: If the weights are not here and may not be fetched.
        OutOfMemory: If the device's memory does not suffice.
        TrainingDiverged: At the first number that is no number; the last good state is saved.
        Stopped: If asked to; the state is saved.
    """
    if on_existing not in ("refuse", "resume", "new"):
        raise SettingError("training.on_existing", value=on_existing)
    if compute.place().rank:
        return follow(job).outcome()
    workspace = Workspace.at(home)
    run = Run(workspace.runs / files.check_name(name or default_name(recipe), "run"))
    if run.recipe_file.is_file():
        if on_existing == "resume":
            return _resume(run, recipe, workspace, job or Job())
        if on_existing == "refuse":
            raise SettingError("training.exists", run=run.name)
        run = Run(free(run.folder))
    with files.disk_errors(run.folder):
        run.folder.mkdir(parents=True, exist_ok=True)
    return _run(run, recipe, workspace, job or Job())


def resume(
    run: str | Path,
    *,
    changes: Mapping[str, object] | None = None,
    home: str | Path | None = None,
    job: Job | None = None,
) -> TrainResult:
    """Go on with a stopped, killed or finished run, exactly where its newest checkpoint stands.

    Args:
        run: Name or folder.
        changes: Knobs that may change on the way, such as ``{"schedule.steps": 2000}`` to extend it.
        home: Workspace folder.
        job: Hears the events; can stop.

    Raises:
        SettingError: If there is no such run, or a knob was changed that must not.
        Others: As `train`.
    """
    if compute.place().rank:
        return follow(job).outcome()
    workspace = Workspace.at(home)
    found = Run(workspace.find_run(run))
    return _resume(found, changed(found.recipe, changes or {}), workspace, job or Job())


def _resume(run: Run, recipe: Recipe, workspace: Workspace, job: Job) -> TrainResult:
    """Go on with a run under a recipe that may differ where that is allowed, and where the run was made smaller."""
    recipe = as_made_smaller(run, recipe)
    different = fixed_differences(run.recipe, recipe)
    if different:
        raise SettingError("training.changed", run=run.name, knobs=", ".join(different))
    before, now = run.recipe.schedule.steps, recipe.schedule.steps
    if before and now and now < before:
        job.tell(SettingError("training.fewer_steps", before=before, steps=now))
    return _run(run, recipe, workspace, job)


def _run(run: Run, recipe: Recipe, workspace: Workspace, job: Job) -> TrainResult:
    """Train in a run folder from its newest checkpoint on."""
    recipe = anchored(recipe)
    with opened(recipe) as leader, run.hold():
        for request in ("stop", "save_now", previews.NOW):
            run.asked(request)  # what an earlier process did not live to see
        job = Job(job.also(run.append_event).report, leader.team.stop_of(run, job))
        try:
            with compute.threads(threads(recipe)), followed(run, recipe, job) as heard:
                result = until_it_fits(lambda chosen: _train(run, chosen, workspace, leader, heard), recipe, run, heard)
                leader.dismiss(result)
                return result
        except AcetuneError as error:
            record_failure(run, error)
            if error.code == "job.stopped" and run.recipe_file.is_file():  # while songs were encoded, for one
                raise Stopped("training.interrupted", run=run.name, **error.params) from error
            raise
        except RuntimeError as error:
            if not compute.is_out_of_memory(error):
                raise
            full = OutOfMemory("training.memory", device=recipe.compute.device)
            record_failure(run, full)
            raise full from error


def _train(run: Run, recipe: Recipe, workspace: Workspace, leader: Leader, job: Job) -> TrainResult:
    """Prepare, loop and finish."""
    card, variant = family_of(recipe.model.variant)
    manifest = load_dataset(recipe)
    workspace.remember(manifest.folder)
    machine = compute.machine(recipe.compute.device)
    plan = plan_for(recipe, variant.size, manifest.tracks, machine)
    for warning in plan.warnings:
        job.tell(warning.finding)
    check_installed(recipe.compute.quantise)
    found = checkpoint.newest(run)
    refuse_missing(recipe, begins=found is None)
    refuse_uninstalled(recipe)
    family: ModelFamily = card.open(recipe, workspace.models, job)
    start_from = None if found else starting.starting_point(recipe, job)  # a run that goes on has it already
    if not run.recipe_file.is_file():  # now the run is possible, and can be resumed
        save(recipe, run.recipe_file)
    encoded, _ = encode_set(manifest, recipe, family, Cache(workspace.cache), job)
    encoded = with_prior(encoded, recipe, family, job)
    pieces, bare = previews.asked(encoded, recipe, family), bare_texts(encoded, recipe, family)
    done = found[0].step if found else 0
    job = health.watched(job, [e for e in run.history() if (getattr(e, "step", None) or 0) <= done])
    if found and not checkpoint.is_last(run, found[1]):
        job.tell(CorruptFile("training.older_checkpoint", step=found[0].step))
    leader.gather(job)
    order = Order(run.name, recipe, workspace.models, encoded, found, start_from)
    leader.team.give(order.message())
    session = order.session(family, leader.team)
    keeper = Keeper(run, session, job)
    start = _restore(run, session, keeper, job, found)
    save(recipe, run.recipe_file)  # only now: a refused change must not stay in the run
    run.record_tracks(session.examples.used)
    plan = plan_for(recipe, variant.size, [p.track for p in encoded.parts], machine)
    files.write_json(run.folder / "plan.json", plan.to_json())
    again = any(isinstance(event, StepDone) for event in run.events())
    job.report(
        StageStarted(stage="train", total=session.length.steps, unit="steps", resumed_from=start if again else None)
    )
    keeper.record_base(start)
    player = Previews(run, session, pieces, job)
    player.base(start)
    last = _loop(session, keeper, player, spilling.watched(job, session.device, machine.system), start)
    previews.audition(run, session, encoded, last, default_setup(workspace.home), job)
    adapter, verdict = keeper.finish(card, last, bare)
    return TrainResult(run.folder, last, verdict, adapter)


def _restore(run: Run, session: Session, keeper: Keeper, job: Job, found: tuple[State, Path] | None) -> int:
    """Set the session to the newest checkpoint and return its step; 0 for a fresh start."""
    if found is None:
        return 0
    state, folder = found
    if state.parts != session.parts:
        raise SettingError("training.other_songs", run=run.name)
    if state.step > session.length.steps:
        raise SettingError("training.shorter", run=run.name, done=state.step, steps=session.length.steps)
    _tell_what_differs(state, session, keeper, job)
    before = trained.facts_of(folder)
    session.facts = replace(session.facts, start=before.start)
    if before.fingerprint != session.facts.fingerprint:
        raise SettingError("training.other_base", run=run.name)
    with session.team.agreed():
        checkpoint.restore(folder, session.optimizer, session.parameters, rows(session))
    checkpoint.discard_after(run, state.step)
    keeper.restore(state)
    return state.step


def _tell_what_differs(state: State, session: Session, keeper: Keeper, job: Job) -> None:
    """Report what makes the last bits of a run that goes on differ from those of one that never stopped."""
    if state.threads != keeper.threads and session.device.type == "cpu":
        job.tell(SettingError("training.threads", before=state.threads, now=keeper.threads))
    if state.processes != session.team.size:
        counts = {"before": state.processes, "now": session.team.size}
        job.tell(SettingError("training.other_processes", **counts), severity="info")


def _loop(session: Session, keeper: Keeper, player: Previews, job: Job, start: int) -> int:
    """Do the steps from ``start`` on; return the step that the run ends with: the last, or the best if that is past."""
    readings = Readings(every=1 if session.device.type == "cpu" else _BLOCK)
    watches = (
        health.Unmoved(session.parameters, start, 1.0 if session.facts.kind == WHOLE else 0.0),
        health.Estimate(session.optimizer, start, session.length.warmup),
    )
    for number in range(start, session.length.steps):
        if keeper.is_enough(number):
            return keeper.back_to_best(number)
        full = readings.add(_update(session, number, readings, keeper, job))
        step = number + 1
        stop, due = job.stop_requested(), keeper.is_due(step) or player.is_due(step)
        if full or stop or due:
            _report(session, readings, keeper, job)
        for finding in filter(None, (watch.after(step) for watch in watches)):
            job.tell(finding)
        if stop:
            keeper.save(step)
            job.report(StageEnded(stage="train", outcome="stopped", result={"steps": step}))
            raise Stopped("training.stopped", run=keeper.run.name, step=step)
        if due:
            keeper.after(step)
            player.after(step)
            readings.restart()
    return session.length.steps


def _update(session: Session, number: int, readings: Readings, keeper: Keeper, job: Job) -> Reading:
    """Do one step; if its songs cannot be read any more or there is no room for it, save what is done first."""
    try:
        session.team.announce(number)
        return session.update(number)
    except AcetuneError:
        if is_whole(session):
            _report(session, readings, keeper, job)
            keeper.save(number)
        raise
    except RuntimeError as error:
        if not compute.is_out_of_memory(error) or not is_whole(session):
            raise
        _report(session, readings, keeper, job)
        if not session.updating:
            keeper.save(number)
        raise NoRoomError(number + 1, session.length.steps) from error


def _report(session: Session, readings: Readings, keeper: Keeper, job: Job) -> None:
    """Report the waiting steps; at the first that is no number save the state before it and stop."""
    for event in readings.take():
        if not abs(event.loss + event.grad_norm) < float("inf"):
            keeper.save(event.step - 1)
            job.report(StageEnded(stage="train", outcome="failed", result={"steps": event.step - 1}))
            what = "loss" if not abs(event.loss) < float("inf") else "gradient"
            names = health.culprits(session, event.step - 1)
            code = "training.diverged_in" if names else "training.diverged"
            raise TrainingDiverged(code, what=what, step=event.step, run=keeper.run.name, names=names)
        job.report(event)
