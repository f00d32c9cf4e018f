"""Weights of annotators: what is published, and where it is on this machine. No torch.

Nothing is ever downloaded here: `acetune models get NAME` does that, after showing size and licence.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from acetune.annotation.annotator import Setup
from acetune.errors import DataError, MissingDependency

_CONFIGURATION = "config.json"
_STEMS = ("model", "pytorch_model")
_ENDINGS = (".safetensors", ".bin")


@dataclass(frozen=True)
class Publication:
    """Weights that an annotator uses unless the user chose others.

    Attributes:
        repository: Hub id.
        size_bytes: Of the download, as the model card states it.
        licence: As the model card states it.
        summary: One sentence for people.
        folder: Of the repository, where it holds more than this model.
        kinds: Patterns of the files that are needed.
        sign: The file by which a folder of them is known.
    """

    repository: str
    size_bytes: int
    licence: str
    summary: str
    folder: str = ""
    kinds: tuple[str, ...] = ("*.json", "*.txt", "*.jinja", "*.safetensors")
    sign: str = _CONFIGURATION

    @property
    def patterns(self) -> tuple[str, ...]:
        """Return the patterns of the needed files inside the repository."""
        return tuple(f"{self.folder}/{kind}" if self.folder else kind for kind in self.kinds)


#: Name of an annotator to its weights; sizes and licences as the cards state them.
PUBLISHED: Mapping[str, Publication] = MappingProxyType(
    {
        "tags": Publication(
            "laion/larger_clap_music_and_speech",
            776_000_000,
            "Apache-2.0",
            "Listens: tags by comparison with label lists; quick on a processor.",
            kinds=("*.json", "*.txt", "*.bin"),
        ),
        "caption": Publication(
            "ACE-Step/acestep-captioner", 22_400_000_000, "MIT", "Listens: captions in ACE-Step 1.5's own words; 12 GB."
        ),
        "lyrics": Publication(
            "ACE-Step/acestep-transcriber", 22_400_000_000, "MIT", "Listens: lyrics in sections, 50 languages; 12 GB."
        ),
        "whisper": Publication(
            "openai/whisper-large-v3-turbo", 1_620_000_000, "MIT", "Listens: lyrics with times of lines; 4 GB."
        ),
        "vocals": Publication(
            "adefossez/HTDemucs",
            168_000_000,
            "MIT",
            "Helps whisper: the voice alone (needs acetune[stems]).",
            kinds=("*.yaml", "*.safetensors"),
            sign="htdemucs.yaml",
        ),
        "omni": Publication(
            "Qwen/Qwen2.5-Omni-7B", 22_400_000_000, "Apache-2.0", "Listens: tags, caption and short lyrics; 12 GB."
        ),
        "codes": Publication(
            "ACE-Step/Ace-Step1.5",
            3_710_000_000,
            "MIT",
            "Listens: caption and genre by ACE-Step 1.5's language model; 6 GB.",
            folder="acestep-5Hz-lm-1.7B",
        ),
    }
)


def find(setup: Setup, name: str, default_id: str) -> Path:
    """Return the folder of an annotator's weights, whole, without looking anywhere but on this machine.

    Args:
        setup: Whose `model_ids` may name another folder or hub id.
        name: Of the annotator.
        default_id: Hub id of the weights that it uses otherwise.

    Raises:
        MissingDependency: If they are not here; says what gets them.
        DataError: If the folder that the user named holds no checkpoint.
    """
    chosen = setup.model_ids.get(name)
    if chosen is not None and Path(chosen).expanduser().exists():
        return _given(Path(chosen).expanduser(), name)
    wanted, sign = chosen or default_id, _sign(name)
    found = next((folder for folder in _places(setup, name, wanted) if is_whole(folder, sign)), None)
    if found is not None:
        return found
    if chosen is not None:
        raise MissingDependency("listening.no_such_model", name=name, model=chosen)
    known = PUBLISHED.get(name)
    size = f"{known.size_bytes / 1e9:.1f} GB, licence {known.licence}" if known else "see its page on the hub"
    raise MissingDependency("listening.no_weights", name=name, repository=wanted, size=size)


def own(setup: Setup, name: str) -> Path:
    """Return the folder of the weights that an annotator of `PUBLISHED` uses (raises as `find`)."""
    return find(setup, name, PUBLISHED[name].repository)


def is_whole(folder: Path, sign: str = _CONFIGURATION) -> bool:
    """Whether a folder has the file by which it is known and every weight file that belongs to it."""
    if not (folder / sign).is_file():
        return False
    if (folder / "model.bin").is_file() or (sign != _CONFIGURATION and any(folder.glob("*.safetensors"))):
        return True  # CTranslate2 and Demucs have files of their own kind
    return any(_has_weights(folder, stem + ending) for ending in _ENDINGS for stem in _STEMS)


def _sign(name: str) -> str:
    """Return the file by which the weights of an annotator are known."""
    return PUBLISHED[name].sign if name in PUBLISHED else _CONFIGURATION


def _given(folder: Path, name: str) -> Path:
    """Return the folder that the user named.

    Raises:
        DataError: If it holds no checkpoint.
    """
    if not is_whole(folder, _sign(name)):
        raise DataError("listening.no_checkpoint", path=folder, name=name)
    return folder


def _places(setup: Setup, name: str, wanted: str) -> Iterator[Path]:
    """Yield the folders where weights may be: the workspace's, the official app's, the hub's cache."""
    known = PUBLISHED.get(name)
    inside = known.folder if known and known.repository == wanted else ""
    if name not in setup.model_ids:
        yield setup.models / name
    yield setup.models / "checkpoints" / (inside or wanted.rpartition("/")[2])
    yield from _cached(wanted, f"{inside}/{_sign(name)}" if inside else _sign(name))


def _cached(repository: str, file: str) -> Iterator[Path]:
    """Yield the folder of a file in the hub's cache, if it is there."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(repository, file)
    except HFValidationError:  # the user's words are no hub id
        return
    if isinstance(found, str):
        yield Path(found).parent


def _has_weights(folder: Path, file: str) -> bool:
    """Whether a folder has a weight file, in one piece or all its shards."""
    if (folder / file).is_file():
        return True
    index = folder / f"{file}.index.json"
    try:
        shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return bool(shards) and all((folder / shard).is_file() for shard in shards)
