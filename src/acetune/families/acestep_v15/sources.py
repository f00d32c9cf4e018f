"""Reads where the tensors of each component are, in every layout, under diffusers' names. No torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from acetune.errors import DataError
from acetune.families.acestep_v15 import comfyui, configs, tiny, vae_names
from acetune.families.acestep_v15.names import PREFIXES, component_of
from acetune.families.acestep_v15.places import DIFFUSERS_STEM, OFFICIAL_STEM, Found
from acetune.families.tensors import Source, TensorRef, read_json, read_shards
from acetune.families.variant import Variant

#: Formats that weights can be trained on top of; the rest are quantised.
_TRAINABLE = ("F64", "F32", "F16", "BF16")


def read_sources(found: Found, variant: Variant) -> dict[str, Source]:
    """Return the arguments and the tensors of every component, reading nothing but headers.

    Args:
        found: A checkpoint with no part missing.
        variant: What it is said to be; an embedded variant in a ComfyUI file has a window of its own.

    Raises:
        DataError: If a file is broken, quantised, or has tensors that this family does not have.
    """
    assert found.vae is not None and found.text is not None
    network = _READERS[found.layout](found.network, variant)
    return network | {"vae": _vae(found.vae), "text_encoder": _text(found.text)}


def _official(folder: Path, variant: Variant) -> dict[str, Source]:
    """Return the network and encoders of an official folder."""
    config = read_json(folder / "config.json")
    parts = _split(read_shards(folder, OFFICIAL_STEM), folder)
    return {name: Source(configs.from_official(name, config), refs) for name, refs in parts.items()}


def _diffusers(folder: Path, variant: Variant) -> dict[str, Source]:
    """Return the network and encoders of a diffusers folder."""
    return {name: _diffusers_part(folder / name) for name in PREFIXES if (folder / name).is_dir()}


def _diffusers_part(folder: Path) -> Source:
    """Return one component's folder."""
    config = read_json(folder / "config.json")
    return Source(config, read_shards(folder, DIFFUSERS_STEM))


def _comfyui(file: Path, variant: Variant) -> dict[str, Source]:
    """Return the network and encoders of a ComfyUI file; their sizes follow from the tensors."""
    window = tiny.window(variant) if variant.embedded else configs.WINDOW
    parts = _split(comfyui.network_tensors(file), file)
    return {name: _inferred(name, refs, file, window) for name, refs in parts.items()}


_READERS: Mapping[str, Callable[[Path, Variant], dict[str, Source]]] = {
    "official": _official,
    "diffusers": _diffusers,
    "comfyui-aio": _comfyui,
    "comfyui-split": _comfyui,
}


def _split(refs: Mapping[str, TensorRef], path: Path) -> dict[str, dict[str, TensorRef]]:
    """Sort official names into components under diffusers' names.

    Raises:
        DataError: If a name belongs to no component, or the weights are quantised.
    """
    parts: dict[str, dict[str, TensorRef]] = {name: {} for name in PREFIXES}
    for key, ref in refs.items():
        place = component_of(key)
        if ref.dtype not in _TRAINABLE:
            raise DataError("weights.quantised", path=path, dtype=ref.dtype, tensor=key)
        if place is None:
            raise DataError("weights.unknown_tensor", path=path, tensor=key)
        parts[place[0]][place[1]] = ref
    return {name: tensors for name, tensors in parts.items() if tensors}


def _vae(place: Path) -> Source:
    """Return the audio autoencoder."""
    if place.is_dir():
        return _diffusers_part(place)
    tensors = {}
    for key, ref in comfyui.vae_tensors(place).items():
        name = vae_names.to_diffusers(key)
        flat = vae_names.is_snake(name) and len(ref.shape) == 1
        tensors[name] = replace(ref, shape=(1, *ref.shape, 1)) if flat else ref
    return _inferred("vae", tensors, place)


def _text(place: Path) -> Source:
    """Return the text encoder."""
    if place.is_file():
        return _inferred("text_encoder", comfyui.text_tensors(place), place)
    refs = read_shards(place, OFFICIAL_STEM)
    tensors = comfyui.strip_to({n: r for n, r in refs.items() if not n.startswith("lm_head")}, "embed_tokens.weight")
    return Source(read_json(place / "config.json"), tensors)


def _inferred(component: str, tensors: Mapping[str, TensorRef], path: Path, window: int = configs.WINDOW) -> Source:
    """Return a component whose arguments follow from its tensors.

    Raises:
        DataError: If a tensor that tells a size is not there.
    """
    shapes = Source({}, tensors).shapes
    try:
        return Source(configs.from_shapes(component, shapes, window), tensors)
    except KeyError as cause:
        raise DataError("weights.missing_tensor", path=path, component=component, tensor=cause.args[0]) from cause
