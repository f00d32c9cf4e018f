"""The names that other tools and people give to what acetune calls caption, keyscale, trigger and so on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from acetune.catalog import nearest
from acetune.data.fields import FIELDS, Fields
from acetune.data.keys import parse_keyscale
from acetune.data.rows import OWN_COLUMNS
from acetune.errors import SettingError
from acetune.events import Json

#: What a person calls the column that names the audio.
FILE: Final = "file"
#: Columns that name the audio, the most trusted first.
_FILE_NAMES = ("audio_path", "file_name", "filename", "file", "path", "audio_file", "audio")
#: Columns that name the audio where no other does; elsewhere they hold a title.
_TITLES = ("location", "name")
_RECAPTION = "recaption"
#: Kinds of captions that ACE-Step v1 was trained with; each may be a column.
_KINDS = ("simplified", "expanded", "descriptive", "synonyms", "use_cases", "analysis")
#: Measured from the audio, which knows better.
_MEASURED = frozenset({"duration", "seconds"})

#: Column to field. Sources: Side-Step, SN and FL ComfyUI nodes, the official 1.5 and v1 trainers, Key-BPM-Finder.
NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        **{name: name for name in FIELDS},
        **{"description": "caption", "genres": "genre", "norm_lyrics": "lyrics", "tempo": "bpm"},
        **dict.fromkeys(("key", "scale", "key_scale", "initial_key", "initialkey"), "keyscale"),
        **dict.fromkeys(("time_signature", "signature", "sig", "metre", "meter"), "timesignature"),
        **dict.fromkeys(("lang", "vocal_language"), "language"),
        **{"is_instrumental": "instrumental", "custom_tag": "trigger", "license": "licence"},
        **dict.fromkeys(("repeat", "repeat_count", "num_repeats"), "repeats"),
    }
)


@dataclass(frozen=True)
class Row:
    """What a row of any table says about one song.

    Attributes:
        claims: Paths of the audio as written, the most trusted first.
        fields: What it says, by acetune's names.
        extra: Columns that acetune does not know, which are kept; empty ones say nothing.
    """

    claims: tuple[str, ...] = ()
    fields: Fields = field(default_factory=lambda: MappingProxyType({}))
    extra: Mapping[str, Json] = field(default_factory=lambda: MappingProxyType({}))


def read_row(row: Mapping[str, Json], columns: Mapping[str, str], *, beside: bool = False) -> Row:
    """Return a row in acetune's names; of two columns for one field the first that says something counts.

    Args:
        row: Column to value.
        columns: What a person said that a column is; else its name decides.
        beside: Whether it is known which audio the row describes, so that a title is no path.
    """
    claims: dict[int, str] = {}
    fields: dict[str, Json] = {}
    captions: dict[str, Json] = {}
    extra: dict[str, Json] = {}
    for name, value in row.items():
        known, kind = _meaning(name, columns)
        if known == FILE and (claim := _claim(value)):
            claims[_trust(name)] = claim
        elif known == _RECAPTION and kind:
            captions[kind] = value
        elif known in FIELDS and not _says(fields.get(known)):
            fields[known] = value
        elif known is None and _says(value):
            extra[name] = value
    if captions:
        fields[_RECAPTION] = captions
    if whole := _whole_key({plain(name): value for name, value in row.items()}):
        fields["keyscale"] = whole
    paths = tuple(claims[trust] for trust in sorted(claims))
    read = Row(paths, MappingProxyType(fields), MappingProxyType(extra))
    return read if paths or beside else _by_title(read)


def _by_title(row: Row) -> Row:
    """Return a row whose audio is named by its title, for want of anything else."""
    titles = {name: value for name, value in row.extra.items() if plain(name) in _TITLES}
    claims = tuple(claim for value in titles.values() if (claim := _claim(value)))
    extra = {name: value for name, value in row.extra.items() if name not in titles}
    return Row(claims, row.fields, MappingProxyType(extra))


def names_a_file(name: str, columns: Mapping[str, str], *, titles: bool = False) -> bool:
    """Whether a column says where the audio is; with `titles` also one that may do so."""
    return _meaning(name, columns)[0] == FILE or (titles and plain(name) in _TITLES)


def plain(name: str) -> str:
    """Return a column's name in small letters with underscores, as it is looked up."""
    return "_".join(name.strip().lower().replace("-", " ").split())


def check_columns(columns: Mapping[str, str]) -> Mapping[str, str]:
    """Return a person's columns by their plain names.

    Raises:
        SettingError: If a field is none; the nearest one is offered.
    """
    known = (FILE, *FIELDS)
    for name, said in columns.items():
        if said not in known and not said.startswith(f"{_RECAPTION}."):
            hint = nearest(said, known)
            raise SettingError("import.no_field", column=name, field=said, known=", ".join(known), hint=hint)
    return MappingProxyType({plain(name): said for name, said in columns.items()})


def _meaning(name: str, columns: Mapping[str, str]) -> tuple[str | None, str]:
    """Return the field of a column and its kind of caption, None for a column that acetune does not know.

    A column of acetune's own records, such as `provenance`, means nothing and is not kept: it holds for another file.
    """
    key = plain(name)
    said = columns.get(key) or NAMES.get(key)
    if said is None and (key in _KINDS or key.startswith((f"{_RECAPTION}_", f"{_RECAPTION}."))):
        said = f"{_RECAPTION}.{key.removeprefix(_RECAPTION).lstrip('_.')}"
    if said is None and key in _FILE_NAMES:
        return FILE, ""
    if said is None and (key in OWN_COLUMNS or key in _MEASURED):
        return "", ""
    field_name, _, kind = (said or "").partition(".")
    return field_name or None, kind


def _whole_key(row: Mapping[str, Json]) -> str | None:
    """Return the key of a table that has the tonic in one column and major or minor in another."""
    parts = [part for name in ("key", "scale") if isinstance(part := row.get(name), str)]
    return parse_keyscale(" ".join(parts)) if len(parts) > 1 else None


def _claim(value: Json) -> str:
    """Return a path as it was written; `datasets` keeps it beside the bytes of the audio."""
    if isinstance(value, dict):
        value = value.get("path")
    return value.strip() if isinstance(value, str) and "\0" not in value else ""


def _trust(name: str) -> int:
    """Return how late a column that names the audio is believed; one that a person named comes first."""
    key = plain(name)
    return _FILE_NAMES.index(key) if key in _FILE_NAMES else -1


def _says(value: Json) -> bool:
    """Whether a value is more than nothing."""
    return value is not None and value != "" and value != [] and value != {}
