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
        window: Tokens to either side that every other block's own attention sees; the rest see all.
        told: How the names of layers end whose input are the conditions.
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
    window: int = 128
    told: tuple[str, ...] = ("cross_attn.to_k", "cross_attn.to_v")

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
#: Bytes of a number that is trained, and of what the kernels of attention keep of each query.
_MASTER = 4
#: Bytes of a trained weight that stay: its value and two moments. The gradient comes and goes.
_STATE = 3 * _MASTER


@dataclass(frozen=True)
class MicroBatch:
    """What the network sees at once.

    Attributes:
        tokens: Patches of all crops.
        conditions: Condition tokens of all crops.
        crops: With more than one the conditions are masked.
        alone: Whether a step has no other, so that gradients begin with it.
    """

    tokens: int
    conditions: int
    crops: int = 1
    alone: bool = True


@dataclass(frozen=True)
class Held:
    """What a training holds of its network.

    Attributes:
        trained: Trained weights, in float32 with two moments.
        frozen: Bytes of the weights that are not, or of the copy that trained ones compute with.
        number: Bytes of a number that the network computes with.
        inputs: Bytes that trained layers keep of a micro-batch, in all blocks together.
    """

    trained: int
    frozen: int
    number: int
    inputs: int = 0


def training_bytes(size: NetworkSize, batch: MicroBatch, held: Held, *, recompute: bool) -> int:
    """Return the memory of one training step on an accelerator, with slack and runtime.

    What is there all the time are the weights and twelve bytes for each that is trained. The peak is either where the
    backward pass begins, with all that the forward pass kept, or where it ends, with all gradients; of several
    micro-batches those after the first begin with gradients too. Where blocks are recomputed, their inputs are kept
    and the insides of one. On the way back through an MLP stand three more tensors of its width and two of the
    stream's (counted on the meta device, as everything here: ``benchmarks/peak.py``, docs/log.md).
    """
    block = block_bytes(size, batch, held.number) + held.inputs // size.layers
    stream = batch.tokens * size.hidden * held.number
    there = size.layers * stream + block if recompute else size.layers * block
    gradients = held.trained * _MASTER
    most = max(there, block + gradients) if batch.alone else there + gradients
    passing = batch.tokens * (3 * size.intermediate + 2 * size.hidden) * held.number
    state = held.frozen + held.trained * _STATE
    return int((state + most + passing) * (1 + SLACK)) + CONTEXT_BYTES


def block_bytes(size: NetworkSize, batch: MicroBatch, number: int) -> float:
    """Return what one block keeps for the backward pass, the inputs of trained layers apart.

    D, Q, K, F are the widths of stream, queries, keys and MLP. Of each token: the inputs of three norms of D, two of Q
    and one of K, as they are and in 32 bit; three numbers of F in the MLP; queries and results of two attentions; keys
    and values of its own attention, in blocks that see a window padded to whole windows. Of each condition token: keys
    and values, for every head where a mask is needed, and the norm of the keys.

    Args:
        size: The network.
        batch: What it sees.
        number: Bytes of a number that it computes with.
    """
    d, q, kv = size.hidden, size.heads * size.head_dim, size.kv_heads * size.head_dim
    normed = number + (_MASTER if number < _MASTER else 0)
    each = normed * (3 * d + 2 * q + kv) + number * (3 * size.intermediate + 2 * q) + 2 * _MASTER * size.heads
    told = normed * kv + number * 2 * (q if batch.crops > 1 else kv)
    return batch.tokens * each + _own_attention(size, batch, number) + batch.conditions * told


def _own_attention(size: NetworkSize, batch: MicroBatch, number: int) -> float:
    """Return what the attention of a block to its own tokens keeps: the mean of those that see all and a window."""
    q, kv = size.heads * size.head_dim, size.kv_heads * size.head_dim
    everything = batch.tokens * (2 * q + 2 * kv)
    length = batch.tokens // batch.crops
    if length <= size.window + 1:
        return number * everything
    padded = batch.crops * -(-length // size.window) * size.window
    reach = batch.crops * 2 * size.window  # beyond both ends of a crop
    return number * (everything + padded * (2 * q + 2 * kv) + reach * 2 * kv) / 2


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
