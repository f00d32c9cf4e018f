"""Names of ACE-Step 1.5's tensors in the official checkpoint and in diffusers. No torch.

Two-way and complete (a strict load of every published layout passes): components by prefix, attention projections by
their names, and the two patch convolutions, which the official code keeps in a Sequential.
"""

from __future__ import annotations

from acetune.errors import SettingError

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
}
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
    """Return the linear layers that a choice of ``adapter.targets`` means.

    Args:
        choice: A named choice, or names separated by commas. A name means every layer whose diffusers or official
            name it is or ends; "q_proj" means all query projections.
        layers: Blocks of the network.

    Raises:
        SettingError: If a name matches nothing.
    """
    if choice in _PARTS:
        return linear_names(layers, _PARTS[choice])
    every = (*linear_names(layers), *_OUTSIDE)
    chosen: dict[str, None] = {}
    for word in filter(None, (part.strip() for part in choice.split(","))):
        plain = to_diffusers(word)
        found = [name for name in every if name == plain or name.endswith(f".{plain}")]
        if not found:
            raise SettingError("adapter.no_target", name=word, known=", ".join(_PARTS))
        chosen.update(dict.fromkeys(found))
    return tuple(chosen)
