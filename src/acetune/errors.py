"""Every way acetune can fail, and what to do about it.

    AcetuneError                      1   internal fault
    +-- UserError                     2   something in the request or the data
    |   +-- SettingError              2   a knob, flag or option
    |   +-- DataError                 2   songs, captions, a data set
    |   +-- MissingDependency         2   a package or weights that are not here
    |   +-- WrongAdapter              2   an adapter that does not belong to this network
    +-- ResourceError                 3   the machine
    |   +-- OutOfMemory, DiskFull, NotWritable, DownloadFailed
    +-- CorruptFile                   4   one of our own files is damaged
    +-- TrainingDiverged              5   NaN or infinity while training
    +-- Stopped                     130   asked to stop; the state is saved

An error is a code and parameters; the words live in ``locales/<language>/<area>.json`` (the area is the part of
the code before the dot), so that a command line, a browser and a node show the same sentence in any language.
The first line says what happened, the second what to do.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import ClassVar


class AcetuneError(Exception):
    """A failure that has a code, parameters, a message and a remedy.

    Args:
        code: ``area.name``, a key of the message tables.
        **params: Values that the message names.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, code: str, **params: object) -> None:
        self.code = code
        self.params = params
        super().__init__(code)

    def message(self, language: str = "en") -> str:
        """Return what happened, in one sentence."""
        return _text(self.code, "message", language).format(**self.params)

    def remedy(self, language: str = "en") -> str:
        """Return what to do about it, in one sentence."""
        return _text(self.code, "remedy", language).format(**self.params)

    def __str__(self) -> str:
        return f"{self.message()}\n{self.remedy()}"


class UserError(AcetuneError):
    """The request or the data is wrong; the user can mend it."""

    exit_code = 2


class SettingError(UserError):
    """A knob, flag or option has an impossible value."""


class DataError(UserError):
    """Songs, captions or a data set cannot be used as they are."""


class MissingDependency(UserError):
    """A package or a set of weights is not on this machine."""


class WrongAdapter(UserError):
    """An adapter does not belong to this network."""


class ResourceError(AcetuneError):
    """The machine lacks something."""

    exit_code = 3


class OutOfMemory(ResourceError):
    """Memory of the device ran out."""


class DiskFull(ResourceError):
    """A file could not be written because the disk is full."""


class NotWritable(ResourceError):
    """A file or folder may not be written."""


class DownloadFailed(ResourceError):
    """Weights could not be fetched whole."""


class CorruptFile(AcetuneError):
    """A file that acetune wrote is damaged."""

    exit_code = 4


class TrainingDiverged(AcetuneError):
    """A loss or a gradient stopped being a number."""

    exit_code = 5


class Stopped(AcetuneError):
    """The work was asked to stop and has saved its state."""

    exit_code = 130


def _text(code: str, part: str, language: str) -> str:
    """Return one text of a code, in English where a language lacks it."""
    for tongue in (language, "en"):
        entry = _table(tongue, code.partition(".")[0]).get(code)
        if entry is not None:
            return entry[part]
    raise KeyError(f"no text for error code {code!r}")


@cache
def _table(language: str, area: str) -> dict[str, dict[str, str]]:
    """Return the texts of one area in one language; empty where there are none."""
    source = resources.files("acetune") / "locales" / language / f"{area}.json"
    if not source.is_file():
        return {}
    table: dict[str, dict[str, str]] = json.loads(source.read_text(encoding="utf-8"))
    return table
