"""What is done to samples in memory: float32 of shape (samples, channels), nominally within -1..1."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Samples: TypeAlias = npt.NDArray[np.float32]

#: Length of the frames in which silence is looked for.
FRAME_SECONDS = 0.05

_SILENCE_PEAK = 1e-6  # -120 dBFS: raising this would only amplify rounding noise
_SILENCE_RMS = 1e-3  # -60 dBFS


def peak_normalise(audio: Samples, dbfs: float = -1.0) -> Samples:
    """Return audio whose largest sample lies at `dbfs`; silence stays as it is.

    -1 dBFS is the level that ACE-Step's own preprocessing and pipeline bring audio to.
    """
    peak = float(np.abs(audio).max(initial=0.0))
    if peak < _SILENCE_PEAK:
        return audio
    return audio * np.float32(10 ** (dbfs / 20) / peak)


def silent_frames(audio: Samples, rate_hz: int) -> npt.NDArray[np.bool_]:
    """Return for each 50 ms frame whether its RMS over all channels is below -60 dBFS; a last partial one counts."""
    size = max(1, round(FRAME_SECONDS * rate_hz))
    starts = np.arange(0, len(audio), size)
    lengths = np.diff(starts, append=len(audio))
    power = np.add.reduceat(np.square(audio, dtype=np.float32).mean(axis=1), starts) / lengths if len(audio) else starts
    silent: npt.NDArray[np.bool_] = power < _SILENCE_RMS**2
    return silent


def silent_share(audio: Samples, rate_hz: int) -> float:
    """Return the share (0 to 1) of silent frames; no audio at all is silent."""
    return float(np.mean(silent_frames(audio, rate_hz))) if len(audio) else 1.0


def silent_ends(audio: Samples, rate_hz: int) -> tuple[float, float]:
    """Return the seconds of silent frames before the first and after the last sound."""
    loud = np.flatnonzero(~silent_frames(audio, rate_hz))
    if not len(loud):
        return len(audio) / rate_hz, 0.0
    size = max(1, round(FRAME_SECONDS * rate_hz))
    return float(loud[0] * size / rate_hz), max(0.0, (len(audio) - float(loud[-1] + 1) * size) / rate_hz)


def resample(audio: Samples, from_hz: int, to_hz: int) -> Samples:
    """Return audio at another rate (soxr, HQ); time is the first axis, mono may be (samples,)."""
    import soxr

    if from_hz == to_hz:
        return audio
    resampled: Samples = soxr.resample(audio, from_hz, to_hz, quality="HQ")
    return resampled
