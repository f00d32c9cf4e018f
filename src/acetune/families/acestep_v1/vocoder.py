"""ACE-Step v1's vocoder: from log mel magnitudes to samples.

A ConvNeXt backbone (arXiv:2201.03545) in front of HiFi-GAN's generator (arXiv:2010.05646) without its discriminators.
The generator's convolutions are stored as gain and direction; they are multiplied out when they are read.

Shapes: B batch, F mel frames; 512 samples a frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_EPS = 1e-6
#: Names of gain and direction of a convolution: torch's older form, and its parametrisations.
_FORMS = (("weight_g", "weight_v"), ("parametrizations.weight.original0", "parametrizations.weight.original1"))
#: What the published file holds beside weights; both follow from formulas.
_TABLES = "mel_transform."


@dataclass(frozen=True)
class VocoderConfig:
    """Sizes; the defaults are the published ones.

    Attributes:
        bands: Mel bands.
        depths, widths: Of the four stages of the backbone.
        strides, kernels: Of the steps up; the strides multiply to 512.
        channels: Of the first step; halved at each.
        dilated: Kernel sizes of the residual blocks of a step.
    """

    bands: int = 128
    depths: tuple[int, ...] = (3, 3, 9, 3)
    widths: tuple[int, ...] = (128, 256, 384, 512)
    strides: tuple[int, ...] = (4, 4, 2, 2, 2, 2, 2)
    kernels: tuple[int, ...] = (8, 8, 4, 4, 4, 4, 4)
    channels: int = 1024
    dilated: tuple[int, ...] = (3, 7, 11, 13)


class Vocoder(nn.Module):
    """Mel frames to samples."""

    def __init__(self, config: VocoderConfig) -> None:
        super().__init__()
        self.backbone = _Backbone(config)
        self.head = _Generator(config)

    def forward(self, mel: Tensor) -> Tensor:
        """Return samples (B, 1, 512 F) of log mel magnitudes (B, 128, F)."""
        out: Tensor = self.head(self.backbone(mel))
        return out


class _Backbone(nn.Module):
    """Four stages, each wider than the one before."""

    def __init__(self, config: VocoderConfig) -> None:
        super().__init__()
        widths = config.widths
        stem = nn.Sequential(
            nn.Conv1d(config.bands, widths[0], 7, padding=3, padding_mode="replicate"), _ChannelNorm(widths[0])
        )
        wider = (nn.Sequential(_ChannelNorm(i), nn.Conv1d(i, o, 1)) for i, o in zip(widths, widths[1:], strict=False))
        self.channel_layers = nn.ModuleList([stem, *wider])
        self.stages = nn.ModuleList(
            nn.Sequential(*(_Stage(width) for _ in range(depth)))
            for depth, width in zip(config.depths, widths, strict=True)
        )
        self.norm = _ChannelNorm(widths[-1])

    def forward(self, mel: Tensor) -> Tensor:
        """Return (B, widths[-1], F)."""
        x = mel
        for channels, stage in zip(self.channel_layers, self.stages, strict=True):
            x = stage(channels(x))
        out: Tensor = self.norm(x)
        return out


class _ChannelNorm(nn.LayerNorm):
    """A layer norm over the channels of (B, C, F)."""

    def __init__(self, width: int) -> None:
        super().__init__(width, _EPS)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, F)."""
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class _Stage(nn.Module):
    """A convolution in each channel, and an MLP over channels, added to the stream."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv1d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, _EPS)
        self.pwconv1 = nn.Linear(width, 4 * width)
        self.pwconv2 = nn.Linear(4 * width, width)
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, F)."""
        inner = F.gelu(self.pwconv1(self.norm(self.dwconv(x).transpose(1, 2))))
        out: Tensor = x + (self.gamma * self.pwconv2(inner)).transpose(1, 2)
        return out


class _Generator(nn.Module):
    """Steps up to the rate of samples; after each the mean of residual blocks of several reaches."""

    def __init__(self, config: VocoderConfig) -> None:
        super().__init__()
        widths = [config.channels >> step for step in range(len(config.strides) + 1)]
        self._reaches = len(config.dilated)
        self.conv_pre = nn.Conv1d(config.widths[-1], widths[0], 13, padding=6)
        self.ups = nn.ModuleList(
            nn.ConvTranspose1d(widths[step], widths[step + 1], kernel, stride, padding=(kernel - stride) // 2)
            for step, (stride, kernel) in enumerate(zip(config.strides, config.kernels, strict=True))
        )
        self.resblocks = nn.ModuleList(_Residual(width, kernel) for width in widths[1:] for kernel in config.dilated)
        self.conv_post = nn.Conv1d(widths[-1], 1, 13, padding=6)

    def forward(self, x: Tensor) -> Tensor:
        """Return samples (B, 1, 512 F) between -1 and 1."""
        x = self.conv_pre(x)
        for step, up in enumerate(self.ups):
            x = up(F.silu(x))
            first = step * self._reaches
            x = torch.stack([block(x) for block in self.resblocks[first : first + self._reaches]]).mean(dim=0)
        out: Tensor = torch.tanh(self.conv_post(F.silu(x)))
        return out


class _Residual(nn.Module):
    """Three pairs of convolutions, each added to the stream; the first of a pair reaches 1, 3 and 5 times as far."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(_same(width, kernel, dilation) for dilation in (1, 3, 5))
        self.convs2 = nn.ModuleList(_same(width, kernel, 1) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, n)."""
        for far, near in zip(self.convs1, self.convs2, strict=True):
            x = x + near(F.silu(far(F.silu(x))))
        return x


def _same(width: int, kernel: int, dilation: int) -> nn.Conv1d:
    """Return a convolution that keeps the length."""
    return nn.Conv1d(width, width, kernel, dilation=dilation, padding=(kernel - 1) * dilation // 2)


def plain_weights(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a vocoder's weights with gains and directions multiplied out: w = g v / |v|, lengths over all but dim 0.

    Args:
        stored: As published, in either of torch's forms, or plain already; tables are left out.
    """
    found: dict[str, Tensor] = {}
    for name, tensor in stored.items():
        gain, direction = next((form for form in _FORMS if name.endswith(form)), ("", ""))
        if direction and name.endswith(direction):
            place = name.removesuffix(direction)
            found[f"{place}weight"] = torch._weight_norm(tensor, stored[place + gain], 0)
        elif not direction and not name.startswith(_TABLES):
            found[name] = tensor
    return found
