"""Names of ACE-Step 1.5's tensors in the official checkpoint and in diffusers. No torch.

Two-way and complete (a strict load of every published layout passes): components by prefix, attention projections by
their names, and the two patch convolutions, which the official code keeps in a Sequential.
"""

from __future__ import annotations

from acetune.families.choosing import chosen
from acetune.planning.memory import NetworkSize

#: Component of diffusers to prefix in the official checkpoint.
PREFIXES = {
    "transformer": "decoder.",
    "condition_encoder": "encoder.",
    "audio_tokenizer": "tokenizer.",
    "audio_token_detokenizer": "detokenizer.",
}

#: Official to diffusers, inside any attention block.
_ATTENTION = (
    (".q_proj", ".to_q"),
    (".k_proj", ".to_k"),
    (".v_proj", ".to_v"),
    (".o_proj", ".to_out.0"),
    (".q_norm", ".norm_q"),
    (".k_norm", ".norm_k"),
)
_CONVOLUTIONS = (("proj_in.1", "proj_in_conv"), ("proj_out.1", "proj_out_conv"))

#: Kept in the condition encoder by diffusers, at the top level by the official checkpoint.
NULL = "null_condition_emb"


def to_diffusers(name: str) -> str:
    """Return the diffusers name of a tensor or module of a component (its prefix already taken off)."""
    return _rename(name, _ATTENTION + _CONVOLUTIONS)


def to_official(name: str) -> str:
    """Return the official name of a tensor or module of a component (without the component's prefix)."""
    return _rename(name, tuple((new, old) for old, new in _ATTENTION + _CONVOLUTIONS))


def component_of(official: str) -> tuple[str, str] | None:
    """Return component and diffusers name of an official checkpoint key; None for keys of something else."""
    if official == NULL:
        return "condition_encoder", NULL
    for component, prefix in PREFIXES.items():
        if official.startswith(prefix):
            return component, to_diffusers(official.removeprefix(prefix))
    return None


def official_key(component: str, name: str) -> str:
    """Return the official checkpoint key of a tensor of a component (undoes `component_of`)."""
    if name == NULL:
        return NULL
    return PREFIXES[component] + to_official(name)


def _rename(name: str, table: tuple[tuple[str, str], ...]) -> str:
    """Replace whole dotted parts of a name."""
    dotted = f".{name}."
    for old, new in table:
        dotted = dotted.replace(f".{old.strip('.')}.", f".{new.strip('.')}.")
    return dotted[1:-1]


#: Choices of ``adapter.targets`` that have a name: parts of the blocks whose projections are tuned.
_PARTS = {
    "attention": ("self_attn", "cross_attn"),
    "attention+mlp": ("self_attn", "cross_attn", "mlp"),
    "self": ("self_attn",),
    "cross": ("cross_attn",),
    "mlp": ("mlp",),
}
#: Width of the sinusoids of t (NetworkSize.parameters counts them with a bias).
_TIME_WIDTH = 256
_PROJECTIONS = {
    "self_attn": ("to_q", "to_k", "to_v", "to_out.0"),
    "cross_attn": ("to_q", "to_k", "to_v", "to_out.0"),
    "mlp": ("gate_proj", "up_proj", "down_proj"),
}
_OUTSIDE = (
    "condition_embedder",
    *(
        f"{embed}.{layer}"
        for embed in ("time_embed", "time_embed_r")
        for layer in ("linear_1", "linear_2", "time_proj")
    ),
)


def linear_names(layers: int, parts: tuple[str, ...] = ("self_attn", "cross_attn", "mlp")) -> tuple[str, ...]:
    """Return the diffusers names of the linear layers inside the blocks of a network with so many layers."""
    return tuple(f"layers.{i}.{part}.{name}" for i in range(layers) for part in parts for name in _PROJECTIONS[part])


def targets(choice: str, layers: int) -> tuple[str, ...]:
    """Return the linear layers that a choice of ``adapter.targets`` means, in a network of so many blocks.

    Names may be those of diffusers or of the official app (raises as `acetune.families.choosing.chosen`).
    """
    every = (*linear_names(layers), *_OUTSIDE)
    named = {name: linear_names(layers, parts) for name, parts in _PARTS.items()}
    return chosen(choice, {name: to_official(name) for name in every}, named)


def layer_sizes(choice: str, size: NetworkSize) -> dict[str, tuple[int, int]]:
    """Return inputs and outputs of the layers that a choice of ``adapter.targets`` means (raises as `targets`)."""
    d, q, kv = size.hidden, size.heads * size.head_dim, size.kv_heads * size.head_dim
    known = {
        "to_q": (d, q), "to_k": (d, kv), "to_v": (d, kv), "to_out.0": (q, d),
        "gate_proj": (d, size.intermediate), "up_proj": (d, size.intermediate), "down_proj": (size.intermediate, d),
        "condition_embedder": (size.condition_width, d),
        "linear_1": (_TIME_WIDTH, d), "linear_2": (d, d), "time_proj": (d, 6 * d),
    }  # fmt: skip
    return {
        name: next(shape for end, shape in known.items() if name == end or name.endswith(f".{end}"))
        for name in targets(choice, size.layers)
    }
