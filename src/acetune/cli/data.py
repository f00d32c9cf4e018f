"""Commands that prepare songs: scan, encode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from acetune.catalog import resolve
from acetune.cli.arguments import Config, Dataset, Folder
from acetune.cli.importing import TxtMeans, show_scanned
from acetune.cli.session import session_of
from acetune.errors import DataError
from acetune.monitor.lines import amount

if TYPE_CHECKING:
    from acetune.data.track import Skipped

_STRICT = Annotated[
    bool, typer.Option("--strict", help="Fail in the end if any song was skipped; the others are done.")
]


def scan(
    context: typer.Context,
    folder: Folder,
    strict: Annotated[bool, typer.Option("--strict", help="Fail if any song cannot be used.")] = False,
    trigger: Annotated[
        str | None, typer.Option(help="Word that calls the adapter up, for every song.", show_default=False)
    ] = None,
    trigger_position: Annotated[
        Literal["prepend", "append", "replace"], typer.Option(help="Where the trigger goes in a caption.")
    ] = "prepend",
    txt_means: TxtMeans = None,
) -> None:
    """Find the songs of a folder and write down what is known.

    Measures each song and writes metadata.jsonl into the folder. Files beside the songs and tables are read in the
    layouts of all known trainers; what a person wrote into metadata.jsonl is never replaced. `acetune data import` also
    copies songs, and says what the columns of a table hold.
    """
    session = session_of(context)
    found = resolve("verb", "scan")(folder, strict=strict, txt_means=txt_means, job=session.job)
    if trigger is not None:
        resolve("data", "trigger")(folder, trigger, trigger_position, job=session.job)
    show_scanned(session, found)


def encode(context: typer.Context, dataset: Dataset = None, config: Config = None, strict: _STRICT = False) -> None:
    """Turn songs and texts into what the network reads.

    Only what is new or changed is done. Training does this by itself; alone it is useful on a machine without a good
    graphics card.
    """
    session = session_of(context)
    recipe = session.resolve(config=config, dataset=dataset).recipe
    done = resolve("verb", "encode")(recipe, home=session.home, job=session.job)
    _check_skipped(strict, done.skipped)
    session.finish(
        vars(done),
        session.words(
            "encoded", encoded=done.encoded, reused=done.reused, skipped=len(done.skipped), size=amount(done.bytes)
        ),
    )


def _check_skipped(strict: bool, skipped: Sequence[Skipped]) -> None:
    """Refuse skipped songs where the user wants none; each was reported with its reason before.

    Raises:
        DataError: If there are any.
    """
    if strict and skipped:
        raise DataError("cli.skipped", count=len(skipped), names=", ".join(song.path for song in skipped))
