"""What ACE-Step v1 hears: its resampler and its mel spectrum.

The resampler is a windowed sinc (the usual one of audio libraries: six zero crossings, rolloff 0.99, squared cosine
window), the mel scale Slaney's with area norm.
"""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor
from torch.nn import functional as F

#: Of the mel spectrum.
RATE_HZ, WINDOW, HOP, BANDS = 44_100, 2048, 512, 128
_LOWEST_HZ, _HIGHEST_HZ = 40.0, 16_000.0
#: Keeps magnitudes and their logarithms finite.
_POWER_FLOOR, _FLOOR = 1e-6, 1e-5
#: Slaney's mel scale: linear below 1 kHz, logarithmic above.
_LINEAR_HZ, _BREAK_HZ, _LOG_STEP = 200.0 / 3, 1000.0, math.log(6.4) / 27
#: Of the resampler: zero crossings on either side, and where the band ends.
_CROSSINGS, _ROLLOFF = 6, 0.99


def log_mel(audio: Tensor) -> Tensor:
    """Return log mel magnitudes of 44.1 kHz audio: (channels, samples) -> (channels, 128, samples // 512)."""
    margin = (WINDOW - HOP) // 2
    padded = F.pad(audio.float(), (margin, margin), mode="reflect")
    window = torch.hann_window(WINDOW, device=audio.device)
    spectrum = torch.stft(padded, WINDOW, HOP, window=window, center=False, return_complex=True)
    magnitude = (spectrum.real.square() + spectrum.imag.square() + _POWER_FLOOR).sqrt()
    bank = filter_bank().to(audio.device)
    return (magnitude.transpose(-1, -2) @ bank).transpose(-1, -2).clamp(min=_FLOOR).log()


@functools.cache
def filter_bank() -> Tensor:
    """Return the triangles of the mel bands: (1025, 128), each of unit area."""
    points = _hertz(torch.linspace(_mel(_LOWEST_HZ), _mel(_HIGHEST_HZ), BANDS + 2, dtype=torch.float64))
    frequencies = torch.linspace(0, RATE_HZ / 2, WINDOW // 2 + 1, dtype=torch.float64)[:, None]
    left, middle, right = points[:-2], points[1:-1], points[2:]
    rising, falling = (frequencies - left) / (middle - left), (right - frequencies) / (right - middle)
    return (torch.minimum(rising, falling).clamp(min=0) * 2 / (right - left)).float()


def resampled(audio: Tensor, rate_hz: int, wanted_hz: int) -> Tensor:
    """Return audio at another rate: (channels, n) -> (channels, ceil(n wanted / rate))."""
    if rate_hz == wanted_hz:
        return audio
    shared = math.gcd(rate_hz, wanted_hz)
    old, new = rate_hz // shared, wanted_hz // shared
    kernels, width = _kernels(old, new)
    padded = F.pad(audio.unsqueeze(1), (width, width + old))
    phases = F.conv1d(padded, kernels.to(audio)[:, None], stride=old)  # (channels, new, n / old)
    length = math.ceil(new * audio.shape[-1] / old)
    return phases.transpose(1, 2).flatten(1)[:, :length]


@functools.lru_cache(maxsize=8)
def _kernels(old: int, new: int) -> tuple[Tensor, int]:
    """Return the filter of each output phase (new, taps) and how far they reach to the left."""
    cutoff = min(old, new) * _ROLLOFF
    width = math.ceil(_CROSSINGS * old / cutoff)
    places = torch.arange(-width, width + old, dtype=torch.float64) / old
    phases = torch.arange(0, -new, -1, dtype=torch.float64)[:, None] / new
    t = ((phases + places) * cutoff).clamp(-_CROSSINGS, _CROSSINGS)
    window = torch.cos(t * math.pi / _CROSSINGS / 2).square()
    return (torch.sinc(t) * window * (cutoff / old)).float(), width


def _mel(hertz: float) -> float:
    """Return the mels of a frequency."""
    if hertz < _BREAK_HZ:
        return hertz / _LINEAR_HZ
    return _BREAK_HZ / _LINEAR_HZ + math.log(hertz / _BREAK_HZ) / _LOG_STEP


def _hertz(mels: Tensor) -> Tensor:
    """Return the frequencies of mels."""
    bend = _BREAK_HZ / _LINEAR_HZ
    return torch.where(mels < bend, mels * _LINEAR_HZ, _BREAK_HZ * torch.exp(_LOG_STEP * (mels - bend)))
