"""Embedded variants: the real classes with small widths, made from a seed, without a download.

All weights are random, but for the network of a variant that was taught made-up music, so that a verdict on it means
what it says. The autoencoder is random: sound is noise. All else is as in a published checkpoint. The scale of every
random weight is chosen so that a signal keeps its size through the network: latents of ordinary music have a spread
near 1, velocities too, and decoded audio is neither silent nor clipped.
"""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from acetune import files
from acetune.errors import NotWritable
from acetune.families.acestep_v15.configs import FSQ_LEVELS, RMS_EPS, ROPE_THETA, SAMPLE_RATE, Config
from acetune.families.variant import Variant

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

#: Raised whenever the recipe below changes, so that folders made by an older one are made again.
VERSION = 1
_STAMP = "acetune.json"
_SEED = 15

#: Hop 1920 at 48 kHz: 25 latent frames per second, as published; no channel growth, for speed.
_RATIOS = [2, 4, 4, 6, 10]
_VOCABULARY = 512


def materialise(variant: Variant, models: Path) -> Path:
    """Return the folder of an embedded variant in the diffusers layout, making it if it is not there yet.

    The same seed gives the same bytes. Several processes may call this at once.

    Raises:
        DiskFull: If there is no room for it.
        NotWritable: If the folder of models may not be written.
    """
    folder = models / variant.name
    if _is_current(folder, variant):
        return folder
    try:
        with files.draft_folder(folder) as draft:
            _save(variant, draft)
            files.write_json(draft / _STAMP, _stamp(variant))
            if not _is_current(folder, variant):  # an older recipe made it
                shutil.rmtree(folder, ignore_errors=True)
    except NotWritable:
        if not _is_current(folder, variant):  # else another process was faster
            raise
    return folder


def window(variant: Variant) -> int:
    """Return the reach of its sliding layers: ComfyUI fixes the published one, the others see it within seconds."""
    return variant.size.window


