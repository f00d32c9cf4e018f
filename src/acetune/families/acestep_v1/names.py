"""Names and shapes of ACE-Step v1's tensors in the published checkpoint and in our network. No torch.

Names are the same. Layers that nothing reads are not built, and convolutions of width 1 are linear layers.
"""

from __future__ import annotations

from acetune.families.acestep_v1.sizes import V1Size
from acetune.families.choosing import chosen
from acetune.planning.memory import NetworkSize

#: Layers of each block's attention to conditions that are in the checkpoint and never read.
DEAD = tuple(f".cross_attn.{layer}." for layer in ("add_q_proj", "add_k_proj", "add_v_proj", "to_add_out"))
#: How the names of weights end that are convolutions of width 1 in the checkpoint, (out, in, 1).
NARROW = ("ff.inverted_conv.conv.weight", "ff.point_conv.conv.weight")


def is_dead(name: str) -> bool:
    """Whether a tensor of the checkpoint belongs to a layer that nothing reads."""
    return any(layer in name for layer in DEAD)


def is_narrow(name: str) -> bool:
    """Whether a weight has a last dimension of 1 in the checkpoint and none in our network."""
    return name.endswith(NARROW)


#: Other words for parts of a block, as ACE-Step 1.5's layers are called: one recipe serves both.
_ALIASES = (
    ("transformer_blocks", "layers"),
    ("attn", "self_attn"),
    ("to_q", "q_proj"),
    ("to_k", "k_proj"),
    ("to_v", "v_proj"),
    ("to_out.0", "o_proj"),
)
_ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
_MLP = ("inverted_conv.conv", "point_conv.conv")
#: Layers that hear nothing in training: no speaker is given, and nothing is projected on other models' features.
_UNHEARD = ("projectors.", "speaker_embedder")
_LYRICS = ("linear_q", "linear_k", "linear_v")


def targets(choice: str, size: NetworkSize) -> tuple[str, ...]:
    """Return the linear layers that a choice of ``adapter.targets`` means (raises as `choosing.chosen`)."""
    own, cross = (_in_blocks(size, part, _ATTENTION) for part in ("attn", "cross_attn"))
    mlp = _in_blocks(size, "ff", _MLP)
    named = {
        "attention": own + cross,
        "attention+mlp": own + cross + mlp,
        "self": own,
        "cross": cross,
        "mlp": mlp,
        "lyrics": tuple(name for name in _lyric_names(size) if name.endswith(_LYRICS)),
    }
    heard = (name for name in layers(size) if not name.startswith(_UNHEARD))
    return chosen(choice, {name: _alias(name) for name in heard}, named)


def layers(size: NetworkSize) -> dict[str, tuple[int, int]]:
    """Return every linear layer of a network that can be tuned: inputs and outputs."""
    assert isinstance(size, V1Size)
    d, inner, lyric = size.hidden, size.intermediate, size.lyric_width
    found = {name: (d, d) for part in ("attn", "cross_attn") for name in _in_blocks(size, part, _ATTENTION)}
    for name in _in_blocks(size, "ff", _MLP):
        found[name] = (inner, d) if "point_conv" in name else (d, 2 * inner)
    for name in _lyric_names(size):
        found[name] = {"w_1": (lyric, size.lyric_units), "w_2": (size.lyric_units, lyric)}.get(
            name.rpartition(".")[2], (lyric, lyric)
        )
    for number, features in enumerate(size.ssl_widths):
        shapes = ((d, 2 * d), (2 * d, 2 * d), (2 * d, features))
        found |= {f"projectors.{number}.{2 * place}": shape for place, shape in enumerate(shapes)}
    return found | {
        "speaker_embedder": (size.speaker_width, d),
        "genre_embedder": (size.condition_width, d),
        "lyric_proj": (lyric, d),
        "timestep_embedder.linear_1": (size.time_width, d),
        "timestep_embedder.linear_2": (d, d),
        "t_block.1": (d, 6 * d),
    }


def layer_sizes(choice: str, size: NetworkSize) -> dict[str, tuple[int, int]]:
    """Return inputs and outputs of the layers that a choice of ``adapter.targets`` means (raises as `targets`)."""
    known = layers(size)
    return {name: known[name] for name in targets(choice, size)}


def _in_blocks(size: NetworkSize, part: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of layers of one part of every block."""
    return tuple(f"transformer_blocks.{block}.{part}.{name}" for block in range(size.layers) for name in names)


def _lyric_names(size: V1Size | NetworkSize) -> tuple[str, ...]:
    """Return the names of the lyric encoder's linear layers."""
    assert isinstance(size, V1Size)
    inside = (
        *(f"self_attn.{name}" for name in (*_LYRICS, "linear_out", "linear_pos")),
        "feed_forward.w_1",
        "feed_forward.w_2",
    )
    return tuple(f"lyric_encoder.encoders.{layer}.{name}" for layer in range(size.lyric_layers) for name in inside)


def _alias(name: str) -> str:
    """Return what a layer would be called in ACE-Step 1.5."""
    dotted = f".{name}."
    for ours, theirs in _ALIASES:
        dotted = dotted.replace(f".{ours}.", f".{theirs}.")
    return dotted[1:-1]
