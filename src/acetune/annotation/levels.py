"""Which of the periods of a song is its beat, and how many beats its bar has.

A song repeats itself after a fraction of a beat, a beat, a bar and several bars, and does not after what lies between.
For each beat that goes with the strongest period, and for each metre, a score adds up how much the curves of onsets and
harmony repeat themselves after certain multiples of the beat. Periods of the metre's own hierarchy count for it and the
others against it; how much each counts was fitted to composed songs (``levels.json``, by `benchmarks/fit_levels.py`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

import numpy as np

from acetune.annotation.curves import CURVE_RATE_HZ, Curve, Curves

#: In the spelling of `Track.timesignature`; 2/4 sounds as 4/4 does and is never said.
METRES: Final = ("4", "3", "6")
#: Groups of weights: four curves with one for each multiple; octaves above 110 BPM, their square, 1.
PARTS: Final = ("full", "low", "high", "harmony", "tempo")
#: Multiples of the beat after which a song may repeat itself.
MULTIPLES: Final = (1 / 8, 1 / 6, 1 / 4, 1 / 3, 1 / 2, 2 / 3, 3 / 4, 1, 4 / 3, 3 / 2, 2, 3, 4, 6, 8, 12)
#: Beats that go with a period, as multiples of its tempo.
_RATIOS: Final = (1 / 4, 1 / 3, 1 / 2, 2 / 3, 3 / 4, 1, 4 / 3, 3 / 2, 2, 3, 4)
_BPM_EDGES: Final = (39.8, 221.0)
_MIDDLE_BPM: Final = 110.0

_SECONDS: Final = 40.0  # songs drift: what is compared lies within
_LEAST_OVERLAP_SECONDS: Final = 2.0
_SMOOTH_FRAMES: Final = (2, 2, 2, 8)  # people do not play to the hundredth of a second
_SPREAD_SECONDS: Final = (0.12, 8.0)
_TOLERANCE: Final = 0.006


@dataclass(frozen=True)
class Hypothesis:
    """A tempo and a metre with the logarithm of their likelihood, up to a constant."""

    bpm: float
    timesignature: str
    score: float


def hypotheses(curves: Curves, bpm: float) -> tuple[Hypothesis, ...]:
    """Return the beats from 40 to 220 BPM that go with a tempo at which a song repeats itself, in each metre."""
    evidence = repetitions(curves)
    beats = tempi(bpm)
    scores = np.array([features(evidence, beat) for beat in beats]) @ _weights().T
    return tuple(
        Hypothesis(beat, metre, float(score))
        for beat, row in zip(beats, scores, strict=True)
        for metre, score in zip(METRES, row, strict=True)
    )


def tempi(bpm: float) -> tuple[float, ...]:
    """Return the tempi that go with one, from 40 to 220 BPM."""
    return tuple(bpm * ratio for ratio in _RATIOS if _BPM_EDGES[0] <= bpm * ratio <= _BPM_EDGES[1])


def repetitions(curves: Curves) -> tuple[Curve, ...]:
    """Return how much each curve repeats itself after each lag up to 40 s: 0 on the average, in standard deviations."""
    return tuple(_repetition(curve, width) for curve, width in zip(curves.all(), _SMOOTH_FRAMES, strict=True))


def features(evidence: Sequence[Curve], bpm: float) -> Curve:
    """Return what a tempo is judged by: repetition after multiples of the beat, the tempo and its square, and 1."""
    lags = np.array(MULTIPLES) * 60 * CURVE_RATE_HZ / bpm
    octaves = np.log2(bpm / _MIDDLE_BPM)
    return np.concatenate([*(_after(curve, lags) for curve in evidence), [octaves, octaves**2, 1.0]])


def _repetition(curve: Curve, width: int) -> Curve:
    """Return the mean autocorrelation of 40 s parts in standard deviations; 0 where parts hardly overlap."""
    from scipy.ndimage import gaussian_filter1d

    size = round(_SECONDS * CURVE_RATE_HZ)
    smooth = gaussian_filter1d(curve, width)
    parts = [smooth[at : at + size] for at in range(0, max(1, len(smooth) - size // 2), size)]
    mean = np.mean([_autocorrelation(part, size) for part in parts], axis=0)
    low, high = (round(edge * CURVE_RATE_HZ) for edge in _SPREAD_SECONDS)
    inside = mean[low:high]
    scaled: Curve = np.where(mean != 0, mean - inside.mean(), 0) / max(float(inside.std()), 1e-3)
    return scaled


def _autocorrelation(part: Curve, size: int) -> Curve:
    """Return the autocorrelation of a part, 1 at lag 0, each lag by its own count; `size` values."""
    centred, count = part - part.mean(), len(part)
    power = np.abs(np.fft.rfft(centred, 2 * count)) ** 2
    found = np.fft.irfft(power)[:count] / np.arange(count, 0, -1)
    found = found / max(float(found[0]), 1e-9)
    found[max(0, count - round(_LEAST_OVERLAP_SECONDS * CURVE_RATE_HZ)) :] = 0
    return np.pad(found, (0, size - count))


def _after(curve: Curve, lags: Curve) -> Curve:
    """Return the values at lags, each the largest nearby; 0 beyond the end."""
    places = np.arange(len(curve))
    nearby = [np.interp(lags * factor, places, curve, right=0.0) for factor in (1 - _TOLERANCE, 1, 1 + _TOLERANCE)]
    largest: Curve = np.max(nearby, axis=0)
    return largest


@cache
def _weights() -> Curve:
    """Return the weight of each feature in each metre, shape (3, features)."""
    text = (resources.files("acetune.annotation") / "levels.json").read_text(encoding="utf-8")
    table = json.loads(text)["weights"]
    return np.array([[weight for part in PARTS for weight in table[metre][part]] for metre in METRES])
