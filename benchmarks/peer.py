"""A training step as other trainers do it, on our weights and crops; written from a description of theirs.

Every attention gets a dense mask of numbers over the whole song (zeros where all is seen; the cross-attention a slice
of a square), three of them are made in each forward pass, and keys are repeated for every head. The conditions are
padded to 769 tokens that are attended to, the loss is read by the host twice a micro-step, AdamW and clipping go tensor
by tensor. With 16-bit weights the forward pass runs under autocast. It is an emulation, not a peer's own class.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import torch
from diffusers.models.embeddings import apply_rotary_emb
from torch import Tensor, nn
from torch.nn import functional as F

from acetune.families.acestep_v15.family import AceStepV15
from acetune.families.family import Batch
from acetune.flow import randomness
from acetune.training.session import Session

#: Texts padded to 256 tokens, lyrics to 512, and one of timbre.
PADDED = 256 + 512 + 1


class Stock(AceStepV15):
    """The same variant on diffusers' own network, which knows no condition mask."""

    def load_network(self, device: torch.device, dtype: torch.dtype) -> nn.Module:
        """Load diffusers' class."""
        return self.weights.load("transformer", device, dtype)

    def predict(self, network: nn.Module, batch: Batch, x_t: Tensor, t: Tensor, dropped: Tensor) -> Tensor:
        """Return the velocity; a batch of one needs no mask and no condition dropout here."""
        rough = batch.conditions["context"].expand(x_t.shape[0], -1, -1)
        context = torch.cat([rough, torch.ones_like(rough)], dim=-1)
        dtype = next(network.parameters()).dtype
        music, times, told, context = (x.to(dtype) for x in (x_t, t, batch.conditions["tokens"], context))
        return network(music, times, times, told, context, return_dict=False)[0].float()


class Peer(Stock):
    """Dense masks everywhere, repeated keys."""

    def load_network(self, device: torch.device, dtype: torch.dtype) -> nn.Module:
        """Load diffusers' class with attention that is always masked."""
        made, dense = super().load_network(device, dtype), DenseAttention()
        for block in made.layers:
            block.self_attn.set_processor(dense)
            block.cross_attn.set_processor(dense)
        made.register_forward_pre_hook(dense.prepare)
        return made

    def predict(self, network: nn.Module, batch: Batch, x_t: Tensor, t: Tensor, dropped: Tensor) -> Tensor:
        """Return the velocity, under autocast where weights have 16 bits."""
        with autocast(network, x_t.device):
            return super().predict(network, batch, x_t, t, dropped)


class PaddedPeer(Peer):
    """The same with conditions that are padded to one length."""

    def collate(self, crops: Any, constants: Any, device: torch.device) -> Batch:
        """Return the crops; what pads their conditions is noise, as an encoder's output for padding is not zero."""
        batch = super().collate(crops, constants, device)
        tokens = batch.conditions["tokens"]
        padding = randomness.normal((1, PADDED - tokens.shape[1], tokens.shape[2]), 0, "padding").to(tokens)
        padded = torch.cat([tokens, padding.expand(tokens.shape[0], -1, -1)], dim=1)
        return replace(batch, conditions={**batch.conditions, "tokens": padded})


class DenseAttention:
    """Attention processor that masks always; one of it serves all blocks, with the masks of the present pass."""

    _attention_backend = None
    _parallel_config = None

    def __init__(self) -> None:
        self._masks: tuple[Tensor, Tensor, Tensor] | None = None

    def prepare(self, network: Any, inputs: tuple[Tensor, ...]) -> None:
        """Make the masks of a forward pass: over all tokens, over the band, over the conditions."""
        music, told = inputs[0], inputs[3]
        length, conditions = -(-music.shape[1] // network.patch_size), told.shape[1]
        places = torch.arange(length, device=music.device)
        far = (places[:, None] - places[None, :]).abs() > network.layers[0].self_attn.sliding_window
        lowest, larger = torch.finfo(music.dtype).min, max(length, conditions)
        everything = torch.zeros(1, 1, length, length, dtype=music.dtype, device=music.device)
        square = torch.zeros(1, 1, larger, larger, dtype=music.dtype, device=music.device)
        band = torch.zeros_like(everything).masked_fill_(far, lowest)
        self._masks = everything, band, square[:, :, :length, :conditions]

    def __call__(
        self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None, image_rotary_emb: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:  # fmt: skip
        """Return the attention output (B, S, hidden); arguments as the stock processor's."""
        cross = encoder_hidden_states is not None
        source = encoder_hidden_states if cross else hidden_states
        q = attn.norm_q(attn.to_q(hidden_states).unflatten(-1, (attn.heads, attn.head_dim)))
        k = attn.norm_k(attn.to_k(source).unflatten(-1, (attn.kv_heads, attn.head_dim)))
        v = attn.to_v(source).unflatten(-1, (attn.kv_heads, attn.head_dim))
        if not cross:
            q, k = (
                apply_rotary_emb(x, image_rotary_emb, use_real=True, use_real_unbind_dim=-2, sequence_dim=1)
                for x in (q, k)
            )
        q, k, v = (x.transpose(1, 2) for x in (q, k, v))
        k, v = (x.repeat_interleave(attn.heads // attn.kv_heads, dim=1) for x in (k, v))
        mask = self._masks[2 if cross else 0 if attn.sliding_window is None else 1].to(q.dtype)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=attn.scaling)
        return attn.to_out[1](attn.to_out[0](out.transpose(1, 2).flatten(2, 3)))


def autocast(network: nn.Module, device: torch.device) -> AbstractContextManager[None]:
    """Return autocast to the network's format; it does nothing in 32 bit."""
    dtype = next(parameter.dtype for parameter in network.parameters() if not parameter.requires_grad)
    return torch.autocast(device.type, torch.bfloat16, enabled=dtype == torch.bfloat16)


@dataclass
class Seen:
    """What a peer's host has read: losses of micro-steps and their sum."""

    last: float = 0.0
    total: float = 0.0


def updates(session: Session) -> Iterator[None]:
    """Do one step as peers do at each call of next: two readings of the loss, then tensor by tensor."""
    parameters, knobs, seen = list(session.parameters.values()), session.recipe.optim, Seen()
    optimizer = torch.optim.AdamW(parameters, lr=knobs.lr, weight_decay=knobs.weight_decay, foreach=False)
    for number in range(session.length.steps):
        losses, _ = session.backward(number)
        seen.last = losses.mean().item()
        seen.total += losses.mean().item()
        torch.nn.utils.clip_grad_norm_(parameters, knobs.clip, foreach=False)
        optimizer.step()
        optimizer.zero_grad()
        yield
