"""Files beside a song: one row of a table for each layout that a tool writes.

Which file counts where several speak is said in `readings`; how a bare ``.txt`` is told apart, in `bare_texts`.
"""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final

from acetune.data.bare_texts import TxtMeaning, layout_of, read_key_values, read_tagged
from acetune.data.columns import read_row
from acetune.data.fields import read_tags
from acetune.data.readings import Reading, Statement, merge, state
from acetune.data.texts import Text, read_text
from acetune.errors import DataError
from acetune.events import Json

#: A text that could be a caption or lyrics; it says nothing until somebody tells.
AMBIGUOUS: Final = "txt_ambiguous"
_BARE = ".txt"


@dataclass(frozen=True)
class Layout:
    """How one kind of file beside a song is read.

    Attributes:
        name: A key of the texts of area ``import``.
        ending: What follows the song's stem; an ending may have several layouts, told apart by what the file holds.
        kind: Whom it speaks with, one of `readings.ORDER`.
        read: From its text to columns and values.
        tools: Who writes such files.
    """

    name: str
    ending: str
    kind: str
    read: Callable[[str], Mapping[str, Json]]
    tools: str


def _field(name: str, text: str) -> Mapping[str, Json]:
    """Return a whole text as one field."""
    return {name: text}


def _prompt(text: str) -> Mapping[str, Json]:
    """Return v1's comma-separated tags, which are its caption too."""
    return {"caption": text, "tags": list(read_tags(text))}


def _object(text: str) -> Mapping[str, Json]:
    """Return the fields of a JSON object."""
    row = json.loads(text)
    if not isinstance(row, dict):
        raise ValueError("not a JSON object")
    return row


_caption, _lyrics = partial(_field, "caption"), partial(_field, "lyrics")

#: The files that a song may have beside it, the most trusted of one kind first.
LAYOUTS: Final = (
    Layout("json", ".json", "json", _object, "ACE-Step 1.5, musubi-tuner"),
    Layout("lyrics_txt", ".lyrics.txt", "named", _lyrics, "ACE-Step 1.5"),
    Layout("lyrics", ".lyrics", "named", _lyrics, "SimpleTuner"),
    Layout("v1_lyrics", "_lyrics.txt", "named", _lyrics, "ACE-Step v1, ACETRAINER-UI"),
    Layout("caption_txt", ".caption.txt", "named", _caption, "ACE-Step 1.5"),
    Layout("v1_prompt", "_prompt.txt", "named", _prompt, "ACE-Step v1, ACETRAINER-UI"),
    Layout("key_value", _BARE, "bare", read_key_values, "Side-Step, SN ComfyUI nodes"),
    Layout("tagged", _BARE, "bare", read_tagged, "ai-toolkit"),
    Layout("txt_lyrics", _BARE, "bare", _lyrics, "ACE-Step 1.5 of February 2026, FL ComfyUI nodes"),
    Layout("txt_caption", _BARE, "bare", _caption, "SimpleTuner"),
    Layout("lrc", ".lrc", "lrc", _lyrics, "players and lyric editors"),
)
#: What may follow a song's stem, each ending once.
ENDINGS: Final = tuple(dict.fromkeys(layout.ending for layout in LAYOUTS))


class Siblings:
    """The files of one folder by name, listed once; case and the form of accents may differ from the song's."""

    def __init__(self, folder: Path, names: Mapping[str, str]) -> None:
        self._folder, self._names = folder, names

    @classmethod
    def of(cls, folder: Path, names: list[str]) -> Siblings:
        """Return the files of a folder that has these names; an exact name counts before a similar one."""
        similar = {same(name): name for name in sorted(names, reverse=True)}
        return cls(folder, MappingProxyType({**similar, **{name: name for name in names}}))

    def beside(self, audio: Path) -> Mapping[str, Path]:
        """Return the files of a song by their ending; one that is named after another song belongs to that."""
        found = {}
        for ending in ENDINGS:
            wanted = audio.stem + ending
            name = self._names.get(wanted) or self._names.get(same(wanted))
            if name is not None and not self._is_of_another(os.path.splitext(name)[0], audio.stem):
                found[ending] = self._folder / name
        return MappingProxyType(found)

    def _is_of_another(self, stem: str, own: str) -> bool:
        """Whether a file is called after another song of the folder: `a_lyrics.txt` beside `a_lyrics.mp3`."""
        from acetune.audio.files import AUDIO_SUFFIXES

        return same(stem) != same(own) and any(same(stem + suffix) in self._names for suffix in AUDIO_SUFFIXES)


def same(name: str) -> str:
    """Return a name so that names are equal that one could not tell apart."""
    return unicodedata.normalize("NFC", name).casefold()


def read_sidecars(audio: Path, meaning: TxtMeaning | None = None) -> Reading:
    """Return what the files beside a song say; nothing is ever raised for a damaged one.

    Args:
        audio: The song.
        meaning: What a person says that ambiguous texts are.
    """
    names = [entry.name for entry in audio.parent.iterdir() if entry.is_file()]
    return merge(statements_beside(Siblings.of(audio.parent, names).beside(audio), meaning))


def statements_beside(files: Mapping[str, Path], meaning: TxtMeaning | None) -> tuple[Statement, ...]:
    """Return what each file of a song says.

    Args:
        files: Ending to file.
        meaning: What a person says that ambiguous texts are.
    """
    said = []
    for ending, path in files.items():
        layouts = [layout for layout in LAYOUTS if layout.ending == ending]
        try:
            text = read_text(path)
            name = layout_of(text.text, files.keys() - {ending}, meaning) if ending == _BARE else layouts[0].name
            said.append(_statement({layout.name: layout for layout in layouts}, name, text, path))
        except DataError as finding:
            said.append(Statement(path, layouts[0].name, layouts[0].kind, findings=(finding,)))
    return tuple(said)


def _statement(layouts: Mapping[str, Layout], name: str | None, text: Text, path: Path) -> Statement:
    """Return what a text says in the layout of this name.

    Raises:
        DataError: If it is none.
    """
    if name is None:
        found = (DataError("data.txt_ambiguous", path=path),) if text.text else ()
        return Statement(path, AMBIGUOUS if found else "txt_empty", "bare", findings=(*text.findings, *found))
    layout = layouts[name]
    try:
        row = layout.read(text.text)
    except (ValueError, RecursionError) as cause:
        raise DataError("data.sidecar_unreadable", path=path, cause=_short(cause)) from cause
    return state(read_row(row, {}, beside=True), path, layout.name, layout.kind, text.findings)


def _short(cause: Exception) -> str:
    """Return what a library says, in one line."""
    return " ".join(str(cause).split())[:120]
