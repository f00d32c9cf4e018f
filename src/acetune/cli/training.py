"""Commands that train: quickstart, plan, train, resume, sweep."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from acetune.catalog import resolve
from acetune.cli.arguments import Config, Dataset, Name, RunName
from acetune.cli.session import Session, session_of
from acetune.cli.tables import align, held_out
from acetune.errors import SettingError
from acetune.monitor.lines import amount, clock

if TYPE_CHECKING:
    from acetune.planning.guards import Advice
    from acetune.planning.plan import Plan
    from acetune.recipe import Recipe
    from acetune.sweeping import Tried
    from acetune.training.outcome import TrainResult
    from acetune.training.probing import Probe
    from acetune.walkthrough import QuickstartResult


def quickstart(
    context: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="FOLDER", help="Songs; without it eight short ones are made.", show_default=False),
    ] = None,
    name: Name = None,
) -> None:
    """Do the whole job, from a folder of songs to a report.

    Scans, finds tempo, metre, key, encodes, trains, validates, exports, generates before and after, writes report.html.
    Without a folder it makes eight short songs and trains on a tiny embedded network, in about a minute on any machine:
    a test of the installation whose sound is noise. With a folder and --model turbo it is the real thing.
    """
    session = session_of(context)
    done = resolve("verb", "quickstart")(
        folder, settings=session.settings, name=name, home=session.home, job=session.job
    )
    if session.options.language != "en":
        resolve("verb", "report")(done.run, home=session.home, language=session.options.language)
    session.finish(vars(done), *_outcome(session, done.run, done), session.words("report", path=done.report))


def plan(
    context: typer.Context,
    dataset: Dataset = None,
    config: Config = None,
    probe: Annotated[
        bool, typer.Option("--probe", help="Do two steps for real, and plan with their time and memory.")
    ] = False,
) -> None:
    """Say what a training would take; nothing is started.

    Steps, epochs, memory, disk and minutes, with warnings about what will not go well. With --probe the network is
    loaded (and fetched, as for a training) and takes two steps on made-up music; nothing is encoded or kept.
    """
    session = session_of(context)
    recipe = session.resolve(config=config, dataset=dataset).recipe
    tried = _probed(session, recipe) if probe else None
    planned = tried.plan if tried else _planned(session, recipe)
    warnings = (_warning(session, advice) for advice in planned.warnings)
    lines = [*_plan_lines(session, planned), *([_probe_line(session, tried)] if tried else []), *warnings]
    session.finish((tried or planned).to_json(), *lines)


def train(
    context: typer.Context,
    dataset: Dataset = None,
    config: Config = None,
    name: Name = None,
    on_existing: Annotated[
        Literal["refuse", "resume", "new"],
        typer.Option("--on-existing", help="What to do if a run of this name exists."),
    ] = "refuse",
) -> None:
    """Train an adapter on a folder of scanned songs.

    The plan is shown first. Ctrl+C saves and stops; `acetune resume` goes on. Every knob below is a flag, a key of the
    recipe file (`section: {knob: value}`) and an environment variable (ACETUNE_SECTION_KNOB); a flag wins over the
    variable, the variable over the file, the file over the model variant's own defaults.
    """
    session = session_of(context)
    recipe = session.resolve(config=config, dataset=dataset).recipe
    for line in _plan_lines(session, _planned(session, recipe)):
        session.say(line)  # its warnings are reported by the training itself
    done = resolve("verb", "train")(recipe, name=name, on_existing=on_existing, home=session.home, job=session.job)
    _finish(session, done)


def resume(context: typer.Context, run: RunName) -> None:
    """Go on with a stopped run, or make a finished one longer.

    --steps or --epochs extend a run. Only knobs that may change in the middle of a run are accepted; others are refused
    by name.
    """
    session = session_of(context)
    done = resolve("verb", "resume")(run, changes=session.changes, home=session.home, job=session.job)
    _finish(session, done)


def sweep(
    context: typer.Context,
    over: Annotated[
        list[str],
        typer.Option(
            "--over", metavar="KNOB=V1,V2", help="A knob and the values to try; may be repeated.", show_default=False
        ),
    ],
    dataset: Dataset = None,
    config: Config = None,
    name: Annotated[str, typer.Option("--name", help="What the names of the runs begin with.")] = "sweep",
) -> None:
    """Train once for each combination of values, and compare them.

    What is encoded is shared. All are judged by the same held-out music, the lowest difference from the base model
    first. Called again, finished runs are skipped and stopped ones go on.
    """
    session = session_of(context)
    recipe = session.resolve(config=config, dataset=dataset).recipe
    tried = resolve("verb", "sweep")(recipe, values_to_try(over), name=name, home=session.home, job=session.job)
    heads = [session.words(f"column_{column}") for column in ("run", "state", "verdict", "difference", "interval")]
    session.finish({"runs": tried}, *align(heads, [_tried_row(row) for row in tried]))


def values_to_try(over: Sequence[str]) -> dict[str, list[object]]:
    """Return the values of each knob of ``knob=v1,v2`` texts.

    Raises:
        SettingError: For a text that names no knob or no value.
    """
    from acetune.knobs import parse_scalar

    found: dict[str, list[object]] = {}
    for text in over:
        knob, _, values = text.partition("=")
        if not knob.strip() or not values.strip():
            raise SettingError("cli.bad_over", text=text)
        found.setdefault(knob.strip(), []).extend(parse_scalar(value.strip()) for value in values.split(","))
    return found


def _tried_row(row: Tried) -> list[str]:
    """Return a combination as a row for people."""
    return [row.run, row.state, row.verdict, *held_out(row.difference, row.low, row.high)]


def _planned(session: Session, recipe: Recipe) -> Plan:
    """Return the plan of a recipe."""
    planned: Plan = resolve("verb", "plan")(recipe, home=session.home)
    return planned


def _warning(session: Session, advice: Advice) -> str:
    """Return what will not go well and what to do about it."""
    language = session.options.language
    text = f"{advice.finding.message(language)} {advice.finding.remedy(language)}"
    return session.words("plan_warning", text=text)


def _plan_lines(session: Session, planned: Plan) -> list[str]:
    """Return a plan for people."""
    words = session.words
    prior = words("plan_prior", clips=planned.prior, time=clock(planned.prior_minutes * 60))
    held_out = words(f"plan_held_{planned.mode}", count=planned.held_out) if planned.held_out else ""
    return [
        words("plan_music", tracks=planned.tracks, minutes=planned.minutes_of_music) + held_out,
        words("plan_length", steps=planned.steps, epochs=planned.epochs, per_epoch=planned.steps_per_epoch),
        *([prior] if planned.prior else []),
        words(
            "plan_machine",
            memory=amount(planned.memory_bytes),
            disk=amount(planned.disk_bytes),
            time=clock(planned.minutes * 60),
        ),
        *([words("plan_devices", devices=planned.devices)] if planned.devices > 1 else []),
    ]


def _probed(session: Session, recipe: Recipe) -> Probe:
    """Return the plan of a recipe from two real steps."""
    from acetune.training import probing

    return probing.probe(recipe, home=session.home, job=session.job)


def _probe_line(session: Session, tried: Probe) -> str:
    """Return what was measured beside what was reckoned, for people."""
    measured = session.words("plan_no_memory") if tried.memory_bytes is None else amount(tried.memory_bytes)
    return session.words(
        "plan_probe",
        device=tried.device,
        seconds=f"{tried.seconds:.3g}",
        reckoned=f"{tried.reckoned.micro_seconds:.3g}",
        memory=measured,
        planned=amount(tried.reckoned.memory_bytes),
    )


def _finish(session: Session, done: TrainResult) -> None:
    """Give the result of a training."""
    advice = session.words("next", command=f'acetune report "{done.folder}"')
    session.finish(vars(done), *_outcome(session, done.folder, done), advice)


def _outcome(session: Session, run: Path, done: TrainResult | QuickstartResult) -> list[str]:
    """Return verdict and adapter for people, and what they are worth where the network is an embedded one."""
    from acetune.recipe import family_of
    from acetune.run import Run, recommended_strength

    verdict = session.words.find(f"verdict_{done.verdict.replace(' ', '_')}", done.verdict)
    verdict += _reason(session, run, done.verdict)
    lines = [session.words("trained", run=run, verdict=verdict), session.words(_kind(run), path=done.adapter)]
    if strength := recommended_strength(Run(run)):
        lines.append(session.words("strength", strength=strength))
    _, variant = family_of(Run(run).recipe.model.variant)
    caution = session.words("taught" if variant.taught else "random", variant=variant.name)
    return [*lines, caution] if variant.embedded else lines


def _reason(session: Session, run: Path, verdict: str) -> str:
    """Return why a verdict is no "learned", with a space before it."""
    from acetune.monitor.summary import summarise
    from acetune.monitor.words import Words
    from acetune.run import Run

    found = summarise(Run(run)).verdict
    if found is None or verdict == "learned":
        return ""
    return " " + Words("report", session.options.language)(f"reason_{found.reason.replace(' ', '_')}")


def _kind(run: Path) -> str:
    """Return which text names what a run made."""
    from acetune.run import Run
    from acetune.sections import WHOLE

    return "model" if Run(run).recipe.adapter.kind == WHOLE else "adapter"
