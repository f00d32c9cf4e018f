"""Where the parts of ACE-Step v1 are on this machine. No torch."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from acetune import compute, files
from acetune.errors import DataError
from acetune.families import weights
from acetune.families.variant import Variant

#: Folders of a checkpoint, by what acetune calls the part.
FOLDERS: Final = {
    "network": "ace_step_transformer",
    "vae": "music_dcae_f8c8",
    "vocoder": "music_vocoder",
    "text": "umt5-base",
}
#: What the vocabulary of lyrics is called in a checkpoint of ours, and in others' installations.
VOCABULARY: Final = "lyric_vocabulary.json"
_ELSEWHERE: Final = ("comfy/text_encoders/ace_lyrics_tokenizer/vocab.json", "models/lyrics_utils/vocab.json")
#: SHA-256 of the published vocabulary (364,005 bytes, Apache-2.0); it is not in the published checkpoint.
VOCABULARY_SHA256: Final = "c2a66ea48c478c0bb9acb5497144b926acdeaa37128faa799508d40f2b9cc558"
#: Where the official app keeps what it downloads.
_OFFICIAL_CACHE: Final = ".cache/ace-step/checkpoints"


@dataclass(frozen=True)
class Found:
    """A checkpoint on this machine.

    Attributes:
        root: Folder that holds the four others.
        vocabulary: Of the lyrics; None if it is not here.
    """

    root: Path
    vocabulary: Path | None

    @property
    def parts(self) -> Mapping[str, Path | None]:
        """Return the folder of every part, the network first, and the vocabulary."""
        return {part: self.root / folder for part, folder in FOLDERS.items()} | {"lyrics": self.vocabulary}


def locate(variant: Variant, path: Path | None, models: Path) -> Found | None:
    """Find the weights of a variant without reading them.

    Args:
        variant: What is wanted.
        path: Folder that the user gave; None looks in the workspace's folder of models, the hub's cache and the
            official app's.
        models: The workspace's folder of models.

    Raises:
        DataError: If the path that was given is no whole checkpoint.
    """
    if path is not None:
        root = next((folder for folder in (path, path / own_folder(variant)) if _is_whole(folder)), None)
        if root is None:
            raise DataError("weights.not_v1", path=path, wanted=", ".join(FOLDERS.values()))
        return Found(root, vocabulary_of(variant, root, models))
    root = next((folder for folder in _roots(variant, models) if _is_whole(folder)), None)
    return None if root is None else Found(root, vocabulary_of(variant, root, models))


def own_folder(variant: Variant) -> str:
    """Return the name of the folder that a variant is kept in."""
    return variant.repositories[0].id.rpartition("/")[2] if variant.repositories else variant.name


def vocabulary_of(variant: Variant, root: Path, models: Path) -> Path | None:
    """Return the vocabulary of lyrics: the checkpoint's own, or a published one anywhere here."""
    places = [root / VOCABULARY, models / "checkpoints" / own_folder(variant) / VOCABULARY, *_installed()]
    found = (place for place in places if place.is_file())
    return next((place for place in found if variant.embedded or is_published(place)), None)


def is_published(file: Path) -> bool:
    """Whether a file is the published vocabulary."""
    return files.content_hash(file) == VOCABULARY_SHA256


def _roots(variant: Variant, models: Path) -> Iterator[Path]:
    """Yield where a checkpoint may be."""
    yield models / "checkpoints" / own_folder(variant)
    yield models / variant.name
    for repository in variant.repositories:
        snapshot = weights.cached_snapshot(repository.id)
        if snapshot is not None:
            yield snapshot
        yield Path.home() / _OFFICIAL_CACHE


def _installed() -> Iterator[Path]:
    """Yield where ComfyUI and the official app have the vocabulary."""
    comfyui = compute.environment("COMFYUI")
    if comfyui:
        yield from (Path(comfyui) / up / _ELSEWHERE[0] for up in ("", ".."))
    official = importlib.util.find_spec("acestep")
    if official is not None and official.submodule_search_locations:
        yield from (Path(folder) / _ELSEWHERE[1] for folder in official.submodule_search_locations)


def _is_whole(root: Path) -> bool:
    """Whether a folder has all four parts, each with its weights."""
    stems = {"text": "model"}
    return all(
        (root / folder / "config.json").is_file()
        and weights.is_complete(root / folder, stems.get(part, "diffusion_pytorch_model"))
        for part, folder in FOLDERS.items()
    )
