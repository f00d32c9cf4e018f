"""Arguments of each component's class, from the official configuration or from the shapes of its tensors. No torch.

What tensors cannot tell (window, rotary base, epsilon, levels of the quantiser) is the same in every published
checkpoint and stands here once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from acetune.events import Json

Config = dict[str, object]
Shapes = Mapping[str, tuple[int, ...]]

#: Attention reach of sliding layers in tokens, each way (official configuration).
WINDOW = 128
ROPE_THETA = 1_000_000.0
RMS_EPS = 1e-6
#: Levels of the finite scalar quantiser: 64,000 codes (official configuration).
FSQ_LEVELS = [8, 8, 8, 5, 5, 5]
SAMPLE_RATE = 48_000

_SHARED = ("head_dim", "rope_theta", "attention_bias", "attention_dropout", "rms_norm_eps", "sliding_window")
_WIDTHS = ("hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads")
_OWN = {
    "transformer": (
        *_WIDTHS, "num_hidden_layers", "in_channels", "audio_acoustic_hidden_dim", "patch_size", "layer_types",
        "encoder_hidden_size", "is_turbo", "model_version",
    ),
    "condition_encoder": (
        "text_hidden_dim", "timbre_hidden_dim", "num_lyric_encoder_hidden_layers", "num_timbre_encoder_hidden_layers",
    ),
    "audio_tokenizer": (
        "audio_acoustic_hidden_dim", "pool_window_size", "fsq_dim", "fsq_input_levels", "fsq_input_num_quantizers",
        "num_attention_pooler_hidden_layers",
    ),
    "audio_token_detokenizer": (
        "audio_acoustic_hidden_dim", "pool_window_size", "num_attention_pooler_hidden_layers",
    ),
}  # fmt: skip


def from_official(component: str, config: Mapping[str, Json]) -> Config:
    """Return the arguments of a component from the official ``config.json``.

    Everything but the network uses the encoder's widths, which differ from the network's in XL (``encoder_*``).
    """
    rope = config.get("rope_parameters")
    known = {**(rope if isinstance(rope, dict) else {}), **config}
    found: Config = {name: known.get(name) for name in _SHARED + _OWN[component]}
    if component != "transformer":
        found |= {name: known.get(f"encoder_{name}") or known.get(name) for name in _WIDTHS}
    return {name: value for name, value in found.items() if value is not None}


def from_shapes(component: str, shapes: Shapes, window: int = WINDOW) -> Config:
    """Return the arguments of a component from the shapes of its tensors (files that carry no configuration).

    Raises:
        KeyError: If a tensor that tells a size is missing.
    """
    found = _READERS[component](shapes)
    if component in _OWN:
        found |= {"rope_theta": ROPE_THETA, "rms_norm_eps": RMS_EPS, "sliding_window": window}
    return found


def layer_count(shapes: Shapes, prefix: str = "layers.") -> int:
    """Return how many numbered blocks there are under a prefix."""
    return 1 + max(int(name.removeprefix(prefix).split(".")[0]) for name in shapes if name.startswith(prefix))


def _attention(shapes: Shapes, prefix: str) -> Config:
    """Return widths of a block with diffusers' attention names."""
    head_dim = shapes[f"{prefix}self_attn.norm_q.weight"][0]
    return {
        "head_dim": head_dim,
        "num_attention_heads": shapes[f"{prefix}self_attn.to_q.weight"][0] // head_dim,
        "num_key_value_heads": shapes[f"{prefix}self_attn.to_k.weight"][0] // head_dim,
        "intermediate_size": shapes[f"{prefix}mlp.gate_proj.weight"][0],
        "attention_bias": f"{prefix}self_attn.to_q.bias" in shapes,
    }


