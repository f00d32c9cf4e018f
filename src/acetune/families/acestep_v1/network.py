"""ACE-Step v1's diffusion transformer, written from the formulas of its paper (arXiv:2506.00045) and its weights.

Modules have the names of the published checkpoint. What differs: layers of it that nothing reads (see `names.DEAD`) are
not built, and convolutions of width 1 are linear layers, so that adapters know them.

Shapes: B batch, W latent frames (one token each), C latent channels, R latent rows, D width, H heads, d head width,
S condition tokens.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from acetune.families.acestep_v1.conformer import LyricEncoder

Rotary = tuple[Tensor, Tensor]

#: Of the norms in front of attention, MLP and exit, which have no weights.
_EPS = 1e-6
#: Guards the sum that linear attention divides by.
_LEAST = 1e-15
#: Sinusoids of the time.
_TIME_WIDTH = 256
#: Channels between the two patch convolutions, in latent channels.
_PATCH_GROWTH = 256


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of a network; the defaults are those of the published one.

    Attributes:
        channels, rows: C and R of the latents.
        layers, heads, head_dim: Of the blocks.
        mlp_ratio: Inner width of an MLP in D.
        rope_theta: Of the rotary tables.
        speaker_width, text_width: Of what is handed over.
        vocabulary: Lyric tokens.
        lyric_width, lyric_heads, lyric_units, lyric_layers: Of the lyric encoder.
        ssl_depth: The block after which the projectors look, counted from 1.
        ssl_widths: Of the features that projectors are compared with: MERT, mHuBERT.
    """

    channels: int = 8
    rows: int = 16
    layers: int = 24
    heads: int = 20
    head_dim: int = 128
    mlp_ratio: float = 2.5
    rope_theta: float = 1_000_000.0
    speaker_width: int = 512
    text_width: int = 768
    vocabulary: int = 6693
    lyric_width: int = 1024
    lyric_heads: int = 16
    lyric_units: int = 4096
    lyric_layers: int = 6
    ssl_depth: int = 9
    ssl_widths: tuple[int, ...] = (1024, 768)

    @property
    def width(self) -> int:
        """D."""
        return self.heads * self.head_dim

    @property
    def mlp_width(self) -> int:
        """Inner width of an MLP."""
        return int(self.width * self.mlp_ratio)


@dataclass(frozen=True)
class Words:
    """What a batch is told.

    Attributes:
        text, lyric_ids, text_mask, lyric_mask: As `AceStepV1Transformer.encode` takes them.
        tokens: Condition tokens of the row that has most, its speaker counted.
    """

    text: Tensor
    lyric_ids: Tensor
    text_mask: Tensor
    lyric_mask: Tensor
    tokens: int


@dataclass(frozen=True)
class Conditions:
    """What `AceStepV1Transformer.encode` makes of words.

    Attributes:
        states: (B, S, D).
        mask: Which of them are seen, (B, S) bool; None for all.
    """

    states: Tensor
    mask: Tensor | None = None

    def packed(self, tokens: int) -> Conditions:
        """Return the seen states of each row in their order, without gaps, in a sequence of so many tokens.

        A key's rotary place is its index in the sequence, so that a padded row would differ from what it is alone.
        """
        if self.mask is None:
            return self
        order = (~self.mask).to(torch.uint8).argsort(dim=1, stable=True)[:, :tokens]
        states = self.states.gather(1, order.unsqueeze(-1).expand(-1, -1, self.states.shape[-1]))
        return Conditions(states, self.mask.gather(1, order))


