"""The lyric encoder of ACE-Step v1: a conformer without convolutions (attention with relative places, one MLP).

Formulas: arXiv:1901.02860 (Transformer-XL) appendix B for the relative places, as ESPnet's conformer has them. There is
no dropout: acetune trains networks in evaluation mode, as low-memory trainers of this model do.

Shapes: B batch, T tokens, D width, H heads, d head width.
"""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

#: Of every layer norm (torch's own).
_EPS = 1e-5


class LyricEncoder(nn.Module):
    """Token embeddings to states of the same number.

    Args:
        width: D of inputs and outputs.
        heads: H, divides D.
        units: Inner width of the MLPs.
        layers: How many.
    """

    def __init__(self, width: int, heads: int, units: int, layers: int) -> None:
        super().__init__()
        self.embed = _Embedding(width)
        self.encoders = nn.ModuleList(_Layer(width, heads, units) for _ in range(layers))
        self.after_norm = nn.LayerNorm(width, _EPS)
        self.gradient_checkpointing = False

    def forward(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        """Return states (B, T, D).

        Args:
            embeddings: (B, T, D).
            mask: Which tokens are seen, (B, T) bool; where a row has none its attention gives zeros.
        """
        x = self.embed(embeddings)
        places = relative_places(x.shape[1], x.shape[2], x.device).to(x.dtype)
        for layer in self.encoders:
            if torch.is_grad_enabled() and self.gradient_checkpointing:
                x = checkpoint(layer, x, places, mask, use_reentrant=False)
            else:
                x = layer(x, places, mask)
        out: Tensor = self.after_norm(x)
        return out


class _Embedding(nn.Module):
    """A layer and a norm, then times the root of the width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.out = nn.Sequential(nn.Linear(width, width), nn.LayerNorm(width, _EPS))
        self._factor = math.sqrt(width)

    def forward(self, embeddings: Tensor) -> Tensor:
        """Return the stream (B, T, D)."""
        out: Tensor = self.out(embeddings) * self._factor
        return out


class _Layer(nn.Module):
    """Attention and MLP, each behind its norm and added to the stream."""

    def __init__(self, width: int, heads: int, units: int) -> None:
        super().__init__()
        self.self_attn = RelativeAttention(width, heads)
        self.feed_forward = _FeedForward(width, units)
        self.norm_mha = nn.LayerNorm(width, _EPS)
        self.norm_ff = nn.LayerNorm(width, _EPS)

    def forward(self, x: Tensor, places: Tensor, mask: Tensor) -> Tensor:
        """Return the stream (B, T, D)."""
        x = x + self.self_attn(self.norm_mha(x), places, mask)
        out: Tensor = x + self.feed_forward(self.norm_ff(x))
        return out


class _FeedForward(nn.Module):
    """Two layers with SiLU between them."""

    def __init__(self, width: int, units: int) -> None:
        super().__init__()
        self.w_1 = nn.Linear(width, units)
        self.w_2 = nn.Linear(units, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, T, D)."""
        out: Tensor = self.w_2(F.silu(self.w_1(x)))
        return out


class RelativeAttention(nn.Module):
    """Softmax attention whose scores also depend on how far apart tokens are (arXiv:1901.02860)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self._heads = heads
        self.linear_q = nn.Linear(width, width)
        self.linear_k = nn.Linear(width, width)
        self.linear_v = nn.Linear(width, width)
        self.linear_out = nn.Linear(width, width)
        self.linear_pos = nn.Linear(width, width, bias=False)
        self.pos_bias_u = nn.Parameter(torch.zeros(heads, width // heads))
        self.pos_bias_v = nn.Parameter(torch.zeros(heads, width // heads))

    def forward(self, x: Tensor, places: Tensor, mask: Tensor) -> Tensor:
        """Return (B, T, D).

        Args:
            x: (B, T, D).
            places: What `relative_places` returns, (2 T - 1, D).
            mask: Which keys are seen (B, T) bool.
        """
        q, k, v = (self._split(layer(x)) for layer in (self.linear_q, self.linear_k, self.linear_v))
        p = self._split(self.linear_pos(places).unsqueeze(0))  # (1, H, 2 T - 1, d)
        content = (q + self.pos_bias_u[:, None]) @ k.transpose(-1, -2)
        place = _by_distance((q + self.pos_bias_v[:, None]) @ p.transpose(-1, -2))
        seen = mask[:, None, None, :]
        scores = (content + place) / math.sqrt(q.shape[-1])
        # Finite in place of -inf, and zeros after it: a row that sees nothing gives zeros, and so do its gradients.
        shares = scores.masked_fill(~seen, torch.finfo(scores.dtype).min).softmax(dim=-1).masked_fill(~seen, 0.0)
        out: Tensor = self.linear_out((shares @ v).transpose(1, 2).flatten(2))
        return out

    def _split(self, x: Tensor) -> Tensor:
        """Return heads first: (B, T, D) -> (B, H, T, d)."""
        return x.view(*x.shape[:2], self._heads, -1).transpose(1, 2)


def _by_distance(scores: Tensor) -> Tensor:
    """Return scores by pair of tokens: of (B, H, T, 2 T - 1) the entry [i, T - 1 - i + j] becomes [i, j]."""
    batch, heads, tokens, distances = scores.shape
    padded = F.pad(scores, (1, 0)).view(batch, heads, distances + 1, tokens)
    return padded[:, :, 1:].reshape(batch, heads, tokens, distances)[..., :tokens]


@functools.lru_cache(maxsize=8)
def relative_places(tokens: int, width: int, device: torch.device) -> Tensor:
    """Return sinusoids of the distances T - 1 ... 1 - T, sines in even columns: (2 T - 1, D) float32."""
    with torch.inference_mode(mode=False):
        distances = torch.arange(tokens - 1, -tokens, -1, device=device, dtype=torch.float32)
        rates = torch.exp(torch.arange(0, width, 2, device=device, dtype=torch.float32) * -(math.log(10_000.0) / width))
        angles = distances[:, None] * rates
        return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
