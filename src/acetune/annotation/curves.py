"""When something happens in a song: curves of note onsets, low and high ones apart, and of changes of harmony."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from acetune.annotation.annotator import ANALYSIS_RATE_HZ
from acetune.audio.signal import Samples

Curve: TypeAlias = npt.NDArray[np.float64]

_HOP = 220
#: Values of a curve in a second.
CURVE_RATE_HZ = ANALYSIS_RATE_HZ / _HOP

_WINDOW = 2048
_BANDS = 64
_BAND_EDGES_HZ = (30.0, 10_000.0)
_LOW_BANDS = 6  # up to 280 Hz: kick and bass
_HIGH_BAND = 40  # from 3 kHz: snare and hat
_LAG = 3  # frames between which a rise counts as an onset
#: Flux of a steady tone is 1e-4 to 0.02, of soft pads 0.1, of songs 4 to 16.
FAINT = 0.1

_CHORD_WINDOW = 4096
_CHORD_HOP = 880
_CHORD_RATE_HZ = ANALYSIS_RATE_HZ / _CHORD_HOP
_CHORD_EDGES_HZ = (100.0, 2000.0)
_CHORD_FRAMES = 12  # 0.48 s of harmony before and after a change
_STEADY = 1e-3
_CHUNK = 1024


@dataclass(frozen=True)
class Curves:
    """Four curves of one song, 100.2 values a second: onsets of all bands, of low and of high ones; harmony."""

    full: Curve
    low: Curve
    high: Curve
    harmony: Curve

    def all(self) -> tuple[Curve, ...]:
        """Return the curves in their order."""
        return (self.full, self.low, self.high, self.harmony)


def curves(audio: Samples) -> Curves:
    """Return the curves of mono audio at 22.05 kHz that is not silent."""
    rises = _rises(audio)
    parts = (rises, rises[:, :_LOW_BANDS], rises[:, _HIGH_BAND:])
    full, low, high = (_levelled(part.sum(axis=1, dtype=np.float64), 1.0, 8.0, FAINT) for part in parts)
    return Curves(full, low, high, _harmony(audio, len(full)))


def _rises(audio: Samples) -> Samples:
    """Return by how much each band rises over three frames, shape (frames, 64).

    Spectral flux of logarithmically compressed mel bands, against the largest of three neighbouring bands so that
    vibrato is no onset (Böck and Widmer, DAFx 2013).
    """
    bands = _mel_bands(audio)
    before = np.pad(bands, ((0, 0), (1, 1)))
    before = np.maximum(np.maximum(before[:, :-2], before[:, 1:-1]), before[:, 2:])
    rises: Samples = np.maximum(bands[_LAG:] - before[:-_LAG], 0)
    return rises


def _mel_bands(audio: Samples) -> Samples:
    """Return log(1 + 100 magnitude) of 64 mel bands, shape (frames, 64); the song's peak is magnitude 1."""
    window = np.hanning(_WINDOW).astype(np.float32)
    window *= 2 / window.sum() / np.abs(audio).max()
    frames = _frames(audio, _WINDOW, _HOP)
    filters = _mel_filters()
    chunks = [
        np.log1p(100 * (np.abs(np.fft.rfft(frames[at : at + _CHUNK] * window)) @ filters))
        for at in range(0, len(frames), _CHUNK)
    ]
    return np.concatenate(chunks).astype(np.float32)


def _mel_filters() -> Samples:
    """Return triangles that are equally spaced in mel (2595 log10(1 + f / 700)), shape (bins, 64)."""
    low, high = (2595 * np.log10(1 + edge / 700) for edge in _BAND_EDGES_HZ)
    edges = 700 * (10 ** (np.linspace(low, high, _BANDS + 2) / 2595) - 1)
    bins = np.fft.rfftfreq(_WINDOW, 1 / ANALYSIS_RATE_HZ)[:, None]
    rising = (bins - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - bins) / np.diff(edges)[1:]
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


def _harmony(audio: Samples, count: int) -> Curve:
    """Return how much the pitch classes of the next half second differ from those of the last, `count` values."""
    classes = _pitch_classes(audio)
    sums = np.cumsum(np.pad(classes, ((1, 0), (0, 0))), axis=0)
    at = np.arange(len(classes))
    before = _unit(sums[at] - sums[np.maximum(at - _CHORD_FRAMES, 0)])
    after = _unit(sums[np.minimum(at + _CHORD_FRAMES, len(classes))] - sums[at])
    change = 1 - (before * after).sum(axis=1)
    often = np.interp(np.arange(count) / CURVE_RATE_HZ, at / _CHORD_RATE_HZ, change)
    return _levelled(often, 4.0, 16.0, _STEADY)


def _pitch_classes(audio: Samples) -> Curve:
    """Return unit vectors of the twelve pitch classes, 25 a second, shape (frames, 12)."""
    window = np.hanning(_CHORD_WINDOW).astype(np.float32)
    hertz = np.fft.rfftfreq(_CHORD_WINDOW, 1 / ANALYSIS_RATE_HZ)
    inside = np.flatnonzero((hertz > _CHORD_EDGES_HZ[0]) & (hertz < _CHORD_EDGES_HZ[1]))
    fold = np.zeros((len(inside), 12))
    fold[np.arange(len(inside)), np.rint(12 * np.log2(hertz[inside] / 440)).astype(int) % 12] = 1
    frames = _frames(audio, _CHORD_WINDOW, _CHORD_HOP)
    chunks = [
        np.sqrt(np.abs(np.fft.rfft(frames[at : at + _CHUNK] * window))[:, inside]) @ fold
        for at in range(0, len(frames), _CHUNK)
    ]
    return _unit(np.concatenate(chunks))


def _frames(audio: Samples, window: int, hop: int) -> Samples:
    """Return overlapping windows, the first centred on the start, shape (frames, window)."""
    padded = np.pad(audio, (window // 2, window))
    return np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]


def _unit(vectors: Curve) -> Curve:
    """Return vectors of length 1; silence stays 0."""
    scaled: Curve = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
    return scaled


def _levelled(curve: Curve, mean_seconds: float, level_seconds: float, floor: float) -> Curve:
    """Return what of a curve is above its local mean, relative to its local level (at least `floor`)."""
    above = np.maximum(curve - _local_mean(curve, mean_seconds), 0)
    level = np.sqrt(_local_mean(above**2, level_seconds))
    scaled: Curve = above / np.maximum(level, floor)
    return scaled


def _local_mean(curve: Curve, seconds: float) -> Curve:
    """Return the mean over a centred window that shrinks at the ends."""
    half = round(seconds * CURVE_RATE_HZ / 2)
    sums = np.concatenate([[0.0], np.cumsum(curve)])
    at = np.arange(len(curve))
    low, high = np.maximum(at - half, 0), np.minimum(at + half + 1, len(curve))
    mean: Curve = (sums[high] - sums[low]) / (high - low)
    return mean
