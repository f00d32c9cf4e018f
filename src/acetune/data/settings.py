"""What holds for a whole data set: ``.acetune/dataset.yaml``, written once and edited by people."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

from acetune.errors import DataError
from acetune.files import write_text

TriggerPosition = Literal["prepend", "append", "replace"]

#: Folder inside a data set that holds what acetune needs beside the manifest.
INNER: Final = ".acetune"
_VERSION: Final = 1


@dataclass(frozen=True)
class DatasetSettings:
    """What holds for a whole data set.

    Attributes:
        name: How the data set is called.
        trigger: Activation word of every track that has none of its own.
        trigger_position: Where the trigger goes in a caption.
    """

    name: str
    trigger: str | None = None
    trigger_position: TriggerPosition = "prepend"


def has_settings(folder: Path) -> bool:
    """Whether a data set was written by acetune, which a scan does first."""
    return _file(folder).is_file()


def read_settings(folder: Path) -> DatasetSettings:
    """Return the settings of a data set; where nothing is written it is called as its folder.

    Raises:
        DataError: If the file cannot be read, has an unknown key, or a newer acetune wrote it.
    """
    import yaml

    path = _file(folder)
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8-sig")) if path.is_file() else {}
    except (yaml.YAMLError, UnicodeDecodeError) as cause:
        raise DataError("data.bad_settings", path=path, cause=" ".join(str(cause).split())) from cause
    if not isinstance(values, dict):
        raise DataError("data.bad_settings", path=path, cause=values)
    return _settings({"name": folder.resolve().name, **values}, path)


def write_settings(folder: Path, settings: DatasetSettings) -> None:
    """Write the settings of a data set if they changed: the comments of a person live in that file.

    Raises:
        DiskFull: If there is no room.
        NotWritable: If the folder may not be written.
    """
    path = _file(folder)
    values: dict[str, object] = {"version": _VERSION, **vars(settings)}
    if not path.is_file():
        write_text(path, _dump(values))
    elif read_settings(folder) != settings:
        write_text(path, _with_values(path.read_text(encoding="utf-8-sig"), values))


def _with_values(text: str, values: dict[str, object]) -> str:
    """Return a document with these values, and with its comments as far as that is possible."""
    import yaml

    known = yaml.safe_load(text) or {}
    lines = text.splitlines()
    for name, value in values.items():
        if name in known and known[name] == value:
            continue
        line = _dump({name: value}).rstrip("\n")
        place = next((number for number, old in enumerate(lines) if old.startswith(f"{name}:")), len(lines))
        lines[place : place + 1] = [line]
    changed = "\n".join([*lines, ""])
    try:
        return changed if yaml.safe_load(changed) == values else _dump(values)
    except yaml.YAMLError:
        return _dump(values)


def _dump(values: dict[str, object]) -> str:
    """Return values as a document."""
    import yaml

    text: str = yaml.safe_dump(values, allow_unicode=True, sort_keys=False)
    return text


def _settings(values: dict[str, object], path: Path) -> DatasetSettings:
    """Return the settings of a document."""
    version = values.pop("version", _VERSION)
    if not isinstance(version, int) or version > _VERSION:
        raise DataError("data.newer", path=path, version=version, known=_VERSION)
    try:
        settings = DatasetSettings(**values)  # type: ignore[arg-type]  # checked by the next lines
    except TypeError as cause:
        raise DataError("data.bad_settings", path=path, cause=cause) from cause
    texts = all(isinstance(text, str) for text in (settings.name, settings.trigger or ""))
    if not texts or settings.trigger_position not in get_args(TriggerPosition):
        raise DataError("data.bad_settings", path=path, cause=values)
    return settings


def _file(folder: Path) -> Path:
    """Return where the settings of a data set are."""
    return folder / INNER / "dataset.yaml"
