"""What a ComfyUI file holds: network, autoencoder and text encoder behind prefixes, told by their content. No torch.

ComfyUI's one-file checkpoints put ``model.diffusion_model.``, ``vae.`` and ``text_encoders.<name>.transformer.model.``
before the original names; its split files have shorter prefixes or none. So a part is found by a tensor that it must
have, and whatever stands before that name is its prefix.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from acetune.errors import DataError
from acetune.families.tensors import TensorRef, read_header

#: A tensor that every network file has, behind any prefix.
_NETWORK_KEY = "decoder.scale_shift_table"
_TEXT_KEY = "embed_tokens.weight"
#: The upsampling convolution whose kernel (twice its stride) tells this autoencoder (2, 4, 4, 6, 10) from Stable
#: Audio's (2, 4, 4, 8, 8): by ComfyUI's name in both spellings of weight norm, and by diffusers' name.
_VAE_KEYS = (
    "decoder.layers.2.layers.1.weight_v",
    "decoder.layers.2.layers.1.parametrizations.weight.original1",
    "decoder.block.1.conv_t1.weight_v",
)
_VAE_KERNEL = 12
#: Tokens of the published text encoder; plain Qwen3 of the same width has more, and other weights.
_VOCABULARY = 151_669


def strip_to(refs: Mapping[str, TensorRef], key: str) -> dict[str, TensorRef]:
    """Return the tensors that share the prefix of this key, without that prefix; empty if the key is not there."""
    prefix = next((name.removesuffix(key) for name in refs if _ends(name, key)), None)
    if prefix is None:
        return {}
    return {name.removeprefix(prefix): ref for name, ref in refs.items() if name.startswith(prefix)}


def network_tensors(file: Path) -> dict[str, TensorRef]:
    """Return the tensors of the network in a ComfyUI file, under their official names."""
    return strip_to(read_header(file), _NETWORK_KEY)


def vae_tensors(file: Path) -> dict[str, TensorRef]:
    """Return the tensors of the autoencoder in a ComfyUI file, under the names they have there."""
    refs = read_header(file)
    return next((found for key in _VAE_KEYS if (found := strip_to(refs, key))), {})


def text_tensors(file: Path) -> dict[str, TensorRef]:
    """Return the tensors of the text encoder in a ComfyUI file, under transformers' names; not those of a planner."""
    refs = {name: ref for name, ref in read_header(file).items() if not name.startswith("lm_head")}
    first = {name: ref for name, ref in refs.items() if "qwen3_06b" in name}
    return strip_to(first or refs, _TEXT_KEY)


def is_network(file: Path) -> bool:
    """Whether a file is whole and has a network of this family."""
    return _NETWORK_KEY in _try(network_tensors, file)


def is_vae(file: Path) -> bool:
    """Whether a file is whole and has this family's autoencoder."""
    refs = _try(vae_tensors, file)
    return any(key in refs and refs[key].shape[-1] == _VAE_KERNEL for key in _VAE_KEYS)


def is_text(file: Path, width: int) -> bool:
    """Whether a file is whole and has the text encoder of this width."""
    refs = _try(text_tensors, file)
    return _TEXT_KEY in refs and refs[_TEXT_KEY].shape[1] == width and refs[_TEXT_KEY].shape[0] <= _VOCABULARY


def _try(reader: Callable[[Path], dict[str, TensorRef]], file: Path) -> dict[str, TensorRef]:
    """Return what a reader finds, nothing in a broken file: folders hold all kinds of files."""
    try:
        return reader(file)
    except (DataError, OSError):
        return {}


def _ends(name: str, key: str) -> bool:
    """Whether a name is this key behind a prefix of whole parts."""
    return name == key or name.endswith(f".{key}")
