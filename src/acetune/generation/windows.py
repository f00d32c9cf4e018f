"""Tasks that begin with music: what a variant can do, how long it becomes, and which part of it is made."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from acetune.audio import files as audio_files
from acetune.errors import SettingError
from acetune.families.tasks import PARTED, TEXT_TO_MUSIC, TRACKS, WINDOWED, Task
from acetune.recipe import family_of

if TYPE_CHECKING:
    from acetune.generation.request import Request

#: Longest piece that the models were trained for.
LONGEST_SECONDS: Final = 600.0


def with_source(request: Request) -> Request:
    """Return a request whose length and window follow from its source.

    Raises:
        SettingError: If the task, its variant, its source, its window or its parts do not go together.
        DataError: If the source cannot be read.
    """
    _check_variant(request)
    _check_parts(request)
    if request.task == TEXT_TO_MUSIC.name:
        if request.source is not None:
            raise SettingError("generation.source_unused")
        return request
    if request.source is None:
        raise SettingError("generation.no_source", task=request.task)
    if not 0 <= request.cover_strength <= 1:
        raise SettingError("generation.bad_cover_strength", value=request.cover_strength)
    length = request.seconds or min(audio_files.probe(Path(request.source)).seconds, LONGEST_SECONDS)
    return replace(request, seconds=max(length, _window(request, length)[1]))


def window_of(request: Request, frames_per_second: float) -> tuple[int, int] | None:
    """Return the frames that a task makes, of the piece it is told about; None for all of them."""
    if request.task not in WINDOWED or (request.start is None and request.end is None):
        return None
    start, end = window_seconds(request)
    return math.floor(start * frames_per_second), math.ceil(end * frames_per_second)


def window_seconds(request: Request) -> tuple[float, float]:
    """Return the seconds between which music is made, once the length of the piece is known."""
    return _window(request, request.length)


def _check_variant(request: Request) -> None:
    """Refuse a task that the network was not trained for."""
    card, variant = family_of(request.variant)
    if request.task not in variant.tasks:
        able = [v.name for v in card.variants if request.task in v.tasks and v.embedded == variant.embedded]
        raise SettingError(
            "generation.task", task=request.task, variant=variant.name, known=", ".join(variant.tasks),
            able=", ".join(able) or "-",
        )  # fmt: skip


def _check_parts(request: Request) -> None:
    """Refuse parts that have no name, or a task that takes none of them or only one."""
    unknown = [name for name in request.tracks if name not in TRACKS]
    if unknown:
        raise SettingError("generation.bad_track", name=unknown[0], known=", ".join(TRACKS))
    most = len(TRACKS) if request.task == "complete" else int(request.task in PARTED)
    if len(request.tracks) > most:
        raise SettingError("generation.tracks", task=request.task, count=len(request.tracks), most=most)
    if request.task not in WINDOWED and (request.start, request.end) != (None, None):
        raise SettingError("generation.no_window", task=request.task)
    if request.task == "repaint" and request.start is None and request.end is None:
        raise SettingError("generation.window_missing")


def _window(request: Request, length: float) -> tuple[float, float]:
    """Return the seconds between which music is made."""
    start = 0.0 if request.start is None else request.start
    end = length if request.end is None else request.end
    if not 0 <= start < end <= LONGEST_SECONDS:
        raise SettingError("generation.bad_window", start=start, end=end, longest=LONGEST_SECONDS)
    return start, end


def task_of(request: Request) -> Task:
    """Return what the network is asked."""
    return Task(request.task, request.tracks)
