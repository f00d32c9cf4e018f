"""Metre by signal: the metre that goes best with the beat, judged together with it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

from acetune.annotation.annotator import Guess, Listen, Setup, Song
from acetune.annotation.tempo import Rhythm, likelihood, rhythm
from acetune.data.track import Source
from acetune.events import Job

_SAME_TEMPO = 0.04  # as a share


class MeterAnnotator:
    """Finds the metre of a song: 4, 3 or 6; 2/4 cannot be told from 4/4."""

    name = "meter"
    fields = ("timesignature",)
    source = Source.SIGNAL
    pooled = True

    def missing(self, setup: Setup) -> None:
        """Return None: it needs nothing."""

    def opened(self, setup: Setup, job: Job) -> AbstractContextManager[Listen]:
        """Return a block with a function that tells the metre of a song."""
        return nullcontext(_listen)


def _listen(song: Song) -> Mapping[str, Guess]:
    """Return the metre; nothing where there is no beat. A tempo that a person or a file said is taken as the beat."""
    found = song.heard(rhythm)
    if found is None:
        return {}
    said = song.track.source_of("bpm")
    timesignature, confidence = meter(found, song.track.bpm if said is not None and said > Source.SIGNAL else None)
    return {"timesignature": Guess(timesignature, round(confidence, 3))}


def meter(found: Rhythm, bpm: float | None = None) -> tuple[str, float]:
    """Return the metre of a song and how likely it is, 0 to 1.

    Args:
        found: What was heard.
        bpm: The known tempo; None for the one that was heard, and where none that was considered comes near it.
    """
    beat = bpm or found.bpm
    near = [each for each in found.considered if abs(each.bpm / beat - 1) < _SAME_TEMPO]
    near = near or [each for each in found.considered if each.bpm == found.bpm]
    best = max(near, key=lambda hypothesis: hypothesis.score)
    return best.timesignature, likelihood(near, [best])
