"""The command that checks the installation."""

from __future__ import annotations

import typer

from acetune.catalog import resolve
from acetune.cli.session import session_of


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
