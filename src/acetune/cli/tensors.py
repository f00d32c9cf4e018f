"""The command that takes over the encoded songs of other trainers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Literal

import typer

from acetune.catalog import resolve
from acetune.cli.session import session_of
from acetune.monitor.lines import clock


def import_tensors(
    context: typer.Context,
    source: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder of .pt files of another trainer.", show_default=False)
    ],
    dest: Annotated[
        Path,
        typer.Argument(metavar="DEST", help="Folder of the data set: a new one, or one to add to.", show_default=False),
    ],
    conditions: Annotated[
        Literal["keep", "anew"],
        typer.Option(help="Keep what texts were encoded to, or encode them anew as inference does."),
    ] = "keep",
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail if any file cannot be used; nothing is written then.")
    ] = False,
) -> None:
    """Use songs that another trainer has encoded.

    Reads the .pt files of the official app, Side-Step, and the ComfyUI packs SN and FL without running what is in
    them, leaves out padding and what would show the network the answer, and makes a data set that can be trained on.
    Kept conditions are compared with the model when they are encoded; those of another model are encoded anew.
    """
    session = session_of(context)
    done = resolve("data", "import-tensors")(source, dest, conditions=conditions, strict=strict, job=session.job)
    counts = {"imported": len(done.imported), "known": len(done.known), "skipped": len(done.skipped)}
    session.finish(
        vars(done),
        session.words("imported_tensors", time=clock(done.seconds), **counts),
        session.words("next", command=f'acetune train "{dest}"'),
    )


COMMANDS: Mapping[str, Callable[..., None]] = {"import-tensors": import_tensors}
