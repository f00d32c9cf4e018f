"""Commands about trainings: list, show, follow, stop, repeat."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from acetune.cli.arguments import Folder, RunName
from acetune.cli.session import Session, session_of
from acetune.cli.tables import align

if TYPE_CHECKING:
    from acetune.run import Run


def list_runs(context: typer.Context) -> None:
    """List the runs of the workspace, those that were started first at the top."""
    from acetune.run import Run
    from acetune.workspace import Workspace

    session = session_of(context)
    rows = sorted((_row(Run(folder)) for folder in Workspace.at(session.home).list_runs()), key=_when)
    heads = [session.words(f"column_{name}") for name in ("run", "state", "step", "variant", "verdict", "when")]
    session.finish({"runs": rows}, *align(heads, [list(map(str, row.values())) for row in rows]))


def show(context: typer.Context, run: RunName) -> None:
    """Show what one run is, how far it is and what came of it."""
    from acetune.monitor import breakdown
    from acetune.monitor.summary import summarise
    from acetune.run import Run
    from acetune.workspace import Workspace

    session = session_of(context)
    found = Run(Workspace.at(session.home).find_run(run))
    summary = summarise(found)
    recipe = summary.recipe
    facts: dict[str, object] = {
        **_row(found),
        "folder": str(found.folder),
        "dataset": recipe.data.dataset,
        "rank": recipe.adapter.rank,
        "alpha": recipe.adapter.alpha,
        "loss": summary.steps[-1].loss if summary.steps else None,
        "difference": summary.validations[-1].difference if summary.validations else None,
        "adapter": summary.result.get("adapter"),
        "warnings": len([notice for notice in summary.notices if notice.severity != "info"]),
    }
    known = {name: value for name, value in facts.items() if value not in (None, "")}
    lines = [[session.words(f"column_{name}"), _shown(value)] for name, value in known.items()]
    times, songs = breakdown.by_time(summary.steps), breakdown.by_song(found, summary.steps)
    lines += [[session.words("loss_at", low=b.low, high=b.high), _halves(b.first, b.last)] for b in times]
    lines += [[session.words("hard_song", place=n), f"{s.name} ({s.ratio:.2f})"] for n, s in enumerate(songs[:3], 1)]
    session.finish({**facts, "loss_by_t": times, "loss_by_song": songs}, *align([], lines))


def logs(
    context: typer.Context,
    run: RunName,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run ends or Ctrl+C.")] = False,
) -> None:
    """Show a run's events.

    With --json all of them, else as many lines as a person reads.
    """
    from acetune.monitor import log
    from acetune.run import Run
    from acetune.workspace import Workspace

    session = session_of(context)
    found = Run(Workspace.at(session.home).find_run(run))
    for event in log.follow(found, stop=_until(found, session) if follow else _at_once):
        session.report(event)
    session.console.close()


def stop(context: typer.Context, run: RunName) -> None:
    """Ask a run to save and stop; `acetune resume` goes on."""
    _ask(session_of(context), run, "stop")


def save(context: typer.Context, run: RunName) -> None:
    """Ask a run for a checkpoint and an adapter now; it goes on."""
    _ask(session_of(context), run, "save_now")


def preview(context: typer.Context, run: RunName) -> None:
    """Ask a run for previews now; it goes on. It must have been started with --preview.every."""
    _ask(session_of(context), run, "preview_now")


def metrics(
    context: typer.Context,
    run: RunName,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File to write.", show_default=False)] = None,
) -> None:
    """Print a run's numbers as CSV, one line a step; events.jsonl of the run has them as JSON."""
    from acetune.files import write_text
    from acetune.monitor.metrics import as_csv
    from acetune.run import Run
    from acetune.workspace import Workspace

    session = session_of(context)
    text = as_csv(Run(Workspace.at(session.home).find_run(run)))
    if out is not None:
        write_text(out, text)
    session.finish({"path": out, "lines": text.count("\n") - 1}, text.rstrip() if out is None else str(out))


def bundle(
    context: typer.Context,
    run: RunName,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The zip file.", show_default="RUN-bundle.zip")
    ] = None,
) -> None:
    """Write what repeats a run into a small zip file: recipe, hashes, versions, seeds and losses.

    Songs are content hashes in it; names, captions, lyrics and paths stay here.
    """
    from acetune.sharing.bundle import bundle as write

    session = session_of(context)
    path = write(run, out=out, home=session.home)
    session.finish({"path": path}, str(path))