class AceStepV1Transformer(nn.Module):
    """Velocity of latents from words: `encode` once, `decode` at each time."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.speaker_embedder = nn.Linear(config.speaker_width, width)
        self.genre_embedder = nn.Linear(config.text_width, width)
        self.lyric_embs = nn.Embedding(config.vocabulary, config.lyric_width)
        self.lyric_encoder = LyricEncoder(
            config.lyric_width, config.lyric_heads, config.lyric_units, config.lyric_layers
        )
        self.lyric_proj = nn.Linear(config.lyric_width, width)
        self.timestep_embedder = _TimeEmbedding(width)
        self.t_block = nn.Sequential(nn.SiLU(), nn.Linear(width, 6 * width))
        self.proj_in = _PatchEmbedding(config)
        self.transformer_blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.projectors = nn.ModuleList(_projector(width, features) for features in config.ssl_widths)
        self.final_layer = FinalLayer(config)
        self._recomputing = False

    def enable_gradient_checkpointing(self) -> None:
        """Keep the inputs of blocks alone and compute the blocks again on the way back."""
        self._recomputing = self.lyric_encoder.gradient_checkpointing = True

    def encode(
        self,
        text: Tensor,
        lyric_ids: Tensor,
        text_mask: Tensor | None = None,
        lyric_mask: Tensor | None = None,
        speaker: Tensor | None = None,
    ) -> Conditions:
        """Return the condition sequence: speaker, text, lyrics, S = 1 + text tokens + lyric tokens.

        Args:
            text: States of the text encoder (B, Lt, text width).
            lyric_ids: Lyric tokens (B, Ll) int64.
            text_mask: Which are seen (B, Lt) bool; None for all.
            lyric_mask: Which are seen (B, Ll) bool; None for all.
            speaker: (B, speaker width); None for zeros, which all published weights were trained with.
        """
        if speaker is None:
            speaker = text.new_zeros(text.shape[0], self.config.speaker_width)
        seen = torch.ones_like(lyric_ids, dtype=torch.bool) if lyric_mask is None else lyric_mask
        lyrics = self.lyric_proj(self.lyric_encoder(self.lyric_embs(lyric_ids), seen))
        states = torch.cat([self.speaker_embedder(speaker).unsqueeze(1), self.genre_embedder(text), lyrics], dim=1)
        if text_mask is None and lyric_mask is None:
            return Conditions(states)
        told = text.new_ones(text.shape[:2], dtype=torch.bool) if text_mask is None else text_mask
        return Conditions(states, torch.cat([told.new_ones(len(told), 1), told, seen], dim=1))

    def decode(self, latents: Tensor, t: Tensor, conditions: Conditions, frame_mask: Tensor | None = None) -> Tensor:
        """Return the velocity (B, C, R, W); see `states`."""
        x, embedding = self.hidden(latents, t, conditions, frame_mask)[:2]
        velocity: Tensor = self.final_layer(x, embedding, latents.shape[-1])
        return velocity

    def hidden(
        self, latents: Tensor, t: Tensor, conditions: Conditions, frame_mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the stream after all blocks (B, W, D), the embedding of the time (B, D) and what projectors see.

        Args:
            latents: Noisy latents (B, C, R, W).
            t: Times (B,) in [0, 1], 1 is noise, never rounded below float32: in bfloat16 their thousandths are lost.
            conditions: What `encode` returned.
            frame_mask: Which frames exist, (B, W) bool; None for all. Statistics of the entry still see all of them.
        """
        embedding = self.timestep_embedder(t, latents.dtype)
        modulation = self.t_block(embedding).view(len(t), 6, -1)
        x = self.proj_in(latents)
        seen = x
        context = _Context(
            conditions.states,
            None if conditions.mask is None else conditions.mask[:, None, None, :],  # over heads and queries
            None if frame_mask is None else frame_mask[:, None, :, None].to(x.dtype),
            self._rotary(x, x.shape[1]),
            self._rotary(x, conditions.states.shape[1]),
        )
        for number, block in enumerate(self.transformer_blocks, start=1):
            if torch.is_grad_enabled() and self._recomputing:
                x = checkpoint(block, x, modulation, context, use_reentrant=False)
            else:
                x = block(x, modulation, context)
            seen = x if number == self.config.ssl_depth else seen
        return x, embedding, seen

    def forward(self, latents: Tensor, t: Tensor, words: Words) -> Tensor:
        """Return the velocity (B, C, R, W), of a batch that gives each row what it gets alone; see `hidden`."""
        conditions = self.encode(words.text, words.lyric_ids, words.text_mask, words.lyric_mask)
        return self.decode(latents, t, conditions.packed(words.tokens))

    def _rotary(self, x: Tensor, length: int) -> Rotary:
        """Return cosines and sines (length, d) for a sequence."""
        return rotary_table(length, self.config.head_dim, self.config.rope_theta, x.device, x.dtype)


@dataclass(frozen=True)
class _Context:
    """What every block is given beside the stream.

    Attributes:
        states: Conditions (B, S, D).
        states_mask: (B, 1, 1, S) bool or None.
        frame_mask: (B, 1, W, 1) of 1 and 0, or None.
        frames, places: Rotary tables of the frames (W, d) and of the conditions (S, d).
    """

    states: Tensor
    states_mask: Tensor | None
    frame_mask: Tensor | None
    frames: Rotary
    places: Rotary


