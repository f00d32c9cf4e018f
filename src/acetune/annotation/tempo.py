"""Tempo by signal: an onset curve, its autocorrelation, and a fine search in the frequency domain."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from acetune.annotation.annotator import ANALYSIS_RATE_HZ, Guess, Listen, Setup, Song
from acetune.audio.signal import Samples
from acetune.data.track import Source
from acetune.events import Job

_WINDOW = 2048
_HOP = 220
_FRAMES_PER_SECOND = ANALYSIS_RATE_HZ / _HOP
_BANDS = 64
_BAND_EDGES_HZ = (30.0, 10_000.0)
_LAG = 3  # frames between which a rise counts as an onset
_SILENCE = 1e-3  # -60 dBFS
_FAINT = 0.1  # flux of a steady tone is 1e-4 to 0.02, of soft pads 0.1, of songs 4 to 16
_NOISE_SCORE = 0.3  # white noise reaches it in one window, and 1/sqrt(n) of it in the mean of n windows
_SURE = 3.0  # times the noise from which a 30 s part may speak of drift
_SHORTEST_SECONDS = 3.0  # four beats at 80 BPM
_BPM_GRID = np.arange(40.0, 240.25, 0.25)
_PRIOR_BPM = 135.0
_PRIOR_OCTAVES = 1.4
_ACF_SECONDS = 12.0
_FINE_SECONDS = 30.0
_FINE_STEP_BPM = 0.02
_DRIFT = 0.03  # spread of the tempo between 30 s parts from which it counts as variable

Curve = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TempoEstimate:
    """A tempo in beats per minute; in 6/8 the dotted quarter is the beat.

    Attributes:
        bpm: 40 to 240.
        confidence: 0 to 1; below 0.05 another octave is nearly as likely.
        variable: Whether 30 s parts differ by more than 3 %.
    """

    bpm: float
    confidence: float
    variable: bool


class TempoAnnotator:
    """Finds the tempo of a song."""

    name = "tempo"
    fields = ("bpm",)
    source = Source.SIGNAL
    pooled = True

    def missing(self, setup: Setup) -> None:
        """Return None: it needs nothing."""

    def opened(self, setup: Setup, job: Job) -> AbstractContextManager[Listen]:
        """Return a block with a function that tells the tempo of a song."""
        return nullcontext(_listen)


def _listen(song: Song) -> Mapping[str, Guess]:
    """Return the tempo, rounded to the tenth that it is good for; nothing where there is no beat."""
    found = song.heard(tempo)
    if found is None:
        return {}
    notice = "annotation.variable_tempo" if found.variable else None
    return {"bpm": Guess(round(found.bpm, 1), round(found.confidence, 3), notice)}


def tempo(audio: Samples) -> TempoEstimate | None:
    """Return the tempo of mono audio at 22.05 kHz; None for silence, for less than 3 s and without a beat.

    The beat is the period whose autocorrelation is high at one, two and four beats and low at half a beat, with a
    log-normal preference around 135 BPM (the usual prior of tempo induction); a Fourier transform of the onset
    curve at one, two and four times that rate then finds the exact value.
    """
    if len(audio) < _SHORTEST_SECONDS * ANALYSIS_RATE_HZ or np.abs(audio).max() < _SILENCE:
        return None
    curve = onset_curve(audio)
    scores = _scores(curve)
    if scores.max() < 1:
        return None
    coarse, confidence = _pick(scores)
    return TempoEstimate(_fine(curve, coarse), confidence, _varies(curve, coarse))


def onset_curve(audio: Samples) -> Curve:
    """Return the strength of note onsets of mono audio at 22.05 kHz, 100.2 values a second.

    Spectral flux of 64 logarithmically compressed mel bands over three frames, against the largest of three
    neighbouring bands so that vibrato is no onset (Böck and Widmer, DAFx 2013), above its local mean and
    relative to its local level.
    """
    bands = _mel_bands(audio)
    before = np.pad(bands, ((0, 0), (1, 1)))
    before = np.maximum(np.maximum(before[:, :-2], before[:, 1:-1]), before[:, 2:])
    flux = np.maximum(bands[_LAG:] - before[:-_LAG], 0).sum(axis=1, dtype=np.float64)
    flux = np.maximum(flux - _local_mean(flux, 1.0), 0)
    level = np.sqrt(_local_mean(flux**2, 8.0))
    curve: Curve = flux / np.maximum(level, _FAINT)
    return curve


def _mel_bands(audio: Samples) -> Samples:
    """Return log(1 + 100 magnitude) of 64 mel bands, shape (frames, 64); the song's peak is magnitude 1."""
    window = np.hanning(_WINDOW).astype(np.float32)
    window *= 2 / window.sum() / np.abs(audio).max()
    padded = np.pad(audio, (_WINDOW // 2, _WINDOW))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    filters = _mel_filters()
    chunks = [
        np.log1p(100 * (np.abs(np.fft.rfft(frames[start : start + 1024] * window)) @ filters))
        for start in range(0, len(frames), 1024)
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


def _local_mean(curve: Curve, seconds: float) -> Curve:
    """Return the mean over a centred window that shrinks at the ends."""
    half = round(seconds * _FRAMES_PER_SECOND / 2)
    sums = np.concatenate([[0.0], np.cumsum(curve)])
    at = np.arange(len(curve))
    low, high = np.maximum(at - half, 0), np.minimum(at + half + 1, len(curve))
    mean: Curve = (sums[high] - sums[low]) / (high - low)
    return mean


def _scores(curve: Curve) -> Curve:
    """Return how well each tempo of the grid explains an onset curve; noise stays below 1."""
    windows = _autocorrelations(curve)
    acf = windows.mean(axis=0)
    lags = np.arange(len(acf))
    period = 60 * _FRAMES_PER_SECOND / _BPM_GRID

    def at(beats: float) -> Curve:
        return np.asarray(np.interp(beats * period, lags, acf, right=0.0))

    prior = np.exp(-0.5 * (np.log2(_BPM_GRID / _PRIOR_BPM) / _PRIOR_OCTAVES) ** 2)
    noise = _NOISE_SCORE / np.sqrt(len(windows))
    scores: Curve = (at(1) + 0.5 * at(2) + 0.25 * at(4) - 0.3 * at(0.5)) * prior / noise
    return scores


def _autocorrelations(curve: Curve) -> Curve:
    """Return the autocorrelations of half-overlapping 12 s windows, shape (windows, lags), each 1 at lag 0.

    Windows in which hardly anything begins are 0.
    """
    size = round(_ACF_SECONDS * _FRAMES_PER_SECOND)
    starts = range(0, max(1, len(curve) - size // 2), size // 2)
    windows = np.stack([np.pad(part := curve[s : s + size], (0, size - len(part))) for s in starts])
    windows -= windows.mean(axis=1, keepdims=True)
    power = np.abs(np.fft.rfft(windows, 2 * size)) ** 2
    acf: Curve = np.fft.irfft(power)[:, :size]
    energy = acf[:, :1]
    acf[energy[:, 0] < _FAINT**2 * size] = 0
    acf /= np.maximum(energy, 1e-12)
    return acf


def _pick(scores: Curve) -> tuple[float, float]:
    """Return the best tempo of the grid and its lead: over the best other peak or over noise, the smaller."""
    inner = scores[1:-1]
    peaks = 1 + np.flatnonzero((inner >= scores[:-2]) & (inner > scores[2:]))
    best = int(np.argmax(scores))
    others = [scores[peak] for peak in peaks if abs(np.log2(_BPM_GRID[peak] / _BPM_GRID[best])) > 0.06]
    confidence = 1 - max([*others, 1.0]) / scores[best]
    double = int(np.argmin(np.abs(_BPM_GRID - 2 * _BPM_GRID[best])))
    if _BPM_GRID[best] < 62 and scores[double - 3 : double + 4].max() >= 0.9 * scores[best]:
        best = double  # so slow a beat is more often the half of the real one
    return float(_BPM_GRID[best]), float(np.clip(confidence, 0.0, 1.0))


def _fine(curve: Curve, coarse: float) -> float:
    """Return the tempo within 3 % of a coarse one at which the onset curve is most periodic."""
    from scipy.signal import zoom_fft

    size = round(_FINE_SECONDS * _FRAMES_PER_SECOND)
    count = round(0.06 * coarse / _FINE_STEP_BPM) + 1
    grid = np.linspace(0.97 * coarse, 1.03 * coarse, count)
    strength = np.zeros(count)
    for start in range(0, len(curve), size):
        part = curve[start : start + size]
        for multiple in (1, 2, 4):
            band = grid[[0, -1]] / 60 * multiple
            strength += np.abs(zoom_fft(part, band, count, fs=_FRAMES_PER_SECOND, endpoint=True))
    return float(grid[np.argmax(strength)])


def _varies(curve: Curve, coarse: float) -> bool:
    """Whether the tempi of 30 s parts, each near the whole song's, differ by more than 3 %."""
    size = round(_FINE_SECONDS * _FRAMES_PER_SECOND)
    near = np.abs(np.log2(_BPM_GRID / coarse)) < 0.2
    found = []
    for start in range(0, len(curve) - size + 1, size):
        part = curve[start : start + size]
        scores = _scores(part)[near]
        if scores.max() >= _SURE:
            found.append(float(_BPM_GRID[near][np.argmax(scores)]))
    return bool(found) and max(found) / min(found) > 1 + _DRIFT
