"""How much memory a training needs: formulas over the sizes of a network (no torch)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NetworkSize:
    """Widths and counts of a diffusion transformer.

    Attributes:
        hidden: Width of the residual stream.
        intermediate: Width of the MLP.
        layers, heads, kv_heads, head_dim: Of its attention.
        condition_width: Width of one condition token.
        channels: Latent channels.
        patch: Latent frames per token.
        frames_per_second: Latent frames in a second of audio.
    """

    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    condition_width: int
    channels: int
    patch: int = 2
    frames_per_second: float = 25.0

    @property
    def parameters(self) -> int:
        """Return the number of weights of the whole network."""
        d = self.hidden
        times = 2 * (257 * d + (d + 1) * d + (d + 1) * 6 * d)
        patches = (3 * self.channels * self.patch + 1) * d + (d * self.patch + 1) * self.channels
        top = times + patches + (self.condition_width + 1) * d + 3 * d
        norms = 4 * self.head_dim + 9 * d
        return self.layers * (sum(i * o for i, o in self.linears) + norms) + top

    @property
    def linears(self) -> tuple[tuple[int, int], ...]:
        """Return (inputs, outputs) of the linear layers of one block."""
        d, q, kv = self.hidden, self.heads * self.head_dim, self.kv_heads * self.head_dim
        attention = ((d, q), (d, kv), (d, kv), (q, d)) * 2
        return (*attention, (d, self.intermediate), (d, self.intermediate), (self.intermediate, d))


#: Allocator slack and what a device's runtime takes for itself.
SLACK, CONTEXT_BYTES = 0.06, 900_000_000
#: Bytes of a weight that is trained.
_MASTER = 4
#: Backward temporaries and residual of a recomputed block, bytes a token.
_TRANSIENT, _RECOMPUTED = 64 * 1024, 4 * 1024


def training_bytes(
    size: NetworkSize, trained: int, tokens: int, *, weight_bytes: int, recompute: bool, kept: int = 0
) -> int:
    """Return the memory of one training step on an accelerator: weights, what is trained, activations, slack, runtime.

    Where all weights are trained, the network itself is among those 16 bytes a weight, and what stays of it in another
    number format is the copy that it computes with.

    Eager blocks with a float32 adapter keep 171 KiB a token and block at 2B width in 16 bit; other widths scale with
    the ideal count 2 (5 D + 6 H d + 3 G d + 2 F) bytes, 74 KiB there (measured; docs/log.md).

    Args:
        size: The network.
        trained: Trained weights; 16 bytes each for value, gradient and two moments in float32.
        tokens: Patches in one micro-batch.
        weight_bytes: Bytes of a frozen weight, or of a number that the network computes with.
        recompute: Whether activations are recomputed.
        kept: Bytes of activations that a kind of adapter adds to those of LoRA.
    """
    d, q, kv = size.hidden, size.heads * size.head_dim, size.kv_heads * size.head_dim
    ideal = weight_bytes * (5 * d + 6 * q + 3 * kv + 2 * size.intermediate)
    usual = ideal * 171 / 74
    per_block = _RECOMPUTED if recompute else usual
    activations = tokens * (size.layers * per_block + ideal + _TRANSIENT) + kept
    frozen = 0 if trained >= size.parameters and weight_bytes == _MASTER else size.parameters
    state = frozen * weight_bytes + trained * 16
    return int((state + activations) * (1 + SLACK)) + CONTEXT_BYTES


def training_flops(size: NetworkSize, tokens: int, conditions: int, *, recompute: bool, whole: bool = False) -> float:
    """Return the floating point operations of one micro-batch: forward, backward for activations, recomputation.

    Args:
        size: The network.
        tokens: Patches of the micro-batch.
        conditions: Condition tokens of the micro-batch.
        recompute: Whether activations are recomputed.
        whole: Whether all weights are trained: their gradients are as much work as those of the activations.
    """
    linear, attention = _forward(size, tokens, conditions)
    forward = linear + attention
    return forward + linear * (2 if whole else 1) + 2.5 * attention + (forward if recompute else 0)


def forward_flops(size: NetworkSize, tokens: int, conditions: int) -> float:
    """Return the floating point operations of one forward pass (arguments as `training_flops`)."""
    return sum(_forward(size, tokens, conditions))


def _forward(size: NetworkSize, tokens: int, conditions: int) -> tuple[float, float]:
    """Return the operations of the linear layers and of attention in one forward pass."""
    d, q, kv = size.hidden, size.heads * size.head_dim, size.kv_heads * size.head_dim
    per_token = sum(i * o for i, o in size.linears) - 2 * d * kv
    linear = size.layers * (tokens * 2 * per_token + conditions * 4 * d * kv)
    attention = size.layers * 4 * tokens * q * (tokens / 2 + min(tokens, 257) / 2 + conditions)
    return linear, attention
