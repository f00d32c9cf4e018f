"""Commands that bring songs into a data set and take a data set elsewhere: add, export, sample, collect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from acetune.catalog import resolve
from acetune.cli.arguments import Folder, text_or_file
from acetune.cli.asking import asker
from acetune.cli.gathering import with_options
from acetune.cli.session import Session, pretty, session_of
from acetune.errors import SettingError
from acetune.monitor.lines import clock
from acetune.monitor.words import Words

if TYPE_CHECKING:
    from acetune.events import Json

_SAMPLES = Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of samples.", show_default=False)]


def add(
    context: typer.Context,
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILES...", help="Audio files, or folders of them.", show_default=False),
    ],
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="The data set; made if there is none.", show_default=False)
    ],
    on_conflict: Annotated[
        Literal["other", "add", "clear"] | None,
        typer.Option(
            help="Where the folder has songs: use another one beside it, add to them, or put them away first.",
            show_default="ask",
        ),
    ] = None,
    move: Annotated[bool, typer.Option("--move/--copy", help="Delete the originals in the end, or keep them.")] = False,
) -> None:
    """Copy songs into a data set under safe names.

    Names become ASCII (Chinese in pinyin) and the original ones are kept in the column original_name. Texts beside a
    song come along. A song whose bytes are there already is not added again. The data set is scanned in the end.
    """
    session = session_of(context)
    words = _words(session)
    done = resolve("data", "add")(
        files, folder, on_conflict=on_conflict, move=move, ask=asker(session), job=session.job
    )
    tracks = done.scanned.manifest.tracks
    seconds = sum(track.seconds for track in tracks)
    lines = [words("added", added=len(done.added), skipped=len(done.skipped), folder=done.folder)]
    lines += [words("removed", folder=done.removed)] if done.removed else []
    session.finish(
        {**{name: value for name, value in vars(done).items() if name != "scanned"}, "tracks": len(tracks)},
        *lines,
        words("holds", tracks=len(tracks), time=clock(seconds)),
    )


def export(
    context: typer.Context,
    folder: Folder,
    to: Annotated[str, typer.Option(help="zip, audiofolder, hf, official-json or sidecars.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="What to write; does not exist yet.", show_default=False)],
    layout: Annotated[
        str | None,
        typer.Option(
            help="Files beside each song, for zip and sidecars: v1, official, side-step, simpletuner or ai-toolkit.",
            show_default="zip: metadata.jsonl, sidecars: official",
        ),
    ] = None,
    include_private: Annotated[
        bool,
        typer.Option("--include-private", help="With owner, ISRC, consent, original names, whole paths, own columns."),
    ] = False,
) -> None:
    """Write a data set for other programs and people.

    zip and audiofolder hold everything, so that a data set comes back as it was. hf is the arrow folder that ACE-Step
    v1 reads, official-json the dataset.json of ACE-Step 1.5. What a target cannot hold is listed. Lyrics that came
    from LRCLIB never leave.
    """
    session = session_of(context)
    done = resolve("data", "export")(
        folder, to=to, out=out, layout=layout, include_private=include_private, job=session.job
    )
    session.finish(vars(done), _words(session)("exported", tracks=done.tracks, path=done.path))


@dataclass(frozen=True)
class Said:
    """What a user says of a sample."""

    caption: Annotated[str | None, typer.Option(help="Style, instruments, mood.", show_default=False)] = None
    lyrics: Annotated[
        str | None,
        typer.Option(help="Words, a text file with them, or '[Instrumental]'.", show_default=False),
    ] = None
    bpm: Annotated[str | None, typer.Option(help="Tempo; 0 to have it found later.", show_default=False)] = None
    keyscale: Annotated[str | None, typer.Option(help="Key, such as 'F# minor' or 'Am'.", show_default=False)] = None
    language: Annotated[
        str | None, typer.Option(help="Language code of the lyrics, or 'instrumental'.", show_default=False)
    ] = None
    field: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Any other field, such as tags=rock,live.", show_default=False),
    ] = None

    def fields(self) -> dict[str, Json]:
        """Return field to value as it was written.

        Raises:
            SettingError: If a further field is not given as ``NAME=VALUE``.
        """
        said: dict[str, Json] = {}
        for further in self.field or ():
            name, sign, value = further.partition("=")
            if not sign:
                raise SettingError("share.no_equals", field=further)
            said[name] = value
        own = {name: getattr(self, name) for name in (field.name for field in fields(self)) if name != "field"}
        if own["lyrics"] is not None:
            own["lyrics"] = text_or_file(own["lyrics"])
        return {**said, **{name: value for name, value in own.items() if value is not None}}


@with_options(Said)
def sample(
    context: typer.Context,
    audio: Annotated[Path, typer.Argument(metavar="AUDIO", help="The song.", show_default=False)],
    folder: _SAMPLES,
    options: Said,
) -> None:
    """Make one training sample of a song and what you say of it.

    The song is copied into the folder of samples under a safe name, with a JSON file beside it. The same song again
    changes what is said of it.
    """
    session = session_of(context)
    made = resolve("data", "sample")(audio, folder, options.fields(), job=session.job)
    session.finish(vars(made), str(made.audio))


def collect(
    context: typer.Context,
    folder: _SAMPLES,
    form: Annotated[
        Literal["lists", "json"], typer.Option("--as", help="Lists with commas and quotes, or one JSON object.")
    ] = "lists",
) -> None:
    """Print the samples of a folder as lists: audio files, captions, lyrics, tempos, keys, languages.

    The folder is scanned first. Values that hold commas stand in double quotes.
    """
    session = session_of(context)
    lists = resolve("data", "collect")(folder, job=session.job)
    shown = [pretty(lists.as_json())] if form == "json" else [f"{name}: {t}" for name, t in lists.as_text().items()]
    session.finish(lists.as_json() if form == "json" else lists.as_text(), *shown)


def _words(session: Session) -> Words:
    """Return the texts of this area."""
    return Words("share", session.options.language)


COMMANDS: Mapping[str, Callable[..., None]] = {"add": add, "export": export, "sample": sample, "collect": collect}