def _transformer(shapes: Shapes) -> Config:
    """Read the network."""
    hidden, channels, patch = shapes["proj_in_conv.weight"]
    return _attention(shapes, "layers.0.") | {
        "hidden_size": hidden,
        "in_channels": channels,
        "patch_size": patch,
        "num_hidden_layers": layer_count(shapes),
        "audio_acoustic_hidden_dim": shapes["proj_out_conv.weight"][1],
        "encoder_hidden_size": shapes["condition_embedder.weight"][1],
    }


def _condition_encoder(shapes: Shapes) -> Config:
    """Read the encoders of text, lyrics and timbre."""
    hidden, text = shapes["text_projector.weight"]
    return _attention(shapes, "lyric_encoder.layers.0.") | {
        "hidden_size": hidden,
        "text_hidden_dim": text,
        "timbre_hidden_dim": shapes["timbre_encoder.embed_tokens.weight"][1],
        "num_lyric_encoder_hidden_layers": layer_count(shapes, "lyric_encoder.layers."),
        "num_timbre_encoder_hidden_layers": layer_count(shapes, "timbre_encoder.layers."),
    }


def _audio_tokenizer(shapes: Shapes) -> Config:
    """Read the encoder of 5 Hz codes."""
    hidden, channels = shapes["audio_acoustic_proj.weight"]
    return _attention(shapes, "attention_pooler.layers.0.") | {
        "hidden_size": hidden,
        "audio_acoustic_hidden_dim": channels,
        "fsq_dim": shapes["quantizer.project_in.weight"][1],
        "fsq_input_levels": FSQ_LEVELS,
        "num_attention_pooler_hidden_layers": layer_count(shapes, "attention_pooler.layers."),
    }


def _audio_token_detokenizer(shapes: Shapes) -> Config:
    """Read the decoder of 5 Hz codes."""
    channels, hidden = shapes["proj_out.weight"]
    return _attention(shapes, "layers.0.") | {
        "hidden_size": hidden,
        "audio_acoustic_hidden_dim": channels,
        "pool_window_size": shapes["special_tokens"][1],
        "num_attention_pooler_hidden_layers": layer_count(shapes),
    }


def _vae(shapes: Shapes) -> Config:
    """Read the audio autoencoder; a strided convolution's kernel is twice its stride."""
    hidden, audio = shapes["encoder.conv1.weight_v"][:2]
    ways = [shapes[f"encoder.block.{i}.conv1.weight_v"] for i in range(layer_count(shapes, "encoder.block."))]
    return {
        "encoder_hidden_size": hidden,
        "downsampling_ratios": [way[2] // 2 for way in ways],
        "channel_multiples": [way[0] // hidden for way in ways],
        "decoder_channels": shapes["decoder.conv2.weight_v"][1],
        "decoder_input_channels": shapes["decoder.conv1.weight_v"][1],
        "audio_channels": audio,
        "sampling_rate": SAMPLE_RATE,
    }


def _text_encoder(shapes: Shapes) -> Config:
    """Read Qwen3."""
    vocabulary, hidden = shapes["embed_tokens.weight"]
    head_dim = shapes["layers.0.self_attn.q_norm.weight"][0]
    return {
        "vocab_size": vocabulary,
        "hidden_size": hidden,
        "intermediate_size": shapes["layers.0.mlp.gate_proj.weight"][0],
        "num_hidden_layers": layer_count(shapes),
        "num_attention_heads": shapes["layers.0.self_attn.q_proj.weight"][0] // head_dim,
        "num_key_value_heads": shapes["layers.0.self_attn.k_proj.weight"][0] // head_dim,
        "head_dim": head_dim,
        "rms_norm_eps": RMS_EPS,
        "max_position_embeddings": 32_768,
        "rope_parameters": {"rope_type": "default", "rope_theta": ROPE_THETA},
    }


_READERS: dict[str, Callable[[Shapes], Config]] = {
    "transformer": _transformer,
    "condition_encoder": _condition_encoder,
    "audio_tokenizer": _audio_tokenizer,
    "audio_token_detokenizer": _audio_token_detokenizer,
    "vae": _vae,
    "text_encoder": _text_encoder,
}
