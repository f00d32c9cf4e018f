"""Samples to latents and back: mel spectrum, diffusers' deep compression autoencoder over it, vocoder.

Latents of a song depend on all of it (the autoencoder's attention is global), so that songs are encoded and decoded in
one piece, in float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from acetune.families.acestep_v1 import spectrum
from acetune.families.acestep_v1.spectrum import RATE_HZ, log_mel, resampled

if TYPE_CHECKING:
    from acetune.audio.signal import Samples

#: Rate of the audio that acetune hands over and wants.
INPUT_HZ = 48_000
#: Latent rows.
ROWS = 16
#: Samples at 44.1 kHz in a latent frame.
FRAME = 4096
#: How mel magnitudes and latents are brought near 1 (published pipeline).
_LOWEST, _HIGHEST, _SCALE, _SHIFT = -11.0, 3.0, 0.1786, -1.9091
#: Mel frames that the vocoder makes samples of at once, and those that it sees of either side: its convolutions
#: reach about 92 (kernels of the published sizes).
_MEL_FRAMES, _CONTEXT = 2048, 128


class DcaeCodec:
    """Encodes and decodes 48 kHz stereo.

    Args:
        autoencoder: A frozen ``AutoencoderDC`` in float32.
        vocoder: Frozen, in float32.
        device: Where both live.
    """

    #: Samples at 48 kHz in a latent frame.
    hop = FRAME * INPUT_HZ / RATE_HZ

    def __init__(self, autoencoder: Any, vocoder: nn.Module, device: torch.device) -> None:
        self._autoencoder, self._vocoder, self._device = autoencoder, vocoder, device

    def whole(self) -> DcaeCodec:
        """Return this codec: it never cuts a song."""
        return self

    @torch.inference_mode()
    def encode(self, audio: Samples) -> tuple[Tensor, Tensor]:
        """Return the latents (T, 128) and zeros, float32 on the CPU; T = whole frames of the song.

        Args:
            audio: (samples, 2) float32 at 48 kHz.
        """
        samples = torch.from_numpy(np.ascontiguousarray(audio.T)).to(self._device)
        latents = self.latents(samples, INPUT_HZ)[:, :, : int(audio.shape[0] / self.hop)]
        mean = flat(latents).cpu()
        return mean, torch.zeros_like(mean)

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> Samples:
        """Return audio (samples, 2) float32 at 48 kHz of latents (T, 128)."""
        samples = self.samples(tall(latents.float().to(self._device)))
        audio: Samples = resampled(samples, RATE_HZ, INPUT_HZ).T.contiguous().cpu().numpy()
        return audio

    def latents(self, samples: Tensor, rate_hz: int) -> Tensor:
        """Return latents (8, 16, W) of stereo samples (2, n); W counts a last partial frame."""
        samples = resampled(samples, rate_hz, RATE_HZ)
        mel = log_mel(F.pad(samples, (0, -samples.shape[-1] % FRAME)))
        level = 2 * (mel - _LOWEST) / (_HIGHEST - _LOWEST) - 1
        encoded: Tensor = self._autoencoder.encoder(level.unsqueeze(0))[0]
        return (encoded - _SHIFT) * _SCALE

    def samples(self, latents: Tensor) -> Tensor:
        """Return stereo samples (2, 4096 W) at 44.1 kHz of latents (8, 16, W)."""
        level = self._autoencoder.decoder((latents / _SCALE + _SHIFT).unsqueeze(0))[0]
        return self._voiced((level + 1) / 2 * (_HIGHEST - _LOWEST) + _LOWEST)

    def _voiced(self, mel: Tensor) -> Tensor:
        """Return the samples of mel frames (2, 128, F), made piece by piece, as in one."""
        pieces = []
        for start in range(0, mel.shape[-1], _MEL_FRAMES):
            left = max(start - _CONTEXT, 0)
            made = self._vocoder(mel[..., left : start + _MEL_FRAMES + _CONTEXT])[:, 0]
            first = (start - left) * spectrum.HOP
            pieces.append(made[:, first : first + _MEL_FRAMES * spectrum.HOP])
        return torch.cat(pieces, dim=1)


def flat(latents: Tensor) -> Tensor:
    """Return latents with one row per frame: (..., 8, 16, W) -> (..., W, 128)."""
    return latents.movedim(-1, -3).flatten(-2).contiguous()


def tall(latents: Tensor) -> Tensor:
    """Undo `flat`."""
    return latents.view(*latents.shape[:-1], -1, ROWS).movedim(-3, -1)
