"""Verb `report`: one page that says what was trained, whether it learned, how it sounds and how to use it."""

from __future__ import annotations

import hashlib
import time
from base64 import b64encode
from html import escape
from importlib import resources
from pathlib import Path

from acetune import files
from acetune.monitor import auditions, evaluation, sections
from acetune.monitor.curves import curves
from acetune.monitor.losses import losses
from acetune.monitor.markup import section
from acetune.monitor.summary import Summary, summarise
from acetune.monitor.words import Words
from acetune.run import Run
from acetune.workspace import Workspace


def report(run: str | Path, *, home: str | Path | None = None, language: str = "en") -> Path:
    """Write report.html into a run's folder and return its path.

    The page needs nothing but itself: no script, no request, the audio inside. It is written for runs that still
    train, were stopped or failed too, and says so.

    Args:
        run: Name or folder of a run.
        home: The workspace that has it.
        language: "en" or "zh".

    Raises:
        SettingError: If there is no such run.
        CorruptFile: If one of its files is damaged.
        DiskFull: If there is no room.
        NotWritable: If the run's folder may not be written.
    """
    found = Run(Workspace.at(home).find_run(run))
    path = found.folder / "report.html"
    files.write_text(path, page(summarise(found), Words("report", language)))
    return path


def page(summary: Summary, words: Words) -> str:
    """Return the whole page."""
    style = (resources.files("acetune") / "monitor" / "report.css").read_text(encoding="utf-8")
    digest = b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii")
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; media-src data:; base-uri 'none'; form-action 'none'"
    title = words("title", run=summary.run.name)
    return (
        f'<!doctype html>\n<html lang="{words.language}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n"
        f"{_header(summary, title, words)}\n<main>\n{_main(summary, words)}\n</main>\n</body>\n</html>\n"
    )


def _header(summary: Summary, title: str, words: Words) -> str:
    """Return the title and when it was."""
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(summary.started)) if summary.started else ""
    subtitle = words("subtitle", variant=summary.recipe.model.variant, when=when)
    return f"<header><h1>{escape(title)}</h1><p>{escape(subtitle)}</p></header>"


def _main(summary: Summary, words: Words) -> str:
    """Return the sections, the answer first."""
    parts = (
        sections.verdict(summary, words),
        sections.listening(summary, words),
        auditions.audition(summary, words),
        evaluation.strengths(summary, words),
        evaluation.trigger(summary, words),
        section(words("curves"), curves(summary, words)),
        sections.held_out_units(summary, words),
        losses(summary, words),
        sections.trained(summary, words),
        sections.files(summary, words),
        sections.notices(summary, words),
        sections.reproduce(summary, words),
        f'<p class="soft">{escape(words("private"))}</p>',
    )
    return "\n".join(part for part in parts if part)
