"""Commands that publish an adapter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from acetune.cli.arguments import RunName
from acetune.cli.gathering import with_options
from acetune.cli.session import session_of

if TYPE_CHECKING:
    from acetune.sharing.push import Pushed


@dataclass(frozen=True)
class Published:
    """How an adapter is published."""

    licence: Annotated[
        str | None, typer.Option(help="Of the adapter, such as cc-by-4.0.", show_default="not stated")
    ] = None
    audio: Annotated[
        list[Path] | None,
        typer.Option(help="A piece that acetune generated, to listen to; again for more.", show_default=False),
    ] = None
    private: Annotated[bool, typer.Option("--private", help="Make the repository a private one.")] = False
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write the folder and send nothing; works offline.")] = (
        False
    )


@with_options(Published)
def push(
    context: typer.Context,
    run: RunName,
    repository: Annotated[str, typer.Argument(metavar="USER/NAME", help="On the hub.", show_default=False)],
    options: Published,
) -> None:
    """Publish a run's final adapter on the Hugging Face hub, with a model card and a bundle that repeats it.

    Refused where somebody said no to the use of a song. No names of songs, captions, lyrics or paths leave; look at the
    folder that --dry-run writes. The token is the one of `hf auth login`, or HF_TOKEN.
    """
    from acetune.sharing.push import Release
    from acetune.sharing.push import push as send

    session = session_of(context)
    release = Release(options.licence, tuple(options.audio or ()), options.private)
    found: Pushed = send(run, repository, release, dry_run=options.dry_run, home=session.home, job=session.job)
    session.finish(vars(found), *(f"{found.folder / name}" for name in found.files), *filter(None, [found.address]))


COMMANDS: Mapping[str, Callable[..., None]] = {"push": push}
