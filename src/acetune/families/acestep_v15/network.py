"""ACE-Step 1.5's diffusion transformer for training and sampling: stock blocks, our own top and attention.

Weights, blocks and their names are diffusers' own (so adapters, recomputation, compilation and sharding hooks find
what they know). What is ours: condition masks (the stock model attends to padding), exact local attention in blocks
in place of a dense mask over the whole song, and rotary tables made once per length.

Shapes: B batch, T latent frames, S = ceil(T / 2) tokens, L condition tokens, H heads, G key heads, d head width.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from diffusers.models.embeddings import apply_rotary_emb, get_1d_rotary_pos_embed
from diffusers.models.transformers.ace_step_transformer import AceStepTransformer1DModel as _Stock
from torch import Tensor
from torch.nn import functional as F

Rotary = tuple[Tensor, Tensor]


class AceStepTransformer1DModel(_Stock):  # type: ignore[misc]
    """The stock network with masked conditions and local attention; saved under the stock class name.

    Law: without a condition mask it equals the stock forward pass; a batch of crops with masked conditions gives
    each crop what it gets alone.
    """

    @functools.wraps(_Stock.__init__)  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._rotary: dict[tuple[int, torch.device, torch.dtype], Rotary] = {}
        processor = LocalAttention()
        for block in self.layers:
            block.self_attn.set_processor(processor)
            block.cross_attn.set_processor(processor)

    def forward(
        self,
        hidden_states: Tensor,
        timestep: Tensor,
        timestep_r: Tensor,
        encoder_hidden_states: Tensor,
        context_latents: Tensor,
        condition_mask: Tensor | None = None,
    ) -> Tensor:
        """Return the velocity (B, T, C).

        Args:
            hidden_states: Noisy latents (B, T, C).
            timestep: t (B,), 1 is noise.
            timestep_r: Equal to t outside mean-flow experiments (B,).
            encoder_hidden_states: Conditions (B, L, D).
            context_latents: Source latents and chunk mask (B, T, 2 C).
            condition_mask: True for condition tokens that exist (B, L); None where all do.
        """
        temb, projection = self._times(timestep, timestep_r)
        x, frames = self._tokens(hidden_states, context_latents)  # (B, S, hidden)
        conditions = self.condition_embedder(encoder_hidden_states)
        mask = None if condition_mask is None else condition_mask[:, None, None, :]  # over heads and queries
        rotary = self._rotary_of(x)
        for block in self.layers:
            arguments = (x, rotary, projection, None, conditions, mask)
            if torch.is_grad_enabled() and self.gradient_checkpointing:
                x = self._gradient_checkpointing_func(block, *arguments)
            else:
                x = block(*arguments)
        shift, scale = (self.scale_shift_table + temb.unsqueeze(1)).chunk(2, dim=1)
        x = (self.norm_out(x) * (1 + scale) + shift).type_as(x)
        x = self.proj_out_conv(x.transpose(1, 2)).transpose(1, 2)
        velocity: Tensor = x[:, :frames]
        return velocity

    def _times(self, t: Tensor, r: Tensor) -> tuple[Tensor, Tensor]:
        """Return time embedding (B, hidden) and the six modulations (B, 6, hidden)."""
        temb, projection = self.time_embed(t)
        temb_r, projection_r = self.time_embed_r(t - r)
        return temb + temb_r, projection + projection_r

    def _tokens(self, latents: Tensor, context: Tensor) -> tuple[Tensor, int]:
        """Return patch tokens (B, S, hidden) and the number of frames before padding to a whole patch."""
        x = torch.cat([context, latents], dim=-1)
        frames = x.shape[1]
        x = F.pad(x, (0, 0, 0, -frames % self.patch_size))
        return self.proj_in_conv(x.transpose(1, 2)).transpose(1, 2), frames

    def _rotary_of(self, x: Tensor) -> Rotary:
        """Return cosines and sines (S, d) for these tokens, made once per length."""
        key = (x.shape[1], x.device, x.dtype)
        if key not in self._rotary:
            with torch.inference_mode(False):  # kept tables must serve a later backward pass too
                positions = torch.arange(key[0], device=x.device, dtype=torch.float32)
                cos, sin = get_1d_rotary_pos_embed(
                    self.head_dim, positions, theta=self.rope_theta, use_real=True, repeat_interleave_real=False
                )
                self._rotary[key] = (cos.to(x.dtype), sin.to(x.dtype))
        return self._rotary[key]


class LocalAttention:
    """Attention processor: exact local windows for sliding layers, masks for conditions, nothing for the rest.

    Grouped keys are repeated only where a mask is present: with both, torch falls back to its slow kernel.
    """

    _attention_backend = None
    _parallel_config = None

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        image_rotary_emb: Rotary | None = None,
    ) -> Tensor:
        """Return the attention output (B, S, hidden); arguments as the stock processor's."""
        source = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        q = attn.norm_q(attn.to_q(hidden_states).unflatten(-1, (attn.heads, attn.head_dim)))  # (B, S, H, d)
        k = attn.norm_k(attn.to_k(source).unflatten(-1, (attn.kv_heads, attn.head_dim)))  # (B, L, G, d)
        v = attn.to_v(source).unflatten(-1, (attn.kv_heads, attn.head_dim))
        if image_rotary_emb is not None and encoder_hidden_states is None:
            q, k = (
                apply_rotary_emb(x, image_rotary_emb, use_real=True, use_real_unbind_dim=-2, sequence_dim=1)
                for x in (q, k)
            )
        q, k, v = (x.transpose(1, 2) for x in (q, k, v))  # heads first
        window = attn.sliding_window
        if window is not None and encoder_hidden_states is None and q.shape[2] > window + 1:
            out = local_attention(q, k, v, window, attn.scaling)
        else:
            out = _attend(q, k, v, attention_mask, attn.scaling)
        out = out.transpose(1, 2).flatten(2, 3)
        projected: Tensor = attn.to_out[1](attn.to_out[0](out))
        return projected


