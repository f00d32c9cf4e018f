"""How other trainers keep what they know of a song: one row of a table for each, as `sidecars` reads them.

A missing value is left out, as nothing may be invented. What a layout cannot hold is found by reading back what was
written for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from acetune.data.columns import read_row
from acetune.data.fields import FIELDS, read_fields
from acetune.data.rows import value_to_json
from acetune.data.sidecars import LAYOUTS as READERS
from acetune.data.track import Track
from acetune.events import Json

#: The mark of a song without voices, as 1.5 and v1 were trained with it.
INSTRUMENTAL: Final = "[Instrumental]"
_V1_INSTRUMENTAL = INSTRUMENTAL.lower()


@dataclass(frozen=True)
class SongLayout:
    """Files beside a song.

    Attributes:
        write: From a song to the text of each file by its ending.
        files: Ending to the layout of `sidecars` that reads such a file.
        tools: Who reads them.
    """

    write: Callable[[Track], Mapping[str, str | None]]
    files: Mapping[str, str]
    tools: str

    def texts(self, track: Track) -> Mapping[str, str]:
        """Return the files of a song by their endings; one that would hold nothing is not written."""
        return {ending: text for ending, text in self.write(track).items() if text}

    def not_held(self, track: Track) -> frozenset[str]:
        """Return the fields of a song that are missing or different when its files are read again."""
        values: dict[str, object] = {}
        readers = {reader.name: reader for reader in READERS}
        for ending, text in self.texts(track).items():
            values = {**read_back(readers[self.files[ending]].read(text)), **values}
        return differing(track, values)


def read_back(row: Mapping[str, Json]) -> dict[str, object]:
    """Return what acetune reads of a row in whatever layout, columns that it does not know included."""
    read = read_row(row, {})
    return {**read.extra, **read_fields(read.fields, Path())[0]}


def differing(track: Track, values: Mapping[str, object]) -> frozenset[str]:
    """Return the fields and unknown columns of a song that these values do not have."""
    plain = Track(path=track.path, seconds=track.seconds)
    told = {name: getattr(track, name) for name in FIELDS if getattr(track, name) != getattr(plain, name)}
    said = {**track.extra, **told}
    return frozenset(name for name, value in said.items() if value_to_json(value) != value_to_json(values.get(name)))


def lyrics_of(track: Track, mark: str) -> str | None:
    """Return the lyrics of a song; where nobody sings, the mark of that."""
    return track.lyrics or (mark if track.instrumental else None)


def whole_bpm(track: Track) -> int | None:
    """Return the tempo as other trainers have it."""
    return None if track.bpm is None else round(track.bpm)


def _v1(track: Track) -> Mapping[str, str | None]:
    """Return a prompt of tags and lyrics; v1's word for both tags and caption is prompt."""
    return {
        "_prompt.txt": ", ".join(track.tags or ()) or track.caption,
        "_lyrics.txt": lyrics_of(track, _V1_INSTRUMENTAL),
    }


def _official(track: Track) -> Mapping[str, str | None]:
    """Return the three files of the official 1.5 trainer."""
    row: dict[str, Json] = {
        "caption": track.caption,
        "bpm": whole_bpm(track),
        "keyscale": track.keyscale,
        "timesignature": track.timesignature,
        "language": track.language,
    }
    known = {name: value for name, value in row.items() if value is not None}
    return {
        ".caption.txt": track.caption,
        ".lyrics.txt": lyrics_of(track, INSTRUMENTAL),
        ".json": json.dumps(known, indent=1, ensure_ascii=False) + "\n" if known else None,
    }


def _side_step(track: Track) -> Mapping[str, str | None]:
    """Return lines of keys and values, the lyrics last."""
    row: dict[str, object] = {
        "caption": _one_line(track.caption),
        "genre": _one_line(track.genre),
        "bpm": whole_bpm(track),
        "key": track.keyscale,
        "signature": track.timesignature,
        "language": track.language,
        "is_instrumental": None if track.instrumental is None else str(track.instrumental).lower(),
        "custom_tag": _one_line(track.trigger),
        "repeat": track.repeats if track.repeats > 1 else None,
        "prompt_override": track.extra.get("prompt_override"),
    }
    lines = [f"{name}: {value}" for name, value in row.items() if value is not None]
    lyrics = lyrics_of(track, INSTRUMENTAL)
    lines += [f"lyrics:\n{lyrics}"] if lyrics else []
    return {".txt": "".join(f"{line}\n" for line in lines)}


def _simpletuner(track: Track) -> Mapping[str, str | None]:
    """Return a caption and lyrics."""
    return {".txt": track.caption, ".lyrics": lyrics_of(track, INSTRUMENTAL)}


def _ai_toolkit(track: Track) -> Mapping[str, str | None]:
    """Return one file of tags."""
    row = {
        "CAPTION": track.caption,
        "LYRICS": lyrics_of(track, INSTRUMENTAL),
        "BPM": whole_bpm(track),
        "KEYSCALE": track.keyscale,
        "TIMESIGNATURE": track.timesignature,
        "DURATION": round(track.seconds),
        "LANGUAGE": track.language,
    }
    return {".txt": "".join(f"<{tag}>{value}</{tag}>\n" for tag, value in row.items() if value is not None)}


def _one_line(text: str | None) -> str | None:
    """Return a text in one line."""
    return None if text is None else " ".join(text.split())


#: Layouts by the name that the command line has for them.
LAYOUTS: Final[Mapping[str, SongLayout]] = MappingProxyType(
    {
        "v1": SongLayout(
            _v1, {"_prompt.txt": "v1_prompt", "_lyrics.txt": "v1_lyrics"}, "ACE-Step v1, its forks, ACETRAINER-UI"
        ),
        "official": SongLayout(
            _official,
            {".json": "json", ".lyrics.txt": "lyrics_txt", ".caption.txt": "caption_txt"},
            "ACE-Step 1.5, Side-Step, acetune",
        ),
        "side-step": SongLayout(_side_step, {".txt": "key_value"}, "Side-Step, SN ComfyUI nodes"),
        "simpletuner": SongLayout(_simpletuner, {".txt": "txt_caption", ".lyrics": "lyrics"}, "SimpleTuner"),
        "ai-toolkit": SongLayout(_ai_toolkit, {".txt": "tagged"}, "ai-toolkit"),
    }
)
