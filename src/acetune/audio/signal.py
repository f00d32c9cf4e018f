"""What is done to samples in memory: float32 of shape (samples, channels), nominally within -1..1."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Samples: TypeAlias = npt.NDArray[np.float32]

_SILENCE_PEAK = 1e-6  # -120 dBFS: raising this would only amplify rounding noise
_SILENCE_RMS = 1e-3  # -60 dBFS
_FRAME_SECONDS = 0.05


def peak_normalise(audio: Samples, dbfs: float = -1.0) -> Samples:
    """Return audio whose largest sample lies at `dbfs`; silence stays as it is.

    -1 dBFS is the level that ACE-Step's own preprocessing and pipeline bring audio to.
    """
    peak = float(np.abs(audio).max(initial=0.0))
    if peak < _SILENCE_PEAK:
        return audio
    return audio * np.float32(10 ** (dbfs / 20) / peak)


def silent_share(audio: Samples, rate_hz: int) -> float:
    """Return the share (0 to 1) of 50 ms frames whose RMS over all channels is below -60 dBFS.

    A last partial frame counts as one; no audio at all is silent.
    """
    if not len(audio):
        return 1.0
    size = max(1, round(_FRAME_SECONDS * rate_hz))
    starts = np.arange(0, len(audio), size)
    lengths = np.diff(starts, append=len(audio))
    power = np.add.reduceat(np.square(audio, dtype=np.float32).mean(axis=1), starts) / lengths
    return float(np.mean(power < _SILENCE_RMS**2))


def resample(audio: Samples, from_hz: int, to_hz: int) -> Samples:
    """Return audio at another rate (soxr, HQ); time is the first axis, mono may be (samples,)."""
    import soxr

    if from_hz == to_hz:
        return audio
    resampled: Samples = soxr.resample(audio, from_hz, to_hz, quality="HQ")
    return resampled
