"""Writes an opened checkpoint in every layout that people have, so that tests can load it back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from acetune.families import tensors
from acetune.families.acestep_v15 import vae_names
from acetune.families.acestep_v15.layouts import SILENCE, Weights
from acetune.families.acestep_v15.names import PREFIXES, official_key
from acetune.families.acestep_v15.variants import CARD
from acetune.families.variant import Variant

LAYOUTS = ("official", "official-sharded", "diffusers", "comfyui-aio", "comfyui-split")
_COMFY_TEXT = "text_encoders.qwen3_06b.transformer.model."


def variant(name: str) -> Variant:
    """Return the variant of this name."""
    found = CARD.variant(name)
    assert found is not None
    return found


def write_layout(weights: Weights, layout: str, folder: Path) -> Path:
    """Write a checkpoint below a folder and return the path that a user would give."""
    writers = {
        "official": _official,
        "official-sharded": _official_sharded,
        "diffusers": _diffusers,
        "comfyui-aio": _comfyui_aio,
        "comfyui-split": _comfyui_split,
    }
    return writers[layout](weights, folder)


def values(weights: Weights, component: str) -> dict[str, Tensor]:
    """Return every tensor of a component as it is in its files, under diffusers' names."""
    return tensors.read(weights.sources[component].tensors, torch.device("cpu"), torch.float32)


def official_tensors(weights: Weights) -> dict[str, Tensor]:
    """Return the network and its encoders under official names."""
    return {
        official_key(component, name): tensor
        for component in PREFIXES
        if component in weights.components
        for name, tensor in values(weights, component).items()
        if name != SILENCE
    }


def official_config(weights: Weights) -> dict[str, object]:
    """Return the official config.json of a checkpoint."""
    parts = {name: source.config for name, source in weights.sources.items()}
    encoder = parts["condition_encoder"]
    wide = ("hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads")
    merged = {**parts.get("audio_tokenizer", {}), **encoder, **parts["transformer"]}
    merged |= {f"encoder_{name}": encoder[name] for name in wide}
    return {name: value for name, value in merged.items() if not name.startswith("_")}


def _official(weights: Weights, folder: Path) -> Path:
    network = folder / "checkpoints" / "acestep-v15-tiny"
    network.mkdir(parents=True)
    save_file(official_tensors(weights), network / "model.safetensors")
    _official_rest(weights, network)
    return network


def _official_sharded(weights: Weights, folder: Path) -> Path:
    network = folder / "checkpoints" / "acestep-v15-tiny"
    network.mkdir(parents=True)
    everything = official_tensors(weights)
    names = sorted(everything)
    shards = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, part in shards.items():
        save_file({name: everything[name] for name in part}, network / file)
    index = {"metadata": {}, "weight_map": {name: file for file, part in shards.items() for name in part}}
    (network / "model.safetensors.index.json").write_text(json.dumps(index))
    _official_rest(weights, network)
    return network


def _official_rest(weights: Weights, network: Path) -> None:
    (network / "config.json").write_text(json.dumps(official_config(weights)))
    torch.save(weights.silence().transpose(1, 2).contiguous(), network / "silence_latent.pt")
    shutil.copytree(weights.found.vae, network.parent / "vae")
    text = network.parent / "Qwen3-Embedding-0.6B"
    shutil.copytree(weights.found.text, text)
    shutil.copy(weights.found.tokenizer, text)


def _diffusers(weights: Weights, folder: Path) -> Path:
    return Path(shutil.copytree(weights.found.network, folder / "pipeline"))


def _comfyui_aio(weights: Weights, folder: Path) -> Path:
    file = folder / "checkpoints" / "ace_step_1.5_tiny_aio.safetensors"
    file.parent.mkdir(parents=True)
    everything = {f"model.diffusion_model.{name}": tensor for name, tensor in official_tensors(weights).items()}
    everything |= {f"vae.{name}": tensor for name, tensor in original_vae(weights, "parametrizations").items()}
    everything |= {_COMFY_TEXT + name: tensor for name, tensor in values(weights, "text_encoder").items()}
    everything["text_encoders.qwen3_2b.transformer.model.embed_tokens.weight"] = torch.zeros(8, 48)  # the planner
    save_file(everything, file)
    return file


def _comfyui_split(weights: Weights, folder: Path) -> Path:
    files = {
        "diffusion_models/acestep_v1.5_tiny.safetensors": official_tensors(weights),
        "vae/ace_1.5_vae.safetensors": original_vae(weights, "weight_g"),
        "vae/another_vae.safetensors": {"decoder.conv_in.weight": torch.zeros(4)},
        "text_encoders/qwen_0.6b_ace15.safetensors": {
            f"model.{name}": tensor for name, tensor in values(weights, "text_encoder").items()
        },
        "text_encoders/qwen_1.7b_ace15.safetensors": {"model.embed_tokens.weight": torch.zeros(8, 48)},
    }
    for name, content in files.items():
        (folder / "models" / name).parent.mkdir(parents=True, exist_ok=True)
        save_file(content, folder / "models" / name)
    return folder / "models" / "diffusion_models" / "acestep_v1.5_tiny.safetensors"


def original_vae(weights: Weights, spelling: str) -> dict[str, Tensor]:
    """Return the autoencoder under original names, with either spelling of weight norm."""
    renamed = {}
    for name, tensor in values(weights, "vae").items():
        original = vae_names.to_original(name)
        if spelling == "parametrizations":
            original = original.replace("weight_g", "parametrizations.weight.original0")
            original = original.replace("weight_v", "parametrizations.weight.original1")
        renamed[original] = tensor.flatten().contiguous() if vae_names.is_snake(name) else tensor
    return renamed


def rewrite(file: Path, change) -> None:
    """Replace a safetensors file by what a function makes of its tensors."""
    changed = change(load_file(file))
    save_file({name: tensor.clone() for name, tensor in changed.items()}, file)