def local_attention(q: Tensor, k: Tensor, v: Tensor, window: int, scale: float) -> Tensor:
    """Return attention in which token i sees exactly the tokens at most ``window`` places away.

    The sequence is cut into blocks of ``window`` tokens; each block of queries sees its own and the two neighbouring
    blocks of keys under a band mask, so that the work grows with S * window and not with S * S. What blocks see are
    overlapping views of the keys, and heads that share a key are more queries of it: no key is copied, and the
    backward pass keeps each of them once.

    Args:
        q: Queries (B, H, S, d).
        k: Keys (B, G, S, d), G divides H.
        v: Values (B, G, S, d).
        window: Reach to either side, in tokens.
        scale: Factor of the scores.

    Returns:
        (B, H, S, d).
    """
    batch, heads, length, width = q.shape
    blocks, groups = -(-length // window), k.shape[1]
    padding, shared = blocks * window - length, heads // groups
    cut = (batch * groups, shared, blocks, window, width)
    q = F.pad(q, (0, 0, 0, padding)).reshape(cut)
    q = q.permute(2, 0, 1, 3, 4).flatten(2, 3)  # (blocks, B G, shared window, d)
    k, v = (_neighbours(x, window, padding) for x in (k, v))
    mask = _band(blocks, window, length, shared, q.device, q.dtype)
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale)
    out = out.view(blocks, batch * groups, shared, window, width).permute(1, 2, 0, 3, 4)  # as `cut`
    return out.reshape(batch, heads, blocks * window, width)[:, :, :length]


def _neighbours(x: Tensor, window: int, padding: int) -> Tensor:
    """Return for each block its left, own and right tokens, as views: (B, G, S, d) -> (blocks, B G, 3 window, d)."""
    x = F.pad(x, (0, 0, window, padding + window)).flatten(0, 1)
    return x.unfold(1, 3 * window, window).permute(1, 0, 3, 2)


@functools.lru_cache(maxsize=8)
def _band(blocks: int, window: int, length: int, shared: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return what is added to scores, 0 where a query sees a key and else -inf: (blocks, 1, shared window, 3 window).

    Queries of the padding see key 0 of their block, so that no row is empty (an empty row would give NaN).
    """
    with torch.inference_mode(False):
        query = torch.arange(blocks * window, device=device).view(blocks, 1, window, 1)
        start = torch.arange(blocks, device=device).view(blocks, 1, 1, 1) * window - window
        keys = start + torch.arange(3 * window, device=device)
        seen = ((query - keys).abs() <= window) & (keys >= 0) & (keys < length)
        seen = seen | ((query >= length) & (keys == start))
        mask = torch.zeros(seen.shape, dtype=dtype, device=device).masked_fill_(~seen, -torch.inf)
        return mask.repeat(1, 1, shared, 1)


def _attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    """Return softmax attention with grouped keys; heads are the second axis."""
    groups = q.shape[1] // k.shape[1]
    if mask is None:
        return F.scaled_dot_product_attention(q, k, v, scale=scale, enable_gqa=groups > 1)
    if groups > 1:
        k, v = (x.repeat_interleave(groups, dim=1) for x in (k, v))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale)