def replay(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="BUNDLE", help="What `runs bundle` wrote.", show_default=False)],
    folder: Folder,
    first: Annotated[int | None, typer.Option(help="Repeat so many steps only.", min=1, show_default="all")] = None,
) -> None:
    """Train again what a bundle says, on the same songs, and compare every loss.

    On the processor unless --device says another. A loss that differs by more than a thousandth is an error. Flags of
    knobs say where weights or a starting adapter lie, where the run had them.
    """
    from acetune.sharing.replay import replay as repeat

    session = session_of(context)
    found = repeat(path, folder, steps=first, changes=session.changes, home=session.home, job=session.job)
    words = "replayed_equal" if found.equal else "replayed"
    line = session.words(words, run=found.run, steps=found.steps, largest=f"{found.largest:.1e}")
    session.finish(vars(found), line)


def tensorboard(
    context: typer.Context,
    run: Annotated[
        str | None, typer.Argument(metavar="RUN", help="Name or folder; all runs without it.", show_default=False)
    ] = None,
    port: Annotated[int, typer.Option(help="Of this machine.", min=1, max=65535)] = 6006,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page.")] = True,
) -> None:
    """Show the curves of one run, or of all, in TensorBoard until Ctrl+C."""
    import webbrowser

    from acetune.monitor.tensorboard import serve
    from acetune.workspace import Workspace

    session = session_of(context)
    workspace = Workspace.at(session.home)

    def opened(address: str) -> None:
        session.say(session.words("tensorboard", address=address))
        if browser:
            webbrowser.open(address)

    serve(workspace.find_run(run) if run else workspace.runs, port=port, opened=opened, stop=session.stop)
    session.finish({"port": port})


def _ask(session: Session, name: str, request: str) -> None:
    """Leave a request for whoever trains a run.

    Raises:
        SettingError: If nobody does, unless it is to stop, which it has then.
    """
    from acetune.errors import SettingError
    from acetune.run import Run
    from acetune.workspace import Workspace

    run = Run(Workspace.at(session.home).find_run(name))
    if request == "preview_now" and not run.recipe.preview.every:
        raise SettingError("preview.off")
    running = run.owner() is not None
    if running:
        run.ask(request)
    elif request != "stop":
        raise SettingError("run.not_running", run=run.name)
    session.finish({"asked": running}, session.words(f"asked_{request}" if running else "not_running", run=run.name))


def _row(run: Run) -> dict[str, object]:
    """Return what a list says about a run; one whose files cannot be read is listed with the reason."""
    from acetune.errors import AcetuneError
    from acetune.monitor.summary import summarise

    try:
        summary = summarise(run)
    except AcetuneError as damage:
        return {"run": run.name, "state": damage.code, "step": "", "variant": "", "verdict": "", "when": ""}
    step = f"{summary.step}/{summary.total}" if summary.total else str(summary.step)
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(summary.started)) if summary.started else ""
    verdict = summary.verdict.verdict if summary.verdict else ""
    return {
        "run": run.name,
        "state": summary.state,
        "step": step,
        "variant": summary.recipe.model.variant,
        "verdict": verdict,
        "when": when,
    }


def _when(row: Mapping[str, object]) -> str:
    """Return when the run of a row was started, as text that sorts."""
    return str(row["when"])


def _shown(value: object) -> str:
    """Return a fact for people."""
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _halves(first: float | None, last: float | None) -> str:
    """Return the mean loss of the first and of the second half of a run."""
    return " -> ".join("-" if value is None else f"{value:.4f}" for value in (first, last))


def _until(run: Run, session: Session) -> Callable[[], bool]:
    """Return what says that a run is over or that somebody pressed Ctrl+C."""
    return lambda: session.stop() or run.owner() is None


def _at_once() -> bool:
    """Stop after one look."""
    return True


COMMANDS: Mapping[str, Callable[..., None]] = {
    "ls": list_runs,
    "show": show,
    "logs": logs,
    "metrics": metrics,
    "stop": stop,
    "save": save,
    "preview": preview,
    "bundle": bundle,
    "replay": replay,
}
