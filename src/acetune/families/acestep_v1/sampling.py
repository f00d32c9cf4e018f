"""How ACE-Step v1 is sampled as its published pipeline does: times, guidance in the middle of the way, spread.

The pipeline's text to music: adaptive projected guidance (arXiv:2410.02416) whose norms are taken over rows and frames
of a latent channel, or classifier-free guidance, plain (arXiv:2207.12598), with zero start (arXiv:2503.18886), or
with a scale for the caption and one for the lyrics; granularity ("omega") 10.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from acetune.families.acestep_v1.codec import ROWS
from acetune.flow.guidance import Guidance
from acetune.flow.timesteps import shifted

#: Share of the steps that are guided, around the middle (published default).
INTERVAL = 0.5
#: The usual granularity, and what becomes of it: a factor of how velocities differ from their mean.
OMEGA = 10.0
#: Times of the table that the network was trained with.
_TABLE = 1000
#: Guidance with a zero start has a velocity of zero in so many first steps, where they are guided.
_ZERO_STEPS = 2
#: Queries of these blocks of the lyric encoder and of the transformer are weakened to this (published).
_WEAK_LYRICS, _WEAK_BLOCKS, _WEAK = range(4, 6), range(15, 20), 0.01


def times(steps: int, shift: float) -> Tensor:
    """Return the times of the sampler, from 1 down, without the final 0: (steps,) float32.

    The table of training is shifted, and its ends are spread evenly and shifted again: published so.
    """
    last = shifted(torch.tensor(1 / _TABLE), shift)
    return shifted(torch.linspace(1.0, float(last), steps), shift)


@dataclass
class MiddleGuide:
    """Guides the steps in the middle of a sampling; it has momentum, so each sampling needs its own.

    Args:
        scale: Of the guidance; 1 leaves conditional velocities.
        steps: Of the sampling; where a solver calls oftener the middle lies as if it did not (published so).
        interval: Share of the steps that are guided.
        decay: How much of the way from `scale` to `least` the guidance goes while it lasts, 0 to 1.
        least: Where a decaying guidance ends.
        rule: "apg", "cfg", "cfg-zero" or "double".
        lyrics: Scale of the lyrics, for "double", where `scale` is that of the caption.
        against: What it compares with: "nothing", or "weak" for the same words seen weakly.
        granularity: Of the result; 0 leaves it as it is.
    """

    scale: float
    steps: int
    interval: float = INTERVAL
    decay: float = 0.0
    least: float = 3.0
    rule: str = "apg"
    lyrics: float = 1.0
    against: str = "nothing"
    granularity: float = OMEGA
    _guidance: Guidance = field(default_factory=lambda: Guidance(1.0), repr=False)

    def __call__(self, call: int, conditional: Tensor, less: Callable[[str], Tensor]) -> Tensor:
        """Return the velocity of a call, all shapes (B, T, 128); other predictions are asked for where they count."""
        guided = conditional
        start, stop = (int(self.steps * share) for share in ((1 - self.interval) / 2, (1 + self.interval) / 2))
        if self.scale not in (0.0, 1.0) and start <= call < stop:
            way = (call - start) / max(stop - start - 1, 1) * self.decay
            self._guidance.scale = self.scale - (self.scale - self.least) * way
            guided = self._guided(call, conditional, less)
        return _spread(guided, self.granularity)

    def _guided(self, call: int, told: Tensor, less: Callable[[str], Tensor]) -> Tensor:
        """Return the velocity of a call that is guided."""
        scale = self._guidance.scale
        if self.rule == "cfg-zero" and call < _ZERO_STEPS:
            return torch.zeros_like(told)
        other = less(self.against)
        if self.rule == "apg":
            return _by_frame(self._guidance(_by_channel(told), _by_channel(other)))
        if self.rule == "double":
            return (1 - scale) * other + (scale - self.lyrics) * less("caption") + self.lyrics * told
        if self.rule == "cfg-zero":
            other = other * _projection(told, other)
        return other + scale * (told - other)


def _projection(told: Tensor, other: Tensor) -> Tensor:
    """Return by which factor the other velocity of each crop comes nearest to the told one, (B, 1, 1)."""
    dot = (told * other).sum(dim=(1, 2), keepdim=True)
    return dot / (other.square().sum(dim=(1, 2), keepdim=True) + 1e-8)


@contextmanager
def weakened(network: nn.Module, *, lyrics: bool = True, blocks: bool = True) -> Iterator[None]:
    """Let queries of some layers, adapters included, be a hundredth of themselves inside the block.

    Args:
        network: Of this family; layers that it does not have are passed over.
        lyrics: Whether the last layers of the published lyric encoder are weakened.
        blocks: Whether late blocks of the transformer are.
    """
    names = [f"lyric_encoder.encoders.{n}.self_attn.linear_q" for n in _WEAK_LYRICS if lyrics]
    names += [f"transformer_blocks.{n}.{part}.to_q" for n in _WEAK_BLOCKS if blocks for part in ("attn", "cross_attn")]
    modules = dict(network.named_modules())
    with ExitStack() as undo:
        for name in names:
            if name in modules:
                undo.callback(modules[name].register_forward_hook(_weak).remove)
        yield


def _weak(layer: nn.Module, given: object, found: Tensor) -> Tensor:
    """Return a hundredth of what a layer found."""
    return found * _WEAK


def _spread(velocity: Tensor, granularity: float) -> Tensor:
    """Return a velocity whose differences from its mean are larger by what the granularity says."""
    factor = 0.9 + 0.2 / (1 + math.exp(-0.1 * granularity))
    mean = velocity.mean()
    return (velocity - mean) * factor + mean


def _by_channel(flat: Tensor) -> Tensor:
    """Return latents with all rows and frames of a channel in a column: (B, T, 128) -> (B, 16 T, 8)."""
    return flat.view(*flat.shape[:2], -1, ROWS).transpose(-1, -2).flatten(1, 2)


def _by_frame(columns: Tensor) -> Tensor:
    """Undo `_by_channel`."""
    return columns.view(columns.shape[0], -1, ROWS, columns.shape[-1]).transpose(-1, -2).flatten(2)
