"""The command that looks for what is wrong with a data set: check."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from acetune.catalog import resolve
from acetune.cli.arguments import Folder
from acetune.cli.gathering import with_options
from acetune.cli.session import Session, session_of
from acetune.cli.tables import align, shortened
from acetune.errors import DataError, SettingError
from acetune.monitor.words import Words

if TYPE_CHECKING:
    from acetune.data.findings import CheckResult, Finding
    from acetune.data.mending import MendResult

#: Findings of one kind that are shown to people; programs get all.
_SHOWN: Final = 10
_COLUMNS: Final = 44


@dataclass(frozen=True)
class Options:
    """What a user may choose."""

    tracks: Annotated[
        list[str] | None,
        typer.Option(help="Pattern of paths or file names, such as 'live/*'; again for more.", show_default="all"),
    ] = None
    words_only: Annotated[
        bool, typer.Option("--words-only", help="Check captions, lyrics and fields, and do not listen.")
    ] = False
    fix: Annotated[
        bool, typer.Option("--fix", help="Write a copy without offset and silent ends, and equally loud.")
    ] = False
    out: Annotated[
        Path | None, typer.Option(help="Folder of the copy that --fix writes.", show_default="FOLDER-fixed")
    ] = None
    workers: Annotated[
        int | None, typer.Option(help="Processes that listen.", min=0, show_default="one for each core")
    ] = None
    strict: Annotated[bool, typer.Option("--strict", help="Fail in the end if there are errors or warnings.")] = False


@with_options(Options)
def check(context: typer.Context, folder: Folder, options: Options) -> None:
    """Look for what makes a training fail, or its adapter poor.

    Broken, silent, clipped or dull recordings, songs that are there twice in any format, missing or contradicting
    captions, lyrics, tempi and keys, texts that are too long. The worst comes first. Nothing is changed; --fix mends
    what is safe in a copy. Songs are listened to once: a second check takes seconds.
    """
    session = session_of(context)
    if options.out is not None and not options.fix:
        raise SettingError("check.out_without_fix")
    found: CheckResult = resolve("data", "check")(
        folder,
        tracks=options.tracks,
        audio=not options.words_only,
        home=session.home,
        job=session.job,
        workers=options.workers,
    )
    mended = _mended(session, folder, options) if options.fix else None
    language = session.options.language
    result = {"findings": [_row(finding, language) for finding in found.findings], "counts": found.counts}
    lines = [*_table(session, found.findings), *_advice(session, found.findings), *_summary(session, folder, found)]
    session.finish(
        result if mended is None else {**result, "mended": vars(mended)},
        *lines,
        *([] if mended is None else _copy_lines(session, mended)),
    )
    if options.strict and (found.counts["error"] or found.counts["warning"]):
        raise DataError("check.failed", errors=found.counts["error"], warnings=found.counts["warning"])


def _mended(session: Session, folder: Path, options: Options) -> MendResult:
    """Return what was mended in a copy."""
    from acetune.data.mending import mend

    return mend(folder, options.out, tracks=options.tracks, job=session.job, workers=options.workers)


def _words(session: Session) -> Words:
    """Return the texts of checks."""
    return Words("check", session.options.language)


def _row(finding: Finding, language: str) -> Mapping[str, object]:
    """Return a finding for programs."""
    return {**vars(finding), "message": finding.message(language), "remedy": finding.remedy(language)}


def _table(session: Session, findings: Sequence[Finding]) -> list[str]:
    """Return findings for people, the worst first."""
    words, language = _words(session), session.options.language
    shown: Counter[str] = Counter()
    rows = []
    for finding in findings:
        shown[finding.code] += 1
        if shown[finding.code] <= _SHOWN:
            rows.append([words(finding.severity), shortened(finding.track, _COLUMNS), finding.message(language)])
    heads = [words("column_severity"), session.words("column_track"), words("column_finding")]
    rest = len(findings) - len(rows)
    return [*(align(heads, rows) if rows else []), *([words("more", count=rest)] if rest else [])]


def _advice(session: Session, findings: Sequence[Finding]) -> list[str]:
    """Return what to do about each kind of finding, in the order in which they first come."""
    counts = Counter(finding.code for finding in findings)
    first = {finding.code: finding for finding in reversed(findings)}
    rows = [[code, str(counts[code]), first[code].remedy(session.options.language)] for code in counts]
    return ["", _words(session)("what_to_do"), *align([], rows), ""] if rows else []


def _summary(session: Session, folder: Path, found: CheckResult) -> list[str]:
    """Return how much was found."""
    return [_words(session)("checked", folder=folder, **found.counts)]


def _copy_lines(session: Session, mended: MendResult) -> list[str]:
    """Return what became of the copy."""
    counts = {"mended": len(mended.mended), "copied": len(mended.copied), "skipped": len(mended.skipped)}
    return [
        _words(session)("mended", folder=mended.folder, **counts),
        session.words("next", command=f'acetune data check "{mended.folder}"'),
    ]


COMMANDS: Mapping[str, Callable[..., None]] = {"check": check}
