"""The commands that check an installation, and a model on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from acetune.catalog import resolve
from acetune.cli.session import Session, session_of
from acetune.cli.tables import align
from acetune.errors import AcetuneError
from acetune.monitor.words import Words

if TYPE_CHECKING:
    from acetune.trial.selftest import Finding, SelftestResult


def doctor(context: typer.Context) -> None:
    """Check this machine and name the fix of each fault.

    Looks at Python, libraries, torch against the graphics card, memory, disk, the workspace and the weights. Ends with
    exit code 2 if there is a fault.
    """
    session = session_of(context)
    language = session.options.language
    findings = resolve("verb", "doctor")(home=session.home)
    rows = [
        {"code": f.code, "level": f.level, "what": f.what(language), "remedy": f.remedy(language)} for f in findings
    ]
    lines = []
    for row in rows:
        lines.append(f"[{session.words(str(row['level']))}] {row['what']}")
        if row["remedy"]:
            lines.append(f"       {row['remedy']}")
    session.finish({"findings": rows}, *lines)
    if any(row["level"] == "fault" for row in rows):
        raise typer.Exit(2)


def selftest(
    context: typer.Context,
    model: Annotated[str, typer.Option(help="Variant (`acetune models ls`).")] = "tiny",
    model_path: Annotated[
        Path | None, typer.Option(help="Its weights, where they are not in a usual place.", show_default=False)
    ] = None,
    device: Annotated[str, typer.Option(help="Device; auto is the best there is.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
) -> None:
    """Check that a model works on this machine as it should.

    Loads its weights, encodes a song in chunks and at once, compares velocity and gradients with those of the processor
    in more digits, trains a little on one song, resumes, exports and reads back. What was found is written to a file
    with versions, machine and numbers, and without paths or names: please attach it to reports. Ends with exit code 1
    if a check fails.
    """
    session = session_of(context)
    found: SelftestResult = resolve("verb", "selftest")(
        model, model_path=model_path, device=device, dtype=dtype, home=session.home, job=session.job
    )
    words = Words("selftest", session.options.language)
    heads = [words(f"column_{name}") for name in ("check", "state", "seconds", "numbers")]
    rows = [_row(session, words, finding) for finding in found.findings]
    details = [f"{words(f'check_{f.name}')}: {f.detail}" for f in found.findings if f.detail]
    session.finish(vars(found), *align(heads, rows), *details, words("file", path=found.file))
    if found.failed:
        raise AcetuneError("selftest.failed", count=found.failed, total=len(found.findings), file=found.file)


def _row(session: Session, words: Words, finding: Finding) -> list[str]:
    """Return a check as a row for people; lists of numbers are for the file."""
    numbers = [f"{name} {_shown(value)}" for name, value in finding.numbers.items() if not isinstance(value, list)]
    why = _why(words, finding.why)
    told = ", ".join([*([why] if why else []), *numbers])
    return [words(f"check_{finding.name}"), words(f"state_{finding.state}"), f"{finding.seconds:.1f}", told]


def _why(words: Words, why: str) -> str:
    """Return why a check did not pass: a text of ours, the check that it needs, or the code of an error."""
    return words.find(f"why_{why}", "") or words.find(f"check_{why}", why)


def _shown(value: object) -> str:
    """Return a number with as many digits as mean something."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)
