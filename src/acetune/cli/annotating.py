"""The command that listens to songs: annotate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from acetune.cli.arguments import Folder
from acetune.cli.gathering import with_options
from acetune.cli.session import Session, session_of
from acetune.cli.tables import align, shortened
from acetune.errors import DataError, SettingError

if TYPE_CHECKING:
    from acetune.annotation.annotator import Setup
    from acetune.annotation.rounds import AnnotateResult, Found

#: Values that are shown to people; programs get all.
_SHOWN: Final = 60
_COLUMNS: Final = 44


@dataclass(frozen=True)
class Options:
    """What a user may choose."""

    wanted: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            "--annotators",
            metavar="NAMES",
            help="Who listens, with commas or again for more: tempo, meter, key, language, tags, caption, lyrics ...",
            show_default="all that can work here",
        ),
    ] = None
    overwrite: Annotated[
        list[str] | None,
        typer.Option(
            help="Field to find anew where a file or a person did not write it; again for more, or 'all'.",
            show_default="only what is missing",
        ),
    ] = None
    tracks: Annotated[
        list[str] | None,
        typer.Option(help="Pattern of paths or file names, such as 'live/*'; again for more.", show_default="all"),
    ] = None
    preview: Annotated[
        int | None,
        typer.Option(
            help="Listen to so many tracks, show what is found, and write nothing.", min=1, show_default=False
        ),
    ] = None
    endpoint: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Ask an OpenAI-compatible server; its key is ACETUNE_API_KEY.", show_default=False
        ),
    ] = None
    endpoint_model: Annotated[
        str | None, typer.Option(metavar="NAME", help="The model that the server shall use.", show_default=False)
    ] = None
    online_lyrics: Annotated[
        bool, typer.Option("--online-lyrics", help="Look for lyrics at lrclib.net, by artist and title.")
    ] = False
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=PATH",
            help="Folder, hub name or address of the model of an annotator; again for more.",
            show_default=False,
        ),
    ] = None
    device: Annotated[str, typer.Option(help="Device of models; auto is the best there is.")] = "auto"
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail in the end if any song was skipped; the others are done.")
    ] = False

    def names(self) -> tuple[str, ...] | None:
        """Return who shall listen; servers that were named do so too. None for all that can."""
        if self.wanted is None:
            return None
        endpoint = self.endpoint is not None or self.endpoint_model is not None
        servers = {"lyrics-online": self.online_lyrics, "endpoint": endpoint}
        asked = _parts(self.wanted)
        return tuple(dict.fromkeys([*asked, *(name for name, named in servers.items() if named)]))

    def fields(self) -> tuple[str, ...]:
        """Return the fields to find anew."""
        return _parts(self.overwrite or ())

    def setup(self, home: Path | None) -> Setup:
        """Return what annotators may use.

        Raises:
            SettingError: If a model is not given as ``NAME=PATH``.
        """
        from acetune.annotation.annotate import default_setup

        return replace(
            default_setup(home),
            device=self.device,
            model_ids=_model_ids(self.model or ()),
            endpoint=self.endpoint,
            endpoint_model=self.endpoint_model,
            online=self.online_lyrics,
        )


@with_options(Options)
def annotate(context: typer.Context, folder: Folder, options: Options) -> None:
    """Find out tempo, metre, key, language, tags, captions, lyrics where nobody wrote them.

    Every value gets its source and how sure that source is. What a person or a file said is never replaced; what is
    known is not looked for again. What is found is on the disk at once: a broken run goes on where it stopped.
    """
    from acetune.annotation.annotate import annotate as annotate_songs
    from acetune.annotation.annotate import preview

    session = session_of(context)
    names, tracks, setup = options.names(), tuple(options.tracks or ()), options.setup(session.home)
    if options.preview is not None:
        done = preview(folder, options.preview, annotators=names, tracks=tracks, setup=setup, job=session.job)
        last = session.words("previewed")
    else:
        done = annotate_songs(
            folder, annotators=names, overwrite=options.fields(), tracks=tracks, setup=setup, job=session.job
        )
        last = session.words("next", command=f'acetune data check "{folder}"')
    if options.strict and done.skipped:
        songs = ", ".join(song.path for song in done.skipped)
        raise DataError("cli.skipped", count=len(done.skipped), names=songs)
    session.finish(vars(done), *_table(session, done.found), _summary(session, done), last)


def _summary(session: Session, done: AnnotateResult) -> str:
    """Return how many tracks got what, in a sentence."""
    counts = {"written": done.written, "kept": done.kept, "skipped": len(done.skipped)}
    return session.words("annotated", values=len(done.found), **counts)


def _table(session: Session, found: Sequence[Found]) -> list[str]:
    """Return the first values that were found, in columns."""
    if not found:
        return []
    heads = [session.words(f"column_{name}") for name in ("track", "field", "found", "confidence", "origin")]
    lines = align(heads, [_row(value) for value in found[:_SHOWN]])
    rest = len(found) - _SHOWN
    return [*lines, *([session.words("more_values", count=rest)] if rest > 0 else []), ""]


def _row(found: Found) -> list[str]:
    """Return one value in words."""
    value = ", ".join(map(str, found.value)) if isinstance(found.value, list) else str(found.value)
    sure = "-" if found.confidence is None else f"{found.confidence:.2f}"
    return [
        shortened(found.path, _COLUMNS),
        found.field,
        shortened(value, _COLUMNS),
        sure,
        f"{found.annotator} ({found.source})",
    ]


def _parts(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the names in texts with commas."""
    return tuple(name.strip() for text in texts for name in text.split(",") if name.strip())


def _model_ids(texts: Sequence[str]) -> Mapping[str, str]:
    """Return the models of annotators, given as ``NAME=PATH``.

    Raises:
        SettingError: If one is not.
    """
    pairs = {text: text.partition("=") for text in texts}
    for text, (name, _, path) in pairs.items():
        if not name.strip() or not path.strip():
            raise SettingError("annotation.bad_model", text=text)
    return {name.strip(): path.strip() for name, _, path in pairs.values()}