def configs(variant: Variant) -> dict[str, Config]:
    """Return the arguments of every component, in the order in which they are made."""
    size = variant.size
    comfy = _comfy(variant)
    layer: Config = {
        "head_dim": size.head_dim,
        "num_key_value_heads": size.kv_heads,
        "sliding_window": window(variant),
        "rope_theta": ROPE_THETA,
        "rms_norm_eps": RMS_EPS,
    }
    encoder = layer | {
        "hidden_size": size.condition_width,
        "intermediate_size": 2 * size.condition_width,
        "num_attention_heads": max(size.condition_width // size.head_dim, size.kv_heads),
    }
    text_width = 1024 if comfy else 32
    made = {
        "vae": _vae_config(size.channels),
        "text_encoder": _text_config(text_width, layers=1 if comfy else 2),
        "transformer": layer | {
            "hidden_size": size.hidden,
            "intermediate_size": size.intermediate,
            "num_hidden_layers": size.layers,
            "num_attention_heads": size.heads,
            "in_channels": 3 * size.channels,
            "audio_acoustic_hidden_dim": size.channels,
            "patch_size": size.patch,
            "encoder_hidden_size": size.condition_width,
            "is_turbo": variant.sampling.guidance == 1.0,
        },
        "condition_encoder": encoder | {
            "text_hidden_dim": text_width,
            "timbre_hidden_dim": size.channels,
            "num_lyric_encoder_hidden_layers": 8 if comfy else 2,
            "num_timbre_encoder_hidden_layers": 4 if comfy else 2,
        },
    }  # fmt: skip
    if not comfy:  # ComfyUI's code quantiser has a fixed width of 2048
        pooler = encoder | {"audio_acoustic_hidden_dim": size.channels, "num_attention_pooler_hidden_layers": 2}
        made["audio_tokenizer"] = pooler | {"fsq_dim": size.condition_width, "fsq_input_levels": FSQ_LEVELS}
        made["audio_token_detokenizer"] = pooler
    return made


def tokenizer_file() -> Path:
    """Return the committed tokenizer of 512 tokens (trained by ``examples/train_tiny_tokenizer.py``)."""
    return Path(__file__).parent / "tiny_tokenizer" / "tokenizer.json"


def taught_file(variant: Variant) -> Path:
    """Return the committed network of a variant that was taught (``benchmarks/pretrain_tiny.py`` makes it)."""
    return Path(__file__).parent / "tiny_networks" / f"{variant.name}.safetensors"


def _comfy(variant: Variant) -> bool:
    """Whether a variant keeps the sizes that ComfyUI fixes; its heads are as wide as the published ones."""
    return variant.size.head_dim == 128


def _vae_config(channels: int) -> Config:
    """Return the autoencoder; its class ties the width of the encoder to twice the latent channels."""
    return {
        "encoder_hidden_size": 2 * channels,
        "downsampling_ratios": _RATIOS,
        "channel_multiples": [1] * len(_RATIOS),
        "decoder_channels": 8,
        "decoder_input_channels": channels,
        "audio_channels": 2,
        "sampling_rate": SAMPLE_RATE,
    }


def _text_config(width: int, layers: int) -> Config:
    """Return the text encoder."""
    head_dim = min(width // 2, 128)
    return {
        "vocab_size": _VOCABULARY,
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": width // head_dim,
        "num_key_value_heads": width // head_dim // 2,
        "head_dim": head_dim,
        "rms_norm_eps": RMS_EPS,
        "max_position_embeddings": 32_768,
        "rope_parameters": {"rope_type": "default", "rope_theta": ROPE_THETA},
        "eos_token_id": 0,
        "pad_token_id": 0,
    }


def _stamp(variant: Variant) -> dict[str, object]:
    """Return what names the recipe of a folder."""
    return {
        "made_by": "acetune",
        "version": VERSION,
        "variant": variant.name,
        "recipe": files.hash_of(configs(variant)),
        "taught": files.content_hash(taught_file(variant)) if variant.taught else None,
    }


def _is_current(folder: Path, variant: Variant) -> bool:
    """Whether a folder is whole and made by this recipe; the stamp is written last and renamed with the rest."""
    stamp = folder / _STAMP
    return stamp.is_file() and files.read_json(stamp) == _stamp(variant)


def _save(variant: Variant, folder: Path) -> None:
    """Write a diffusers pipeline with random components."""
    from acetune.families.acestep_v15.layouts import load_tokenizer
    from acetune.families.acestep_v15.saving import save_pipeline

    save_pipeline(_components(variant), load_tokenizer(tokenizer_file()), folder)


def _components(variant: Variant) -> dict[str, nn.Module]:
    """Return every component with weights drawn from the seed; a taught network comes from its file."""
    import torch
    from safetensors.torch import load_file

    from acetune.families.acestep_v15.components import build, shell
    from acetune.families.acestep_v15.silence import encode_silence

    made: dict[str, nn.Module] = {}
    for component, config in configs(variant).items():
        if component == "transformer" and variant.taught:
            tensors = {name: tensor.float() for name, tensor in load_file(taught_file(variant)).items()}
        else:
            generator = torch.Generator().manual_seed(_seed(component, variant))
            fill = _autoencoder_weight if component == "vae" else _weight
            expected = shell(component, config).state_dict()
            tensors = {name: fill(name, expected[name].shape, generator) for name in sorted(expected)}
        if component == "condition_encoder":
            tensors["silence_latent"] = encode_silence(made["vae"])
        made[component] = build(component, config, tensors, device=torch.device("cpu"), dtype=torch.float32)
    return made


def _seed(component: str, variant: Variant) -> int:
    """Return the seed of a component; as in published checkpoints, variants share the two that were trained apart."""
    owner = "" if component in ("vae", "text_encoder") else variant.name
    return int(files.hash_of(_SEED, component, owner)[:12], 16)


def _weight(name: str, shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Draw a weight of a transformer that keeps the size of its signal."""
    import torch

    drawn = torch.randn(shape, generator=generator)
    if name.endswith(".bias"):
        return 0.02 * drawn
    if len(shape) == 1:
        return 1 + 0.1 * drawn  # a norm
    if "token" in name or name == "null_condition_emb":
        return drawn
    if name.endswith("scale_shift_table"):
        return 0.3 * drawn
    # The exit is transposed; it starts at half size, for a velocity that is wrong but not wild.
    fan_in = 4 * shape[0] if "proj_out_conv" in name else math.prod(shape[1:])
    scale: float = fan_in**-0.5
    return scale * drawn


#: Gain of the autoencoder's convolutions by their place, 1 elsewhere: what quiet music needs at the entry (its spread
#: is near 0.1), what keeps residual units small, what gives latents a spread near 1 and audio one near 0.1.
_GAINS = {"encoder.conv1": 8.0, "encoder.conv2": 0.6, "decoder.conv2": 0.05, "conv2": 0.3}


def _autoencoder_weight(name: str, shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Draw a weight of the autoencoder; its convolutions keep a gain (``_g``) and a direction (``_v``)."""
    import torch

    drawn = torch.randn(shape, generator=generator)
    if name.endswith("weight_v"):
        return drawn
    middle = 1.0 if name.endswith(".beta") else 0.0  # a small share of the snake's offset
    tensor = _gain(name) * (1 + 0.1 * drawn) if name.endswith("weight_g") else middle + 0.1 * drawn
    if name.startswith("encoder.conv2."):  # its second half is the spread of the posterior: 0.13 on average
        half = shape[0] // 2
        tensor[half:] = 0.1 * tensor[half:] - (2.0 if name.endswith("bias") else 0.0)
    return tensor


def _gain(name: str) -> float:
    """Return the gain of a convolution; a transposed one spreads a frame over as many samples as it has stride."""
    parts = name.split(".")
    if parts[-2] == "conv_t1":
        return math.sqrt(_RATIOS[::-1][int(parts[2])])
    return next((gain for place, gain in _GAINS.items() if name.startswith(place) or parts[-2] == place), 1.0)
