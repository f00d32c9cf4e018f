"""Where the weights of a variant are on this machine, in whatever layout. No torch.

A checkpoint has three parts: the network with its encoders, the audio autoencoder, and the text encoder. Some layouts
keep them together, others apart, so each part is found by itself and recognised by its content.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from acetune import compute
from acetune.errors import DataError
from acetune.families import weights
from acetune.families.acestep_v15 import comfyui
from acetune.families.tensors import read_header, read_json
from acetune.families.variant import Variant

#: Folders of the official app.
TEXT_FOLDER, VAE_FOLDER = "Qwen3-Embedding-0.6B", "vae"
#: The bundle that holds both; and where the same tokenizer is published alone.
MAIN, TEXT_REPOSITORY = "ACE-Step/Ace-Step1.5", "Qwen/Qwen3-Embedding-0.6B"

#: The parts that all variants share.
SHARED = ("vae", "text", "tokenizer")
#: Names of weight files without their ending.
DIFFUSERS_STEM, OFFICIAL_STEM = "diffusion_pytorch_model", "model"

_COMFY_FOLDERS = ("", "diffusion_models", "checkpoints", "unet", "split_files/diffusion_models")


@dataclass(frozen=True)
class Found:
    """The weights of a variant on this machine.

    Attributes:
        layout: official, diffusers, comfyui-aio or comfyui-split.
        network: Folder or file of the network and its encoders; what people are shown.
        vae: Folder or file of the audio autoencoder; None if it is not here.
        text: Folder or file of the text encoder; None if it is not here.
        tokenizer: The text encoder's ``tokenizer.json``; None if it is not here.
    """

    layout: str
    network: Path
    vae: Path | None
    text: Path | None
    tokenizer: Path | None

    @property
    def missing(self) -> tuple[str, ...]:
        """Return the names of the parts that are not here."""
        return tuple(part for part in SHARED if getattr(self, part) is None)


def locate(variant: Variant, path: Path | None, models: Path) -> Found | None:
    """Find the weights of a variant without reading them.

    Args:
        variant: What is wanted.
        path: Folder, file or hub id that the user gave; None looks in the usual places: the workspace's folder of
            models, the hub's cache, and the ComfyUI that ``ACETUNE_COMFYUI`` names.
        models: The workspace's folder of models.

    Returns:
        What was found, perhaps with parts missing; None if the network itself is nowhere.

    Raises:
        DataError: If the path that was given is no checkpoint of this family.
    """
    if path is None:
        network = next(_networks(variant, models), None)
    else:
        network = network_at(path, variant) if path.exists() else _at_hub_id(path, variant, models)
    return None if network is None else _complete(network, models)


def network_at(path: Path, variant: Variant) -> Path | None:
    """Return the network that a path holds: a diffusers or official folder, or a ComfyUI file.

    Raises:
        DataError: If there is none.
    """
    if path.is_file():
        return _network_file(path)
    for folder in (path, *_official_names(path, variant), *_official_names(path / "checkpoints", variant)):
        if layout_of(folder) is not None:
            return folder
    files = [file for root in (path, path / "models") for file in _comfy_files(root) if comfyui.is_network(file)]
    chosen = [file for file in files if _is_named(file, variant)] or files
    if len(chosen) != 1:
        names = ", ".join(file.name for file in chosen) or "-"
        raise DataError("weights.unknown_folder", path=path, variant=variant.name, found=names)
    return chosen[0]


def layout_of(network: Path) -> str | None:
    """Return the layout of a network, whole or not; None where there is none."""
    if network.is_file():
        return "comfyui-aio" if any(key.startswith("vae.") for key in read_header(network)) else "comfyui-split"
    if (network / "model_index.json").is_file() and (network / "transformer").is_dir():
        return "diffusers"
    names = (f"{OFFICIAL_STEM}.safetensors", f"{OFFICIAL_STEM}.safetensors.index.json")
    if (network / "config.json").is_file() and any((network / name).is_file() for name in names):
        return "official"
    return None


def is_whole(network: Path) -> bool:
    """Whether every file of an official or diffusers network is here in its full length."""
    if layout_of(network) == "diffusers":
        return all(weights.is_complete(network / part, DIFFUSERS_STEM) for part in ("transformer", "condition_encoder"))
    return layout_of(network) == "official" and weights.is_complete(network, OFFICIAL_STEM)


def _networks(variant: Variant, models: Path) -> Iterator[Path]:
    """Yield whole networks of a variant in the usual places, the nearest first."""
    folders = [models / variant.name, *_official_names(models / "checkpoints", variant)]
    for repository in variant.repositories[:1]:
        folder = PurePosixPath(repository.patterns[0]).parent
        cached = weights.cached_file(repository.id, (folder / "config.json").as_posix())
        folders += [cached.parent] if cached is not None else []
        packed = weights.cached_file(f"{repository.id}-diffusers", "model_index.json")
        folders += [packed.parent] if packed is not None else []
    yield from filter(is_whole, folders)
    for root in _comfyui_roots():
        yield from (file for file in _comfy_files(root) if _is_named(file, variant) and comfyui.is_network(file))


def _complete(network: Path, models: Path) -> Found:
    """Return a network together with its other parts, the nearest of each."""
    width = _text_width(network)
    vaes = _near(network, models, VAE_FOLDER, ("vae",))
    texts = _near(network, models, TEXT_FOLDER, ("text_encoder", "text_encoders"))
    vae = next((place for place in vaes if _is_vae(place)), None)
    text = next((place for place in texts if _is_text(place, width)), None)
    tokenizer = tokenizer_in(filter(None, (network / "tokenizer", text)), models)
    return Found(layout_of(network) or "unknown", network, vae, text, tokenizer)


def _near(network: Path, models: Path, official: str, comfy: tuple[str, ...]) -> Iterator[Path]:
    """Yield places where another part of a checkpoint may be: beside the network first, shared ones last."""
    if network.is_file():
        yield network
    near = (network, *network.parents[:3])
    for folder in near:
        yield from (folder / name for name in (official, *comfy))
    for folder in (*near[1:], *_comfyui_roots()):
        for name in comfy:
            files = (folder / name).glob("*.safetensors")
            yield from sorted(files, key=lambda file: ("ace" not in file.name, file.name))
    yield models / "checkpoints" / official
    cached = weights.cached_file(MAIN, f"{official}/config.json")
    if cached is not None:
        yield cached.parent


def tokenizer_in(places: Iterable[Path], models: Path) -> Path | None:
    """Return the text encoder's ``tokenizer.json`` from one of these folders, else the published one.

    That is the same for all variants, and ComfyUI's files carry none, so any copy of it will do.
    """
    files = [place / "tokenizer.json" for place in (*places, models / "checkpoints" / TEXT_FOLDER)]
    cached = (
        weights.cached_file(MAIN, f"{TEXT_FOLDER}/tokenizer.json"),
        weights.cached_file(TEXT_REPOSITORY, "tokenizer.json"),
    )
    return next((file for file in (*files, *cached) if file is not None and file.is_file()), None)


def _is_vae(place: Path) -> bool:
    """Whether a folder or file holds an audio autoencoder."""
    if place.is_dir():
        return (place / "config.json").is_file() and weights.is_complete(place, DIFFUSERS_STEM)
    return place.is_file() and comfyui.is_vae(place)


def _is_text(place: Path, width: int) -> bool:
    """Whether a folder or file holds a text encoder of this width (ComfyUI keeps wider planners beside it)."""
    if place.is_file():
        return comfyui.is_text(place, width)
    config = place / "config.json"
    return (
        config.is_file() and read_json(config).get("hidden_size") == width and weights.is_complete(place, OFFICIAL_STEM)
    )


def _text_width(network: Path) -> int:
    """Return the width of the text encoder that a network was trained with."""
    if network.is_file():
        return comfyui.network_tensors(network)["encoder.text_projector.weight"].shape[1]
    folder = network / "condition_encoder"
    config = read_json((folder if folder.is_dir() else network) / "config.json")
    width = config.get("text_hidden_dim", 1024)
    return width if isinstance(width, int) else 1024


def _network_file(path: Path) -> Path:
    """Return the network of a file: the folder around an official or diffusers file, a ComfyUI file itself.

    Raises:
        DataError: If the file is something else.
    """
    for folder in path.parents[:2]:
        if layout_of(folder) is not None:
            return folder
    if path.suffix != ".safetensors" or not comfyui.network_tensors(path):
        raise DataError("weights.unknown_file", path=path)
    return path


def _official_names(folder: Path, variant: Variant) -> Iterator[Path]:
    """Yield the folders under which the official app keeps a variant."""
    yield from (folder / name for name in (*variant.aliases, variant.name))


def _comfyui_roots() -> tuple[Path, ...]:
    """Return the folder of models of the ComfyUI that the environment names; it may name either folder."""
    root = compute.environment("COMFYUI")
    return (Path(root), Path(root) / "models") if root else ()


def _comfy_files(folder: Path) -> list[Path]:
    """Return the safetensors files where ComfyUI keeps networks, below a folder of any depth of its tree."""
    return [file for name in _COMFY_FOLDERS for file in sorted((folder / name).glob("*.safetensors"))]


def _is_named(file: Path, variant: Variant) -> bool:
    """Whether a file carries the name under which ComfyUI's packagers publish a variant."""
    name = variant.name.replace("-", "_")
    return re.fullmatch(rf"ace_?step_v?1\.5_{name}(_aio)?(_(bf|fp)\d+)?", file.stem.lower()) is not None


def _at_hub_id(path: Path, variant: Variant, models: Path) -> Path | None:
    """Return the network of a hub id (``owner/name``) that was fetched before; None if it must be fetched.

    Raises:
        DataError: If the path is neither a file or folder nor a hub id.
    """
    if not weights.is_hub_id(path):
        raise DataError("weights.not_found", path=path)
    if any(path.as_posix() == repository.id for repository in variant.repositories):
        return next(_networks(variant, models), None)
    for folder in (models / "checkpoints" / path.name, weights.cached_snapshot(path.as_posix())):
        if folder is not None and folder.is_dir():
            try:
                return network_at(folder, variant)
            except DataError:
                continue  # a part of that repository is here, the network is not
    return None
