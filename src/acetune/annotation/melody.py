"""How alike the notes of two recordings are, whoever plays them, in whatever key, a little faster or slower.

Chords and melody are compared as twelve pitch classes over time; the likeness is the mean correlation of a piece with
the part of a song that fits best, over all places, keys and some tempi. Measured (docs/log.md): a composition played by
another band, in another key and at another tempo has 0.85 to 0.97, half of them above 0.92; two compositions 0.87 at
most, 99 of 100 pairs below 0.80. Two songs of one band on the same chords may have 0.94: only ears tell those apart.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from acetune.annotation.key import pitch_classes_over_time
from acetune.audio.signal import Samples

#: As alike as no two compositions were that were compared.
ALIKE: Final = 0.9
#: A piece shorter than this has too few notes to be told from another.
LEAST_SECONDS: Final = 8.0
#: Frames of the spectrum in one of ours: 0.37 s, about a beat.
_STEP: Final = 2
_TEMPI: Final = (0.9, 0.95, 1.0, 1.05, 1.1)

#: Shape (frames, 12): pitch classes from C upwards.
Notes = npt.NDArray[np.float64]


def notes(audio: Samples) -> Notes:
    """Return the pitch classes over time of mono audio at 22.05 kHz; no frame of what is too short."""
    return pitch_classes_over_time(audio)


def likeness(piece: Notes, song: Notes) -> float:
    """Return how alike a piece is to the part of a song that fits it best, -1 to 1; 0 without anything to compare.

    The longer of the two may be either; the shorter one is moved along it.
    """
    short, long = sorted((piece, song), key=len)
    whole = _frames(long)
    return max((_best(_frames(_stretched(short, tempo)), whole) for tempo in _TEMPI), default=0.0)


def _best(part: Notes, whole: Notes) -> float:
    """Return the highest mean correlation of a part with the whole over all places and keys."""
    part = part[: len(whole)]
    if not len(part):
        return 0.0
    rows = np.arange(len(part))[:, None]
    places = rows + np.arange(len(whole) - len(part) + 1)
    return max(float((np.roll(part, key, axis=1) @ whole.T)[rows, places].mean(axis=0).max()) for key in range(12))


def _frames(classes: Notes) -> Notes:
    """Return longer frames, each without its mean and of length 1; silent ones are 0."""
    count = len(classes) // _STEP
    frames = classes[: count * _STEP].reshape(count, _STEP, 12).mean(axis=1)
    frames = frames - frames.mean(axis=1, keepdims=True)
    size = np.linalg.norm(frames, axis=1, keepdims=True)
    scaled: Notes = frames / np.where(size > 0, size, 1)
    return scaled


def _stretched(classes: Notes, tempo: float) -> Notes:
    """Return the same notes over so many times as many frames."""
    if not len(classes):
        return classes
    at = np.linspace(0, len(classes) - 1, round(len(classes) * tempo))
    return np.stack([np.interp(at, np.arange(len(classes)), row) for row in classes.T], axis=1)
