"""What can be wrong with a recording, as numbers; where a number becomes a fault is decided by who asks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from acetune.audio.loudness import decibels
from acetune.audio.signal import Samples, silent_ends, silent_share

#: Samples in a row at full scale that make a clipped peak.
_RUN = 3
_FULL_SCALE = 0.9995
#: A song that was clipped and then turned down a little is flat just below its own peak.
_NEAR_FULL, _OF_PEAK = 0.98, 0.999

_WINDOW = 4096
_WINDOWS = 256  # of the louder half of a song: enough for a mean spectrum
_BAND_HZ = 500
#: An encoder's low-pass: a fall of this many decibels over two bands, beyond which nothing comes back.
_WALL_DB = 30.0
#: What lies further below the loudest band is noise of a codec or of a quantiser, not music that ends there.
_MUSIC_DB = 60.0
_LOWEST_WALL_HZ = 4000
#: Above this part of the spectrum a wall is that of the sample rate itself.
_OWN_WALL = 0.9

Levels = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Health:
    """Measures of one recording at its own rate and with its own channels.

    Attributes:
        peak: Largest sample; lossy files may exceed 1.
        clipped_runs: How often three or more samples in a row stand at full scale.
        dc: Largest mean of a channel.
        silent: Share of 50 ms frames below -60 dBFS.
        zeros: Share of samples that are exactly 0.
        lead: Seconds of silence at the start.
        tail: Seconds of silence at the end.
        side_db: Level of the difference of two channels relative to their sum; None for one channel and for silence.
        correlation: Of two channels, -1 to 1; None as `side_db`, and where a channel is empty.
        imbalance_db: By how much one of two channels is louder; None as `side_db`.
        cutoff_hz: Where an encoder's low-pass ended the spectrum; None where none is seen.
    """

    peak: float
    clipped_runs: int
    dc: float
    silent: float
    zeros: float
    lead: float
    tail: float
    side_db: float | None
    correlation: float | None
    imbalance_db: float | None
    cutoff_hz: float | None


def examine(audio: Samples, rate_hz: int) -> Health:
    """Return the measures of audio (samples, channels), one channel or two, that is not empty."""
    channels = np.ascontiguousarray(audio.T)
    peak = float(max(channels.max(), -channels.min()))
    lead, tail = silent_ends(audio, rate_hz)
    side_db, correlation, imbalance_db = _stereo(channels)
    return Health(
        peak=peak,
        clipped_runs=sum(_clipped_runs(channel, peak) for channel in channels),
        dc=float(np.abs(channels.mean(axis=1, dtype=np.float64)).max()),
        silent=silent_share(audio, rate_hz),
        zeros=1 - float(np.count_nonzero(channels)) / channels.size,
        lead=lead,
        tail=tail,
        side_db=side_db,
        correlation=correlation,
        imbalance_db=imbalance_db,
        cutoff_hz=cutoff(max(channels, key=_energy), rate_hz),  # a sum of channels may cancel
    )


def cutoff(mono: Samples, rate_hz: int) -> float | None:
    """Return the frequency at which the spectrum of audio (samples,) ends like a wall; None where it fades or stays.

    Music fades towards high frequencies; the low-pass of a lossy encoder is a step of more than 30 dB.
    """
    levels = _band_levels(mono, rate_hz)
    if len(levels) < _LOWEST_WALL_HZ // _BAND_HZ + 3:
        return None
    after = np.maximum.accumulate(levels[::-1])[::-1]  # the loudest band from here on
    falls = levels[:-2] - after[2:]
    music = levels[:-2] > levels.max() - _MUSIC_DB
    walls = np.flatnonzero((falls > _WALL_DB) & music)
    walls = walls[(walls >= _LOWEST_WALL_HZ // _BAND_HZ - 1) & (walls + 1 < _OWN_WALL * rate_hz / 2 / _BAND_HZ)]
    if not len(walls):
        return None
    last = walls[walls - np.arange(len(walls)) == walls[0]][-1]  # the fall begins up to two bands before the wall
    return float((last + 1) * _BAND_HZ)


def _clipped_runs(channel: Samples, peak: float) -> int:
    """Return the number of runs of at least three samples at full scale."""
    level = min(_FULL_SCALE, _OF_PEAK * peak) if peak >= _NEAR_FULL else np.inf
    full = np.concatenate([[False], np.abs(channel) >= level, [False]])
    edges = np.flatnonzero(full[1:] != full[:-1])
    return int(np.count_nonzero(edges[1::2] - edges[::2] >= _RUN))


def _stereo(channels: Samples) -> tuple[float | None, float | None, float | None]:
    """Return side level, correlation and imbalance of two channels, None where they say nothing."""
    if len(channels) != 2:
        return None, None, None
    left, right = (_energy(channel) for channel in channels)
    if left + right == 0:
        return None, None, None
    middle, side = _energy(channels[0] + channels[1]), _energy(channels[0] - channels[1])
    correlation = (middle - side) / (4 * (left * right) ** 0.5) if left * right > 0 else None
    return _ratio_db(side, middle), correlation, _ratio_db(max(left, right), min(left, right))


def _energy(channel: Samples) -> float:
    """Return the sum of squares; BLAS adds them in float32, in blocks, so that nothing audible is lost."""
    return float(sum(float(np.dot(part, part)) for part in np.array_split(channel, max(1, len(channel) >> 16))))


def _ratio_db(above: float, below: float) -> float:
    """Return the ratio of two energies in decibels, within +-200."""
    return float(np.clip(decibels((above / below) ** 0.5 if below > 0 else np.inf), -200, 200))


def _band_levels(mono: Samples, rate_hz: int) -> Levels:
    """Return the level of each 500 Hz band in decibels: the median of its bins, so that single tones do not count."""
    padded = np.pad(mono, (0, max(0, _WINDOW - len(mono))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_WINDOW]
    energy = np.square(frames).mean(axis=1)
    loud = np.flatnonzero(energy >= np.median(energy))
    chosen = frames[loud[np.linspace(0, len(loud) - 1, min(_WINDOWS, len(loud))).astype(int)]]
    power = np.square(np.abs(np.fft.rfft(chosen * np.hanning(_WINDOW)))).mean(axis=0)
    band = (np.fft.rfftfreq(_WINDOW, 1 / rate_hz) // _BAND_HZ).astype(int)
    medians = [np.median(power[band == number]) for number in range(int(rate_hz / 2 // _BAND_HZ))]
    return np.asarray(10 * np.log10(np.array(medians) + 1e-20))
