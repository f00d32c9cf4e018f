"""Tempo by signal: a period in the onsets, its exact value, and which multiple of it is the beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np

from acetune.annotation.annotator import ANALYSIS_RATE_HZ, Guess, Listen, Setup, Song
from acetune.annotation.curves import CURVE_RATE_HZ, FAINT, Curve, curves
from acetune.annotation.levels import Hypothesis, hypotheses
from acetune.audio.signal import Samples
from acetune.data.track import Source
from acetune.events import Job

_SILENCE = 1e-3  # -60 dBFS
_NOISE_SCORE = 0.3  # white noise reaches it in one window, and 1/sqrt(n) of it in the mean of n windows
_SURE = 3.0  # times the noise from which a 30 s part may speak of drift
_SHORTEST_SECONDS = 3.0  # four beats at 80 BPM
_BPM_GRID = np.arange(40.0, 240.25, 0.25)
_PRIOR_BPM = 135.0
_PRIOR_OCTAVES = 1.4
_ACF_SECONDS = 12.0
_FINE_SECONDS = 30.0
_FINE_STEP_BPM = 0.02
_UNSURE = 0.4  # confidence below which the user is told
_DRIFT = 0.03  # spread of the tempo between 30 s parts from which it counts as variable


@dataclass(frozen=True)
class Rhythm:
    """Tempo and metre of a song; in 6/8 the dotted quarter is the beat.

    Attributes:
        bpm: Beats per minute, 40 to 220.
        timesignature: "4", "3" or "6".
        confidence: 0 to 1, of the tempo; low where half or double of it are nearly as likely, and for noise.
        variable: Whether 30 s parts differ by more than 3 %.
        considered: Every tempo and metre that was weighed.
    """

    bpm: float
    timesignature: str
    confidence: float
    variable: bool
    considered: tuple[Hypothesis, ...]


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
    found = song.heard(rhythm)
    if found is None:
        return {}
    return {"bpm": Guess(round(found.bpm, 1), round(found.confidence, 3), _remark(found))}


def _remark(found: Rhythm) -> str | None:
    """Return the code of what the user should know about a tempo."""
    if found.variable:
        return "annotation.variable_tempo"
    return "annotation.unsure_tempo" if found.confidence < _UNSURE else None


def rhythm(audio: Samples) -> Rhythm | None:
    """Return tempo and metre of mono audio at 22.05 kHz; None for silence, for less than 3 s and without a beat.

    The period whose autocorrelation is high at one, two and four times and low at half of it is found first, with a
    log-normal preference around 135 BPM; a Fourier transform of the onset curve at one, two and four times that rate
    gives its exact value; `hypotheses` then weighs which multiple or part of it is the beat.
    """
    if len(audio) < _SHORTEST_SECONDS * ANALYSIS_RATE_HZ or np.abs(audio).max() < _SILENCE:
        return None
    heard = curves(audio)
    scores = _scores(heard.full)
    if scores.max() < 1:
        return None
    coarse = float(_BPM_GRID[np.argmax(scores)])
    considered = hypotheses(heard, _fine(heard.full, coarse))
    best = max(considered, key=lambda hypothesis: hypothesis.score)
    share = likelihood(considered, [hypothesis for hypothesis in considered if hypothesis.bpm == best.bpm])
    confidence = share * (1 - 1 / float(scores.max()))
    return Rhythm(best.bpm, best.timesignature, confidence, _varies(heard.full, coarse), considered)


def likelihood(among: Sequence[Hypothesis], some: Sequence[Hypothesis]) -> float:
    """Return the share of likelihood, 0 to 1, that some hypotheses have among others."""
    top = max(hypothesis.score for hypothesis in among)
    return float(sum(np.exp(each.score - top) for each in some) / sum(np.exp(each.score - top) for each in among))


def _scores(curve: Curve) -> Curve:
    """Return how well each tempo of the grid explains an onset curve; noise stays below 1."""
    windows = _autocorrelations(curve)
    acf = windows.mean(axis=0)
    lags = np.arange(len(acf))
    period = 60 * CURVE_RATE_HZ / _BPM_GRID

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
    size = round(_ACF_SECONDS * CURVE_RATE_HZ)
    starts = range(0, max(1, len(curve) - size // 2), size // 2)
    windows = np.stack([np.pad(part := curve[s : s + size], (0, size - len(part))) for s in starts])
    windows -= windows.mean(axis=1, keepdims=True)
    power = np.abs(np.fft.rfft(windows, 2 * size)) ** 2
    acf: Curve = np.fft.irfft(power)[:, :size]
    energy = acf[:, :1]
    acf[energy[:, 0] < FAINT**2 * size] = 0
    acf /= np.maximum(energy, 1e-12)
    return acf


def _fine(curve: Curve, coarse: float) -> float:
    """Return the tempo within 3 % of a coarse one at which the onset curve is most periodic."""
    from scipy.signal import zoom_fft

    size = round(_FINE_SECONDS * CURVE_RATE_HZ)
    count = round(0.06 * coarse / _FINE_STEP_BPM) + 1
    grid = np.linspace(0.97 * coarse, 1.03 * coarse, count)
    strength = np.zeros(count)
    for start in range(0, len(curve), size):
        part = curve[start : start + size]
        for multiple in (1, 2, 4):
            band = grid[[0, -1]] / 60 * multiple
            strength += np.abs(zoom_fft(part, band, count, fs=CURVE_RATE_HZ, endpoint=True))
    return float(grid[np.argmax(strength)])


def _varies(curve: Curve, coarse: float) -> bool:
    """Whether the tempi of 30 s parts, each near the whole song's, differ by more than 3 %."""
    size = round(_FINE_SECONDS * CURVE_RATE_HZ)
    near = np.abs(np.log2(_BPM_GRID / coarse)) < 0.2
    found = []
    for start in range(0, len(curve) - size + 1, size):
        part = curve[start : start + size]
        scores = _scores(part)[near]
        if scores.max() >= _SURE:
            found.append(float(_BPM_GRID[near][np.argmax(scores)]))
    return bool(found) and max(found) / min(found) > 1 + _DRIFT