class Block(nn.Module):
    """Linear attention and a gated MLP with convolution, both modulated by t, and attention to conditions."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.scale_shift_table = nn.Parameter(torch.zeros(6, config.width))
        self.attn = LinearAttention(config)
        self.cross_attn = CrossAttention(config)
        self.ff = GatedConvolution(config)

    def forward(self, x: Tensor, modulation: Tensor, context: _Context) -> Tensor:
        """Return the stream (B, W, D); the modulation is (B, 6, D)."""
        shift, scale, gate, shift_mlp, scale_mlp, gate_mlp = (self.scale_shift_table + modulation).chunk(6, dim=1)
        x = x + gate * self.attn(_normed(x) * (1 + scale) + shift, context)
        x = x + self.cross_attn(x, context)  # neither normed nor gated
        out: Tensor = x + gate_mlp * self.ff(_normed(x) * (1 + scale_mlp) + shift_mlp)
        return out


class _Projections(nn.Module):
    """Queries, keys, values and the way out, as both kinds of attention have them."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        width = config.width
        self._heads = config.heads
        self.to_q = nn.Linear(width, width)
        self.to_k = nn.Linear(width, width)
        self.to_v = nn.Linear(width, width)
        self.to_out = nn.Sequential(nn.Linear(width, width))

    def split(self, x: Tensor) -> Tensor:
        """Return heads first: (B, L, D) -> (B, H, L, d)."""
        return x.view(*x.shape[:2], self._heads, -1).transpose(1, 2)

    def leave(self, x: Tensor) -> Tensor:
        """Return the output of heads (B, H, L, d) as (B, L, D)."""
        out: Tensor = self.to_out(x.transpose(1, 2).flatten(2))
        return out


class LinearAttention(_Projections):
    """Attention of frames to all frames at a cost that grows with W: positive features in place of a softmax."""

    def forward(self, x: Tensor, context: _Context) -> Tensor:
        """Return (B, W, D)."""
        q, k = (rotated(self.split(layer(x)), context.frames) for layer in (self.to_q, self.to_k))
        v = self.split(self.to_v(x))
        if context.frame_mask is not None:
            q, k, v = (tensor * context.frame_mask for tensor in (q, k, v))
        mixed: Tensor = _Mix.apply(q.relu(), k.relu(), v)  # type: ignore[no-untyped-call]
        return self.leave(mixed)


class CrossAttention(_Projections):
    """Softmax attention of frames to conditions; both have rotary places, each counted from 0."""

    def forward(self, x: Tensor, context: _Context) -> Tensor:
        """Return (B, W, D)."""
        q = rotated(self.split(self.to_q(x)), context.frames)
        k = rotated(self.split(self.to_k(context.states)), context.places)
        v = self.split(self.to_v(context.states))
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=context.states_mask)
        return self.leave(out if context.frame_mask is None else out * context.frame_mask)


class GatedConvolution(nn.Module):
    """The MLP: in, a convolution over three frames in each channel, a gate, out."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        inner = config.mlp_width
        self.inverted_conv = _Holder(nn.Linear(config.width, 2 * inner))
        self.depth_conv = _Holder(nn.Conv1d(2 * inner, 2 * inner, 3, padding=1, groups=2 * inner))
        self.point_conv = _Holder(nn.Linear(inner, config.width, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, W, D)."""
        inner = F.silu(self.inverted_conv(x))
        kept, gate = self.depth_conv(inner.transpose(1, 2)).transpose(1, 2).chunk(2, dim=-1)
        out: Tensor = self.point_conv(kept * F.silu(gate))
        return out


class _Holder(nn.Module):
    """Gives a layer the name that it has in the checkpoint."""

    def __init__(self, conv: nn.Module) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        """Return what the layer returns."""
        out: Tensor = self.conv(x)
        return out


class _PatchEmbedding(nn.Module):
    """All rows of a frame become one token; the norm between sees the whole crop."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        between = config.channels * _PATCH_GROWTH
        rows = (config.rows, 1)
        self.early_conv_layers = nn.Sequential(
            nn.Conv2d(config.channels, between, rows, stride=rows),
            nn.GroupNorm(32, between, eps=_EPS),
            nn.Conv2d(between, config.width, 1),
        )

    def forward(self, latents: Tensor) -> Tensor:
        """Return tokens (B, W, D) of latents (B, C, R, W)."""
        out: Tensor = self.early_conv_layers(latents).flatten(2).transpose(1, 2)
        return out


class _TimeEmbedding(nn.Module):
    """Sinusoids of the time through two layers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(_TIME_WIDTH, width)
        self.linear_2 = nn.Linear(width, width)

    def forward(self, t: Tensor, dtype: torch.dtype) -> Tensor:
        """Return (B, D) of times (B,) in [0, 1]."""
        out: Tensor = self.linear_2(F.silu(self.linear_1(time_sinusoids(t).to(dtype))))
        return out


