"""Commands that use what was trained: export, evaluate, report, compare."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from acetune.catalog import resolve
from acetune.cli.arguments import RunName
from acetune.cli.gathering import with_options
from acetune.cli.session import Session, pretty, session_of
from acetune.cli.tables import align, held_out

if TYPE_CHECKING:
    from acetune.monitor.comparing import Compared, Comparison, Pair
    from acetune.training.evaluate import EvaluateResult


@dataclass(frozen=True)
class Where:
    """Where exports go and what they are called."""

    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder to write to; else the run's own.", show_default=False)
    ] = None
    install_to: Annotated[
        Path | None,
        typer.Option(help="A ComfyUI to write for: into its models/loras, instead of --out.", show_default=False),
    ] = None
    release: Annotated[bool, typer.Option("--release", help="Name it <name>-<variant>-r<rank>.")] = False


@with_options(Where)
def export(
    context: typer.Context,
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="Name or folder of a run, or an adapter file.", show_default=False)
    ],
    options: Where,
    to: Annotated[list[str] | None, typer.Option(help="Format; again for more.", show_default="universal")] = None,
    dtype: Annotated[str, typer.Option(help="Number format of the weights: bf16, fp16, fp32.")] = "bfloat16",
) -> None:
    """Write an adapter for other programs, and check it.

    Each file is read back and compared before it counts as done. `universal` is one file for ComfyUI and diffusers;
    `peft` is a folder for PEFT and the official app; `comfyui`, `comfyui-generic`, `kohya`, `diffusers`, `lycoris` and
    `acestep-cpp` are for one program each; `merged` is a whole model with the adapter inside. A run that trained all
    weights is written as a model.
    """
    from acetune.formats.destination import Destination

    session = session_of(context)
    where = Destination(folder=options.out, comfyui=options.install_to, release=options.release)
    paths = resolve("verb", "export")(
        source, to=tuple(to or ()), out=where, dtype=dtype, home=session.home, job=session.job
    )
    session.finish({"paths": paths}, *map(str, paths))


def evaluate(
    context: typer.Context,
    run: RunName,
    strength: Annotated[
        list[float] | None,
        typer.Option(help="To look at beside 0 and 1; again for more.", show_default="0.25 to 1.5"),
    ] = None,
) -> None:
    """Ask a finished training again: did it learn, and at which strength to use it?

    Held-out music is asked at each strength with the same noise. The recommendation is written into the final adapter,
    and report.html anew. A run that held songs out and did not validate gets its verdict this way. Ctrl+C leaves all as
    it was.
    """
    session = session_of(context)
    asked = {"strengths": tuple(strength)} if strength else {}
    found: EvaluateResult = resolve("verb", "evaluate")(run, **asked, home=session.home, job=session.job)
    page = resolve("verb", "report")(found.folder, home=session.home, language=session.options.language)
    verdict = session.words.find(f"verdict_{found.verdict.replace(' ', '_')}", found.verdict)
    session.finish(
        {**vars(found), "report": page},
        session.words("trained", run=found.folder, verdict=verdict),
        session.words("strength", strength=found.strength),
        session.words("report", path=page),
    )


def report(context: typer.Context, run: RunName) -> None:
    """Write a run's report.html: did it learn?

    One page with the verdict, curves, before/after audio, the files and how to use them. It opens in any browser and
    asks the network for nothing.
    """
    session = session_of(context)
    path = resolve("verb", "report")(run, home=session.home, language=session.options.language)
    session.finish({"path": path}, str(path))


def compare(
    context: typer.Context,
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN RUN ...", help="Names or folders of runs.", show_default=False)
    ],
) -> None:
    """Compare trainings: verdicts, the knobs that differ, and which is better on the same held-out music.

    Runs are compared song by song where they held out the same music and began with the same base model.
    """
    session = session_of(context)
    found: Comparison = resolve("verb", "compare")(runs, home=session.home)
    heads = [session.words(f"column_{name}") for name in ("run", "state", "step", "verdict", "difference", "interval")]
    lines = align(heads, [_compared_row(run) for run in found.runs])
    if found.knobs:
        knobs = [[knob, *map(pretty, values)] for knob, values in found.knobs.items()]
        lines += ["", *align([session.words("column_knob"), *(run.run for run in found.runs)], knobs)]
    lines += (
        ["", *(_pair_line(session, pair) for pair in found.pairs)] if found.pairs else ["", session.words("no_pair")]
    )
    session.finish(vars(found), *lines)


def _compared_row(run: Compared) -> list[str]:
    """Return a run as a row for people."""
    verdict = run.verdict
    differences = held_out(verdict.difference, verdict.low, verdict.high)
    return [run.run, run.state, str(run.steps), verdict.verdict, *differences]


def _pair_line(session: Session, pair: Pair) -> str:
    """Return which of two runs is better, in a sentence."""
    return session.words(
        "pair", first=pair.first, second=pair.second, difference=f"{pair.difference:+.4f}", better=pair.better,
        units=pair.units,
    )  # fmt: skip
