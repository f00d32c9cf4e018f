"""Verb `trigger`: the word that calls an adapter up, for every track of a data set that has none of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

from acetune.data.editing import apply
from acetune.data.history import known
from acetune.data.manifest import Manifest
from acetune.data.settings import DatasetSettings, TriggerPosition
from acetune.data.track import Track
from acetune.errors import DataError, SettingError
from acetune.events import Job


def trigger(
    dataset: str | Path, word: str | None, position: TriggerPosition = "prepend", *, job: Job | None = None
) -> DatasetSettings:
    """Write the trigger of a data set into its settings and return them; `acetune.data.undo` takes it back.

    It is put into captions when they are encoded, and never twice.

    Args:
        dataset: Folder of a scanned data set.
        word: The trigger; None for no trigger.
        position: Where it goes in a caption.
        job: Hears of a word that means something already.

    Raises:
        SettingError: If it cannot be a trigger, or another process holds the data set for long.
        DataError: If the data set was not scanned.
        DiskFull, NotWritable: As the file system says.
    """
    if word is not None and (not word.strip() or not word.isprintable()):
        raise SettingError("edit.bad_trigger", word=word)
    if position not in get_args(TriggerPosition):
        raise SettingError("edit.bad_position", position=position, known=", ".join(get_args(TriggerPosition)))
    word = None if word is None else word.strip()

    def plan(manifest: Manifest) -> Manifest:
        return replace(manifest, settings=replace(manifest.settings, trigger=word, trigger_position=position))

    said = ("trigger", *(() if word is None else (word, position)))
    apply(dataset, said, plan)
    manifest = known(dataset)
    if word is not None and position != "replace":
        _tell_ordinary(manifest, word, job or Job())
    return manifest.settings


def _tell_ordinary(manifest: Manifest, word: str, job: Job) -> None:
    """Report a trigger that stands in captions as a word among others: it would call up what it means already."""
    pattern = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE)
    found = [track.path for track in manifest.tracks if any(map(pattern.search, _texts(track)))]
    if found:
        job.tell(DataError("edit.ordinary_trigger", word=word, count=len(found), first=found[0]), subject=found[0])


def _texts(track: Track) -> Iterator[str]:
    """Yield what a track's prompt may say."""
    yield from filter(None, (track.caption, track.genre, *(track.tags or ())))
