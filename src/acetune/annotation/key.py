"""Key by signal: spectral peaks folded to twelve pitch classes, compared with the profiles of 24 keys."""

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

#: The 24 usual names in ACE-Step's spelling, from C upwards.
MAJOR_NAMES = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
MINOR_NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")

#: Weight of each pitch class above the tonic in electronic and popular music: the "edma" profiles of Faraldo,
#: Gómez, Jordà and Herrera, Key Estimation in Electronic Dance Music, ECIR 2016.
_MAJOR = (1.00, 0.29, 0.50, 0.40, 0.60, 0.56, 0.32, 0.80, 0.31, 0.45, 0.42, 0.39)
_MINOR = (1.00, 0.31, 0.44, 0.58, 0.33, 0.49, 0.29, 0.78, 0.43, 0.29, 0.53, 0.32)

_WINDOW = 8192
_HOP = 4096
_RANGE_HZ = (100.0, 2000.0)
_PEAK_RANGE = 10 ** (-50 / 20)  # peaks within 50 dB of the frame's strongest bin
_SILENCE = 1e-3  # -60 dBFS
_UNSURE = 0.03  # lead below which 2 of 5 keys of composed songs were wrong (docs/log.md)
_LOUD_PERCENTILE = 90
_LOUD_SHARE = 0.02
#: A peak may be the third or fifth harmonic of a note 19 or 28 semitones below, which is credited too.
_HARMONICS = ((0, 1.0), (-19, 0.5), (-28, 0.125))

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class KeyEstimate:
    """A key such as "A minor"; confidence is the lead of its correlation over the second best key's."""

    keyscale: str
    confidence: float


@dataclass(frozen=True)
class _Peaks:
    """Spectral peaks of a song: the frame each lies in, its pitch in semitones above A4, its magnitude."""

    frame: npt.NDArray[np.intp]
    pitch: Vector
    magnitude: Vector


class KeyAnnotator:
    """Finds the key of a song."""

    name = "key"
    fields = ("keyscale",)
    source = Source.SIGNAL
    pooled = True

    def missing(self, setup: Setup) -> None:
        """Return None: it needs nothing."""

    def opened(self, setup: Setup, job: Job) -> AbstractContextManager[Listen]:
        """Return a block with a function that tells the key of a song."""
        return nullcontext(_listen)


def _listen(song: Song) -> Mapping[str, Guess]:
    """Return the key; nothing for silence and for sound without pitch."""
    found = song.heard(key)
    if found is None:
        return {}
    notice = "annotation.unsure_key" if found.confidence < _UNSURE else None
    return {"keyscale": Guess(found.keyscale, round(found.confidence, 3), notice)}


def key(audio: Samples) -> KeyEstimate | None:
    """Return the key of mono audio at 22.05 kHz; None for silence, for less than 0.4 s and without pitches."""
    if len(audio) < _WINDOW or np.abs(audio).max() < _SILENCE:
        return None
    chroma = pitch_classes(audio)
    if np.ptp(chroma) == 0:
        return None
    fits = np.concatenate([_fits(chroma, _MAJOR), _fits(chroma, _MINOR)])
    second, best = np.argsort(fits)[-2:]
    mode, names = ("major", MAJOR_NAMES) if best < 12 else ("minor", MINOR_NAMES)
    return KeyEstimate(f"{names[best % 12]} {mode}", float(fits[best] - fits[second]))


def pitch_classes(audio: Samples) -> Vector:
    """Return the mean strength of the pitch classes C, C#, ... B in mono audio at 22.05 kHz, shape (12,).

    Peaks count by the root of their magnitude and by how near they are to a semitone of the song's own tuning;
    frames are scaled to a largest class of 1, and quiet frames are left out.
    """
    spectrum = _spectrum(audio)
    classes = _fold(_peaks(spectrum), len(spectrum))
    energy = np.square(spectrum, dtype=np.float64).sum(axis=1)
    loud = energy > _LOUD_SHARE * np.percentile(energy, _LOUD_PERCENTILE)
    top = classes.max(axis=1, keepdims=True)
    mean: Vector = (classes / np.where(top > 0, top, 1))[loud].mean(axis=0)
    return mean


def pitch_classes_over_time(audio: Samples) -> Vector:
    """Return the strength of the pitch classes in each frame of mono audio at 22.05 kHz, shape (frames, 12), C first.

    There are 5.4 frames a second, and none below 0.4 s.
    """
    if len(audio) < _WINDOW:
        return np.zeros((0, 12))
    spectrum = _spectrum(audio)
    return _fold(_peaks(spectrum), len(spectrum))


def _spectrum(audio: Samples) -> Samples:
    """Return magnitudes of Hann windows, shape (frames, bins)."""
    frames = np.lib.stride_tricks.sliding_window_view(audio, _WINDOW)[::_HOP]
    window = np.hanning(_WINDOW).astype(np.float32)
    chunks = [np.abs(np.fft.rfft(frames[at : at + 64] * window)) for at in range(0, len(frames), 64)]
    return np.concatenate(chunks).astype(np.float32)


def _peaks(spectrum: Samples) -> _Peaks:
    """Return local maxima between 100 and 2000 Hz, their places refined by a parabola through log magnitudes."""
    low, high = (round(edge * _WINDOW / ANALYSIS_RATE_HZ) for edge in _RANGE_HZ)
    left, here, right = (spectrum[:, low + shift : high + shift] for shift in (-1, 0, 1))
    floor = _PEAK_RANGE * spectrum.max(axis=1, keepdims=True)
    frame, column = np.nonzero((here > left) & (here >= right) & (here > floor))
    a, b, c = (np.log(part[frame, column].astype(np.float64) + 1e-12) for part in (left, here, right))
    offset = 0.5 * (a - c) / np.minimum(a - 2 * b + c, -1e-12)
    frequency = (low + column + offset) * ANALYSIS_RATE_HZ / _WINDOW
    return _Peaks(frame, 12 * np.log2(frequency / 440), np.exp(b - 0.25 * (a - c) * offset))


def _fold(peaks: _Peaks, frames: int) -> Vector:
    """Return the weight of each pitch class in each frame, shape (frames, 12), C first."""
    weight = np.sqrt(peaks.magnitude)
    tuning = np.angle(np.sum(weight * np.exp(2j * np.pi * peaks.pitch))) / (2 * np.pi)
    pitch = peaks.pitch - tuning
    nearest = np.rint(pitch)
    weight = weight * np.cos(np.pi * (pitch - nearest)) ** 2
    classes = np.zeros((frames, 12))
    for semitones, share in _HARMONICS:
        note = (nearest.astype(int) + semitones + 9) % 12  # A is nine semitones above C
        np.add.at(classes, (peaks.frame, note), share * weight)
    return classes


def _fits(chroma: Vector, profile: tuple[float, ...]) -> Vector:
    """Return the correlation of pitch classes with a profile on each of the twelve tonics."""
    return np.array([np.corrcoef(chroma, np.roll(profile, tonic))[0, 1] for tonic in range(12)])
