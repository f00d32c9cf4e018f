"""Commands that change a data set, show what it holds, and make it forget."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from acetune.catalog import resolve
from acetune.cli.arguments import Folder
from acetune.cli.asking import agrees, can_ask
from acetune.cli.differing import SHOWN, difference_lines, result_of
from acetune.cli.figuring import figure_lines
from acetune.cli.session import Session, session_of
from acetune.cli.tables import align
from acetune.errors import SettingError
from acetune.monitor.lines import amount
from acetune.monitor.words import Words

if TYPE_CHECKING:
    from acetune.data.editing import Edited
    from acetune.encoding.forget import Forgotten

_TRACKS = Annotated[
    list[str] | None,
    typer.Option("--tracks", metavar="GLOB", help="Paths or file names; again for more.", show_default="all tracks"),
]
_APPLY = Annotated[
    bool | None,
    typer.Option("--yes/--dry-run", help="Do it without asking, or only show it.", show_default="ask in a terminal"),
]


def edit(
    context: typer.Context,
    folder: Folder,
    words: Annotated[
        list[str],
        typer.Argument(metavar="OPERATION WORDS...", help="What to do, and with what.", show_default=False),
    ],
    tracks: _TRACKS = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD=VALUE",
            help="Only tracks with this value, with wildcards; FIELD= for a missing one; again for more.",
            show_default=False,
        ),
    ] = None,
    apply: _APPLY = None,
) -> None:
    """Change many songs at once.

    The operations are: set FIELD VALUE, prepend FIELD TEXT, append FIELD TEXT, replace FIELD OLD NEW, regex FIELD
    PATTERN REPLACEMENT, clear FIELD, tag TAGS, untag TAGS, exclude, include, split train|validation|none, repeat COUNT.
    Without a terminal it is done at once; `acetune data undo` takes it back.
    """
    session, verb, conditions = session_of(context), resolve("data", "edit"), _conditions(where or ())

    def change(**how: Any) -> Edited:
        edited: Edited = verb(folder, *words, tracks=tuple(tracks or ()), where=conditions, **how)
        return edited

    _change(session, folder, change, apply)


def lyrics(
    context: typer.Context,
    folder: Folder,
    normalise: Annotated[
        bool, typer.Option("--normalise", help="Write them so; else they are only shown.", show_default=False)
    ] = False,
    tracks: _TRACKS = None,
    apply: _APPLY = None,
) -> None:
    """Bring lyrics into one form: section headings, punctuation, capitals, blank lines.

    Headings become those of ACE-Step 1.5, such as [Verse 1], from English, Chinese, Japanese, Korean and others.
    Lyrics that say only [Instrumental], and that word as a language or tag, become the flag.
    """
    verb = resolve("data", "lyrics")

    def change(**how: Any) -> Edited:
        edited: Edited = verb(folder, tracks=tuple(tracks or ()), **how)
        return edited

    _change(session_of(context), folder, change, apply if normalise else False)


def trigger(
    context: typer.Context,
    folder: Folder,
    word: Annotated[
        str | None, typer.Argument(metavar="WORD", help="Word that calls the adapter up.", show_default=False)
    ] = None,
    position: Annotated[
        Literal["prepend", "append", "replace"], typer.Option(help="Where it goes in a caption.")
    ] = "prepend",
    clear: Annotated[bool, typer.Option("--clear", help="Have no trigger.")] = False,
) -> None:
    """Set the word that calls an adapter up, for every song.

    It is put into captions when songs are encoded, never twice. `acetune data edit FOLDER set trigger WORD --tracks
    GLOB` gives some songs another one.
    """
    session = session_of(context)
    if (word is None) != clear:
        raise SettingError("edit.which_trigger")
    settings = resolve("data", "trigger")(folder, word, position, job=session.job)
    words = _words(session)
    session.finish(
        {"trigger": settings.trigger, "trigger_position": settings.trigger_position},
        words("triggered", word=word, position=position) if word else words("no_trigger"),
    )


def rename(
    context: typer.Context,
    folder: Folder,
    pattern: Annotated[
        str | None,
        typer.Option(
            help="New name without suffix, of {stem}, {number:03}, {hash}, {genre}, {bpm}, {keyscale}, {language}.",
            show_default="the old name, made safe",
        ),
    ] = None,
    safe: Annotated[bool, typer.Option("--safe", help="Make names safe on every system, Chinese in pinyin.")] = False,
    tracks: _TRACKS = None,
    apply: _APPLY = None,
) -> None:
    """Rename songs; the text files beside them go along.

    What a song was called first is kept in the column original_name. `acetune data undo` takes it back.
    """
    session, verb, words = session_of(context), resolve("data", "rename"), _words(session_of(context))
    how = {"safe": safe, "tracks": tuple(tracks or ())}
    seen = verb(folder, pattern, **how, dry_run=True)
    lines = [f"{move.old} -> {move.new}" for move in seen.moves]
    result = {"songs": seen.songs, "files": {move.old: move.new for move in seen.moves}}
    if not (seen.moves and _agreed(session, apply, lines)):
        session.finish({**result, "done": False}, *_left(apply, lines, words))
        return
    verb(folder, pattern, **how, expected=seen.versions if can_ask(session) else None)
    session.finish({**result, "done": True}, words("renamed", count=len(seen.songs), folder=folder))


def undo(
    context: typer.Context,
    folder: Folder,
    listing: Annotated[bool, typer.Option("--list", help="Show what can be taken back, the last one first.")] = False,
    keep_changed: Annotated[
        bool, typer.Option("--keep-changed", help="Keep what somebody changed since; take back the rest.")
    ] = False,
    apply: _APPLY = None,
) -> None:
    """Take the last change back; again for the one before."""
    session, verb, words = session_of(context), resolve("data", "undo"), _words(session_of(context))
    if listing:
        _list_changes(session, folder)
        return
    seen = verb(folder, keep_changed=keep_changed, dry_run=True)
    lines = [words("would_undo", operation=seen.operation), *difference_lines(seen.changes)]
    done = _agreed(session, apply, lines)
    lines = _left(apply, lines, words)
    if done:
        verb(folder, keep_changed=keep_changed, expected=seen.id)
        lines = [words("undone", operation=seen.operation, count=len(seen.changes))]
    result = {"operation": seen.operation, "changes": result_of(seen.changes), "gone": seen.gone, "done": done}
    session.finish(result, *lines)


def stats(context: typer.Context, folder: Folder) -> None:
    """Show a data set in numbers: songs, minutes, what is known of them and who said it."""
    session = session_of(context)
    figures = resolve("data", "stats")(folder)
    session.finish(vars(figures), *figure_lines(figures, _words(session)))


def forget(
    context: typer.Context,
    folder: Folder,
    track: Annotated[
        str, typer.Argument(metavar="TRACK", help="Path or file name, or the hash of its audio.", show_default=False)
    ],
    delete_audio: Annotated[
        bool, typer.Option("--delete-audio", help="Delete the song too, and the texts beside it.")
    ] = False,
    apply: _APPLY = None,
) -> None:
    """Remove what is kept of one song, and list the runs that used it.

    Its row, results, history, notes and encoded parts go, and cannot be taken back. Adapters cannot be made to forget:
    they are listed, so that you can delete them and train again without it.
    """
    session, verb, words = session_of(context), resolve("data", "forget"), _words(session_of(context))
    if apply is None and not can_ask(session):
        raise SettingError("edit.must_confirm", track=track)
    seen = verb(folder, track, delete_audio=delete_audio, dry_run=True, home=session.home, job=session.job)
    lines = _forgotten_lines(seen, words)
    done = _agreed(session, apply, lines)
    if done:
        verb(folder, track, delete_audio=delete_audio, home=session.home)
        lines = [words("forgotten", path=seen.traces.path), *lines[-1 - len(seen.runs) :]]
    else:
        lines = _left(apply, lines, words)
    session.finish({**vars(seen), "done": done}, *lines)


def _change(session: Session, folder: object, change: Callable[..., Edited], apply: bool | None) -> None:
    """Show a change, and make it unless somebody says no; what a person saw is what is changed then."""
    words = _words(session)
    seen = change(dry_run=True)
    lines = list(difference_lines(seen.changes))
    if not (seen.changes and _agreed(session, apply, lines)):
        result = {"changes": result_of(seen.changes), "versions": seen.versions, "done": False}
        session.finish(result, *_left(apply, lines, words))
        return
    done = change(expected=seen.versions) if apply is None and can_ask(session) else change()
    session.finish(
        {"changes": result_of(done.changes), "versions": done.versions, "done": True},
        words("changed", count=len(done.changes), folder=folder),
    )


def _agreed(session: Session, apply: bool | None, lines: Sequence[str]) -> bool:
    """Return whether to do what these lines show; where nobody can be asked, it is done."""
    if apply is not None or not can_ask(session):
        return apply is not False
    words = _words(session)
    for line in lines[:SHOWN]:
        session.console.say(line)
    if len(lines) > SHOWN:
        session.console.say(words("more", count=len(lines) - SHOWN))
    return agrees(words("go_on"))


def _left(apply: bool | None, lines: Sequence[str], words: Words) -> list[str]:
    """Return what is said in the end where nothing was done: all of it, unless a person saw it and said no."""
    return [*(lines if apply is False else ()), words("unchanged")]


def _list_changes(session: Session, folder: object) -> None:
    """Show what can be taken back."""
    from acetune.data.history import read_entries

    entries = read_entries(str(folder))[::-1]
    rows = [
        {"id": entry.id, "time": entry.time, "operation": entry.title, "tracks": len(entry.tracks)} for entry in entries
    ]
    clocks = [time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.time)) for entry in entries]
    heads = [_words(session)(f"column_{name}") for name in ("when", "tracks", "operation")]
    cells = [[clock, str(row["tracks"]), str(row["operation"])] for clock, row in zip(clocks, rows, strict=True)]
    session.finish(
        {"changes": rows}, *(align(heads, cells) if cells else [_words(session)("nothing_to_undo", folder=folder)])
    )


def _forgotten_lines(seen: Forgotten, words: Words) -> list[str]:
    """Return what is removed, and the runs in the end."""
    traces = seen.traces
    counts = {"changes": traces.changes, "notes": traces.notes, "copies": len(traces.copies), "parts": seen.parts}
    lines = [words("would_forget", path=traces.path, **counts, size=amount(seen.bytes), heard=len(seen.heard))]
    lines += [words("would_delete", path=path) for path in seen.deleted]
    runs = [words(f"used_{run.part}", run=run.run, folder=run.folder, adapters=len(run.adapters)) for run in seen.runs]
    return [*lines, words("runs_that_used" if runs else "no_runs", count=len(runs)), *runs]


def _conditions(conditions: Sequence[str]) -> dict[str, str]:
    """Return column to value of conditions such as ``genre=rock``.

    Raises:
        SettingError: If one has no equal sign.
    """
    pairs = [condition.partition("=") for condition in conditions]
    for column, sign, _ in pairs:
        if not sign:
            raise SettingError("edit.no_equals", condition=column)
    return {column.strip(): value.strip() for column, _, value in pairs}


def _words(session: Session) -> Words:
    """Return the texts about changing data sets."""
    return Words("edit", session.options.language)


COMMANDS: Mapping[str, Callable[..., None]] = {
    "edit": edit,
    "lyrics": lyrics,
    "trigger": trigger,
    "rename": rename,
    "undo": undo,
    "stats": stats,
    "forget": forget,
}
