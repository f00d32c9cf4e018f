"""The command that makes a data set of what other tools wrote, and what is shown of files that were read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from acetune.catalog import resolve
from acetune.cli.asking import asker
from acetune.cli.session import Session, session_of
from acetune.errors import SettingError
from acetune.monitor.lines import clock
from acetune.monitor.words import Words

if TYPE_CHECKING:
    from acetune.data.scan import ScanResult

TxtMeans = Annotated[
    Literal["caption", "lyrics"] | None,
    typer.Option(help="What texts are that could be either; those that cannot are read as what they are."),
]


def import_(
    context: typer.Context,
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SRC", help="Folder, dataset.json, CSV table, saved rows or .zip with songs.", show_default=False
        ),
    ],
    dest: Annotated[
        Path | None,
        typer.Argument(
            metavar="DEST", help="Folder to copy the songs to; else they stay where they are.", show_default=False
        ),
    ] = None,
    txt_means: TxtMeans = None,
    columns: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="COLUMN=FIELD", help="What a column holds; again for more.", show_default=False),
    ] = None,
) -> None:
    """Make a data set of songs that were prepared for other tools.

    Reads the files of ACE-Step v1 and 1.5, Side-Step, ai-toolkit, SimpleTuner, musubi-tuner and the ComfyUI packs,
    tables (Key-BPM-Finder and any other), lyrics with times, and tags inside the audio. With DEST the audio is copied
    under safe names, and the same command goes on after an interruption.
    """
    session = session_of(context)
    found = resolve("data", "import")(
        source, dest, txt_means=txt_means, columns=_pairs(columns or ()), ask=asker(session), job=session.job
    )
    show_scanned(session, found)


def show_scanned(session: Session, found: ScanResult) -> None:
    """Give the result of a scan or an import: what is in the data set, how files were read, and what comes next."""
    tracks = found.manifest.tracks
    seconds = sum(track.seconds for track in tracks)
    counts = {"tracks": len(tracks), "seconds": round(seconds, 1), "added": len(found.added)}
    result = {**vars(found), **counts, "dropped": len(found.dropped)}
    del result["manifest"]
    session.finish(
        result,
        session.words(
            "scanned", tracks=len(tracks), time=clock(seconds), added=len(found.added), skipped=len(found.skipped)
        ),
        *_reading_lines(found, Words("import", session.options.language)),
        session.words("next", command=f'acetune annotate "{found.manifest.folder}"'),
    )


def _reading_lines(found: ScanResult, words: Words) -> Iterator[str]:
    """Yield a line for each layout in which files were read, and for each reason why files were not."""
    read = _alike((reading.layout, reading.file) for reading in found.readings)
    for layout, files in read.items():
        yield words("read", layout=words(f"layout_{layout}"), count=len(files), example=files[0])
    for why, files in _alike((why, file) for file, why in found.ignored.items()).items():
        yield words("ignored", why=words(f"why_{why}"), count=len(files), example=files[0])


def _alike(named: Iterator[tuple[str, str]]) -> Mapping[str, list[str]]:
    """Return files by what they have in common."""
    alike: dict[str, list[str]] = defaultdict(list)
    for what, file in named:
        alike[what].append(file)
    return alike


def _pairs(texts: Sequence[str]) -> Mapping[str, str]:
    """Return what columns hold.

    Raises:
        SettingError: If a text is no pair.
    """
    pairs = {}
    for text in texts:
        column, equals, field = text.rpartition("=")
        if not (column.strip() and equals and field.strip()):
            raise SettingError("import.bad_map", text=text)
        pairs[column.strip()] = field.strip()
    return pairs


COMMANDS: Mapping[str, Callable[..., None]] = {"import": import_}
