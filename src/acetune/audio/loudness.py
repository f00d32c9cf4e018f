"""Loudness by ITU-R BS.1770-4, true peaks, and songs brought to one level without a limiter."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from acetune.audio.signal import Samples

#: What ACE-Step itself tends to produce, and what streaming services play at.
TARGET_LUFS: Final = -14.0
#: Room for the overshoot of lossy codecs (EBU R 128 s1).
CEILING_DBTP: Final = -1.0
#: Shorter audio has no gating block and so no loudness.
_BLOCK_SECONDS = 0.4
_OVERSAMPLING = 4
_CHUNK = 1 << 18


@dataclass(frozen=True)
class Levelled:
    """Audio at another level.

    Attributes:
        audio: Samples (samples, channels).
        gain_db: What was added.
        missed_db: By how much it stays below the target, because its peaks reach the ceiling; 0 where it does not.
    """

    audio: Samples
    gain_db: float
    missed_db: float


def loudness(audio: Samples, rate_hz: int) -> float | None:
    """Return the gated loudness of audio (samples, channels) in LUFS; None for silence and for less than 0.4 s."""
    import pyloudnorm

    if len(audio) < math.ceil(_BLOCK_SECONDS * rate_hz):
        return None
    found = float(pyloudnorm.Meter(rate_hz).integrated_loudness(audio))
    return found if math.isfinite(found) else None


def true_peak(audio: Samples, rate_hz: int) -> float:
    """Return the largest value between the samples too, in dBTP: of the audio at four times its rate."""
    import soxr

    stream = soxr.ResampleStream(rate_hz, _OVERSAMPLING * rate_hz, audio.shape[1], dtype="float32", quality="HQ")
    peak = float(np.abs(audio).max(initial=0.0))
    for start in range(0, len(audio), _CHUNK):
        part = np.ascontiguousarray(audio[start : start + _CHUNK])
        between = stream.resample_chunk(part, last=start + _CHUNK >= len(audio))
        peak = max(peak, float(np.abs(between).max(initial=0.0)))
    return decibels(peak)


def to_loudness(
    audio: Samples, rate_hz: int, lufs: float = TARGET_LUFS, ceiling_dbtp: float = CEILING_DBTP
) -> Levelled:
    """Return audio at this loudness; where its peaks would pass the ceiling, as loud as they allow.

    Nothing is limited or clipped. Audio without a measurable loudness is only kept below the ceiling.
    """
    found = loudness(audio, rate_hz)
    wanted = 0.0 if found is None else lufs - found
    gain = min(wanted, ceiling_dbtp - true_peak(audio, rate_hz))
    missed = 0.0 if found is None else wanted - gain
    return Levelled(audio * np.float32(10 ** (gain / 20)), gain, missed)


def decibels(amplitude: float) -> float:
    """Return an amplitude in decibels, 1 being 0; -infinity for none."""
    return 20 * math.log10(amplitude) if amplitude > 0 else -math.inf