class FinalLayer(nn.Module):
    """From tokens to latents; modulated by the embedding of t itself."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self._rows, self._channels = config.rows, config.channels
        self.linear = nn.Linear(config.width, config.rows * config.channels)
        self.scale_shift_table = nn.Parameter(torch.zeros(2, config.width))

    def forward(self, x: Tensor, embedding: Tensor, width: int) -> Tensor:
        """Return (B, C, R, width); further frames are zeros, surplus ones are cut."""
        shift, scale = (self.scale_shift_table + embedding.unsqueeze(1)).chunk(2, dim=1)
        flat = self.linear(_normed(x) * (1 + scale) + shift)
        latents = flat.view(*x.shape[:2], self._rows, self._channels).permute(0, 3, 2, 1)
        return F.pad(latents, (0, width - latents.shape[-1]))


def _projector(width: int, features: int) -> nn.Sequential:
    """Return what makes features of the stream."""
    return nn.Sequential(
        nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, 2 * width), nn.SiLU(),
        nn.Linear(2 * width, features),
    )  # fmt: skip


def _normed(x: Tensor) -> Tensor:
    """Return x over the root of its mean square."""
    return F.rms_norm(x, x.shape[-1:], eps=_EPS)


def time_sinusoids(t: Tensor) -> Tensor:
    """Return cosines, then sines, of 1000 t: (B,) -> (B, 256) float32."""
    half = _TIME_WIDTH // 2
    rates = torch.exp(torch.arange(half, device=t.device, dtype=torch.float32) * -(math.log(10_000.0) / half))
    angles = 1000 * t.float()[:, None] * rates
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


@functools.lru_cache(maxsize=16)
def rotary_table(length: int, width: int, theta: float, device: torch.device, dtype: torch.dtype) -> Rotary:
    """Return cosines and sines (length, width): column k has rate k mod (width / 2), see `rotated`."""
    with torch.inference_mode(mode=False):  # kept tables must serve a later backward pass too
        powers = torch.arange(0, width, 2, device=device, dtype=torch.float32) / width
        angles = torch.arange(length, device=device, dtype=torch.float32)[:, None] * (1.0 / theta**powers)
        doubled = torch.cat([angles, angles], dim=-1)
        return doubled.cos().to(dtype), doubled.sin().to(dtype)


def rotated(x: Tensor, table: Rotary) -> Tensor:
    """Return x (..., L, d) with rotary places.

    It is no rotation: neighbours 2j and 2j + 1 are paired, but the table gives them different rates. The published
    weights were trained so.
    """
    cos, sin = (part.float() for part in table)
    even, odd = x.float().view(*x.shape[:-1], -1, 2).unbind(-1)
    turned = torch.stack([-odd, even], dim=-1).flatten(-2)
    return (x * cos + turned * sin).to(x.dtype)


class _Mix(torch.autograd.Function):
    """Linear attention in float32 that keeps its inputs as they are, and no copy of them in float32.

    With S = k^T v and z = sum of k over frames: out = q S / (q z).
    """

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Return (B, H, W, d) of features q, k >= 0 and values v, all of that shape."""
        with torch.autocast(q.device.type, enabled=False):  # which would multiply in its own format
            wide = k.float()
            state, total = wide.transpose(-1, -2) @ v.float(), wide.sum(dim=-2).unsqueeze(-1)
            ctx.save_for_backward(q, k, v, state, total)
            return _divided(q.float(), state, total)[0].to(q.dtype)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the gradients of q, k and v."""
        q, k, v, state, total = ctx.saved_tensors  # type: ignore[attr-defined]
        wide = q.float()
        out, below = _divided(wide, state, total)
        above = grad.float() / below  # gradient of q S
        beside = -(above * out).sum(dim=-1, keepdim=True)  # gradient of q z
        grad_q = above @ state.transpose(-1, -2) + beside @ total.transpose(-1, -2)
        grad_state, grad_total = wide.transpose(-1, -2) @ above, wide.transpose(-1, -2) @ beside
        grad_k = v.float() @ grad_state.transpose(-1, -2) + grad_total.transpose(-1, -2)
        grad_v = k.float() @ grad_state
        return grad_q.to(q.dtype), grad_k.to(k.dtype), grad_v.to(v.dtype)


def _divided(q: Tensor, state: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
    """Return q S / (q z), (B, H, W, d), and q z, (B, H, W, 1)."""
    below = q @ total + _LEAST
    return q @ state / below, below
