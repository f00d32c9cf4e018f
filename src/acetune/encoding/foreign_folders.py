"""Folders of encoded songs as other trainers leave them: which files are songs, and what is said about all of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from types import MappingProxyType
from typing import Final, get_args

from acetune.data.settings import TriggerPosition
from acetune.errors import DataError
from acetune.events import Json

SUFFIX: Final = ".pt"
#: Names of files that Side-Step had not finished.
_UNFINISHED = (".tmp.pt", ".__writing__")
_MANIFEST = "manifest.json"
#: Keys under which an entry of a manifest may name its file.
_NAMING = ("path", "file", "tensor_path", "filename", "id")
_POSITIONS: Mapping[str, TriggerPosition] = MappingProxyType({place: place for place in get_args(TriggerPosition)})


@dataclass(frozen=True)
class ForeignFolder:
    """Encoded songs of another trainer.

    Attributes:
        files: In the order of their manifest, else of their names.
        left_out: Files that are no song to be taken, and entries without a file, each with the reason.
        trigger: Activation word of all of them.
        position: Where their trainer put it; None where it does not say.
        findings: What should be known about the folder.
    """

    files: tuple[Path, ...]
    left_out: Mapping[str, DataError]
    trigger: str | None = None
    position: TriggerPosition | None = None
    findings: tuple[DataError, ...] = ()


def read_folder(folder: Path) -> ForeignFolder:
    """Return the encoded songs of a folder; one trainer puts them into ``tensors`` below it.

    A manifest decides which of the files are songs. Its entries may be paths of another machine: what counts is
    their last part. One that names none of the files here decides nothing.

    Raises:
        DataError: If there is no such folder, or no encoded song in it.
    """
    if not folder.is_dir():
        raise DataError("data.no_folder", folder=folder)
    place = next((p for p in (folder, folder / "tensors") if any(p.glob(f"*{SUFFIX}"))), folder)
    unfinished = [path for path in _files(place) if _is_unfinished(path)]
    songs = {path.name: path for path in _files(place) if path.suffix == SUFFIX and path not in unfinished}
    if not songs:
        raise DataError("tensors.none", folder=folder, unfinished=len(unfinished))
    left_out = {path.name: DataError("tensors.unfinished", path=path.name) for path in unfinished}
    try:
        said = _read_manifest(place)
    except DataError as finding:
        return ForeignFolder(tuple(songs.values()), left_out, findings=(finding,))
    chosen, missing = _chosen(said.get("samples"), songs)
    if chosen:
        left_out |= {name: DataError("tensors.not_there", path=name) for name in missing}
        left_out |= {name: DataError("tensors.not_listed", path=name) for name in songs if name not in chosen}
    about = said.get("metadata")
    trigger, position = _trigger(about if isinstance(about, dict) else {})
    return ForeignFolder(tuple(songs[name] for name in chosen or songs), left_out, trigger, position)


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder in order of their names, hidden ones left out."""
    yield from (path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith("."))


def _is_unfinished(path: Path) -> bool:
    """Whether a file was being written when its trainer stopped."""
    return any(sign in path.name for sign in _UNFINISHED)


def _read_manifest(folder: Path) -> Mapping[str, Json]:
    """Return the manifest of a folder; empty where there is none.

    Raises:
        DataError: If it is no JSON object.
    """
    path = folder / _MANIFEST
    if not path.is_file():
        return {}
    try:
        said = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as cause:
        raise DataError("tensors.manifest", path=path, cause=str(cause).splitlines()[0]) from cause
    if not isinstance(said, dict):
        raise DataError("tensors.manifest", path=path, cause="not an object")
    return said


def _chosen(entries: Json, songs: Mapping[str, Path]) -> tuple[dict[str, None], list[str]]:
    """Return the songs that entries of a manifest name, each once, and the entries that name none."""
    chosen: dict[str, None] = {}
    missing = []
    for entry in entries if isinstance(entries, list) else []:
        names = list(_names(entry))
        name = next((name for name in names if name in songs), None)
        if name is not None:
            chosen.setdefault(name)
        elif names:
            missing.append(names[0])
    return chosen, missing


def _names(entry: Json) -> Iterator[str]:
    """Yield the file names that an entry may mean: of its paths the last part, of its identity a song's name."""
    values = [entry.get(key) for key in _NAMING] if isinstance(entry, dict) else [entry]
    for value in values:
        if isinstance(value, (str, int)):
            name = PureWindowsPath(str(value)).name
            yield from (name, f"{name}{SUFFIX}")


def _trigger(about: Mapping[str, Json]) -> tuple[str | None, TriggerPosition | None]:
    """Return the activation word that a manifest gives all songs, and where it goes."""
    word = about.get("custom_tag")
    trigger = word.strip() or None if isinstance(word, str) else None
    return trigger, _POSITIONS.get(str(about.get("tag_position")))
