"""Samples to latents and back with the Oobleck autoencoder, in chunks that change nothing.

Latent frame n sees the samples [1920 n - 12165, 1920 n + 14084] (receptive field of the encoder's strided and
dilated convolutions), so that seven frames of real neighbours on either side make a chunk's latents equal to those
of the whole song. The file's true ends get no neighbours: the convolutions pad them with zeros as in one piece.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from acetune.audio.signal import Samples

#: Frames of real context on either side of an encoded chunk; exact by the receptive field above.
ENCODE_CONTEXT = 7
#: The same for the decoder: exact from 8 frames on (7 differ by 2e-4; held by a test).
DECODE_CONTEXT = 8
#: Seconds of audio in one chunk: bounds memory (117 MiB a second at full width in float32). Processors are quicker
#: with chunks whose activations stay in their caches.
CHUNK_SECONDS, CPU_CHUNK_SECONDS = 10, 4


class OobleckCodec:
    """Encodes and decodes 48 kHz stereo; keeps the model in float32, where it is exact.

    Args:
        vae: A frozen ``AutoencoderOobleck``.
        device: Where it lives.
    """

    def __init__(self, vae: Any, device: torch.device) -> None:
        self._vae = vae
        self._device = device
        self.hop = int(vae.hop_length)
        seconds = CPU_CHUNK_SECONDS if device.type == "cpu" else CHUNK_SECONDS
        self._frames = seconds * int(vae.config.sampling_rate) // self.hop

    def whole(self) -> OobleckCodec:
        """Return this codec without chunks."""
        other = copy.copy(self)
        other._frames = sys.maxsize
        return other

    @torch.inference_mode()
    def encode(self, audio: Samples) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation, each (T, C) float32 on the CPU; T = samples // hop.

        Args:
            audio: (samples, 2) float32 at 48 kHz.
        """
        whole = torch.from_numpy(np.ascontiguousarray(audio.T)).unsqueeze(0)  # (1, 2, samples)
        frames = audio.shape[0] // self.hop
        means, deviations = [], []
        for start, stop, left, right in windows(frames, self._frames, ENCODE_CONTEXT):
            end = right * self.hop if right < frames else audio.shape[0]
            piece = whole[:, :, left * self.hop : end].to(self._device)
            posterior = self._vae.encode(piece).latent_dist
            kept = slice(start - left, stop - left)
            means.append(posterior.mean[0, :, kept].cpu())
            deviations.append(posterior.std[0, :, kept].cpu())
        return torch.cat(means, dim=1).T.contiguous(), torch.cat(deviations, dim=1).T.contiguous()

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> Samples:
        """Return audio (samples, 2) float32 of latents (T, C)."""
        z = latents.T.unsqueeze(0).float()
        pieces = []
        for start, stop, left, right in windows(z.shape[-1], self._frames, DECODE_CONTEXT):
            piece = self._vae.decode(z[:, :, left:right].to(self._device)).sample[0].cpu()
            pieces.append(piece[:, (start - left) * self.hop : (stop - left) * self.hop])
        audio: Samples = torch.cat(pieces, dim=1).T.contiguous().numpy()
        return audio


def windows(frames: int, size: int, context: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield (start, stop, left, right): frames start to stop are kept of a chunk from left to right."""
    for start in range(0, frames, size):
        stop = min(start + size, frames)
        yield start, stop, max(start - context, 0), min(stop + context, frames)
